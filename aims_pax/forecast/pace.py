"""How fast a project goes on this machine: given by its user, seen in its run, or measured."""

from dataclasses import dataclass, replace
from math import ceil, isinf
from typing import Final

import numpy as np

from aims_pax.dataset.store import STORE_NAME, RunStore
from aims_pax.forecast.amounts import Outset, Span
from aims_pax.forecast.simulation import Pace, Workload
from aims_pax.forecast.speed import Measured, Speed, measured_driver, measured_labels, measured_speed
from aims_pax.forecast.stages.learning import DEFAULT_LABELS, DEFAULT_PICK_RATE, PICK_RATE_FACTOR, state_of, train_share
from aims_pax.frame import Stage
from aims_pax.learner.cadence import PerLabel
from aims_pax.learner.goals import labels_allowed, with_trajectories
from aims_pax.learner.state import Rules
from aims_pax.settings import ActiveLearningSettings, Project
from aims_pax.settings.stage import ACTIVE, INITIAL
from aims_pax.stages import assembly
from aims_pax.stages.driver import driver_words

RECORD_S: Final = 0.01
"""What the campaign's own process does for a label besides MD and training, s (benchmarks/scaling.py)."""

MIN_ESTIMATES: Final = 50
"""With fewer estimates than this, a run says nothing of how often structures are picked."""

SEEN_FACTOR: Final = 1.25
"""By how much the fraction of picks that a run has shown may be wrong for what is left of it, either way."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user says; None for what is to be found out.

    Parameters
    ----------
    label_s : float, s
    md_steps_per_s : float
        Steps of all trajectories together.
    epoch_s : float, s
    pick_rate : float
    n_trajectories, n_labels : int
    driver_step_s : float, s
        An MD step of one system in the initial stage.
    """

    label_s: float | None = None
    md_steps_per_s: float | None = None
    epoch_s: float | None = None
    pick_rate: float | None = None
    n_trajectories: int | None = None
    n_labels: int | None = None
    driver_step_s: float | None = None


NO_WISHES: Final = Wishes()
"""Everything is to be found out."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a run of the same project has shown.

    Parameters
    ----------
    label_s : mapping of str to tuple of float
        Durations of its labels by system, s; may be empty.
    pick_rate : float or None
    """

    label_s: dict[str, tuple[float, ...]]
    pick_rate: float | None = None


def measure(project: Project, stages: tuple[Stage, ...], wishes: Wishes = NO_WISHES) -> Measured:
    """Times of labels, of the driver of the initial stage and of the models: said, seen in the run here, or measured.

    Labels a structure of each composition unless the duration is given or known from a run, makes some steps of MD by
    the driver and by untrained models, and trains these for some epochs. Writes nothing into the project.

    Raises
    ------
    CampaignStopped
        A label failed.
    UserError
        The reference can't label a structure here, or the driver can't be had.
    """
    label_s, label_fact = _label_times(project, wishes)
    facts, driver_step_s = [label_fact], dict[str, float]()
    if INITIAL in stages:
        driver_step_s, driver_fact = _driver_times(project, wishes, label_s)
        facts.append(driver_fact)
    speed = None
    if wishes.md_steps_per_s is None or wishes.epoch_s is None:
        n_trajectories = wishes.n_trajectories or project.settings.n_trajectories if ACTIVE in stages else 0
        speed = measured_speed(project, n_trajectories)
    return Measured(label_s, driver_step_s, _as_said(project, speed, wishes), tuple(facts))


def workload_of(
    outset: Outset, wishes: Wishes, *, measured: Measured | None = None
) -> tuple[Workload[Pace], list[str]]:
    """A stage of active learning, or what is left of it, as it would go on this machine.

    Parameters
    ----------
    measured : Measured or None
        None: it is measured now.

    Returns
    -------
    Workload
    list of str
        Where its numbers come from.
    """
    project, settings = outset.project, outset.plan.read_as(ActiveLearningSettings)
    times = measured or measure(project, (ACTIVE,), wishes)
    n_trajectories = wishes.n_trajectories or settings.num_trajectories
    speed = times.speed or measured_speed(project, n_trajectories)
    rates, pick_fact = pick_rates(project, wishes)
    rules, n_initial, goal_fact = _goal(outset, wishes)
    state = None if wishes.n_trajectories is not None else state_of(outset)
    n_now = n_initial if state is None else state.train_size
    n_mean = _mean_train_size(settings, rules, n_now, n_trajectories, rates.likely)
    epoch_s = speed.epoch_s(n_mean)
    together = n_trajectories / (speed.batch_step_s + n_trajectories * speed.trajectory_step_s)
    pace = Pace(
        label_s=_drawn_labels(project, times, n_trajectories),
        batch_step_s=speed.batch_step_s,
        trajectory_step_s=speed.trajectory_step_s,
        epoch_s=epoch_s,
        pick_rate=rates.likely,
        record_s=RECORD_S,
        checkpoint_s=speed.checkpoint_s,
    )
    how = "measured with untrained models of mace.yaml" if wishes.md_steps_per_s is None else "given"
    if settings.driving is not None and wishes.md_steps_per_s is None:
        how = f"measured: {driver_words(project, settings.driving)} drives and untrained models of mace.yaml judge"
    epoch_how = f"measured, for {n_mean} structures" if wishes.epoch_s is None else "given"
    assert isinstance(rules.cadence, PerLabel)
    epochs_per_label = rules.cadence.epochs_per_label
    facts = [
        *times.facts,
        f"MD: {together:,.0f} steps/s of {n_trajectories} trajectories together ({how})".replace(",", " "),
        f"training: {epoch_s:.2g} s an epoch ({epoch_how}), {epochs_per_label} epochs for a label",
        pick_fact,
        goal_fact,
    ]
    return Workload(rules, pace, n_trajectories, n_initial_train=n_initial, state=state), facts


def pick_rates(project: Project, wishes: Wishes = NO_WISHES) -> tuple[Span, str]:
    """Fraction of estimates that ask for a label, with the bounds of what is known of it; and where it comes from."""
    earlier = _earlier(project)
    if wishes.pick_rate is not None:
        rate, factor, how = wishes.pick_rate, 1.0, "given"
    elif earlier.pick_rate is not None:
        rate, factor, how = earlier.pick_rate, SEEN_FACTOR, "as in the run here"
    else:
        how = f"an assumption; a run here of {MIN_ESTIMATES} estimates or more knows better"
        rate, factor = DEFAULT_PICK_RATE, PICK_RATE_FACTOR
    fact = f"picks: {100 * rate:.3g} % of the uncertainty estimates ask for a label ({how})"
    return Span(rate / factor, rate, min(1.0, rate * factor)), fact


def _earlier(project: Project) -> Earlier:
    if not (project.run_folder / STORE_NAME).is_file():
        return Earlier({})
    with RunStore.open_readonly(project.run_folder) as store:
        times, scores = store.wall_s_by_system(), store.scores()
    judged = scores[np.isfinite(scores["threshold"])]
    rate = float(judged["picked"].mean()) if len(judged) >= MIN_ESTIMATES else None
    known = {name: tuple(one for one in seconds if one > 0) for name, seconds in times.items()}
    return Earlier({name: seconds for name, seconds in known.items() if seconds}, rate or None)


def _label_times(project: Project, wishes: Wishes) -> tuple[dict[str, tuple[float, ...]], str]:
    names = [system.name for system in project.systems]
    if wishes.label_s is not None:
        return dict.fromkeys(names, (wishes.label_s,)), f"labels: {wishes.label_s:g} s each (given)"
    seen = _earlier(project).label_s
    every = tuple(seconds for times in seen.values() for seconds in times)
    if every:
        fact = f"labels: {np.mean(every):.3g} s on average ({len(every)} labels of the run here)"
        return {name: seen.get(name, every) for name in names}, fact
    return measured_labels(project)


def _driver_times(
    project: Project, wishes: Wishes, label_s: dict[str, tuple[float, ...]]
) -> tuple[dict[str, float], str]:
    names = [system.name for system in project.systems]
    if wishes.driver_step_s is not None:
        return dict.fromkeys(names, wishes.driver_step_s), f"driver: {wishes.driver_step_s:g} s a step (given)"
    if project.initial.driver == "reference":
        return {
            name: float(np.mean(label_s[name])) for name in names
        }, "driver: the reference itself, a label a step, by the workers"
    return measured_driver(project)


def _as_said(project: Project, speed: Speed | None, wishes: Wishes) -> Speed:
    """The measured speed, but for what the user says."""
    found = speed or Speed(0.0, 0.0, 0.0)
    if wishes.md_steps_per_s is not None:
        found = replace(found, batch_step_s=0.0, trajectory_step_s=1 / wishes.md_steps_per_s)
    if wishes.epoch_s is not None:
        found = replace(found, structure_epoch_s=0.0, epoch_overhead_s=wishes.epoch_s)
    return found


def _drawn_labels(project: Project, times: Measured, n_trajectories: int) -> tuple[float, ...]:
    """What labels of active learning take: those of a system as often as trajectories start there."""
    names = [project.system_for(index).name for index in range(n_trajectories)]
    drawn = tuple(seconds for name in dict.fromkeys(names) for seconds in times.label_s[name])
    if len(drawn) == len(set(names)):  # one of each
        drawn = tuple(times.label_s[name][0] for name in names)
    return drawn if len(set(drawn)) > 1 else drawn[:1]


def _goal(outset: Outset, wishes: Wishes) -> tuple[Rules, int, str]:
    """Rules whose end can be foreseen, the structures that are there before, and how it is said."""
    state, rules = state_of(outset), assembly.active_rules(outset.project, outset.plan)
    n_initial = outset.sizes.of_each if state is None else state.n_initial_train
    own = outset.plan.read_as(ActiveLearningSettings).num_trajectories
    n_trajectories = wishes.n_trajectories or own
    rules = with_trajectories(replace(rules, desired_force_mae=None), own, n_trajectories)
    limits = (
        rules.max_train_size,
        rules.max_md_steps,
        None if isinf(rules.max_epochs) else rules.max_epochs,
        labels_allowed(rules, n_trajectories),
    )
    n_labels = wishes.n_labels
    if n_labels is None and all(limit is None for limit in limits):
        n_labels = DEFAULT_LABELS
    if n_labels is not None:
        n_train = n_initial + ceil(n_labels * train_share(outset.plan.read_as(ActiveLearningSettings)))
        rules = replace(rules, max_train_size=n_train, max_md_steps=None, max_epochs=float("inf"))
        how = "given" if wishes.n_labels is not None else "an assumption: desired_acc alone sets no number"
        return rules, n_initial, f"goal: {n_labels} labels ({how})"
    words = ("structures in the training set", "MD steps of each trajectory", "epochs", "labels of all systems")
    said = " or ".join(f"{limit:g} {word}" for limit, word in zip(limits, words, strict=True) if limit is not None)
    return rules, n_initial, f"goal: {said}, beginning with {n_initial} structures"


def _mean_train_size(
    settings: ActiveLearningSettings, rules: Rules, n_now: int, n_trajectories: int, pick_rate: float
) -> int:
    """Training structures of an epoch, on average over the stage."""
    added = []
    if rules.max_train_size is not None:
        added = [rules.max_train_size - n_now]
    elif rules.max_md_steps is not None:
        added = [round(n_trajectories * rules.max_md_steps / rules.skip_steps * pick_rate)]
    if (allowed := labels_allowed(rules, n_trajectories)) is not None:
        added.append(allowed)
    mean = max(1, n_now + min(added, default=DEFAULT_LABELS) // 2)
    subset = settings.train_subset_size
    return mean if subset is None else min(mean, subset)
