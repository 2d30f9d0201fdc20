"""How fast a project goes on this machine: given by its user, seen in its run, or measured."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, isinf
from typing import Final

import numpy as np

from aims_pax.campaign import assembly
from aims_pax.campaign.imported import extxyz_keys
from aims_pax.campaign.plan import Pace, Workload
from aims_pax.campaign.references import probe
from aims_pax.committee import Committee, devices_of
from aims_pax.dataset.extxyz import read_extxyz
from aims_pax.dataset.store import STORE_NAME, RunStore
from aims_pax.errors import CampaignStopped
from aims_pax.frame import Frame, Label, LabelFailure, LabelledFrame, Split
from aims_pax.learner.state import Policy
from aims_pax.sampling import BatchedSampler
from aims_pax.settings import Project

DEFAULT_PICK_RATE: Final = 0.08
"""Fraction of checks that are picked when nothing is known: 69 of 909 in examples/quickstart."""

DEFAULT_LABELS: Final = 200
"""Labels of active learning where no goal of the project limits them."""

RECORD_S: Final = 0.01
"""What the campaign's own process does for a label besides MD and training, s (benchmarks/scaling.py)."""

MIN_CHECKS: Final = 50
"""With fewer checks than this, a run says nothing of how often structures are picked."""

MEASURED_S: Final = 1.0
"""How long MD is timed, at least, s."""


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
    """

    label_s: float | None = None
    md_steps_per_s: float | None = None
    epoch_s: float | None = None
    pick_rate: float | None = None
    n_trajectories: int | None = None
    n_labels: int | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a run of the same project has shown.

    Parameters
    ----------
    label_s : tuple of float
        Durations of its labels, s; may be empty.
    pick_rate : float or None
    """

    label_s: tuple[float, ...] = ()
    pick_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Speed:
    """What the models cost: see :class:`Pace`. Training is told for one structure in one epoch, all members."""

    batch_step_s: float
    trajectory_step_s: float
    structure_epoch_s: float


def workload_of(project: Project, wishes: Wishes) -> tuple[Workload, list[str]]:
    """The active learning of a project as it would go on this machine, and where its numbers come from.

    Labels one structure unless the duration is given or known from a run, and makes some steps of MD and an epoch
    with untrained models unless their times are given. Writes nothing into the project.

    Raises
    ------
    CampaignStopped
        The label failed.
    UserError
        The reference can't label the structure here.
    """
    n_trajectories = wishes.n_trajectories or project.active.num_trajectories
    earlier = _earlier(project)
    labels_s, label_fact = _label_times(project, wishes, earlier)
    pick_rate, pick_fact = _pick_rate(wishes, earlier)
    policy, n_initial, goal_fact = _goal(project, wishes)
    if wishes.md_steps_per_s is None or wishes.epoch_s is None:
        speed = measured_speed(project, n_trajectories)
    else:
        speed = Speed(0.0, 0.0, 0.0)
    batch_step_s, step_s = speed.batch_step_s, speed.trajectory_step_s
    how = "measured with untrained models of mace.yaml"
    if wishes.md_steps_per_s is not None:
        batch_step_s, step_s, how = 0.0, 1 / wishes.md_steps_per_s, "given"
    together = n_trajectories / (batch_step_s + n_trajectories * step_s)
    epoch_s, epoch_how = wishes.epoch_s, "given"
    if epoch_s is None:
        n_mean = _mean_train_size(project, policy, n_initial, n_trajectories, pick_rate)
        epoch_s, epoch_how = n_mean * speed.structure_epoch_s, f"measured, for {n_mean} structures"
    pace = Pace(labels_s, batch_step_s, step_s, epoch_s, pick_rate, RECORD_S)
    facts = [
        label_fact,
        f"MD: {together:,.0f} steps/s of {n_trajectories} trajectories together ({how})".replace(",", " "),
        f"training: {epoch_s:.2g} s an epoch ({epoch_how}), {policy.epochs_per_label} epochs for a label",
        pick_fact,
        goal_fact,
    ]
    ratio = project.active.valid_ratio
    return Workload(policy, pace, n_trajectories, valid_ratio=ratio, n_initial_train=n_initial), facts


def measured_speed(project: Project, n_trajectories: int) -> Speed:
    """Time MD and training with models of mace.yaml that have learned nothing: they cost as much as trained ones."""
    sampled = _with_trajectories(project, n_trajectories)
    committee = _untrained(project)
    sampler = assembly.active_sampler(sampled, committee)
    every = project.active.skip_step_mlff
    alone_s = _step_s(sampler, committee, [0], every)
    batch_step_s, step_s = 0.0, alone_s
    if n_trajectories > 1:
        all_s = _step_s(sampler, committee, list(range(n_trajectories)), every)
        step_s = max(0.0, all_s - alone_s) / (n_trajectories - 1)
        batch_step_s = max(0.0, alone_s - step_s)
    plan = assembly.active_plan(project.active)
    committee.train(1, plan=plan)
    epoch_s = _seconds(lambda: committee.train(1, plan=plan))
    return Speed(batch_step_s, step_s, epoch_s / committee.n_train(0))


def _earlier(project: Project) -> Earlier:
    if not (project.run_folder / STORE_NAME).is_file():
        return Earlier()
    with RunStore.open_readonly(project.run_folder) as store:
        times = tuple(point.label.wall_s for point in store.labelled() if point.label.wall_s > 0)
        checks = store.checks()
    judged = checks[np.isfinite(checks["threshold"])]
    rate = float(judged["picked"].mean()) if len(judged) >= MIN_CHECKS else None
    return Earlier(times, rate or None)


def _label_times(project: Project, wishes: Wishes, earlier: Earlier) -> tuple[tuple[float, ...], str]:
    if wishes.label_s is not None:
        return (wishes.label_s,), f"labels: {wishes.label_s:g} s each (given)"
    if earlier.label_s:
        mean = float(np.mean(earlier.label_s))
        return earlier.label_s, f"labels: {mean:.3g} s on average ({len(earlier.label_s)} labels of the run here)"
    system = project.systems[0]
    made = probe(project.reference_for(system), system.frame)
    if isinstance(made.result, LabelFailure):
        raise CampaignStopped(f"the probe label of {system.name} {'; '.join(made.lines())}")
    return (made.label_s,), f"labels: {made.label_s:.3g} s ({system.name} was labelled now, by {made.reference})"


def _pick_rate(wishes: Wishes, earlier: Earlier) -> tuple[float, str]:
    if wishes.pick_rate is not None:
        rate, how = wishes.pick_rate, "given"
    elif earlier.pick_rate is not None:
        rate, how = earlier.pick_rate, "as in the run here"
    else:
        rate, how = DEFAULT_PICK_RATE, f"an assumption; a run here of {MIN_CHECKS} checks or more knows better"
    return rate, f"picks: {100 * rate:.3g} % of the uncertainty checks ask for a label ({how})"


def _goal(project: Project, wishes: Wishes) -> tuple[Policy, int, str]:
    """Rules whose end can be foreseen, the structures that are there before, and how it is said."""
    n_initial, policy = _initial_train_size(project), assembly.active_policy(project)
    policy = replace(policy, desired_force_mae=None)
    limits = (policy.max_train_size, policy.max_md_steps, None if isinf(policy.max_epochs) else policy.max_epochs)
    n_labels = wishes.n_labels
    if n_labels is None and all(limit is None for limit in limits):
        n_labels = DEFAULT_LABELS
    if n_labels is not None:
        n_train = n_initial + ceil(n_labels * (1 - project.active.valid_ratio))
        policy = replace(policy, max_train_size=n_train, max_md_steps=None, max_epochs=float("inf"))
        how = "given" if wishes.n_labels is not None else "an assumption: desired_acc alone sets no number"
        return policy, n_initial, f"goal: {n_labels} labels ({how})"
    words = ("structures in the training set", "MD steps of each trajectory", "epochs")
    said = " or ".join(f"{limit:g} {word}" for limit, word in zip(limits, words, strict=True) if limit is not None)
    return policy, n_initial, f"goal: {said}, beginning with {n_initial} structures"


def _initial_train_size(project: Project) -> int:
    """Training structures of one member when active learning begins, as far as the settings say it."""
    given, initial = project.active.initial_train_dataset, project.settings.initial
    if given is not None:
        path = next(iter(given.values())) if isinstance(given, Mapping) else given
        return len(read_extxyz(path, extxyz_keys(project.settings.misc)))
    if initial is None:
        return 0
    if not isinf(initial.max_initial_set_size):
        return int(initial.max_initial_set_size)
    rounds = (
        1 if isinf(initial.max_initial_epochs) else ceil(initial.max_initial_epochs / initial.intermediate_epochs_idg)
    )
    each_round = initial.n_points_per_sampling_step_idg * len(project.systems)
    return ceil(rounds * each_round * (1 - initial.valid_ratio))


def _mean_train_size(project: Project, policy: Policy, n_initial: int, n_trajectories: int, pick_rate: float) -> int:
    """Training structures of an epoch, on average over the stage."""
    added = [DEFAULT_LABELS]
    if policy.max_train_size is not None:
        added = [policy.max_train_size - n_initial]
    elif policy.max_md_steps is not None:
        added = [round(n_trajectories * policy.max_md_steps / policy.skip_steps * pick_rate)]
    mean = max(1, n_initial + added[0] // 2)
    subset = project.active.train_subset_size
    return mean if subset is None else min(mean, subset)


def _with_trajectories(project: Project, n_trajectories: int) -> Project:
    """The same project with another number of trajectories, which all move alike."""
    active = project.active.model_copy(update={"num_trajectories": n_trajectories})
    return replace(project, settings=replace(project.settings, active=active, md=project.md_for(0)))


def _untrained(project: Project) -> Committee:
    """A committee whose points are made up: only their size and number matter for the time."""
    rng = np.random.default_rng(0)
    n_points = 2 * project.mace.training.batch_size
    points = [
        LabelledFrame(number, frame, _made_up(project, frame, rng), Split.TRAINING, None)
        for number, frame in enumerate(_cycled([system.frame for system in project.systems], n_points), start=1)
    ]
    return Committee.build(
        project.mace,
        points,
        seeds=assembly.seeds_of(project),
        atomic_energies_ev=dict.fromkeys(project.elements, 0.0),
        device=devices_of(project.mace.misc.device),
        compiled=project.mace.misc.compile,
    )


def _made_up(project: Project, frame: Frame, rng: np.random.Generator) -> Label:
    has_stress = assembly.wants_stress(project) and bool(frame.pbc.all())
    forces = rng.normal(0.0, 0.1, (frame.n_atoms, 3))
    return Label(0.0, forces, np.zeros(6) if has_stress else None, "made up", 0.0)


def _cycled(frames: Sequence[Frame], n: int) -> list[Frame]:
    return [frames[index % len(frames)] for index in range(n)]


def _step_s(sampler: BatchedSampler, committee: Committee, trajectories: list[int], every: int) -> float:
    """Seconds of one MD step of these trajectories in one batch, with its share of an uncertainty check."""
    sampler.advance(trajectories, 1)  # neighbour lists, and whatever the device does only once
    begun = [sampler.frame(index).md_step for index in trajectories]
    started, n_steps = time.perf_counter(), 0
    while n_steps < 2 or time.perf_counter() - started < MEASURED_S:
        sampler.advance(trajectories, 2)
        n_steps += 2
    elapsed = time.perf_counter() - started
    made = np.mean([sampler.frame(index).md_step - before for index, before in zip(trajectories, begun, strict=True)])
    check_s = _seconds(lambda: committee.opinions(sampler.batch(trajectories)).forces.cpu())
    return elapsed / max(1.0, float(made)) + check_s / every


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
