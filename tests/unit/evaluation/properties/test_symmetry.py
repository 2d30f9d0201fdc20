"""What symmetry leaves of a tensor, and in which setting it is told."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

from aims_pax.evaluation.properties.elastic import symmetrized
from aims_pax.evaluation.properties.symmetry import conventional, symmetry_of
from aims_pax.frame import FloatArray

pytest.importorskip("spglib")


def random_tensor() -> FloatArray:
    matrix = np.random.default_rng(1).normal(size=(6, 6))
    return matrix + matrix.T


def averaged(atoms: Atoms) -> FloatArray:
    symmetry = symmetry_of(atoms)
    assert symmetry is not None
    return symmetrized(random_tensor(), symmetry)


def bismuth() -> Atoms:
    """Trigonal, class -3m."""
    return crystal("Bi", [(0, 0, 0.234)], spacegroup=166, cellpar=[4.55, 4.55, 11.86, 90, 90, 120])


def rutile() -> Atoms:
    """Tetragonal, class 4/mmm."""
    return crystal(["Ti", "O"], [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=[4.59, 4.59, 2.96, 90, 90, 90])


def test_a_trigonal_crystal_keeps_six_constants() -> None:
    """Nye, Physical Properties of Crystals (1957), table 9."""
    c = averaged(bismuth())
    assert c[0, 0] == pytest.approx(c[1, 1])
    assert c[5, 5] == pytest.approx((c[0, 0] - c[0, 1]) / 2)
    assert [c[0, 3], -c[1, 3], c[4, 5]] == pytest.approx([c[0, 3]] * 3)
    assert abs(c[0, 3]) > 1e-3
    for i, j in ((0, 4), (0, 5), (2, 3), (3, 4), (3, 5)):
        assert c[i, j] == pytest.approx(0.0, abs=1e-12)


def test_a_tetragonal_crystal_keeps_six_constants() -> None:
    c = averaged(rutile())
    assert [c[1, 1], c[1, 2], c[4, 4]] == pytest.approx([c[0, 0], c[0, 2], c[3, 3]])
    assert c[5, 5] != pytest.approx((c[0, 0] - c[0, 1]) / 2)
    assert c[0, 5] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    "atoms", [bismuth(), rutile(), bulk("Cu", "hcp", a=2.55, c=4.16)], ids=["-3m", "4/mmm", "6/mmm"]
)
def test_a_tensor_that_turns_with_its_crystal_is_told_alike(atoms: Atoms) -> None:
    upright = averaged(atoms)
    symmetry = symmetry_of(atoms)
    assert symmetry is not None
    again = symmetrized(upright, symmetry)
    if np.allclose(symmetry.to_standard, np.eye(3), atol=1e-6):
        np.testing.assert_allclose(again, upright, atol=1e-12)
    lying = atoms.copy()
    lying.rotate(40, (1, 2, 3), rotate_cell=True)
    turned = symmetry_of(lying)
    assert turned is not None
    rotation = np.linalg.solve(atoms.cell.array, lying.cell.array).T
    # The standard setting of the lying crystal is that of the upright one, but for a symmetry of the lattice.
    both = turned.to_standard @ rotation @ symmetry.to_standard.T
    assert any(np.allclose(both, symmetry.to_standard @ one @ symmetry.to_standard.T) for one in symmetry.rotations)


def test_the_conventional_cell_of_a_primitive_one_is_cubic() -> None:
    assert conventional(bulk("Cu", a=3.6)).cell.cellpar() == pytest.approx([3.6] * 3 + [90] * 3)


def test_a_molecule_has_no_space_group() -> None:
    assert symmetry_of(Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.7]])) is None
