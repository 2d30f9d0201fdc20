"""Empty space along directions that are not periodic, and gaps that MD has opened."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk, surface

from aims_pax.atoms import atoms_of, frame_of
from aims_pax.frame import Frame
from aims_pax.structures.vacuum import with_opened_gaps, with_vacuum

from .starts import graphene, silicon, water


def distances(frame: Frame) -> np.ndarray:
    return np.sort(atoms_of(frame).get_all_distances(mic=bool(frame.pbc.any())), axis=None)


def test_molecule_gets_a_box_and_its_middle() -> None:
    boxed = with_vacuum(water(), 15.0)
    assert np.diag(boxed.cell) == pytest.approx(np.ptp(water().positions, axis=0) + 15.0)
    assert boxed.positions.min(axis=0) == pytest.approx([7.5, 7.5, 7.5])
    assert distances(boxed) == pytest.approx(distances(water()))
    assert not boxed.pbc.any()


def test_layer_gets_what_it_lacks_and_keeps_what_it_has_more() -> None:
    assert with_vacuum(graphene(), 10.0).cell == pytest.approx(graphene().cell)
    opened = with_vacuum(graphene(), 20.0)
    assert opened.cell[2] == pytest.approx([0, 0, 20])
    assert opened.cell[:2] == pytest.approx(graphene().cell[:2])
    assert opened.positions[:, 2] == pytest.approx(10)


def test_layer_without_a_third_vector_gets_one_that_is_normal_to_it() -> None:
    flat = graphene()
    cell = flat.cell.copy()
    cell[2] = 0.0
    opened = with_vacuum(replace(flat, cell=cell), 12.0)
    assert opened.cell[2] == pytest.approx([0, 0, 12])
    assert distances(opened) == pytest.approx(distances(flat))


def test_vacuum_of_a_skewed_cell_is_measured_along_its_normal() -> None:
    layer = graphene()
    cell = layer.cell.copy()
    cell[2] = [4.0, 0.0, 8.0]
    opened = with_vacuum(replace(layer, cell=cell), 16.0)
    assert opened.cell[2] == pytest.approx([8.0, 0.0, 16.0])
    assert distances(opened) == pytest.approx(distances(layer))


def test_no_vacuum_is_made_where_none_is_asked_for_or_nothing_ends() -> None:
    assert with_vacuum(water(), 0.0) is not None
    assert not with_vacuum(water(), 0.0).cell.any()
    assert with_vacuum(silicon(), 15.0).cell == pytest.approx(silicon().cell)


def slab(gap: float, *, shift: float) -> Frame:
    """Five layers of copper that are periodic in all directions, moved along the third one through the border."""
    atoms = surface(bulk("Cu", cubic=True), (1, 0, 0), 2)
    atoms.center(vacuum=gap / 2, axis=2)
    atoms.pbc = True
    atoms.positions[:, 2] += shift
    atoms.wrap()
    return frame_of(atoms, system="slab", trajectory=3, md_step=70, generation=2)


@pytest.mark.parametrize("shift", [0.0, 4.0, 7.5])
def test_wide_gap_becomes_vacuum_wherever_the_border_of_the_cell_is(shift: float) -> None:
    before = slab(8.0, shift=shift)
    after = with_opened_gaps(before, r_max_ang=5.0, vacuum_ang=15.0)
    assert after.pbc.tolist() == [True, True, False]
    extent = float(np.ptp(after.positions[:, 2]))
    assert extent == pytest.approx(before.cell[2, 2] - 8.0)
    assert after.cell[2] == pytest.approx([0, 0, extent + 15.0])
    assert after.positions[:, 2].min() == pytest.approx(7.5)
    assert distances(after) == pytest.approx(distances(before))
    assert (after.trajectory, after.md_step, after.generation) == (3, 70, 2), "it is the same frame"


@pytest.mark.parametrize(("gap", "r_max", "opens"), [(4.9, 3.0, False), (5.1, 3.0, True), (5.5, 6.0, False)])
def test_gap_must_be_wider_than_the_cutoff_and_than_5_ang(gap: float, r_max: float, *, opens: bool) -> None:
    after = with_opened_gaps(slab(gap, shift=0.0), r_max_ang=r_max, vacuum_ang=15.0)
    assert (not after.pbc[2]) is opens


def test_cluster_in_a_box_is_periodic_nowhere_any_more() -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.cell = 12 * np.eye(3)
    atoms.positions += [9.0, 10.0, 11.0]
    atoms.wrap()
    before = frame_of(atoms, system="cluster")
    after = with_opened_gaps(before, r_max_ang=5.0, vacuum_ang=10.0)
    assert not after.pbc.any()
    assert np.diag(after.cell) == pytest.approx(np.ptp(after.positions, axis=0) + 10.0)
    assert distances(after) == pytest.approx(distances(before))


def test_gap_along_a_skewed_vector_is_opened_along_its_normal() -> None:
    before = slab(8.0, shift=3.0)
    cell = before.cell.copy()
    cell[2] += cell[0]  # the same crystal: any lattice vector may be added
    after = with_opened_gaps(replace(before, cell=cell), r_max_ang=5.0, vacuum_ang=15.0)
    assert after.pbc.tolist() == [True, True, False]
    assert after.cell[2, 2] == pytest.approx(before.cell[2, 2] - 8.0 + 15.0)
    assert distances(after) == pytest.approx(distances(before))


def test_dense_crystal_is_the_frame_itself() -> None:
    start = silicon()
    assert with_opened_gaps(start, r_max_ang=5.0, vacuum_ang=15.0) is start
