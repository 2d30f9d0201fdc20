"""Datasets that leave a run, and datasets of AiiDA-TrainsPot that a run begins with."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from aims_pax.cli.commands.campaign.export import FILE_SUFFIXES, FORMATS
from aims_pax.cli.program import program
from aims_pax.dataset.extxyz import read_dataset
from aims_pax.face.run import open_run
from aims_pax.frame import Split, Stage
from aims_pax.outcome.datasets import FILES, Format

from ..unit.dataset.test_trainspot import item, written
from .engines import PLAIN, Watched, emt
from .projects import copper, copper_project, labels_of, run

pytestmark = pytest.mark.usefixtures("springs")


def export(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(program, ["export", str(folder), *options], env={"COLUMNS": "300"})


def words(done: Result) -> str:
    return " ".join(done.output.split())


@pytest.fixture(scope="module")
def finished(initial_copper: Path) -> Path:
    return initial_copper


def test_command_knows_the_formats_and_suffixes_that_there_are() -> None:
    assert list(FORMATS) == list(Format)
    assert set(FILE_SUFFIXES) == set(FILES)


def test_hdf5_of_each_use_holds_what_extended_xyz_holds(finished: Path, tmp_path: Path) -> None:
    for options in (["--format", "hdf5"], []):
        assert export(finished, "--out", str(tmp_path), *options).exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{split}.{suffix}" for split in ("training", "validation") for suffix in ("h5", "extxyz")
    }
    for split in (Split.TRAINING, Split.VALIDATION):
        by_hdf5, by_text = (read_dataset(tmp_path / f"{split}.{suffix}") for suffix in ("h5", "extxyz"))
        assert set(by_hdf5.splits) == {split}
        pairs = zip(by_hdf5.structures, by_text.structures, strict=True)
        assert all(np.array_equal(one.positions, two.positions) for (one, _), (two, _) in pairs)


def test_one_file_holds_all_and_a_sample_some(finished: Path, tmp_path: Path) -> None:
    for name in ("all.h5", "all.extxyz"):
        done = export(finished, "--out", str(tmp_path / "new" / name))
        assert "(8 structures)" in words(done)
        assert Counter(read_dataset(tmp_path / "new" / name).splits) == {Split.TRAINING: 4, Split.VALIDATION: 4}
    drawn = []
    for seed in ("1", "1", "2"):
        path = tmp_path / "some.extxyz"
        assert "(3 structures)" in words(export(finished, "--out", str(path), "--sample", "3", "--seed", seed))
        drawn.append([frame.md_step + 1000 * frame.trajectory for frame, _ in read_dataset(path).structures])
    assert drawn[0] == drawn[1] != drawn[2]


def test_python_writes_a_file_of_all(finished: Path, tmp_path: Path) -> None:
    (path,) = open_run(finished).export(tmp_path / "all.h5")
    assert len(read_dataset(path).structures) == 8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "lmdb"], "lmdb is no format. Allowed: extxyz | hdf5"),
        (["--sample", "0"], "0 structures can't be drawn"),
        (["--seed", "3"], "Nothing is drawn without --sample"),
        (["--models", "--sample", "3"], "With --models all structures are written"),
        (["--models", "--out", "all.h5"], "Models go into a folder"),
        (["--format", "extxyz", "--out", "all.h5"], "The name is that of a file in hdf5, and --format is extxyz"),
    ],
)
def test_options_that_can_not_be_are_told(options: list[str], said: str, finished: Path) -> None:
    done = export(finished, *options)
    assert done.exit_code != 0
    assert said in words(done)


def test_file_that_is_in_the_way_stays_as_it_is(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine", encoding="utf-8")
    done = export(finished, "--out", str(tmp_path / "notes"))
    assert done.exit_code != 0
    assert "This is a file." in done.output
    assert (tmp_path / "notes").read_text(encoding="utf-8") == "mine"


def begun_with(folder: Path, files: dict[str, str], **active: Any) -> Path:
    """Active learning of copper from files."""
    changes: dict[str, Any] = {
        "REFERENCE": {"calculator": PLAIN},
        "INITIAL_DATASET_GENERATION": None,
        "ACTIVE_LEARNING": {**files, "max_train_set_size": 6, "c_x": -0.5, "converge_al": True, **active},
    }
    return copper_project(folder, copper(), changes)


BOTH = {"initial_train_dataset": "set.h5", "initial_valid_dataset": "set.h5"}


def trainspot_set(path: Path, *, with_test: bool = True) -> Path:
    """Copper by EMT, as AiiDA-TrainsPot keeps it; one structure has no label, and one no set."""
    items, rng = [], np.random.default_rng(0)
    sets = ["TRAINING"] * 4 + ["VALIDATION"] * 2 + (["TEST"] * 2 if with_test else []) + [None]
    for number, name in enumerate(sets):
        positions = copper().positions + rng.normal(0.0, 0.05, (4, 3))
        energy, forces = emt(positions, "Cu4")
        plain = {"symbols": ["Cu"] * 4, "cell": np.zeros((3, 3)).tolist(), "pbc": [False] * 3, "dft_stress": None}
        labels = {"dft_energy": energy, "dft_forces": forces.tolist(), "set": name}
        items.append(item(number, positions=positions.tolist(), gen_method="CLUSTER", **plain, **labels))
    items.append(item(50, dft_energy=None, dft_forces=None, dft_stress=None, set=None))
    return written(path, items)


def test_dataset_of_trainspot_begins_a_run_and_its_sets_are_kept(tmp_path: Path, engine: type[Watched]) -> None:
    folder = begun_with(tmp_path / "project", BOTH)
    trainspot_set(folder / "set.h5")
    checked = CliRunner().invoke(program, ["check", "--for", "al", str(folder)], env={"COLUMNS": "300"})
    told = words(checked)
    assert (
        "Structures stay what they are in their dataset: 5 training, 2 validation, 2 test; 1 that say nothing" in told
    )
    assert "1 structures have neither energy nor forces, beside" in told
    summary = run(folder, stages=(Stage.ACTIVE,)).content
    given = [one for one in labels_of(folder) if one.frame.trajectory == -1]
    assert Counter(one.split for one in given) == {Split.TRAINING: 5, Split.VALIDATION: 2, Split.TEST: 2}
    assert {one.frame.config_type for one in given} == {"CLUSTER"}
    assert summary["labels"]["test"] == 2
    assert summary["errors_on_test_set"] is not None


def test_exported_file_begins_another_run_with_the_same_uses(finished: Path, tmp_path: Path) -> None:
    folder = begun_with(tmp_path / "project", BOTH)
    assert export(finished, "--out", str(folder / "set.h5")).exit_code == 0
    run(folder, stages=(Stage.ACTIVE,))
    given = [one for one in labels_of(folder) if one.frame.trajectory == -1]
    assert Counter(one.split for one in given) == Counter(one.split for one in labels_of(finished))


def test_sets_that_a_project_does_not_keep_are_told(tmp_path: Path) -> None:
    folder = begun_with(tmp_path / "project", {"initial_train_dataset": "set.h5", "initial_valid_dataset": "other.h5"})
    trainspot_set(folder / "set.h5")
    trainspot_set(folder / "other.h5", with_test=False)
    checked = words(CliRunner().invoke(program, ["check", "--for", "al", str(folder)], env={"COLUMNS": "300"}))
    assert (
        "Here all are training structures; in the dataset that they come from there are 2 validation, 2 test" in checked
    )
    assert "Here all are validation structures; in the dataset that they come from there are 4 training" in checked


def test_file_for_both_of_which_nothing_validates_is_refused(tmp_path: Path) -> None:
    folder = begun_with(tmp_path / "project", BOTH)
    written(folder / "set.h5", [item(number) for number in range(3)])
    checked = words(CliRunner().invoke(program, ["check", "--for", "al", str(folder)], env={"COLUMNS": "300"}))
    assert "named for training and validation, and holds no structure whose own place is validation" in checked


def test_structures_of_a_training_set_are_told_where_models_are_measured(finished: Path, tmp_path: Path) -> None:
    path = trainspot_set(tmp_path / "set.h5")
    shutil.copytree(finished / "results", tmp_path / "results")
    models = [str(one) for one in sorted((tmp_path / "results" / "committee").glob("*.model"))[:1]]
    done = CliRunner().invoke(
        program, ["evaluate", "--models", *models, "--data", str(path), "--out", str(tmp_path / "out")]
    )
    assert done.exit_code == 0, done.output
    assert "4 of 9 structures are training structures of their dataset." in words(done)
