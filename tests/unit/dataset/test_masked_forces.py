"""Forces on atoms that constraints hold: taken as they are stored, and told where they were set to zero before."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import fcc111
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixCartesian, FixCom
from ase.io import write

import aims_pax as ap
from aims_pax.dataset.entries import Keys
from aims_pax.dataset.extxyz import dataset_of_atoms, read_dataset
from aims_pax.dataset.stock import Stock
from aims_pax.frame import Label

OF_ASE = Keys(energy="energy", forces="forces", stress="stress")
CONSTRAINTS = [FixAtoms([0]), FixCartesian([1], (False, True, False))]


def slab(seed: int, *constraints: Any) -> Atoms:
    """A computed slab; its calculator knows all forces."""
    atoms = fcc111("Al", (1, 1, 3), vacuum=8.0)
    atoms.info.clear()
    atoms.rattle(0.1, seed=seed)
    atoms.calc = EMT()
    atoms.get_potential_energy()
    atoms.calc = SinglePointCalculator(atoms, **{name: atoms.calc.results[name] for name in ("energy", "forces")})
    atoms.set_constraint(constraints)
    return atoms


def noted(seed: int, *constraints: Any, apply_constraint: bool = True) -> Atoms:
    """The same as people write it, by `REF_forces` of what ASE says."""
    computed = slab(seed, *constraints)
    atoms = computed.copy()
    atoms.info["REF_energy"] = computed.get_potential_energy()
    atoms.arrays["REF_forces"] = computed.get_forces(apply_constraint=apply_constraint)
    return atoms


@pytest.mark.parametrize("name", ["a.extxyz", "a.traj", "a.json", "a.db"])
def test_forces_on_fixed_atoms_are_those_of_the_file(name: str, tmp_path: Path) -> None:
    images = [slab(seed, *CONSTRAINTS) for seed in (1, 2)]
    write(tmp_path / name, images)
    keys = OF_ASE if name == "a.extxyz" else Keys()
    stock = Stock([tmp_path / name], keys)
    entries = [stock.entry(number) for number in range(len(stock))]
    for entry, image in zip(entries, images, strict=True):
        forces = entry.label.forces  # type: ignore[union-attr]
        np.testing.assert_allclose(forces, image.get_forces(apply_constraint=False), atol=1e-7)
        assert abs(forces[0]).max() > 0.01
        assert not entry.is_masked  # type: ignore[union-attr]


def test_forces_on_fixed_atoms_are_those_of_the_calculator() -> None:
    images = [slab(seed, *CONSTRAINTS) for seed in (1, 2)]
    read = dataset_of_atoms(images, OF_ASE, name="data", named_by="keys")
    for (_, label), image in zip(read.structures, images, strict=True):
        np.testing.assert_array_equal(label.forces, image.get_forces(apply_constraint=False))
    assert read.mask_remarks() == ()


def test_labels_have_forces_on_fixed_atoms() -> None:
    emt = {"type": "ase-calculator", "calculator": "ase.calculators.emt:EMT"}
    image = slab(3, *CONSTRAINTS)
    label = ap.label(image, emt)
    assert isinstance(label, Label)
    np.testing.assert_allclose(label.forces, image.get_forces(apply_constraint=False), atol=1e-12)


@pytest.mark.parametrize(
    ("constraints", "apply_constraint", "n_masked"),
    [
        ([FixAtoms([0])], True, 2),
        (CONSTRAINTS, True, 2),
        (CONSTRAINTS, False, 0),
        ([], True, 0),
        ([FixAtoms([0, 1, 2])], True, 0),  # zeros everywhere are another remark's
        ([FixCom()], True, 0),
    ],
)
def test_forces_masked_before_they_were_written_are_told(
    constraints: list[Any], apply_constraint: bool, n_masked: int, tmp_path: Path
) -> None:
    images = [noted(seed, *constraints, apply_constraint=apply_constraint) for seed in (1, 2)]
    write(tmp_path / "set.extxyz", [*images, noted(3)])
    read = read_dataset(tmp_path / "set.extxyz")
    assert read.n_masked == n_masked
    said = [str(remark) for remark in read.mask_remarks()]
    assert ["set.extxyz: Forces of 2 of 3 structures are exactly zero on all atoms" in one for one in said] == (
        [True] if n_masked else []
    )
