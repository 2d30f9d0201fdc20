"""Checks against the reference: intervals, tolerances, and what becomes of both where a run is continued."""

import math

import pytest

from aims_pax.learner.checks import (
    Adaptive,
    CheckRules,
    CheckState,
    Differences,
    Step,
    Tolerances,
    begun,
    checked,
    continued,
    kind_of,
    learns,
)

# A published run of 100 000 steps of Al2O3, 118 atoms: step, meV/atom, meV/Å, and the interval that followed.
# T. K. Stenczel et al., J. Chem. Phys. 159, 044803 (2023); the numbers are facts of its data set.
AL2O3 = (
    (15, 1.788, 376.0, 10),
    (25, 2.363, 288.9, 13),
    (38, 4.135, 347.9, 10),
    (48, 1.765, 249.2, 13),
    (61, 0.959, 260.7, 16),
    (77, 2.356, 257.1, 20),
    (97, 0.122, 269.8, 26),
    (123, 6.247, 280.0, 20),
    (143, 1.076, 230.8, 26),
    (169, 2.958, 340.1, 20),
    (189, 0.400, 216.1, 26),
    (215, 1.616, 248.6, 33),
    (248, 1.542, 221.0, 42),
    (290, 2.591, 201.2, 54),
    (344, 1.537, 234.7, 70),
    (414, 0.631, 205.7, 91),
    (505, 3.756, 282.7, 118),
    (623, 3.621, 280.3, 153),
    (776, 1.921, 240.3, 198),
    (974, 2.680, 247.1, 257),
    (1231, 1.198, 212.1, 334),
    (1565, 3.558, 180.1, 434),
    (1999, 3.381, 192.8, 564),
    (2563, 4.170, 219.1, 733),
    (3296, 1.040, 291.0, 952),
    (4248, 5.632, 338.7, 732),
    (4980, 2.991, 245.1, 951),
    (5931, 1.525, 156.6, 1236),
    (7167, 6.612, 256.1, 950),
    (8117, 1.328, 172.9, 1235),
    (9352, 1.306, 207.5, 1605),
    (10957, 0.441, 175.2, 2086),
    (13043, 1.986, 185.0, 2711),
    (15754, 1.163, 163.3, 3524),
    (19278, 2.428, 200.2, 4581),
    (23859, 5.036, 181.2, 3523),
    (27382, 0.963, 192.4, 4579),
    (31961, 0.658, 180.7, 5000),
    (36961, 3.399, 217.2, 5000),
    (41961, 2.236, 160.9, 5000),
    (46961, 0.376, 203.7, 5000),
    (51961, 1.380, 166.7, 5000),
    (56961, 0.328, 164.9, 5000),
    (61961, 2.307, 211.7, 5000),
    (66961, 0.076, 175.1, 5000),
    (71961, 1.756, 172.0, 5000),
    (76961, 0.310, 187.7, 5000),
    (81961, 1.136, 169.3, 5000),
    (86961, 1.123, 212.9, 5000),
    (91961, 0.140, 188.6, 5000),
    (96961, 1.542, 166.8, 5000),
)
FAILED = [15, 38, 123, 169, 4248, 7167, 23859]
RULES = CheckRules(
    Tolerances(ediff=0.005, frmse=0.3),
    check_interval=10,
    num_initial_steps=5,
    adaptive=Adaptive(n_min=10, n_max=5000, factor=1.3),
)
FIXED = CheckRules(Tolerances(ediff=0.005), check_interval=4, num_initial_steps=2)


def differences(mev_per_atom: float, mev_per_ang: float) -> Differences:
    return Differences(ediff=mev_per_atom / 1000, fmax=math.inf, frmse=mev_per_ang / 1000)


def test_a_published_run_is_replayed() -> None:
    """All 51 checks, 7 of which failed, and each interval; 5 steps before them are the reference's."""
    found = {step: differences(energy, force) for step, energy, force, _ in AL2O3}
    state, seen, failed, n_reference = CheckState.begin(RULES), [], [], 0
    for step in range(100_001):
        kind = kind_of(state, step)
        n_reference += kind is not Step.GENERIC
        if kind is Step.LAST_INITIAL:
            state = begun(state, RULES)
        elif kind is Step.CHECK:
            passed = not RULES.tolerances.broken(found[step])
            failed += [] if passed else [step]
            state = checked(state, RULES, step=step, passed=passed)
            seen.append((step, state.interval))
    assert seen == [(step, interval) for step, *_, interval in AL2O3]
    assert failed == FAILED
    assert n_reference == 57  # the paper's: 51 checks, and steps 0 to 5


def test_all_that_are_set_must_hold_strictly() -> None:
    found = Differences(ediff=0.001, fmax=0.2, frmse=0.1, vmax=0.05)
    assert Tolerances(0.002, 0.3, 0.11, 0.06).broken(found) == ()
    assert Tolerances(0.001, 0.3, 0.1, 0.06).broken(found) == ("ediff", "frmse")
    assert Tolerances(fmax=0.1).broken(found) == ("fmax",)
    assert Tolerances().broken(found) == ()


def test_a_model_that_says_nothing_fails_and_a_stress_that_nobody_tells_is_off() -> None:
    assert Tolerances(frmse=1.0).broken(Differences(0.0, math.nan, math.nan)) == ("frmse",)
    assert Tolerances(vmax=1e-9, ediff=1.0).broken(Differences(0.1, 0.0, 0.0, None)) == ()


def test_fixed_intervals_are_kept_whatever_comes_of_checks() -> None:
    state, kinds = CheckState.begin(FIXED), []
    for step in range(12):
        kinds.append(kind := kind_of(state, step))
        if kind is Step.LAST_INITIAL:
            state = begun(state, FIXED)
        elif kind is Step.CHECK:
            state = checked(state, FIXED, step=step, passed=step != 6)
    assert [step for step, kind in enumerate(kinds) if kind is Step.CHECK] == [6, 10]
    assert kinds[:3] == [Step.INITIAL, Step.INITIAL, Step.LAST_INITIAL]


def test_without_initial_steps_the_model_begins() -> None:
    rules = CheckRules(Tolerances(ediff=1.0), check_interval=3)
    state = CheckState.begin(rules)
    assert [kind_of(state, step) for step in range(4)] == [Step.GENERIC] * 3 + [Step.CHECK]


def test_the_least_interval_binds_failures_and_the_longest_one_passes() -> None:
    rules = CheckRules(Tolerances(), adaptive=Adaptive(n_min=10, n_max=15, factor=2.0))
    grown = checked(CheckState(1), rules, step=1, passed=True)
    assert grown.interval == 2
    assert checked(grown, rules, step=3, passed=False).interval == 10
    assert checked(CheckState(12), rules, step=12, passed=True).interval == 15
    assert checked(CheckState(40), rules, step=40, passed=False).interval == 20


@pytest.mark.parametrize(
    ("can_update", "always", "passed", "does"),
    [(True, False, False, True), (True, False, True, False), (True, True, True, True), (False, True, False, False)],
)
def test_it_learns_where_it_may_and_must(can_update: bool, always: bool, passed: bool, does: bool) -> None:
    assert learns(CheckRules(Tolerances(), can_update=can_update, always_updates=always), passed=passed) is does


@pytest.mark.parametrize(
    ("state", "reached", "wanted"),
    [
        (CheckState(26, last_check=97, n_initial=5), 110, CheckState(26, last_check=-13)),
        (CheckState(26, last_check=97, n_initial=5), 97, CheckState(26, last_check=0)),
        (CheckState(26, last_check=97, n_initial=5), 90, CheckState(33)),
        (CheckState(4990, last_check=97, n_initial=5), 80, CheckState(5000)),
        (CheckState(10, n_initial=5), 3, CheckState(10, n_initial=2)),
    ],
    ids=["check-before", "at-the-check", "check-lost", "no-longer-than-allowed", "still-initial"],
)
def test_a_continued_run_counts_from_its_new_beginning(state: CheckState, reached: int, wanted: CheckState) -> None:
    assert continued(state, RULES, reached=reached) == wanted


def test_a_lost_check_leaves_a_fixed_interval_as_it_is() -> None:
    assert continued(CheckState(4, last_check=10, n_initial=2), FIXED, reached=8) == CheckState(4)
