"""Clusters, populations and differences of dihedrals, on samples of which the truth is known."""

from itertools import pairwise
from math import pi

import numpy as np
import pytest

from aims_pax.errors import ShapeError
from aims_pax.evaluation.conformers import N_BINS, Conformers, bins_of, center_of, counts_of
from aims_pax.evaluation.turning import LEAST_RUNS, Likeness, divergence, map_of, turning
from aims_pax.frame import FloatArray

Wells = tuple[tuple[float, ...], ...]

RAMACHANDRAN: Wells = ((-75.0, 150.0), (-75.0, -45.0), (175.0, 178.0))
"""Centers in degrees; the last one lies across both ends of the turn."""


def hopping(rng: np.random.Generator, wells: Wells, weights: tuple[float, ...], *, n: int, stays: float) -> FloatArray:
    """A run of n looks, (n, d), rad, that stays in its well with a probability, or draws one by the weights."""
    current, places = int(rng.choice(len(wells), p=weights)), []
    for _ in range(n):
        if rng.random() > stays:
            current = int(rng.choice(len(wells), p=weights))
        places.append(current)
    angles = np.radians(np.array(wells)[places]) + rng.normal(scale=np.radians(15), size=(n, len(wells[0])))
    return np.arctan2(np.sin(angles), np.cos(angles))


def runs(
    seed: int,
    weights: tuple[float, ...],
    *,
    n_runs: int = 12,
    n: int = 600,
    stays: float = 0.95,
    wells: Wells = RAMACHANDRAN,
) -> list[FloatArray]:
    rng = np.random.default_rng(seed)
    return [hopping(rng, wells, weights, n=n, stays=stays) for _ in range(n_runs)]


def test_bins_go_round() -> None:
    angles = np.radians([-180.0, -175.0, 0.0, 179.9, 180.0, 185.0, 540.0 + 5.0])
    assert bins_of(angles).tolist() == [0, 0, 18, 35, 0, 0, 0]
    assert [np.degrees(center_of(place)) for place in (0, 35)] == pytest.approx([-175, 175])
    assert counts_of(angles[:, None]).sum() == 7
    with pytest.raises(ShapeError, match="one or two angles"):
        counts_of(np.zeros((4, 3)))


def test_clusters_are_found_where_they_are_also_across_180_degrees() -> None:
    conformers = Conformers.of(np.concatenate(runs(1, (0.5, 0.3, 0.2))))
    assert conformers.n == 3
    for center, well in zip(np.degrees(conformers.centers), RAMACHANDRAN, strict=True):
        apart = (center - well + 180) % 360 - 180
        assert np.abs(apart).max() <= 10  # a bin
    around = np.radians([[178.0, -178.0], [-178.0, 178.0], [172.0, 172.0], [-170.0, -170.0]])
    assert set(conformers.of_each(around)) == {2}


def test_a_turn_of_everything_turns_clusters_and_changes_no_population() -> None:
    mine, theirs = runs(1, (0.5, 0.3, 0.2)), runs(2, (0.5, 0.3, 0.2))
    plain = map_of(mine, theirs, dihedrals=(0, 1))
    by = np.radians(np.array([110.0, -70.0]))  # whole bins, so that rounding is the same
    turned = map_of([run + by for run in mine], [run + by for run in theirs], dihedrals=(0, 1))
    assert [one.value for both in turned.populations for one in both] == pytest.approx(
        [one.value for both in plain.populations for one in both]
    )
    assert turned.passages == plain.passages


def test_populations_are_those_of_the_samples_and_their_intervals_hold_the_truth() -> None:
    weights, n_held, n_all = (0.55, 0.3, 0.15), 0, 0
    for seed in range(12):
        found = map_of(runs(2 * seed, weights), runs(2 * seed + 1, weights), dihedrals=(0, 1))
        assert min(found.assigned) > 0.97
        assert not found.is_too_short
        for weight, both in zip(weights, found.populations, strict=True):
            for one in both:
                assert one.value == pytest.approx(weight, abs=0.12)  # four standard errors of 12 runs
                assert one.low is not None
                assert one.high is not None
                n_held += one.low <= weight <= one.high
                n_all += 1
    # 95 % by the name; twelve runs give some 91 %, as percentiles of a bootstrap do, and 72 draws scatter by 3.
    assert n_held / n_all > 0.82


def test_alike_models_are_told_apart_at_most_as_often_as_was_said() -> None:
    found = [
        turning(runs(2 * seed, (0.6, 0.4, 0.0)), runs(2 * seed + 1, (0.6, 0.4, 0.0)), dihedral=1).likeness
        for seed in range(40)
    ]
    assert Likeness.UNKNOWN not in found
    assert found.count(Likeness.DIFFERENT) <= 6  # two are expected; seven have a probability of one in 200


def test_other_populations_are_a_difference_and_its_size_grows_with_them() -> None:
    first = runs(1, (0.7, 0.3, 0.0))
    others = [turning(first, runs(7, (share, 1 - share, 0.0)), dihedral=1) for share in (0.5, 0.3, 0.1)]
    assert [one.likeness for one in others] == [Likeness.DIFFERENT] * 3
    assert all(one.divergence.value < other.divergence.value for one, other in pairwise(others))
    for one in others:
        assert one.divergence.low <= one.divergence.value * 1.05
        assert one.shares.shape == (2, N_BINS)
        assert (one.low <= one.shares + 1e-12).all()
        assert (one.shares <= one.high + 1e-12).all()


def test_a_divergence_is_that_of_its_definition() -> None:
    same, apart = np.array([0.2, 0.8, 0.0]), np.array([0.0, 0.0, 1.0])
    assert divergence(same, same) == pytest.approx(0.0, abs=1e-12)
    assert divergence(same, apart) == pytest.approx(1.0)
    p, q = np.array([0.9, 0.1]), np.array([0.5, 0.5])
    mean = (p + q) / 2
    expected = (p * np.log2(p / mean)).sum() / 2 + (q * np.log2(q / mean)).sum() / 2
    assert divergence(p, q) == pytest.approx(expected)


def test_runs_that_never_leave_their_wells_tell_nothing_however_many_looks_they_have() -> None:
    stuck = [runs(seed, (0.5, 0.5, 0.0), n=3000, stays=1.0) for seed in (1, 2)]
    one = turning(*stuck, dihedral=1)
    assert one.wells == 2
    assert one.passages == (0, 0)
    assert one.is_too_short
    assert one.likeness is Likeness.UNKNOWN
    chart = map_of(*stuck, dihedrals=(0, 1))
    assert chart.is_too_short
    for both in chart.populations:
        for share in both:
            assert share.high - share.low > 0.3  # 12 runs, not 36 000 looks


def test_one_well_seen_by_all_is_as_sure_as_runs_are_many() -> None:
    alone = [runs(seed, (1.0, 0.0, 0.0)) for seed in (1, 2)]
    chart = map_of(*alone, dihedrals=(0, 1))
    assert chart.conformers.n == 1
    assert not chart.is_too_short
    ((mine, _),) = chart.populations
    if mine.value == 1.0:
        assert (mine.low, mine.high) == pytest.approx((0.757, 1.0), abs=1e-3)  # Wilson, 12 of 12
    assert turning(*alone, dihedral=0).likeness is Likeness.ALIKE


def test_few_runs_make_no_statement_and_one_has_no_interval() -> None:
    few = turning(runs(1, (0.7, 0.3, 0.0), n_runs=LEAST_RUNS - 1), runs(2, (0.1, 0.9, 0.0), n_runs=12), dihedral=1)
    assert few.noise is None
    assert few.likeness is Likeness.UNKNOWN
    single = turning(runs(1, (1.0, 0.0, 0.0), n_runs=1), runs(2, (1.0, 0.0, 0.0), n_runs=1), dihedral=1)
    assert (single.divergence.low, single.divergence.high) == (None, None)


def test_swings_across_the_line_between_two_wells_are_no_passages() -> None:
    seen = np.concatenate(runs(1, (0.5, 0.5), wells=((-60.0,), (60.0,)), stays=0.9))
    conformers = Conformers.of(seen)
    assert conformers.n == 2
    at = {name: np.radians(angle) for name, angle in (("left", -60.0), ("right", 60.0), ("edge", -3.0), ("over", 3.0))}

    def passages(*names: str) -> int:
        return conformers.n_passages(np.array([[at[name]] for name in names]))

    assert passages("left", "edge", "over", "edge", "over", "edge", "left") == 0
    assert passages("left", "edge", "over", "right", "right", "over", "left") == 2


def test_noise_of_a_broad_well_makes_no_clusters() -> None:
    rng = np.random.default_rng(3)
    for n in (300, 3000, 30_000):
        broad = rng.normal(scale=np.radians(35), size=(n, 2))
        assert Conformers.of(broad).n == 1
    flat = rng.uniform(-pi, pi, size=(20_000, 1))
    assert Conformers.of(flat).n == 1


def test_the_same_seed_gives_the_same_numbers() -> None:
    pair = runs(1, (0.5, 0.3, 0.2)), runs(2, (0.5, 0.3, 0.2))
    assert turning(*pair, dihedral=0).as_json() == turning(*pair, dihedral=0).as_json()
    assert map_of(*pair, dihedrals=(0, 1)).as_json() == map_of(*pair, dihedrals=(0, 1)).as_json()
