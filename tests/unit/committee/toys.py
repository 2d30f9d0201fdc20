"""Labelled molecules and crystals of an exact, cheap potential, and the smallest models that can learn them."""

from collections.abc import Sequence

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.morse import MorsePotential

from aims_pax.committee import Committee
from aims_pax.frame import Frame, Label, LabelledFrame, Split
from aims_pax.settings.committee.mace import MaceSettings


def settings(*, dtype: str = "float64", stress: bool = False, **training: object) -> MaceSettings:
    """The smallest MACE with two layers, vectors and three-body products."""
    small = {
        "r_max": 4.0,
        "num_channels": 4,
        "max_L": 1,
        "max_ell": 2,
        "correlation": 2,
        "num_radial_basis": 4,
        "radial_MLP": [8],
        "MLP_irreps": "4x0e",
    }
    general = {"name_exp": "test", "default_dtype": dtype, "compute_stress": stress}
    return MaceSettings.model_validate({"general": general, "architecture": small, "training": training})


def ethanol(rng: np.random.Generator) -> Atoms:
    atoms = molecule("CH3CH2OH")
    atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
    return atoms


def carbon(rng: np.random.Generator) -> Atoms:
    atoms = bulk("C", "diamond", a=3.6, cubic=True)
    atoms.set_cell(atoms.cell @ (np.eye(3) + rng.normal(scale=0.02, size=(3, 3))), scale_atoms=True)
    atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
    return atoms


def frame_of(atoms: Atoms, step: int = 0) -> Frame:
    return Frame(
        atoms.get_chemical_formula(), 0, step, 0, np.array(atoms.numbers, dtype=np.int64), atoms.positions.copy(),
        np.array(atoms.cell), np.array(atoms.pbc),
    )  # fmt: skip


def point(label_id: int, atoms: Atoms, split: Split = Split.TRAINING, member: int | None = None) -> LabelledFrame:
    """Labelled by a Morse potential on top of a large constant per atom."""
    atoms.calc = MorsePotential(epsilon=0.5, r0=1.4, rho0=3.0, rcut1=2.5, rcut2=4.0)
    energy = float(atoms.get_potential_energy()) - 40.0 * len(atoms)
    stress = atoms.get_stress() if atoms.pbc.all() else None
    label = Label(energy, atoms.get_forces(), stress, "Morse", 0.0)
    return LabelledFrame(label_id, frame_of(atoms, label_id), label, split, member)


def molecules(n_train: int, n_valid: int = 2, first_id: int = 1) -> list[LabelledFrame]:
    rng = np.random.default_rng(first_id)
    splits = [Split.TRAINING] * n_train + [Split.VALIDATION] * n_valid
    return [point(first_id + index, ethanol(rng), split) for index, split in enumerate(splits)]


def crystals(n_train: int, n_valid: int = 2, first_id: int = 101) -> list[LabelledFrame]:
    rng = np.random.default_rng(first_id)
    splits = [Split.TRAINING] * n_train + [Split.VALIDATION] * n_valid
    return [point(first_id + index, carbon(rng), split) for index, split in enumerate(splits)]


def mixed_frames() -> list[Frame]:
    rng = np.random.default_rng(7)
    return [frame_of(make(rng)) for make in (ethanol, carbon, ethanol, carbon)]


def weights(committee: Committee) -> list[torch.Tensor]:
    """All weights, trained and averaged, of all members."""
    return [
        parameter.detach().clone()
        for member in committee._members
        for model in (member.model, member.averaged.model)
        for parameter in model.parameters()
    ]


def equal(first: Sequence[torch.Tensor], second: Sequence[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
