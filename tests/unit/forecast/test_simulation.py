"""The queueing simulation: what can be said of it without simulating."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.forecast.crew import OWN_PROCESS
from aims_pax.forecast.outcome import WELL_USED, worth_having
from aims_pax.forecast.simulation import Pace, Workload, crowded, simulate
from aims_pax.forecast.workers import doubled, forecast
from aims_pax.learner.cadence import PerLabel
from aims_pax.learner.quota import Quota, SplitCounts
from aims_pax.learner.selectors import MovingThreshold
from aims_pax.learner.state import Budget, Phase, Pick, Rules, StopReason
from aims_pax.learner.transition import begin
from aims_pax.times import duration

from ...profiles import times

RULES = Rules(
    selectors=(MovingThreshold(c_x=0.0, quiet_limit_steps=50_000),),
    cadence=PerLabel(epochs_per_label=2, epochs_per_slice=1),
    quota=Quota(0.1),
    skip_steps=10,
    max_failures=3,
    max_train_size=50,
)
FREE = Pace((100.0,), batch_step_s=0.0, trajectory_step_s=0.0, epoch_s=0.0, pick_rate=1.0)
"""MD and training take no time, and every check asks for a label."""

WORK = Workload(RULES, FREE, n_trajectories=8)


def test_one_worker_takes_the_sum_of_all_labels() -> None:
    outcome = simulate(WORK, n_workers=1)
    assert outcome.makespan_s == pytest.approx(100.0 * outcome.n_labels)
    assert outcome.efficiency == pytest.approx(1.0)
    assert outcome.busy_workers == pytest.approx(1.0)


def test_labels_that_vary_are_added_up() -> None:
    outcome = simulate(replace(WORK, pace=replace(FREE, label_s=(50.0, 150.0))), n_workers=1)
    assert outcome.makespan_s == pytest.approx(outcome.labels_s)
    assert 50.0 < outcome.labels_s / outcome.n_labels < 150.0


def test_own_process_computes_labels_and_nothing_else_meanwhile() -> None:
    pace = replace(FREE, batch_step_s=1.0, epoch_s=7.0, checkpoint_s=3.0)
    outcome = simulate(Workload(RULES, pace, n_trajectories=1), n_workers=OWN_PROCESS)
    # Each label: ten steps, the label, and two visits to training with a checkpoint each.
    assert outcome.makespan_s == pytest.approx(outcome.n_labels * (10.0 + 100.0 + 14.0 + 6.0))
    together = simulate(replace(WORK, pace=pace), n_workers=OWN_PROCESS)
    assert together.makespan_s >= 100.0 * together.n_labels + together.sampling_s + together.training_s - 1e-6
    assert outcome.n_epochs == 2 * outcome.n_labels
    assert outcome.n_md_steps == 10 * outcome.n_labels


def test_a_stage_that_hardly_ever_asks_is_played_until_it_has_got_on() -> None:
    outcome = simulate(replace(WORK, pace=replace(FREE, pick_rate=2e-5)), n_workers=1)
    assert outcome.n_labels > 0
    assert outcome.n_md_steps > 20_000


def test_stage_that_has_begun_is_played_to_its_end() -> None:
    state = begin(RULES, n_trajectories=4, n_initial_train=7)
    waiting = replace(state.trajectories[0], phase=Phase.WAITING, md_step=40)
    state = replace(
        state,
        trajectories=(waiting, *state.trajectories[1:]),
        in_flight=(Pick(0, 40, RULES.selectors[0].name),),
        counts=(SplitCounts(40, 5),),
        n_received=45,
    )
    outcome = simulate(replace(WORK, n_trajectories=4, state=state), n_workers=4)
    assert 3 <= outcome.n_labels <= 3 + 4, "47 of 50 train; those in flight at the goal are learned, too"
    assert outcome.n_train >= 50
    stopped = replace(
        state,
        stopping=StopReason.TRAIN_SIZE,
        trajectories=(waiting, *[replace(one, phase=Phase.FINISHED) for one in state.trajectories[1:]]),
    )
    last = simulate(replace(WORK, n_trajectories=4, state=stopped), n_workers=4)
    assert (last.n_labels, last.n_md_steps, last.n_epochs) == (1, 0, 2)


def test_workers_beyond_the_trajectories_stand_idle() -> None:
    enough, many = (simulate(WORK, n_workers=n) for n in (8, 80))
    assert many.makespan_s == pytest.approx(enough.makespan_s)
    assert many.n_labels == enough.n_labels
    assert many.busy_workers == pytest.approx(8.0)
    assert many.efficiency == pytest.approx(0.1)


def test_free_trajectories_as_many_as_workers_keep_all_of_them_busy() -> None:
    outcome = simulate(WORK, n_workers=8)
    assert outcome.n_labels % 8 == 0
    assert outcome.efficiency == pytest.approx(1.0)


def test_one_trajectory_waits_learns_and_moves_in_turn() -> None:
    pace = replace(FREE, batch_step_s=1.0, trajectory_step_s=0.5, epoch_s=7.0, record_s=0.25)
    outcome = simulate(Workload(RULES, pace, n_trajectories=1), n_workers=4)
    # Each label: ten steps of 1.5 s, the label itself, storing it, and two epochs.
    assert outcome.makespan_s == pytest.approx(outcome.n_labels * (15.0 + 100.0 + 0.25 + 14.0))
    assert outcome.sampling_s == pytest.approx(15.0 * outcome.n_labels)
    assert outcome.training_s == pytest.approx(14.0 * outcome.n_labels)
    assert outcome.waiting_s == pytest.approx(100.0 * outcome.n_labels)


def test_labels_that_arrive_together_share_their_epochs() -> None:
    outcome = simulate(replace(WORK, pace=replace(FREE, epoch_s=7.0)), n_workers=8)
    assert outcome.training_s == pytest.approx(14.0 * outcome.n_labels / 8)


def test_pick_rate_is_the_fraction_of_checks_that_ask_for_a_label() -> None:
    rules = replace(RULES, max_train_size=2000)
    pace = replace(FREE, trajectory_step_s=1.0, pick_rate=0.25)
    outcome = simulate(Workload(rules, pace, n_trajectories=4), n_workers=4)
    n_checks = outcome.sampling_s / RULES.skip_steps
    # A binomial fraction of some 9000 checks: its standard deviation is 0.0046.
    assert outcome.n_labels / n_checks == pytest.approx(0.25, abs=0.02)


def test_quiet_trajectories_are_labelled_by_the_learners_own_rule() -> None:
    rules = replace(RULES, selectors=(MovingThreshold(c_x=0.0, quiet_limit_steps=30),))
    pace = replace(FREE, trajectory_step_s=1.0, pick_rate=1e-12)
    outcome = simulate(Workload(rules, pace, n_trajectories=1), n_workers=1)
    assert outcome.sampling_s == pytest.approx(30.0 * outcome.n_labels)


@pytest.mark.parametrize("limit", [{"max_md_steps": 200}, {"max_epochs": 20}])
def test_other_goals_end_it_too(limit: dict[str, int]) -> None:
    rules = replace(RULES, max_train_size=None, **limit)
    outcome = simulate(Workload(rules, FREE, n_trajectories=3), n_workers=2)
    assert 0 < outcome.n_labels <= 60


@times(0.4)
@given(
    n_workers=st.integers(1, 20),
    n_trajectories=st.integers(1, 20),
    step_s=st.floats(0.0, 2.0),
    epoch_s=st.floats(0.0, 50.0),
    pick_rate=st.floats(0.05, 1.0),
    seed=st.integers(0, 10),
)
def test_time_and_labels_are_conserved(
    n_workers: int, n_trajectories: int, step_s: float, epoch_s: float, pick_rate: float, seed: int
) -> None:
    pace = Pace((60.0, 100.0), 0.1, step_s, epoch_s, pick_rate, record_s=0.01)
    outcome = simulate(Workload(RULES, pace, n_trajectories), n_workers=n_workers, seed=seed)
    own_s = outcome.sampling_s + outcome.training_s + outcome.waiting_s + 0.01 * outcome.n_labels
    assert own_s == pytest.approx(outcome.makespan_s)
    assert 60.0 * outcome.n_labels <= outcome.labels_s <= 100.0 * outcome.n_labels
    assert outcome.busy_workers <= min(n_workers, n_trajectories) + 1e-9
    # The goal, and no more than what was in flight when it was reached: one label of each trajectory.
    n_goal = RULES.max_train_size / 0.9
    assert n_goal - 2 <= outcome.n_labels <= n_goal + n_trajectories + 2


def test_same_seed_gives_the_same_outcome() -> None:
    work = replace(WORK, pace=replace(FREE, label_s=(50.0, 150.0), pick_rate=0.3, trajectory_step_s=0.1))
    assert simulate(work, n_workers=4, seed=3) == simulate(work, n_workers=4, seed=3)


def test_workers_worth_having_are_the_last_that_are_well_used() -> None:
    slow = replace(WORK, pace=replace(FREE, epoch_s=20.0))
    outcomes = [simulate(slow, n_workers=n) for n in (1, 2, 4, 8, 16)]
    chosen = worth_having(outcomes)
    assert chosen.efficiency >= WELL_USED
    assert all(one.efficiency < WELL_USED for one in outcomes if one.n_workers > chosen.n_workers)


def test_advice_names_more_trajectories_where_they_are_what_is_missing() -> None:
    slow = replace(WORK, pace=replace(FREE, epoch_s=4.0, trajectory_step_s=0.02, pick_rate=0.2))
    found = forecast(replace(slow, n_trajectories=16), [1, 4, 16])
    assert found.recommended.n_workers == 4
    assert "4 workers are worth having" in found.advice()
    assert "With 32 trajectories instead of 16 they would be" in found.advice()


def test_advice_says_when_the_models_are_the_limit() -> None:
    rules = replace(RULES, max_train_size=500)
    found = forecast(replace(WORK, rules=rules, pace=replace(FREE, trajectory_step_s=4.0)), [1, 8])
    assert "MD and training are the limit there" in found.advice()


def test_advice_says_when_there_are_too_few_labels() -> None:
    found = forecast(replace(WORK, rules=replace(RULES, max_train_size=5), n_trajectories=4), [1, 32])
    assert "too few labels for so many" in found.advice()


def test_numbers_of_workers_double_up_to_the_limit() -> None:
    assert doubled(32) == [1, 2, 4, 8, 16, 32]
    assert doubled(12) == [1, 2, 4, 8, 12]
    assert doubled(1) == [1]


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.25, "0.25 s"), (100.0, "100 s"), (600.0, "10.0 min"), (20_000.0, "5.6 h"), (3e5, "3.5 d")]
)
def test_durations_are_said_in_a_unit_that_suits_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


LIMITED = replace(
    RULES,
    max_train_size=None,
    selectors=(
        replace(RULES.selectors[0], trajectories=frozenset({0, 1})),
        MovingThreshold(c_x=0.0, quiet_limit_steps=50_000, system="ice", trajectories=frozenset({2, 3})),
    ),
    budgets=(Budget(frozenset({0, 1}), 12_000), Budget(frozenset({2, 3}), 4_000)),
)
"""Two systems with a budget each, and no other goal."""


def test_a_play_that_breaks_off_is_taken_in_proportion_to_its_budgets() -> None:
    outcome = simulate(Workload(LIMITED, FREE, n_trajectories=4), n_workers=1)
    assert outcome.n_labels == pytest.approx(16_000, rel=0.01)
    assert outcome.makespan_s == pytest.approx(100.0 * 16_000, rel=0.01)
    few = replace(LIMITED, budgets=(Budget(frozenset({0, 1}), 12), Budget(frozenset({2, 3}), 4)))
    assert simulate(Workload(few, FREE, n_trajectories=4), n_workers=1).n_labels == 16


def test_more_trajectories_belong_to_the_same_budgets_and_thresholds() -> None:
    crowd = crowded(Workload(LIMITED, FREE, n_trajectories=4), 8)
    assert [budget.trajectories for budget in crowd.rules.budgets] == [{0, 1, 4, 5}, {2, 3, 6, 7}]
    assert [one.trajectories for one in crowd.rules.selectors] == [{0, 1, 4, 5}, {2, 3, 6, 7}]  # type: ignore[attr-defined]
    few = replace(crowd.rules, budgets=tuple(replace(one, max_labels=10) for one in crowd.rules.budgets))
    assert simulate(replace(crowd, rules=few), n_workers=2).n_labels == 20
