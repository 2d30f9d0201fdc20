"""GFN1-xTB found the structures, GFN2-xTB labels them again, and MACE models learn both, one after the other."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from ase.io import write
from tblite.ase import TBLite

from aims_pax.atoms import atoms_of
from aims_pax.campaign import run_campaign
from aims_pax.dataset.records import OWN_REFERENCE
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Stage
from aims_pax.settings import load_project

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


def _state(folder: Path, key: str) -> bytes | None:
    with RunStore.open_readonly(folder) as store:
        return store.load_state(key)
