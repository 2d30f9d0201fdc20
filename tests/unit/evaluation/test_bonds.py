"""Bonds of a start: what counts as one, what leaves it whole, and what does not."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from aims_pax.evaluation.bonds import BondGraph
from aims_pax.frame import FloatArray, Frame


def frame_of(atoms: Atoms) -> Frame:
    numbers = np.array(atoms.numbers, dtype=np.int64)
    return Frame("x", 0, 0, 0, numbers, atoms.positions.copy(), np.array(atoms.cell), np.array(atoms.pbc))


def graph_of(atoms: Atoms) -> BondGraph:
    return BondGraph.of(frame_of(atoms))


def turned(atoms: Atoms, *dihedral: int, by: float, moving: list[int]) -> FloatArray:
    other = atoms.copy()
    other.rotate_dihedral(*dihedral, by, indices=moving)
    return other.positions


@pytest.mark.parametrize(
    ("atoms", "n_bonds"),
    [(molecule("CH3CH2OH"), 8), (molecule("H2O"), 2), (molecule("C6H6"), 12), (molecule("CO2"), 2), (Atoms("He"), 0)],
)
def test_molecules_have_the_bonds_of_a_textbook(atoms: Atoms, n_bonds: int) -> None:
    graph = graph_of(atoms)
    assert len(graph.pairs) == n_bonds
    assert not graph.in_network.any()
    assert graph.is_whole(atoms.positions)


def test_two_molecules_that_touch_are_not_bonded_and_may_part() -> None:
    dimer = molecule("H2O")
    other = molecule("H2O")
    other.translate([0.0, 0.0, 2.9])
    graph = graph_of(dimer + other)
    assert len(graph.pairs) == 4
    apart = (dimer + other).positions
    apart[3:, 2] += 30.0
    assert graph.is_whole(apart)
    assert graph.torn_cluster(apart) is None


def test_rotations_conformers_and_exchanged_hydrogens_break_nothing() -> None:
    ethane = molecule("C2H6")
    graph = graph_of(ethane)
    methyl = [atom for atom in range(2, 8) if ethane.get_distance(1, atom) < 1.3]
    spun = turned(ethane, 2, 0, 1, methyl[0], by=120.0, moving=methyl)
    assert np.linalg.norm(spun[methyl[0]] - ethane.positions[methyl[0]]) > 1.5, "it has moved"
    assert graph.is_whole(spun)
    swapped = ethane.positions.copy()
    swapped[methyl[:2]] = swapped[methyl[1::-1]]
    assert graph.is_whole(swapped)
    turned_around = ethane.copy()
    turned_around.rotate(77.0, (1, 2, 3))
    assert graph.is_whole(turned_around.positions + 500.0)


def test_atoms_that_wander_through_the_cell_keep_their_bonds() -> None:
    water = molecule("H2O", cell=[6.0] * 3, pbc=True)
    water.wrap()
    assert np.ptp(water.positions, axis=0).max() > 3.0, "the molecule lies across the boundary"
    graph = graph_of(water)
    assert len(graph.pairs) == 2
    assert graph.is_whole(water.positions + np.array([41.0, -13.0, 2.0]))


@pytest.mark.parametrize(
    ("crystal", "in_network"),
    [(bulk("C", "diamond", a=3.57, cubic=True), True), (bulk("Cu", cubic=True), False), (bulk("Cu"), False)],
)
def test_crystals_have_sites_and_no_bonds_of_molecules(crystal: Atoms, in_network: bool) -> None:
    graph = graph_of(crystal)
    assert graph.sites is not None
    assert graph.in_network.all()
    assert bool(len(graph.pairs)) is in_network
    assert graph.displacement(crystal.positions + 3.0) == pytest.approx(0.0, abs=1e-12), "the motion of the whole"


def test_a_crystal_whose_cell_is_strained_keeps_its_order_and_its_bonds() -> None:
    diamond = bulk("C", "diamond", a=3.57, cubic=True)
    strained = diamond.copy()
    strained.set_cell(diamond.cell @ np.array([[1.2, 0.05, 0.0], [0.05, 1.1, 0.0], [0.0, 0.0, 1.3]]), scale_atoms=True)
    still = graph_of(diamond)
    assert still.displacement(strained.positions) > 0.1
    moved = still.in_cell(strained.cell.array)
    assert moved.displacement(strained.positions) == pytest.approx(0.0, abs=1e-12)
    expected = [strained.get_distance(*pair, mic=True) for pair in moved.pairs]
    np.testing.assert_allclose(moved.strains(strained.positions) * moved.lengths, expected, rtol=1e-12)
    assert moved.in_cell(diamond.cell.array).strains(diamond.positions) == pytest.approx(
        still.strains(diamond.positions)
    )


def test_a_box_around_a_molecule_strains_nothing_and_vacuum_neither() -> None:
    water = molecule("H2O")
    graph = graph_of(water)
    assert graph.in_cell(np.diag([9.0, 9.0, 9.0])) is graph
    sheet = Atoms("C2", [[0, 0, 0], [1.2, 0.7, 0]], cell=[[2.46, 0, 0], [1.23, 2.13, 0], [0, 0, 0]], pbc=[1, 1, 0])
    moved = graph_of(sheet).in_cell(np.array([[2.5, 0.0, 0.0], [1.25, 2.2, 0.0], [0.0, 0.0, 20.0]]))
    stretched = sheet.positions @ np.diag([2.5 / 2.46, 2.2 / 2.13, 1.0])
    assert moved.displacement(stretched) < 0.01
    assert moved.displacement(stretched + np.array([[0, 0, 0.5], [0, 0, -0.5]])) > 0.2


def test_displacement_is_in_units_of_the_nearest_neighbour_distance() -> None:
    crystal = bulk("Cu", cubic=True)
    moved = crystal.positions.copy()
    step = np.array([1.0, -1.0, 1.0, -1.0])
    moved[:, 0] += step
    assert graph_of(crystal).displacement(moved) == pytest.approx(1 / (3.61 / np.sqrt(2)), rel=1e-6)


def test_a_cluster_of_metal_holds_together_and_may_melt_within() -> None:
    cluster = Atoms("Cu4", positions=0.83 * np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]))
    graph = graph_of(cluster)
    assert len(graph.pairs) == 0
    row = np.array([[2.4 * k, 0.0, 0.0] for k in range(4)])
    assert graph.torn_cluster(row) is None, "another shape is no torn cluster"
    row[0, 0] -= 4.0
    torn = graph.torn_cluster(row)
    assert torn is not None
    assert torn.tolist() == [0]


def test_a_cluster_across_the_boundary_of_its_cell_is_whole() -> None:
    cluster = Atoms("Cu4", positions=0.83 * np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]))
    cluster.set_cell([12.0] * 3)
    cluster.pbc = True
    cluster.wrap()
    assert graph_of(cluster).torn_cluster(cluster.positions) is None


def test_a_molecule_on_a_metal_keeps_its_own_bonds_strict() -> None:
    slab = bulk("Cu", cubic=True) * (2, 2, 1)
    slab.set_cell([*slab.cell.lengths()[:2], 20.0])
    slab.pbc = (True, True, False)
    top = slab.positions[:, 2].argmax()
    slab += Atoms("CO", positions=slab.positions[top] + np.array([[0, 0, 1.85], [0, 0, 3.0]]))
    graph = graph_of(slab)
    assert len(graph.pairs) == 1
    assert not graph.in_network.any()


def test_a_proton_that_passes_between_oxygens_is_told_from_one_that_is_torn_off() -> None:
    dimer = Atoms(
        "OHHOHH", positions=[[0, 0, 0], [0.97, 0, 0], [-0.3, 0.92, 0], [2.6, 0, 0], [2.9, 0.92, 0], [2.9, -0.5, 0.8]]
    )
    graph = graph_of(dimer)
    bond = next(k for k, pair in enumerate(graph.pairs.tolist()) if set(pair) == {0, 1})
    passed = dimer.positions.copy()
    passed[1, 0] = 1.6
    assert graph.new_home(bond, passed) == 3
    torn = dimer.positions.copy()
    torn[1] = [0.0, 0.0, 2.5]
    assert graph.new_home(bond, torn) is None
    ethane = graph_of(molecule("C2H6"))
    hydrogen = next(k for k, pair in enumerate(ethane.pairs.tolist()) if max(pair) > 1)
    assert ethane.new_home(hydrogen, molecule("C2H6").positions) is None, "carbon gives no protons away"
