"""Sheets that fit on each other, and stacks of them."""

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, molecule
from ase.geometry import get_distances

from aims_pax.frame import Frame
from aims_pax.structures.building.axes import index_of
from aims_pax.structures.building.carving import opened
from aims_pax.structures.building.failure import NotBuilt
from aims_pax.structures.building.layers import Layer
from aims_pax.structures.building.matching import Limits, fits_of, strain_between
from aims_pax.structures.building.pieces import Piece
from aims_pax.structures.building.stitching import Stack, Stacking, stacked
from aims_pax.structures.spacing import has_overlaps

from .ingredients import diamond, frame


def sheet(structure: Frame, name: str, axis: str = "z") -> Layer:
    index = index_of(axis)
    return Layer.of(opened(Piece.named(structure, name), index), index, name=name)


def square(edge: float, n_atoms: int = 1, name: str = "square") -> Layer:
    atoms = Atoms(f"He{n_atoms}", [[0, 0, 2.0 * z] for z in range(n_atoms)], cell=[edge, edge, 20], pbc=(1, 1, 0))
    return sheet(frame(atoms), name)


def rectangle(a: float, b: float, name: str = "rectangle") -> Layer:
    return sheet(frame(Atoms("He", cell=[a, b, 20], pbc=(1, 1, 0))), name)


def stack(layers: list[Layer], *, seed: int = 0, **said: Any) -> Stack:
    settings = {"index": 2, "gap_ang": 2.0, "vacuum_ang": 0.0, "max_atoms": 200, "max_strain": 0.05, **said}
    return stacked(layers, Stacking(**settings), rng=np.random.default_rng(seed))


def limits(max_atoms: int = 200, max_strain: float = 0.05) -> Limits:
    return Limits(max_atoms, max_strain, 2.0)


def test_the_least_strain_of_all_repetitions_is_found() -> None:
    plane, fits = fits_of([square(3.0), square(4.0)], limits())
    assert plane == pytest.approx(12.0 * np.eye(2))
    assert (fits[0].repeats, fits[1].repeats) == ((4, 4), (3, 3))
    assert fits[1].strain == pytest.approx(0.0, abs=1e-12)


def test_fewer_atoms_are_taken_with_more_strain_where_more_are_not_allowed() -> None:
    _, fits = fits_of([square(3.0), square(4.0)], limits(max_atoms=24, max_strain=0.15))
    assert (fits[0].repeats, fits[1].repeats) == ((3, 3), (2, 2))
    assert fits[1].strain == pytest.approx(0.125)


def test_a_rectangle_is_turned_where_that_fits_better() -> None:
    plane, fits = fits_of([rectangle(3.0, 5.0), rectangle(5.0, 3.0)], limits())
    assert plane == pytest.approx(np.diag([3.0, 5.0]))
    assert fits[1].strain == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("flipped", [False, True])
def test_hexagonal_cells_of_60_and_120_degrees_fit(flipped: bool) -> None:
    one = graphene(vacuum=5.0)
    other = one.copy()
    other.set_cell([one.cell[0], one.cell[0] + one.cell[1], one.cell[2]])
    layers = [sheet(frame(one), "one"), sheet(frame(other), "other")]
    _, fits = fits_of(layers[::-1] if flipped else layers, limits())
    assert [fit.strain for fit in fits.values()] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert [fit.repeats for fit in fits.values()] == [(1, 1), (1, 1)]


def test_strain_is_the_largest_change_of_a_length() -> None:
    assert strain_between(np.eye(2), np.array([[1.03, 0.0], [0.0, 0.98]])) == pytest.approx(0.03)
    turned = np.array([[0.0, 1.0], [-1.0, 0.0]])
    assert strain_between(np.eye(2), turned) == pytest.approx(0.0)


def test_least_strain_is_told_where_it_is_too_large() -> None:
    match = r"square and other don't fit: their least strain is 12\.5% .*Strain allows 5\.0%\. Raise Strain or MaxAtoms"
    with pytest.raises(NotBuilt, match=match):
        fits_of([square(3.0), square(4.0, name="other")], limits(max_atoms=24))


def test_too_many_atoms_are_told() -> None:
    with pytest.raises(NotBuilt, match=r"have 5 atoms at least, and MaxAtoms allows 4\. Raise MaxAtoms"):
        fits_of([square(3.0, 3), square(3.0, 2)], limits(max_atoms=4))


@pytest.mark.parametrize(("vacuum", "is_periodic"), [(0.0, True), (12.0, False)])
@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_parts_keep_the_gap_on_both_sides(axis: str, vacuum: float, is_periodic: bool) -> None:
    copper = sheet(frame(bulk("Cu", a=3.6, cubic=True)), "copper", axis)
    silver = sheet(frame(bulk("Ag", a=3.7, cubic=True)), "silver", axis)
    index = index_of(axis)
    found = stack([copper, silver], index=index, vacuum_ang=vacuum).piece
    heights = found.frame.positions[:, index]
    lower, upper = heights[list(found.parts["copper"])], heights[list(found.parts["silver"])]
    assert upper.min() - lower.max() == pytest.approx(2.0)
    height = found.frame.cell[index, index]
    assert height - (upper.max() - lower.min()) == pytest.approx(vacuum or 2.0)
    assert found.frame.pbc.tolist() == [is_periodic or other != index for other in range(3)]
    assert np.linalg.det(found.frame.cell) > 0
    assert heights.min() > 0
    assert heights.max() < height


def test_strain_changes_distances_in_the_plane_alone() -> None:
    copper = sheet(frame(bulk("Cu", a=3.6, cubic=True)), "copper")
    silver = sheet(frame(bulk("Ag", a=3.7, cubic=True)), "silver")
    found = stack([copper, silver], max_atoms=8)
    silvers = found.piece.frame.positions[list(found.piece.parts["silver"])]
    assert np.ptp(silvers[:, 2]) == pytest.approx(1.85)
    assert found.piece.frame.cell[:2, :2] == pytest.approx(3.6 * np.eye(2)), "the first part is not strained"
    assert found.words == ("4 atoms, 1.8 Å", "4 atoms, 1.9 Å, strained by 2.7 %")
    # Neighbours in two layers: half of 3.6 Å in the plane, 1.85 Å along the axis.
    _, lengths = get_distances(silvers, cell=found.piece.frame.cell, pbc=(True, True, False))
    assert np.sort(lengths[0])[1:] == pytest.approx(np.hypot([1.8, 1.8, 1.8], [1.8, 1.85, 1.85]))


def test_shifts_differ_from_visit_to_visit_and_repeat_with_their_numbers() -> None:
    layers = [sheet(diamond(), "one"), sheet(diamond(), "other")]
    first, again, other = stack(layers), stack(layers), stack(layers, seed=1)
    assert first.piece.frame.positions.tobytes() == again.piece.frame.positions.tobytes()
    assert not np.allclose(first.piece.frame.positions, other.piece.frame.positions)


def test_parts_without_a_gap_are_shifted_until_they_do_not_overlap() -> None:
    layers = [square(4.0, name="one"), square(4.0, name="other")]
    for seed in range(4):
        assert not has_overlaps(stack(layers, seed=seed, gap_ang=0.0, vacuum_ang=10.0, max_atoms=2).piece.frame, 0.5)
    narrow = [square(0.62, name="one"), square(0.62, name="other")]
    with pytest.raises(NotBuilt, match=r"one and other are too near to each other in all 20 draws\. Raise Gap"):
        stack(narrow, gap_ang=0.0, vacuum_ang=10.0, max_atoms=2)


def test_a_part_that_overlaps_by_itself_is_told() -> None:
    with pytest.raises(NotBuilt, match=r"Atoms of one are too near to each other.*Lower Strain, or relax"):
        stack([square(0.4, name="one"), square(0.4)])


def test_a_cluster_is_put_onto_as_many_cells_as_keep_its_images_apart() -> None:
    cluster = Layer.of(Piece.named(frame(molecule("C6H6")), "benzene"), 2, name="benzene")
    copper = sheet(frame(bulk("Cu", a=3.6, cubic=True)), "copper")
    found = stack([copper, cluster]).piece
    assert found.frame.cell[:2, :2] == pytest.approx(np.diag([7.2, 7.2]), abs=1e-9)
    assert len(found.parts["benzene"]) == 12
    with pytest.raises(NotBuilt, match=r"nearer than 2 Å to its images on copper\. Raise MaxAtoms or Repeat"):
        stack([copper, cluster], max_atoms=20)
