"""The decision maker of CASTEP's hybrid-md with real models: what it learns from, and the file that it writes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from ase import Atoms
from ase.build import molecule
from mace import data
from mace.tools import AtomicNumberTable
from tblite.ase import TBLite

from aims_pax.atoms import frame_of
from aims_pax.committee import Committee
from aims_pax.dataset.extxyz import read_extxyz
from aims_pax.hybrid.program import answered
from aims_pax.settings.committee.mace import MaceSettings

from ..castep.standin import Castep
from .flights import trained_for_an_epoch

MACE = {
    "GENERAL": {"name_exp": "water"},
    "ARCHITECTURE": {"r_max": 4.0, "num_channels": 8, "max_L": 0, "num_interactions": 1, "correlation": 2},
    "MISC": {"device": "cpu"},
}
INPUT = {
    "can_update": True,
    "num_initial_steps": 6,
    "check_interval": 4,
    "tolerances": {"frmse": 0.02},
    "refit": {"mace": "mace.yaml", "first_epochs": 30, "epochs": 4, "gp_name": "MACE-jit.pt"},
}


def at(step: int) -> Atoms:
    """Water in a box, as MD might have it at a step."""
    atoms = molecule("H2O", vacuum=5.0, pbc=True)
    atoms.positions += np.random.default_rng(step).normal(scale=0.04, size=(3, 3))
    return atoms


class Model:
    """What CASTEP computes by the newest model."""

    def __init__(self, folder: Path) -> None:
        self._weights = folder / "run.ml-model.pt"

    def __call__(self, _atoms: Atoms, step: int) -> tuple[float, Any]:
        if not self._weights.is_file():
            return 0.0, np.zeros((3, 3))
        [said] = Committee.load(self._weights).predict([frame_of(at(step), system="")])
        return float(said.energies[0]), said.forces[0]


def qm(_atoms: Atoms, step: int) -> tuple[float, Any]:
    atoms = at(step)
    atoms.pbc = False
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    return float(atoms.get_potential_energy()), atoms.get_forces()


class Moving(Castep):
    """Whose atoms are where they are at each step."""

    def _write(self, step: int) -> None:
        self.atoms = at(step)
        super()._write(step)


def test_a_run_learns_and_writes_what_castep_reads(tmp_path: Path) -> None:
    (tmp_path / "mace.yaml").write_text(yaml.safe_dump(MACE), encoding="utf-8")
    (tmp_path / "run.hybrid-md-input.yaml").write_text(yaml.safe_dump(INPUT), encoding="utf-8")
    run = Moving(tmp_path, answered, qm, Model(tmp_path), at(0), mode="MD")
    run.initialise()
    run.run(14)
    assert run.qm_steps == [1, 2, 3, 4, 5, 6, 10, 14]
    assert run.models_read == [6, 10, 14]
    assert "8 structures are learned" in run.output
    earlier = sorted(tmp_path.glob("ML-model-step*"))
    assert [path.name[:19] for path in earlier] == ["ML-model-step000010", "ML-model-step000014"]
    assert (earlier[0] / "train.xyz").is_file()

    scripted = torch.jit.load(str(tmp_path / "MACE-jit.pt"))
    energy, forces = Model(tmp_path)(at(3), 3)
    said = scripted(batch_of(at(3)), torch.ones(3, dtype=torch.float64), False)
    assert abs(float(said["total_energy_local"].detach()) - energy) < 1e-4  # the committee computes in float32
    np.testing.assert_allclose(said["forces"].detach().numpy(), forces, atol=1e-4)


CALLS: list[tuple[int, list[str]]] = []
"""Labels and names of models that a training function of the user's own was given."""


def train(labels: Path, models: Sequence[Path], folder: Path) -> Path:
    """A single model."""
    CALLS.append((len(read_extxyz(labels)), [path.name for path in models]))
    [path] = trained_for_an_epoch(labels, models, folder, mace=MACE, seeds=(42,))
    return path


def test_a_function_of_the_users_own_trains(tmp_path: Path) -> None:
    CALLS.clear()
    refit = {"mace": "mace.yaml", "gp_name": "MACE-jit.pt", "function_name": f"{__name__}:train"}
    (tmp_path / "mace.yaml").write_text(yaml.safe_dump(MACE), encoding="utf-8")
    (tmp_path / "run.hybrid-md-input.yaml").write_text(yaml.safe_dump({**INPUT, "refit": refit}), encoding="utf-8")
    run = Moving(tmp_path, answered, qm, Model(tmp_path), at(0), mode="MD")
    run.initialise()
    run.run(10)
    assert run.models_read == [6, 10]
    assert CALLS == [(6, []), (7, ["before_42.model"])]
    made = Committee.from_models(
        MaceSettings.model_validate({key.lower(): value for key, value in MACE.items()}),
        [tmp_path / "run.refits" / "mine_42.model"],
        seeds=(42,),
    )
    [said] = made.predict([frame_of(at(3), system="")])
    energy, forces = Model(tmp_path)(at(3), 3)
    assert energy == pytest.approx(float(said.energies[0]))
    np.testing.assert_allclose(forces, said.forces[0], atol=1e-5)  # of models in float32
    assert (tmp_path / "MACE-jit.pt").is_file()


def batch_of(atoms: Atoms) -> dict[str, torch.Tensor]:
    """A structure as MACE gives it to its models."""
    earlier = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        graph = data.AtomicData.from_config(
            data.config_from_atoms(atoms), z_table=AtomicNumberTable([1, 8]), cutoff=4.0, heads=["Default"]
        )
        graph.batch, graph.ptr = torch.zeros(3, dtype=torch.int64), torch.tensor([0, 3])
        return {key: value for key, value in graph.to_dict().items() if isinstance(value, torch.Tensor)}
    finally:
        torch.set_default_dtype(earlier)
