"""How many molecules of each compound, and how much room they take."""

import numpy as np
import pytest

from aims_pax.structures.building.failure import NotBuilt
from aims_pax.structures.building.mixture import AMU_PER_ANG3_G_PER_CM3, apportioned, redrawn

from .ingredients import compound, recipe


@pytest.mark.parametrize("seed", range(20))
def test_shares_are_within_one_of_exact_ones_where_all_are_above_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.uniform(1.0, 5.0, size=5)
    total = int(rng.integers(30, 80))
    shares = apportioned(total, weights.tolist())
    assert sum(shares) == total
    assert np.abs(np.array(shares) - total * weights / weights.sum()).max() < 1.0


def test_remainders_decide_and_the_first_of_equal_ones() -> None:
    assert apportioned(10, [1, 1, 1]) == (4, 3, 3)
    assert apportioned(10, [1.0, 2.0, 4.4]) == (1, 3, 6)
    assert apportioned(0, [1, 1]) == (0, 0)


def test_a_rare_compound_is_there_where_there_is_room() -> None:
    assert apportioned(10, [97, 1, 1, 1]) == (7, 1, 1, 1)
    assert apportioned(2, [97, 1, 1]) == (2, 0, 0), "three can't have one of two"


def test_counts_stay_and_the_others_share_the_rest() -> None:
    mixed = recipe(compound("h2o", 3), compound("argon", count=2), compound("methane", 1), n_molecules=10)
    assert mixed.counts_in(None) == (6, 2, 2)


def test_box_and_density_make_the_number() -> None:
    mixed = recipe(compound("h2o", 2), compound("ethanol", 1), density=0.9, box_ang=(11.0, 12.0, 10.0))
    counts = mixed.counts_in(1320.0)
    assert counts[0] == pytest.approx(2 * counts[1], abs=1)
    density = mixed.mass_u(counts) * AMU_PER_ANG3_G_PER_CM3 / 1320.0
    # Half a molecule of the lightest compound, or of the mean one.
    assert density == pytest.approx(0.9, abs=0.02)


def test_density_alone_fills_what_max_atoms_leaves() -> None:
    mixed = recipe(compound("h2o"), density=1.0, max_atoms=100)
    assert mixed.counts_in(None) == (33,)
    assert mixed.counts_in(None, n_others=50) == (16,)
    # 33 x 18.015 u / (1 g/cm³) = 987.2 Å³
    assert mixed.edges_ang((33,)) == pytest.approx([9.957] * 3, abs=1e-3)


def test_species_say_masses() -> None:
    heavy = compound("h2o")
    heavy = type(heavy)(heavy.name, heavy.frame, masses={1: 2.014})
    assert heavy.mass_u == pytest.approx(15.999 + 2 * 2.014)


def test_redrawn_concentrations_have_those_written_as_mean() -> None:
    rng = np.random.default_rng(0)
    written = [compound("h2o", 3.0), compound("argon", count=2), compound("methane", 1.0)]
    drawn = [redrawn(written, rng) for _ in range(2000)]
    assert all(one[1].count == 2 and one[1].concentration == 1.0 for one in drawn)
    first = np.array([one[0].concentration for one in drawn])
    assert np.array([one[2].concentration for one in drawn]) == pytest.approx(1 - first)
    # Beta(3, 1): standard deviation 0.194, of the mean of 2000 0.0043; four of these.
    assert first.mean() == pytest.approx(0.75, abs=0.018)
    assert first.std() == pytest.approx(0.194, abs=0.02)


def test_redrawn_compounds_stay_in_the_mixture() -> None:
    rng = np.random.default_rng(1)
    written = tuple(compound(name) for name in ("h2o", "argon", "methane", "ethanol", "methanol"))
    for _ in range(200):
        counts = recipe(*redrawn(written, rng), n_molecules=20).counts_in(None)
        assert sum(counts) == 20
        assert min(counts) >= 1


@pytest.mark.parametrize(
    ("said", "volume", "match"),
    [
        ({}, None, r"not said how many molecules of h2o.*Write Number"),
        ({"n_molecules": 100}, None, r"100 h2o are 300 atoms; MaxAtoms allows 200.*Raise MaxAtoms"),
        ({"density": 1.0}, 1e5, r"MaxAtoms allows 200.*lower Number, Count, Density or Box"),
        ({"density": 1.0}, 5.0, r"no room for a molecule of h2o.*Raise Density"),
        ({"density": 1.0, "max_atoms": 2}, None, r"no room for a molecule of h2o.*Raise MaxAtoms"),
    ],
)
def test_what_is_lacking_or_too_much_is_told(said: dict[str, float], volume: float | None, match: str) -> None:
    with pytest.raises(NotBuilt, match=match):
        recipe(compound("h2o"), **said).counts_in(volume)


def test_room_without_density_is_told() -> None:
    with pytest.raises(NotBuilt, match=r"how much room h2o take.*Write a Density, or a Box"):
        recipe(compound("h2o", count=3)).edges_ang((3,))
