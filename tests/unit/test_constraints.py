"""What ASE's constraints hold, as components of positions."""

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import fcc111
from ase.constraints import (
    FixAtoms,
    FixBondLengths,
    FixCartesian,
    FixCom,
    FixedLine,
    FixedPlane,
    FixScaled,
    Hookean,
)

from aims_pax.constraints import constraints_of

SLAB = fcc111("Al", (1, 1, 4), vacuum=8.0)
"""Its first two vectors are not at right angles, and the third is along z."""


def held(*constraints: Any, cell: Any = None) -> Any:
    atoms = SLAB.copy()
    if cell is not None:
        atoms.set_cell(cell)
    atoms.set_constraint(constraints)
    return constraints_of(atoms)


ALL, Z, XY = [True] * 3, [False, False, True], [True, True, False]


@pytest.mark.parametrize(
    ("constraint", "row"),
    [
        (FixAtoms([1]), ALL),
        (FixAtoms(mask=[False, True, False, False]), ALL),
        (FixCartesian([1], (True, True, False)), XY),
        (FixScaled([1], (True, True, True)), ALL),
        (FixScaled([1], (False, False, True)), Z),
        (FixScaled([1], (True, True, False)), XY),
        (FixedPlane([1], (0, 0, -2)), Z),
        (FixedLine([1], (0, 0, 1)), XY),
        (FixAtoms([-3]), ALL),
    ],
)
def test_atoms_held_along_axes_are_components(constraint: Any, row: list[bool]) -> None:
    found = held(constraint)
    assert found.fixed[1].tolist() == row
    assert not found.fixed[[0, 2, 3]].any()
    assert (found.skewed, found.others) == ((), ())


@pytest.mark.parametrize("mask", [(0, 0, 1), (1, 1, 0), (1, 1, 1), (0, 1, 1), (1, 0, 0)])
def test_scaled_coordinates_are_held_as_ase_holds_them(mask: tuple[int, ...]) -> None:
    atoms = SLAB.copy()
    atoms.set_constraint(FixScaled([2], mask))
    moved = atoms.positions + np.random.default_rng(1).normal(0, 0.1, atoms.positions.shape)
    before = atoms.positions.copy()
    atoms.set_positions(moved, apply_constraint=True)
    stays = np.isclose(atoms.positions, before)[2]
    found = constraints_of(atoms)
    if found.fixed is None:
        # The constraint mixes x and y: it holds none of them alone, or more than it could be said to.
        assert found.skewed == ("FixScaled of the atom 3",)
    else:
        assert found.fixed[2].tolist() == stays.tolist()


def test_constraints_on_one_atom_add_up() -> None:
    found = held(FixedPlane([0, 1], (1, 0, 0)), FixCartesian([1], (False, True, False)))
    assert found.fixed.tolist() == [[True, False, False], [True, True, False], [False] * 3, [False] * 3]


def test_constraint_on_nothing_is_none() -> None:
    found = held(FixAtoms([]), FixCartesian([0, 1], (False, False, False)))
    assert (found.fixed, found.skewed, found.others) == (None, (), ())


def test_directions_that_are_no_axes_are_told_with_their_atoms() -> None:
    found = held(
        FixedPlane([0, 2], (1, 1, 0)), FixScaled([1], (True, False, False)), FixScaled([3], (True, False, True))
    )
    assert found.fixed is None
    assert found.skewed == ("FixedPlane of the atoms 1, 3", "FixScaled of the atoms 2, 4")
    # A lattice vector along x is no coordinate along x where another one is tilted.
    assert held(FixScaled([1], (1, 0, 0)), cell=[[3, 0, 0], [1, 3, 0], [0, 0, 20]]).skewed
    assert held(FixScaled([1], (0, 1, 0)), cell=[[3, 0, 0], [1, 3, 0], [0, 0, 20]]).fixed[1].tolist() == [0, 1, 0]


@pytest.mark.parametrize("constraint", [FixBondLengths([[0, 1]]), FixCom(), Hookean(0, 1, 2.0, rt=1.0)])
def test_whatever_else_is_constrained_is_told_by_its_name(constraint: Any) -> None:
    found = held(constraint)
    assert (found.fixed, found.skewed, found.others) == (None, (), (type(constraint).__name__,))


def test_atoms_that_are_not_there_are_told() -> None:
    assert held(FixAtoms([0, 4])).others == ("FixAtoms of atoms that are not there",)


def test_molecule_without_a_cell_has_scaled_coordinates() -> None:
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 0.74]], constraint=FixScaled([0], (True, False, False)))
    assert constraints_of(atoms).fixed.tolist() == [[True, False, False], [False] * 3]
