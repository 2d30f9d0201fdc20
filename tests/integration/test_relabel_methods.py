"""GFN1-xTB found the structures, GFN2-xTB labels them again, and MACE models learn both, one after the other."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from ase.build import molecule
from ase.io import write
from tblite.ase import TBLite
from typer.testing import CliRunner

from aims_pax.atoms import atoms_of
from aims_pax.campaign import run_campaign
from aims_pax.cli.program import program
from aims_pax.dataset.extxyz import read_extxyz
from aims_pax.dataset.records import OWN_REFERENCE
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Stage
from aims_pax.reference.registry import build_reference
from aims_pax.settings import load_project
from aims_pax.stages.stage import stage_of

from ..aims.standin import COMMAND, write_species
from .projects import TINY_MACE, WATER, Watcher, water, write_project

INITIAL = {
    key: value for key, value in WATER["INITIAL_DATASET_GENERATION"].items() if key != "foundational_model_settings"
}


def project_of(folder: Path, last: dict[str, Any]) -> Path:
    write(folder / "water.xyz", water())
    stages = [
        {"initial": INITIAL},
        {"relabel": {"name": "gfn2", "REFERENCE": {"method": "GFN2-xTB"}}},
        {"converge": {"max_convergence_epochs": 3, **last}},
    ]
    settings = {
        "REFERENCE": {"type": "tblite", "method": "GFN1-xTB"},
        "STAGES": stages,
        "MD": WATER["MD"],
        "MISC": {**WATER["MISC"], "path_to_geometry": "water.xyz"},
    }
    write_project(folder, settings)
    large = {**TINY_MACE, "ARCHITECTURE": {**TINY_MACE["ARCHITECTURE"], "num_channels": 8}}
    (folder / "large.yaml").write_text(yaml.safe_dump(large), encoding="utf-8")
    return folder


@pytest.mark.parametrize("last", [{}, {"from_scratch": True, "models": "large.yaml"}], ids=["goes on", "larger"])
def test_models_learn_the_labels_of_the_other_method(last: dict[str, Any], tmp_path: Path) -> None:
    stages = (Stage.INITIAL, Stage.ACTIVE)
    project = load_project(project_of(tmp_path, last), stages=stages)
    run_campaign(project, stages=stages, observer=Watcher())
    with RunStore.open_readonly(tmp_path) as store:
        pairs = list(zip(store.labelled(reference=OWN_REFERENCE), store.labelled(), strict=True))
    for first, second in pairs:
        for one, method in ((first, "GFN1-xTB"), (second, "GFN2-xTB")):
            atoms = atoms_of(one.frame)
            atoms.calc = TBLite(method=method, verbosity=0)
            # tblite converges the energy to 1e-6 Hartree; its wave function of the step before is another beginning
            assert one.label.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-4)
    assert abs(pairs[0][0].label.energy - pairs[0][1].label.energy) > 1.0
    model = torch.load(tmp_path / "results" / "tiny.model", weights_only=False)
    project_h, project_o = json.loads(_state(tmp_path, "isolated_atoms.gfn2") or b"{}").values()
    np.testing.assert_allclose(model.atomic_energies_fn.atomic_energies.ravel(), [project_h, project_o], rtol=1e-6)
    summary = json.loads((tmp_path / "results" / "summary.json").read_text(encoding="utf-8"))
    errors = summary["errors_on_validation_set"]["members"]
    # the models know the mean energy of these labels, and not that of GFN1-xTB, which is eV away
    assert all(one["energy_mae_ev_per_atom"] < 0.3 for one in errors.values())
    n_channels = {tuple(model.node_embedding.linear.irreps_out.ls).count(0)}
    assert n_channels == ({8} if last else {4})


def test_workers_of_the_first_reference_make_room_for_those_of_the_other(tmp_path: Path) -> None:
    project_of(tmp_path, {})
    settings = yaml.safe_load((tmp_path / "aims_PAX.yaml").read_text(encoding="utf-8"))
    settings["CLUSTER"] = {"type": "local", "max_workers": 1}
    write_project(tmp_path, settings)
    stages = (Stage.INITIAL, Stage.ACTIVE)
    summary = run_campaign(load_project(tmp_path, stages=stages), stages=stages, observer=Watcher()).content
    first, last = summary["labels_by_reference"]
    assert first["received"] == last["received"] > 0
    with RunStore.open_readonly(tmp_path) as store:
        assert {one.label.reference.split()[-1] for one in store.labelled(reference=OWN_REFERENCE)} == {"GFN1-xTB"}
        assert {one.label.reference.split()[-1] for one in store.labelled()} == {"GFN2-xTB"}


def aims_project(folder: Path, stages: list[Any]) -> Path:
    """Water by a stand-in for FHI-aims; there is a control.in for PBE0, too."""
    write_species(folder / "light")
    for name, xc in (("control.in", "pbe"), ("control_pbe0.in", "pbe0")):
        (folder / name).write_text(f"xc {xc}\nrelativistic atomic_zora scalar\n", encoding="utf-8")
    write(folder / "geometry.in", water(), format="aims")
    settings = {
        "REFERENCE": {"type": "fhi-aims", "command": COMMAND, "species_dir": "light"},
        "STAGES": stages,
        "MD": WATER["MD"],
    }
    write_project(folder, settings)
    return folder


def test_other_reference_is_what_differs_from_the_first(tmp_path: Path) -> None:
    relabel = {"relabel": {"name": "pbe0", "REFERENCE": {"control": "control_pbe0.in"}}}
    project = load_project(aims_project(tmp_path, [{"initial": INITIAL}, relabel, "converge"]))
    other = project.labelled_by("pbe0")
    (first,), (second,) = (list(one.inputs.values()) for one in (project, other))
    assert "pbe0" in build_reference(other.reference).name
    assert "pbe0" not in build_reference(project.reference).name
    assert first.digest != second.digest
    assert list(stage_of(project.settings.stages[1]).problems(project)) == []


def test_recalc_computes_a_file_by_fhi_aims_with_the_options_of_the_authors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aims_project(tmp_path, ["initial"])
    (tmp_path / "aimsPAX.yaml").write_text(f"REFERENCE: {{command: {COMMAND!r}}}\n", encoding="utf-8")
    write(tmp_path / "data.xyz", [water(), molecule("CH4")], format="extxyz")
    monkeypatch.chdir(tmp_path)
    words = "recalc --data data.xyz --basis_dir light --control control_pbe0.in --properties energy forces"
    done = CliRunner().invoke(program, words.split(), env={"COLUMNS": "300"})
    assert done.exit_code == 0, done.output
    labels = [label for _, label in read_extxyz(tmp_path / "recalculated_data_parsl.xyz")]
    assert [label.forces.shape for label in labels] == [(3, 3), (5, 3)]
    assert all(label.reference.startswith("FHI-aims pbe0, ") for label in labels)


def _state(folder: Path, key: str) -> bytes | None:
    with RunStore.open_readonly(folder) as store:
        return store.load_state(key)
