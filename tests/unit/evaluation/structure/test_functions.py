"""Functions of structures against what is known: gases, shells of crystals, rings of networks."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, molecule
from ase.geometry.rdf import get_rdf
from ase.spacegroup import crystal

from aims_pax.atoms import frame_of
from aims_pax.evaluation.structure.angles import angles_in
from aims_pax.evaluation.structure.coordination import coordination
from aims_pax.evaluation.structure.function import Shells
from aims_pax.evaluation.structure.radial import BIN_ANG, REACH_ANG, Radial, bonds_of, edges_ang, radial_of, shells_of
from aims_pax.evaluation.structure.rings import rings_in
from aims_pax.frame import Frame

BRASS = crystal(["Cu", "Zn"], [(0, 0, 0), (0.5, 0.5, 0.5)], spacegroup=221, cellpar=[2.95, 2.95, 2.95, 90, 90, 90])


def framed(atoms: Atoms) -> Frame:
    return frame_of(atoms, system="it", trajectory=0)


def rattled(atoms: Atoms, *, n: int = 4, by_ang: float = 0.05) -> list[Frame]:
    found = []
    for seed in range(n):
        moved = atoms.copy()
        moved.rattle(by_ang, seed=seed)
        found.append(framed(moved))
    return found


def shells_within(atoms: Atoms) -> Shells:
    return shells_of([radial_of(rattled(atoms))])


def test_atoms_without_order_have_one_in_a_cell_without_right_angles() -> None:
    rng = np.random.default_rng(0)
    cell = np.array([[12.0, 0, 0], [4.0, 11.0, 0], [-3.0, 2.0, 13.0]])
    frames = [
        framed(Atoms(numbers=[18] * 80, cell=cell, scaled_positions=rng.random((80, 3)), pbc=True)) for _ in range(40)
    ]
    g = radial_of(frames).g[18, 18]
    inside = (edges_ang()[1:] > 2.0) & (edges_ang()[1:] < 8.0)
    n_pairs = 40 * 80 * 79 / np.linalg.det(cell) * 4 / 3 * np.pi * (8.0**3 - 2.0**3)
    assert g[inside].mean() == pytest.approx(1 - 1 / 80, abs=4 / np.sqrt(n_pairs / 2)), "four standard errors"


def test_it_is_that_of_ase() -> None:
    atoms = bulk("Cu", cubic=True).repeat(5)
    atoms.rattle(0.1, seed=1)
    ours = radial_of([framed(atoms)]).g[29, 29]
    theirs, places = get_rdf(atoms, REACH_ANG, round(REACH_ANG / BIN_ANG))
    np.testing.assert_allclose(places, (edges_ang()[1:] + edges_ang()[:-1]) / 2)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_shells_of_fcc_have_12_6_and_24_atoms() -> None:
    found = radial_of([framed(bulk("Cu", a=3.6))])
    counts, middles = found.counts[29, 29], (edges_ang()[1:] + edges_ang()[:-1]) / 2
    ends = np.cumsum(counts)[np.searchsorted(middles, [3.0, 4.0, 4.8])]
    np.testing.assert_allclose(ends, [12, 18, 42])
    assert shells_of([found])[29, 29] == pytest.approx((3.6 / np.sqrt(2) + 3.6) / 2, abs=BIN_ANG), "between two shells"


def test_molecules_have_neighbours_per_length_and_no_volume() -> None:
    found = radial_of([framed(molecule("CH4"))])
    assert not found.is_relative
    assert found.g[1, 6].sum() * BIN_ANG == pytest.approx(1.0), "one carbon around each hydrogen"
    assert found.g[1, 1].sum() * BIN_ANG == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("atoms", "expected"),
    [
        (bulk("C", "diamond", a=3.567, cubic=True), 4),
        (bulk("Cu", cubic=True), 12),
        (bulk("Fe", cubic=True).repeat(2), 8),
    ],
)
def test_atoms_of_crystals_have_their_neighbours(atoms: Atoms, expected: int) -> None:
    runs = [rattled(atoms, by_ang=0.02)]
    _, (number,) = coordination(runs, shells_within(atoms) if expected != 8 else {(26, 26): 2.65})
    assert number.values[0] == pytest.approx(expected)


def test_ions_of_rock_salt_have_six_of_the_other_kind() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    _, numbers = coordination([rattled(atoms)], {(11, 17): shells_within(atoms)[11, 17]})
    assert {one.words: one.values[0] for one in numbers} == {
        "neighbours Cl around Na": 6.0,
        "neighbours Na around Cl": 6.0,
    }


def test_angles_of_diamond_and_water() -> None:
    diamond = bulk("C", "diamond", a=3.567)
    angles = angles_in(framed(diamond), {(6, 6): 1.8})[6]
    assert len(angles) == 2 * 6
    np.testing.assert_allclose(angles, np.degrees(np.arccos(-1 / 3)), atol=1e-5)
    water = molecule("H2O")
    (angle,) = angles_in(framed(water), {(1, 8): 1.2})[8]
    assert angle == pytest.approx(water.get_angle(1, 0, 2))


def quartz() -> Atoms:
    """Levien, Prewitt & Weidner, Am. Mineral. 65, 920 (1980)."""
    return crystal(
        ["Si", "O"],
        [(0.4697, 0.0, 1 / 3), (0.4135, 0.2669, 0.2144)],
        spacegroup=152,
        cellpar=[4.916, 4.916, 5.4054, 90, 90, 120],
    )


@pytest.mark.parametrize(
    ("atoms", "shells", "sizes"),
    [
        (bulk("C", "diamond", a=3.567), {(6, 6): 1.8}, {6: 2.0}),
        (bulk("C", "diamond", a=3.567, cubic=True), {(6, 6): 1.8}, {6: 2.0}),
        (graphene(size=(2, 2, 1), vacuum=10.0), {(6, 6): 1.8}, {6: 0.5}),
        (molecule("C6H6"), {(6, 6): 1.8}, {6: 1 / 12}),
        (molecule("C60"), {(6, 6): 1.8}, {5: 12 / 60, 6: 20 / 60}),
        (bulk("Cu", a=3.6), {(29, 29): 3.0}, {3: 8.0}),
        (bulk("NaCl", "rocksalt", a=5.64), {(11, 17): 3.2}, {4: 3.0}),
    ],
    ids=["diamond", "diamond, cubic", "graphene", "benzene", "C60", "fcc", "rock salt"],
)
def test_rings_are_those_of_the_network(atoms: Atoms, shells: Shells, sizes: dict[int, float]) -> None:
    found = rings_in(framed(atoms), shells)
    assert {size: count for size, count in enumerate(found) if count} == pytest.approx(sizes)


def test_rings_of_quartz_are_of_six_tetrahedra() -> None:
    atoms = quartz()
    assert len(atoms) == 9
    found = rings_in(framed(atoms), {(8, 14): 1.9}, most=16)
    assert [size for size, count in enumerate(found) if count] == [12]


@pytest.mark.parametrize(
    ("atoms", "expected"),
    [
        (bulk("NaCl", "rocksalt", a=5.64, cubic=True), {(11, 17)}),
        (bulk("MgO", "rocksalt", a=4.21, cubic=True), {(8, 12)}),
        (quartz(), {(8, 14)}),
        (molecule("CH3CH2OH"), {(1, 6), (1, 8), (6, 6), (6, 8)}),
        (bulk("Cu", cubic=True), {(29, 29)}),
        (BRASS, {(29, 30), (29, 29), (30, 30)}),
    ],
    ids=["rock salt", "magnesia", "quartz", "ethanol", "copper", "brass"],
)
def test_bonds_are_those_that_a_chemist_draws(atoms: Atoms, expected: set[tuple[int, int]]) -> None:
    radials = [radial_of(rattled(atoms, by_ang=0.02))]
    assert set(bonds_of(radials, shells_of(radials))) == expected


def test_runs_without_a_pair_have_no_shell_of_it() -> None:
    assert set(shells_of([radial_of([framed(molecule("H2O"))])])) == {(1, 1), (1, 8)}
    assert isinstance(radial_of([framed(molecule("H2O"))]), Radial)
