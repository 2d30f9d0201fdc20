"""What each source makes of structures, by numbers."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from aims_pax.atoms import atoms_of
from aims_pax.settings.augmentation.sources import SupercellSettings
from aims_pax.structures.augmentation.alloys import counts as shared
from aims_pax.structures.augmentation.supercells import repeats_of, shortest_image
from aims_pax.structures.spacing import nearest

from .starts import frame, graphene, made, of, salt, silicon, smallest_ratio, water

CELLS = {
    "Si8": (bulk("Si", "diamond", 5.43, cubic=True), (4, 4, 3), 16.29),
    "Si2": (bulk("Si", "diamond", 5.43), (5, 5, 5), 19.198),
    "C8": (bulk("C", "diamond", 3.567, cubic=True), (4, 4, 3), 10.701),
    "Cu4": (bulk("Cu", "fcc", 3.61, cubic=True), (5, 5, 4), 14.44),
    "Cu1": (bulk("Cu", "fcc", 3.61), (9, 8, 6), 15.316),
    "NaCl8": (bulk("NaCl", "rocksalt", 5.64, cubic=True), (4, 4, 3), 16.92),
    "Ti2": (bulk("Ti", "hcp", 2.95, c=4.68), (7, 7, 4), 18.72),
}
"""Repeats and shortest images that AiiDA-TrainsPot's own function gives (982e9e6) for 18 Å and 450 atoms."""


@pytest.mark.parametrize("name", CELLS)
def test_rule_of_trainspot_gives_its_repeats(name: str) -> None:
    atoms, repeats, image = CELLS[name]
    start = frame(atoms, name)
    assert repeats_of(start, SupercellSettings(rule="trainspot")) == repeats
    assert shortest_image(np.array(repeats)[:, None] * start.cell, start.pbc) == pytest.approx(image, abs=5e-3)


@pytest.mark.parametrize("name", CELLS)
def test_largest_supercell_keeps_images_at_least_as_far_apart_by_no_more_atoms_than_are_allowed(name: str) -> None:
    atoms, by_turns, image = CELLS[name]
    start = frame(atoms, name)
    repeats = repeats_of(start, SupercellSettings())
    ours = shortest_image(np.array(repeats)[:, None] * start.cell, start.pbc)
    assert np.prod(repeats) * start.n_atoms <= 450
    assert ours >= min(image, 18.0) - 5e-3
    if ours < 18.0:
        others = [(a, b, c) for a in range(1, 12) for b in range(1, 12) for c in range(1, 12)]
        allowed = [np.array(one) for one in others if np.prod(one) * start.n_atoms <= 450]
        best = max(shortest_image(one[:, None] * start.cell, start.pbc) for one in allowed)
        assert ours == pytest.approx(best)
    else:
        assert np.prod(repeats) <= np.prod(by_turns)


def test_supercell_of_a_layer_repeats_it_along_the_layer() -> None:
    for rule in ("largest", "trainspot"):
        assert repeats_of(graphene(), SupercellSettings(rule=rule)) == (4, 4, 1)
        assert repeats_of(graphene(), SupercellSettings(rule=rule, shortest_image=24, max_atoms=6)) == (1, 1, 1)
        assert repeats_of(water(), SupercellSettings(rule=rule)) == (1, 1, 1)


def test_supercells_are_what_other_sources_begin_with() -> None:
    made_of = made([silicon()], supercell={"max_atoms": 64}, inputs=True, vacancies={"n": 2})
    assert [one.n_atoms for one in of(made_of, "inputs")] == [64]
    assert [one.n_atoms for one in of(made_of, "vacancies")] == [63, 63]
    assert [one.config_type for one in of(made_of, "inputs")] == ["supercell"]


def test_atoms_move_in_all_directions_by_up_to_a_part_of_the_nearest_distance() -> None:
    start = silicon()
    found = of(made([start], distort={"n": 40, "strain": [0, 0], "vacancies": 0}, overlap=0), "distort")
    moves = np.concatenate([one.positions - start.positions for one in found])
    lengths = np.linalg.norm(moves, axis=1) / nearest(start)[0]
    assert lengths.max() <= 0.3
    # Lengths are even in [0, 0.3], directions on the sphere: 320 of them, and three standard errors.
    assert lengths.mean() == pytest.approx(0.15, abs=3 * 0.3 / np.sqrt(12 * len(moves)))
    octants = Counter(tuple(one) for one in (moves > 0).tolist())
    assert len(octants) == 8
    assert min(octants.values()) > len(moves) / 8 - 4 * np.sqrt(len(moves) * 7 / 64)


def test_distorted_cells_are_strained_within_the_range_and_the_first_ones_lose_atoms() -> None:
    start = silicon()
    found = of(made([start], distort={"n": 30}), "distort")
    factors = np.array([one.cell[0, 0] for one in found]) / 5.43
    assert 0.8 <= factors.min() < 0.95
    assert 1.4 < factors.max() <= 1.6
    assert [one.n_atoms for one in found] == [6] * 9 + [8] * 21


def test_only_lattice_vectors_of_periodic_directions_are_strained() -> None:
    for one in of(made([graphene()], distort={"n": 4, "vacancies": 0}, vacuum=10), "distort"):
        assert np.linalg.norm(one.cell[0]) != pytest.approx(4.92, abs=1e-3)
        assert np.linalg.norm(one.cell[2]) >= 15.0
        assert np.linalg.norm(one.cell[2]) - np.ptp(one.positions[:, 2]) >= 10.0 - 1e-9


def test_even_strains_are_steps_of_the_range() -> None:
    found = of(made([silicon()], strain={"range": [-0.05, 0.1], "n_isotropic": 4, "n_anisotropic": 3}), "strain")
    assert [one.cell[0, 0] / 5.43 for one in found[:4]] == pytest.approx([0.95, 1.0, 1.05, 1.1])
    for one in found[3:]:
        scaled = one.positions @ np.linalg.inv(one.cell)
        assert scaled == pytest.approx(silicon().positions / 5.43)
    for one in found[4:]:
        strain = one.cell / 5.43 - np.eye(3)
        assert strain == pytest.approx(strain.T), "it turns nothing"
        assert np.abs(strain - np.diag(np.diag(strain))).max() <= 0.05


def test_layers_are_strained_along_the_layer() -> None:
    found = of(made([graphene()], strain={"n_isotropic": 2, "n_anisotropic": 2}), "strain")
    for one in found:
        assert one.cell[2] == pytest.approx([0, 0, 15])
        assert one.positions[:, 2] == pytest.approx(7.5)


def test_vacancies_are_different_ones_and_no_more_than_there_are() -> None:
    collected = made([silicon()], vacancies={"n": 10})
    found = of(collected, "vacancies")
    assert len(found) == 8
    assert len({one.positions.tobytes() for one in found}) == 8
    (remark,) = collected.told
    assert remark.found == "2 of 10 structures are missing: there are 8 ways to take 1 of the 8 atoms of silicon."


def test_clusters_have_2_to_max_atoms_each_beside_another() -> None:
    found = of(made([salt()], clusters={"n": 60, "max_atoms": 5, "spacing": 1.5}), "clusters")
    assert Counter(one.n_atoms for one in found).keys() == {2, 3, 4, 5}
    assert {int(number) for one in found for number in one.numbers} == {11, 17}
    for one in found:
        distances = nearest(one)
        assert distances.min() >= 1.5
        assert distances.max() <= 3**0.5 * 1.66 + 1e-9  # half of the sum of two radii of Na
        assert not one.pbc.any()
        assert np.diag(one.cell) - np.ptp(one.positions, axis=0) == pytest.approx(15.0)


def test_structures_of_the_same_elements_have_their_clusters_in_common() -> None:
    collected = made([silicon(), frame(bulk("Si", "diamond", 5.43), "primitive"), salt()], clusters=3)
    assert Counter(one.system for one in of(collected, "clusters")) == {"silicon": 3, "salt": 3}


@pytest.mark.parametrize(
    ("atoms", "n_atoms", "heights"),
    [
        (bulk("Si", "diamond", 5.43, cubic=True), (32, 32, 24), (26.756, 28.439, 29.932)),
        (bulk("Cu", "fcc", 3.61, cubic=True), (24, 20, 16), (25.421, 26.487, 27.635)),
    ],
    ids=["Si8", "Cu4"],
)
def test_slabs_are_those_of_trainspot(atoms: object, n_atoms: tuple[int, ...], heights: tuple[float, ...]) -> None:
    """Its own function (982e9e6) for (111), (110), (100), 10 Å and 15 Å of vacuum."""
    found = of(made([frame(atoms, "crystal")], slabs=True), "slabs")  # type: ignore[arg-type]
    assert tuple(one.n_atoms for one in found) == n_atoms
    assert [np.linalg.norm(one.cell[2]) for one in found] == pytest.approx(heights, abs=1e-3)
    for one in found:
        assert one.pbc.tolist() == [True, True, False]
        assert np.ptp(one.positions[:, 2]) >= 10.0


def test_slab_that_may_not_have_more_atoms_is_thinner_and_told() -> None:
    collected = made([silicon()], slabs={"miller": [[1, 0, 0], 110], "max_atoms": 8})
    assert [one.n_atoms for one in of(collected, "slabs")] == [8, 8]
    assert [one.found for one in collected.told] == [
        "silicon: (1 0 0) is thinner than 10 Å: max_atoms allows no further layer.",
        "silicon: (1 1 0) is thinner than 10 Å: max_atoms allows no further layer.",
    ]
    collected = made([silicon()], slabs={"max_atoms": 4}, isolated=True)
    assert of(collected, "slabs") == []
    assert "3 of 3 structures are missing" in collected.text()


def test_primitive_cell_is_told_to_have_its_own_faces() -> None:
    collected = made([frame(bulk("Si", "diamond", 5.43), "primitive")], slabs=True)
    assert "primitive one of a face-centred lattice" in collected.text()
    assert made([silicon()], slabs=True).told == ()


def test_one_isolated_atom_of_each_element() -> None:
    found = of(made([salt(), silicon(), water()], isolated=True, vacuum=12), "isolated")
    assert [(one.system, int(one.numbers[0])) for one in found] == [
        ("salt", 11),
        ("salt", 17),
        ("silicon", 14),
        ("water", 1),
        ("water", 8),
    ]
    for one in found:
        assert one.cell == pytest.approx(12 * np.eye(3))
        assert one.positions[0] == pytest.approx([6, 6, 6])
        assert one.config_type == "IsolatedAtom"


def test_exchanged_species_keep_the_composition_and_the_places() -> None:
    collected = made([salt()], supercell=64, inputs=True, substitute={"structures": 1.0, "atoms": 0.25})
    (before,), (after,) = of(collected, "inputs"), of(collected, "substitute")
    assert before.positions == pytest.approx(after.positions)
    assert sorted(before.numbers) == sorted(after.numbers)
    assert (before.numbers != after.numbers).sum() == 16


def test_a_share_of_structures_is_exchanged() -> None:
    collected = made([salt()], distort=200, substitute=True)
    assert 20 <= len(of(collected, "substitute")) <= 60  # 40, and 3.5 standard deviations


def test_alloys_of_all_structures_by_given_fractions_or_by_random_ones() -> None:
    asked = {"species": ["Si", "Ge"], "n": 6}
    collected = made([silicon(), salt()], alloys={**asked, "fractions": {"Si": 3, "Ge": 1}, "fixed": "Cl"})
    found = of(collected, "alloys")
    assert Counter(one.system for one in found) == {"silicon": 6, "salt": 6}
    for one in found:
        sites = one.numbers[one.numbers != 17]
        assert Counter(sites.tolist()) == ({14: 6, 32: 2} if one.system == "silicon" else {14: 3, 32: 1})
    at_random = [tuple(one.numbers.tolist()) for one in of(made([silicon()], alloys=asked), "alloys")]
    assert len({one.count(32) for one in at_random}) > 2


@pytest.mark.parametrize(
    ("fractions", "n_sites", "wanted"),
    [
        ([0.5, 0.5], 7, [4, 3]),
        ([0.75, 0.25], 8, [6, 2]),
        ([1 / 3, 1 / 3, 1 / 3], 8, [3, 3, 2]),
        ([1.0, 0.0], 3, [3, 0]),
    ],
)
def test_sites_go_to_the_largest_remainders(fractions: list[float], n_sites: int, wanted: list[int]) -> None:
    assert shared(np.array(fractions), n_sites).tolist() == wanted


def test_dimers_are_steps_of_the_distance_of_each_pair() -> None:
    found = of(made([salt()], dimers={"n": 5, "range": [0.6, 2.0]}), "dimers")
    assert len(found) == 15
    distances = [np.linalg.norm(one.positions[1] - one.positions[0]) for one in found if len(set(one.numbers)) == 2]
    assert distances == pytest.approx(np.linspace(0.6, 2.0, 5) * (1.66 + 1.02))
    named = of(made([salt()], dimers={"n": 2, "pairs": ["Cl-Na"]}), "dimers")
    assert [one.numbers.tolist() for one in named] == [[17, 11], [17, 11]]


def test_a_pair_belongs_to_the_structure_that_holds_both_its_elements() -> None:
    found = of(made([salt(), water(), silicon()], dimers={"n": 2, "range": [1, 2]}), "dimers")
    homes = {tuple(one.numbers.tolist()): one.system for one in found}
    assert len(homes) == 15
    assert (homes[1, 8], homes[11, 17], homes[14, 14]) == ("water", "salt", "silicon")
    assert homes[8, 17] == "salt", "the first that has one"


def test_no_two_atoms_are_nearer_than_asked_in_anything_that_is_made() -> None:
    starts = [silicon(), salt(), water(), graphene()]
    augment = {"strain": True, "vacancies": True, "dimers": True, "alloys": {"species": ["C", "Pb"], "n": 5}}
    published = dict.fromkeys(("inputs", "isolated", "distort", "clusters", "slabs", "substitute"), True)
    collected = made(starts, **augment, **published, overlap=0.6)
    # The inputs are as they are; what is made of them keeps its distances.
    ratios = [smallest_ratio(one) for one in collected.frames if one.n_atoms > 1 and one.config_type != "input"]
    assert len(ratios) > 300
    assert min(ratios) >= 0.6 - 1e-9
    assert sum(one.n_rejected for one in collected.made) > 50


def test_shortfall_is_told_with_its_reason() -> None:
    collected = made([silicon()], distort={"n": 6, "strain": [-0.6, -0.6], "vacancies": 0}, redraws=3)
    assert [(one.n_asked, len(one.frames), one.n_rejected) for one in collected.made] == [(6, 0, 24)]
    (remark,) = collected.told
    assert remark.where == "augment.distort"
    assert remark.found == "6 of 6 structures are missing: atoms are too near to each other in all 4 draws."
    assert "begin its strain higher" in remark.advice


def test_structures_are_the_same_by_the_same_seed_and_independent_of_what_else_is_made() -> None:
    few, more = {"n": 3, "vacancies": 0}, {"n": 5, "vacancies": 0}
    alone = of(made([silicon()], distort=few, seed=7), "distort")
    beside = of(made([salt(), silicon()], distort=more, clusters=True, seed=7), "distort")
    for one, other in zip(alone, [other for other in beside if other.system == "silicon"][:3], strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_array_equal(one.cell, other.cell)
    others = of(made([silicon()], distort=few, seed=8), "distort")
    assert not np.allclose(others[1].positions, alone[1].positions)


def test_charge_and_spin_stay_where_the_atoms_do() -> None:
    ion = replace(water(), charge=1, spin=2)
    collected = made([ion], distort={"n": 4, "n_vacancies": 1, "vacancies": 0.5}, strain=True, inputs=True)
    assert [(one.charge, one.spin) for one in of(collected, "distort")[2:]] == [(1, 2), (1, 2)]
    assert of(collected, "inputs")[0].charge == 1


def test_other_molecules_are_neutral_with_as_few_unpaired_electrons_as_they_can_have() -> None:
    asked = {"distort": {"n": 9, "n_vacancies": 1, "vacancies": 1}, "clusters": 20, "dimers": 2}
    collected = made([replace(water(), charge=1, spin=2)], **asked)
    for one in collected.frames:
        assert one.charge == 0
        assert one.spin == 1 + one.numbers.sum() % 2
    assert {one.spin for one in collected.frames} == {1, 2}


def test_other_crystals_leave_charge_and_spin_to_the_reference() -> None:
    collected = made([replace(salt(), charge=0, spin=1)], vacancies=2, alloys={"species": ["Na", "K"], "n": 2})
    assert {(one.charge, one.spin) for one in collected.frames} == {(None, None)}


def test_free_atoms_have_the_spin_of_their_ground_state() -> None:
    found = of(made([salt(), silicon(), water()], isolated=True), "isolated")
    assert {int(one.numbers[0]): one.spin for one in found} == {1: 2, 8: 3, 11: 2, 14: 3, 17: 2}
    assert {one.charge for one in found} == {0}


def test_atoms_tell_where_they_come_from() -> None:
    collected = made([silicon()], inputs=True, distort=2)
    facts = [one.info for one in collected.atoms()]
    assert facts[0] == {"source": "inputs", "system": "silicon", "number": 1, "config_type": "input"}
    assert facts[2] == {"source": "distort", "system": "silicon", "number": 2, "config_type": "distorted"}
    assert len(atoms_of(collected.frames[0])) == 8
