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

from ..castep.published import AL2O3, FAILED

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
