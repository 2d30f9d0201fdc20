"""Pages of campaigns that were run: also of such that label again, choose from a pool, or learn a cheap method."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from aims_pax.campaign import run_campaign
from aims_pax.frame import Split, Stage
from aims_pax.page.charts import figures_of
from aims_pax.page.document import file_address, page_of
from aims_pax.page.figure import Figure
from aims_pax.page.material import Material, read_material
from aims_pax.settings import load_project

from . import test_pretrain, test_relabel
from .projects import copper_project
from .test_campaign_active import write_dataset
from .test_select import N_POOL, POOL_ALONE

pytestmark = pytest.mark.usefixtures("springs")


def looked_at(folder: Path) -> tuple[Material, set[str]]:
    """What is read of a run, and the names of its figures; the page can be put together."""
    material = read_material(folder, name="run")
    page = page_of([material], address=file_address("files"))
    assert "<svg" in page.html
    return material, {figure.name for _, figure in page.figures}


def test_a_finished_run_is_judged_by_its_product_without_its_models(tmp_path: Path) -> None:
    summary = test_relabel.run(test_relabel.project_of(tmp_path, [*test_relabel.LABELS, test_relabel.CONVERGE]))
    for model in tmp_path.rglob("*.model"):
        model.unlink()
    material, names = looked_at(tmp_path)
    assert names >= {"parity", "cumulative", "errors_by_group", "scores", "timeline", "learning_by_labels"}
    assert material.final is not None
    stated = summary["errors_on_validation_set"]["product"]
    assert len(material.final.rows) == stated["n_structures"]
    mae = np.mean([np.abs(row.force_error).mean() for row in material.final.rows])
    assert mae == pytest.approx(stated["force_mae_ev_per_ang"])


def test_a_run_that_was_labelled_again_is_judged_by_the_new_labels(tmp_path: Path) -> None:
    stages = [*test_relabel.LABELS, test_relabel.RELABEL, test_relabel.CONVERGE]
    test_relabel.run(test_relabel.project_of(tmp_path, stages))
    material, names = looked_at(tmp_path)
    assert material.final is not None
    new = {point.label_id: point.label.energy for point in material.labelled if point.split is Split.VALIDATION}
    assert {row.label_id: row.label.energy for row in material.final.rows} == new
    assert "calibration" in names or material.before is not None
    assert len(material.attempts) == 2 * len(material.labelled)


def test_a_dataset_that_was_chosen_from_a_pool_has_no_md_to_show(tmp_path: Path) -> None:
    copper_project(tmp_path)
    write_dataset(tmp_path / "pool.extxyz", n_structures=N_POOL, seed=5)
    changed = {**yaml.safe_load((tmp_path / "aims_PAX.yaml").read_text(encoding="utf-8")), **POOL_ALONE}
    kept = {name: section for name, section in changed.items() if name in ("DATA_FILTERING", "MISC")}
    kept["MISC"] = {name: value for name, value in kept.get("MISC", {}).items() if name != "path_to_geometry"}
    (tmp_path / "aims_PAX.yaml").write_text(yaml.safe_dump(kept), encoding="utf-8")
    both = (Stage.INITIAL, Stage.ACTIVE)
    run_campaign(load_project(tmp_path, stages=both), stages=both, observer=test_relabel.Watcher())
    material, names = looked_at(tmp_path)
    assert "scores" not in names
    assert {"composition", "map", "parity"} <= names
    assert material.summary is not None


def test_labels_of_a_cheap_method_are_none_of_the_runs(tmp_path: Path) -> None:
    test_pretrain.run(test_pretrain.project_of(tmp_path, [test_pretrain.PRETRAIN, *test_pretrain.REST]))
    material, names = looked_at(tmp_path)
    assert "parity" in names
    assert len(material.labelled) == material.counts.n_received
    composition = next(one for one in figures_of(material) if one.name == "composition")
    assert isinstance(composition, Figure)
    assert sum(composition.table[str(split)].sum() for split in Split) == len(material.labelled)
