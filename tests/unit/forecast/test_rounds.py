"""The initial stage on a counted clock; what is counted of it at once is the same as what is played."""

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.forecast.crew import OWN_PROCESS
from aims_pax.forecast.rounds import RoundsAhead, rounds_ahead
from aims_pax.forecast.simulation import MOST_EVENTS, DriverPace, Workload, simulate
from aims_pax.learner.cadence import PerRound
from aims_pax.learner.quota import Quota, SplitCounts
from aims_pax.learner.selectors import EveryStructure
from aims_pax.learner.state import Pick, Rules
from aims_pax.learner.transition import begin

RULES = Rules(
    selectors=(EveryStructure(),),
    cadence=PerRound(labels_per_round=8, epochs_per_round=5),
    quota=Quota(0.1),
    skip_steps=10,
    max_failures=3,
    max_train_size=6,
)
PACE = DriverPace(driver_step_s=(0.1,), label_s=(2.0,), epoch_s=lambda n_train: 0.5 * n_train)
WORK = Workload(RULES, PACE, n_trajectories=1, n_owners=2)
"""Two rounds of eight labels; a member trains on three structures, then on seven."""

EPOCHS_S = 5 * 0.5 * (3 + 7)


def amounts(ahead: RoundsAhead) -> tuple[int, int, int, int]:
    """Labels, MD steps, epochs, and training structures at the end."""
    return ahead.n_labels, ahead.n_md_steps, ahead.n_epochs, ahead.n_train


def test_own_process_does_one_thing_after_the_other() -> None:
    outcome = simulate(WORK, n_workers=OWN_PROCESS)
    assert (outcome.n_labels, outcome.n_md_steps, outcome.n_epochs, outcome.n_train) == (16, 160, 10, 7)
    assert outcome.makespan_s == pytest.approx(16 * (1.0 + 2.0) + EPOCHS_S)


def test_worker_labels_while_the_driver_moves_on() -> None:
    outcome = simulate(WORK, n_workers=1)
    # In each round the first structure takes a second, and labels of two seconds then follow one another.
    assert outcome.makespan_s == pytest.approx(2 * (1.0 + 8 * 2.0) + EPOCHS_S)


def test_with_many_workers_the_driver_is_the_limit() -> None:
    outcome = simulate(WORK, n_workers=8)
    assert outcome.makespan_s == pytest.approx(2 * (8 * 1.0 + 2.0) + EPOCHS_S)


def test_systems_move_one_after_the_other_and_have_labels_of_their_own() -> None:
    work = replace(WORK, pace=replace(PACE, driver_step_s=(0.1, 0.3), label_s=(2.0, 4.0)), n_trajectories=2)
    outcome = simulate(work, n_workers=OWN_PROCESS)
    assert outcome.n_md_steps == 2 * 4 * 2 * 10
    assert outcome.makespan_s == pytest.approx(2 * 4 * (10 * 0.4 + 6.0) + EPOCHS_S)


def test_writing_is_counted() -> None:
    outcome = simulate(replace(WORK, pace=replace(PACE, record_s=0.25, checkpoint_s=3.0)), n_workers=OWN_PROCESS)
    assert outcome.makespan_s == pytest.approx(16 * 3.25 + EPOCHS_S + 2 * 3.0)


def test_what_is_left_is_played_on_from_where_the_stage_stands() -> None:
    state = replace(
        begin(RULES, n_trajectories=1, n_owners=2),
        counts=(SplitCounts(3, 1),) * 2,
        in_flight=(Pick(0, 140, RULES.selectors[0].name), Pick(0, 150, RULES.selectors[0].name)),
        n_received=13,
        n_round=1,
        n_in_round=5,
        n_epochs=5,
    )
    outcome = simulate(replace(WORK, state=state), n_workers=OWN_PROCESS)
    assert (outcome.n_labels, outcome.n_md_steps, outcome.n_epochs, outcome.n_train) == (3, 10, 5, 7)
    assert outcome.makespan_s == pytest.approx(3 * 2.0 + 1.0 + 5 * 0.5 * 7)


@st.composite
def stages_in_rounds(draw: st.DrawFn) -> tuple[Rules, int, int]:
    """Rules of a stage that ends, systems and members with points of their own."""
    n_systems, n_owners = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    max_train_size = draw(st.none() | st.integers(1, 30))
    epochs = st.integers(1, 12)
    rules = replace(
        RULES,
        cadence=PerRound(draw(st.integers(1, 4)) * n_systems * n_owners, draw(epochs)),
        quota=Quota(draw(st.floats(0.02, 0.6))),
        equilibration_steps=draw(st.integers(0, 40)),
        max_train_size=max_train_size,
        max_epochs=draw(epochs if max_train_size is None else epochs | st.just(inf)),
    )
    return rules, n_systems, n_owners


@given(stage=stages_in_rounds())
def test_what_is_counted_at_once_is_what_is_played(stage: tuple[Rules, int, int]) -> None:
    rules, n_systems, n_owners = stage
    pace = DriverPace((0.0,) * n_systems, (0.0,) * n_systems, lambda _: 0.0)
    played = simulate(Workload(rules, pace, n_systems, n_owners=n_owners), n_workers=OWN_PROCESS)
    counted = rounds_ahead(rules, begin(rules, n_trajectories=n_systems, n_owners=n_owners))
    assert amounts(counted) == (played.n_labels, played.n_md_steps, played.n_epochs, played.n_train)


def test_what_is_left_is_counted_from_where_the_stage_stands() -> None:
    state = replace(
        begin(RULES, n_trajectories=1, n_owners=2),
        counts=(SplitCounts(3, 1),) * 2,
        in_flight=(Pick(0, 150, RULES.selectors[0].name),),
        offered=(Pick(0, 160, RULES.selectors[0].name),),
        n_received=13,
        n_round=1,
        n_in_round=5,
        n_epochs=5,
    )
    assert amounts(rounds_ahead(RULES, state)) == (3, 10, 5, 7)
    after_its_round = replace(state, counts=(SplitCounts(7, 1),) * 2, in_flight=(), n_in_round=0, epochs_due=2)
    assert amounts(rounds_ahead(RULES, after_its_round)) == (0, 0, 2, 7)


def test_a_stage_too_long_to_be_played_goes_on_in_proportion() -> None:
    rules = replace(RULES, max_train_size=10 * MOST_EVENTS)
    outcome = simulate(replace(WORK, rules=rules, pace=replace(PACE, epoch_s=lambda _: 0.5)), n_workers=OWN_PROCESS)
    counted = rounds_ahead(rules, begin(rules, n_trajectories=1, n_owners=2))
    assert outcome.n_labels == counted.n_labels
    assert outcome.n_epochs == pytest.approx(counted.n_epochs, rel=1e-3)
    assert outcome.makespan_s == pytest.approx(counted.n_labels * 3.0 + 0.5 * counted.n_epochs, rel=1e-3)


@pytest.mark.parametrize("labels_per_round", [2 * MOST_EVENTS, MOST_EVENTS // 40])
def test_a_play_that_breaks_off_counts_the_epochs_of_all_rounds(labels_per_round: int) -> None:
    """Also of rounds that are longer than a play, which has seen no epoch."""
    cadence = PerRound(labels_per_round=labels_per_round, epochs_per_round=5)
    rules = replace(RULES, cadence=cadence, max_train_size=round(0.9 * 4 * MOST_EVENTS) - 100, quota=Quota(0.1))
    pace = replace(PACE, driver_step_s=(0.0,), label_s=(0.0,), epoch_s=lambda n_train: 1e-3 * n_train, checkpoint_s=2.0)
    outcome = simulate(Workload(rules, pace, n_trajectories=1), n_workers=OWN_PROCESS)
    n_rounds = 4 * MOST_EVENTS // labels_per_round
    assert outcome.n_labels == 4 * MOST_EVENTS
    assert outcome.n_epochs == 5 * n_rounds
    epochs_s = sum(5 * 1e-3 * 0.9 * labels_per_round * number for number in range(1, n_rounds + 1))
    assert outcome.training_s == pytest.approx(epochs_s + 2.0 * n_rounds, rel=1e-3)
    assert outcome.makespan_s == pytest.approx(outcome.training_s, rel=1e-6)
