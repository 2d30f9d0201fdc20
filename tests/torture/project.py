"""The campaign that is tortured: two clusters of copper by EMT, small enough to be run hundreds of times.

Its stages are initial, converge, learn and converge; one of its systems has motion, threshold and budget of its own.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from ase import Atoms
from ase.calculators.emt import EMT
from ase.io import write

from aims_pax.frame import FloatArray

VALID_RATIO: Final = 0.3
N_MEMBERS: Final = 2
N_TEST: Final = 40


class PoolKind(StrEnum):
    """Where the labels of a campaign are computed."""

    LOCAL = "local"
    """By two Parsl workers."""
    INLINE = "inline"
    """In the campaign's own process: what comes out depends on no race, and is compared to the last bit."""


def settings_of(pool: PoolKind) -> dict[str, Any]:
    """aims_PAX.yaml."""
    cluster = {"type": "local", "max_workers": 2} if pool is PoolKind.LOCAL else {"type": "inline"}
    return {
        "REFERENCE": {
            "type": "ase-calculator",
            "calculator": "torture.witness:Witnessed",
            "max_force_ev_per_ang": 100.0,
        },
        "SYSTEMS": {
            "four": {"geometry": "four.xyz", "num_trajectories": 2},
            "three": {
                "geometry": "three.xyz",
                "num_trajectories": 1,
                "MD": {"temperature": 200},
                "threshold": "own",
                "max_labels": 4,
            },
        },
        "STAGES": [
            {
                "initial": {
                    "foundational_model": "ase.calculators.emt:EMT",
                    "n_points_per_sampling_step_idg": 1,
                    "ensemble_size": N_MEMBERS,
                    "skip_step_initial": 5,
                    "intermediate_epochs_idg": 3,
                    "max_initial_set_size": 2,
                    "valid_ratio": VALID_RATIO,
                }
            },
            {"converge": {"max_convergence_epochs": 15}},
            {
                "learn": {
                    "ensemble_size": N_MEMBERS,
                    "max_train_set_size": 14,
                    "skip_step_mlff": 4,
                    "valid_ratio": VALID_RATIO,
                    "epochs_per_worker": 4,
                    "save_trajectories": True,
                }
            },
            {"converge": {"converge_best": False, "max_convergence_epochs": 40}},
        ],
        "MD": {"stat_ensemble": "nvt", "temperature": 300, "timestep": 1.0, "friction": 0.02},
        "MISC": {"verdict_ps": 0.1, "verdict_runs": 2},
        "CLUSTER": cluster,
    }


def mace_settings(seed: int) -> dict[str, Any]:
    """mace.yaml of the smallest model that still learns."""
    return {
        "GENERAL": {"name_exp": "torture", "seed": seed, "default_dtype": "float64"},
        "ARCHITECTURE": {
            "num_channels": 4,
            "max_L": 0,
            "max_ell": 1,
            "correlation": 1,
            "r_max": 4.0,
            "num_interactions": 1,
            "num_radial_basis": 4,
            "radial_MLP": [8],
            "MLP_irreps": "4x0e",
        },
        "MISC": {"device": "cpu"},
    }


def copper() -> Atoms:
    """A tetrahedron near the equilibrium of EMT."""
    return Atoms("Cu4", positions=0.83 * np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]))


def write_project(folder: Path, pool: PoolKind, seed: int) -> None:
    """Write the project of one campaign into a new folder."""
    folder.mkdir(parents=True)
    write(folder / "four.xyz", copper())
    write(folder / "three.xyz", copper()[:3])
    for name, content in (("aims_PAX.yaml", settings_of(pool)), ("mace.yaml", mace_settings(seed))):
        (folder / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def fresh(positions: FloatArray) -> tuple[float, FloatArray]:
    """Energy (eV) and forces (n_atoms, 3; eV/Å) of a structure by a calculator that has seen nothing before."""
    atoms = Atoms(f"Cu{len(positions)}", positions=positions, calculator=EMT())
    return float(atoms.get_potential_energy()), np.asarray(atoms.get_forces())


@dataclass(frozen=True, slots=True, eq=False)
class TestSet:
    """Structures that no campaign sees.

    Parameters
    ----------
    frames : list of Atoms
    forces : (n_frames, n_atoms, 3), eV/Å
    """

    __test__ = False  # for pytest

    frames: list[Atoms]
    forces: FloatArray

    @classmethod
    def drawn(cls) -> "TestSet":
        """The same structures each time: the tetrahedron, displaced at random by 0.1 Å."""
        rng = np.random.default_rng(0)
        frames = []
        for _ in range(N_TEST):
            frames.append(copper())
            frames[-1].positions += rng.normal(scale=0.1, size=(4, 3))
        return cls(frames, np.stack([fresh(frame.positions)[1] for frame in frames]))

    def force_mae(self, models: list[Path]) -> float:
        """Mean absolute error of the committee's mean forces, eV/Å."""
        import torch
        from mace.calculators import MACECalculator

        predicted = np.zeros_like(self.forces)
        for model in models:
            loaded = torch.load(model, map_location="cpu", weights_only=False)
            calculator = MACECalculator(models=[loaded], device="cpu", default_dtype="float64")
            predicted += [calculator.get_forces(frame) for frame in self.frames]
        return float(np.abs(predicted / len(models) - self.forces).mean())
