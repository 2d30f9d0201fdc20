"""What symmetry leaves of a tensor, and in which setting it is told."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

from aims_pax.evaluation.properties.elastic import elasticity, symmetrized
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


def scheelite() -> Atoms:
    """Tetragonal, class 4/m."""
    places = [(0, 0.25, 0.625), (0, 0.25, 0.125), (0.15, 0.01, 0.21)]
    return crystal(["Ca", "W", "O"], places, spacegroup=88, setting=2, cellpar=[5.24, 5.24, 11.37, 90, 90, 90])


def ilmenite() -> Atoms:
    """Trigonal, class -3."""
    places = [(0, 0, 0.356), (0, 0, 0.147), (0.318, 0.023, 0.245)]
    return crystal(["Fe", "Ti", "O"], places, spacegroup=148, cellpar=[5.09, 5.09, 14.09, 90, 90, 120])


def antimonate() -> Atoms:
    """Trigonal, class -3m, with twofold axes between the lattice vectors."""
    places = [(0, 0, 0), (1 / 3, 2 / 3, 0.5), (0.37, 0, 0.29)]
    return crystal(["Pb", "Sb", "O"], places, spacegroup=162, cellpar=[5.3, 5.3, 5.38, 90, 90, 120])


def olivine() -> Atoms:
    """Orthorhombic, class mmm, with atoms in general places."""
    return crystal("Si", [(0.1, 0.2, 0.3)], spacegroup=62, cellpar=[10.2, 6.0, 4.8, 90, 90, 90])


def zirconia() -> Atoms:
    """Monoclinic, class 2/m."""
    places = [(0.28, 0.04, 0.21), (0.07, 0.33, 0.34), (0.45, 0.76, 0.48)]
    return crystal(["Zr", "O", "O"], places, spacegroup=14, cellpar=[5.15, 5.21, 5.32, 90, 99.2, 90])


CLASSES = {
    "cubic": (bulk("Cu"), "11 12 44"),
    "6/mmm": (bulk("Cu", "hcp", a=2.55, c=4.16), "11 12 13 33 44"),
    "-3m": (bismuth(), "11 12 13 33 44 14"),
    "-31m": (antimonate(), "11 12 13 33 44 15"),
    "-3": (ilmenite(), "11 12 13 33 44 14 15"),
    "4/mmm": (rutile(), "11 12 13 33 44 66"),
    "4/m": (scheelite(), "11 12 13 33 44 66 16"),
    "mmm": (olivine(), "11 22 33 44 55 66 12 13 23"),
    "2/m": (zirconia(), "11 12 13 15 22 23 25 33 35 44 46 55 66"),
}
"""Crystals, and the constants that Nye (1957, table 9) has for their classes."""


@pytest.mark.parametrize("name", CLASSES)
def test_each_class_has_its_constants_once_and_the_others_are_what_is_said(name: str) -> None:
    atoms, expected = CLASSES[name]
    found, c = elasticity(random_tensor(), symmetry_of(atoms)), averaged(atoms)
    values = {f"C{i}{j}": float(c[i - 1, j - 1]) for i in range(1, 7) for j in range(i, 7)}
    values |= {f"-{words}": -value for words, value in values.items()}
    values["(C11 - C12) / 2"] = (values["C11"] - values["C12"]) / 2
    told = {one.words: one.value for one in found.quantities if one.words in values}
    assert set(told) == {f"C{pair}" for pair in expected.split()}
    assert told == pytest.approx({words: values[words] for words in told})
    said = found.remarks[-1].partition("with ")[2] if "=" in found.remarks[-1] else ""
    groups = [group.split(" = ") for group in said.split(", ") if group]
    for group in groups:
        assert [values[words] for words in group] == pytest.approx([values[group[0]]] * len(group)), group
    equal = {words.lstrip("-") for group in groups for words in group}
    for words in (words for words in values if words[0] == "C" and words not in {*told, *equal}):
        assert values[words] == pytest.approx(0.0, abs=1e-9), words


def test_what_symmetry_makes_equal_and_numbers_do_not_is_told() -> None:
    """Copper that is stiffer along z by 5 %, and one whose C13 is that by one strain alone."""
    symmetry, tensor = symmetry_of(bulk("Cu", cubic=True)), np.diag([170.0, 170.0, 170.0, 75.0, 75.0, 75.0])
    tensor[:3, :3] += 120.0 * (1 - np.eye(3))
    even = elasticity(tensor, symmetry)
    assert even.remarks == ("cubic, with C11 = C22 = C33, C12 = C13 = C23, C44 = C55 = C66",)
    stiffer = tensor.copy()
    stiffer[2, 2] *= 1.05
    found = elasticity(stiffer, symmetry)
    said = (
        "its numbers are less symmetric than the crystal: C33 came out as 178.5 GPa, and all that should be equal as "
    )
    assert found.remarks[0] == f"{said}172.8 GPa in the mean"
    assert {one.words: one.value for one in found.quantities}["C11"] == pytest.approx(170 * (1 + 0.05 / 3))
    (asymmetry,) = (one for one in found.quantities if one.key == "asymmetry_gpa")
    assert (asymmetry.value, asymmetry.is_detail) == (pytest.approx(178.5 - 170 * (1 + 0.05 / 3)), True)
    one_sided = tensor.copy()
    one_sided[0, 2] += 12.0
    for some in (symmetry, None):
        assert "C13 (stress 1 by strain 3) came out as 132 GPa" in elasticity(one_sided, some).remarks[0]
    sheared = tensor.copy()
    sheared[0, 4] = sheared[4, 0] = 5.0
    words = elasticity(sheared, symmetry).remarks[0]
    assert "C15 (stress" in words
    assert words.endswith("came out as 5 GPa, and all that should be equal as 0 GPa in the mean")


def test_the_conventional_cell_of_a_primitive_one_is_cubic() -> None:
    assert conventional(bulk("Cu", a=3.6)).cell.cellpar() == pytest.approx([3.6] * 3 + [90] * 3)


def test_a_molecule_has_no_space_group() -> None:
    assert symmetry_of(Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.7]])) is None
