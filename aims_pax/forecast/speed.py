"""How fast labels, the driver, the models and their training are on this machine."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from aims_pax.committee import CommitteeForces, EpochPlan
from aims_pax.errors import CampaignStopped, Problem, UserError
from aims_pax.frame import Frame, Label, LabelFailure, LabelledFrame, Split
from aims_pax.protocols import Committee
from aims_pax.reference.tryout import Probe, probe
from aims_pax.sampling import BatchedSampler, Langevin, TrajectoryStart
from aims_pax.settings import LocalCluster, Project
from aims_pax.settings.committee.families import NAMES
from aims_pax.settings.stages.flying import FlyStageSettings
from aims_pax.settings.stages.kinds import EXPLORE
from aims_pax.settings.systems import System
from aims_pax.settings.workflow.playing import PlaySettings
from aims_pax.stages import assembly
from aims_pax.stages.driver import driver_forces, learning_driver
from aims_pax.stages.exploring.explore import Explore
from aims_pax.stages.loop.judging import seen_by
from aims_pax.stages.playing.rehearsal import rehearsed

MEASURED_S: Final = 1.0
"""How long MD is timed, at least, s."""

ENOUGH_S: Final = 20.0
"""When labels, or steps of the driver, have taken this long, further systems are not measured but estimated, s."""

SLOW_EPOCH_S: Final = 5.0
"""A first epoch that took this long is not repeated for a better measurement, s."""

MOST_EXPLORING: Final = 16
"""Trajectories of exploration that are timed together; more of them take longer in proportion."""

USUAL_VALID_RATIO: Final = 0.1
THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Speed:
    """What the models cost.

    Parameters
    ----------
    batch_step_s, trajectory_step_s : float
        One MD step of n trajectories in one batch takes ``batch_step_s + n * trajectory_step_s``, estimates included.
    structure_epoch_s : float
        One epoch of all members, for each training structure; its share of the validation included.
    epoch_overhead_s : float
        What an epoch takes besides.
    lone_share : float
        An epoch of one member alone, as a share of one of all members.
    build_s, checkpoint_s : float
        Building the committee, and writing it to disk.
    """

    batch_step_s: float
    trajectory_step_s: float
    structure_epoch_s: float
    epoch_overhead_s: float = 0.0
    lone_share: float = 1.0
    build_s: float = 0.0
    checkpoint_s: float = 0.0

    def epoch_s(self, n_train: int) -> float:
        """One epoch of all members that have so many training structures, s."""
        return self.epoch_overhead_s + n_train * self.structure_epoch_s


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured, or seen in a run, or said.

    Parameters
    ----------
    label_s : mapping of str to tuple of float
        Durations of labels of each system, s; one of them or many.
    driver_step_s : mapping of str to float
        One MD step of the driver of the initial stage, by system, s. May be empty when there is no such stage.
    speed : Speed or None
        Of the models; None: it is to be measured.
    facts : tuple of str
        Where the numbers come from.
    """

    label_s: Mapping[str, tuple[float, ...]]
    driver_step_s: Mapping[str, float]
    speed: Speed | None = None
    facts: tuple[str, ...] = ()


# -- labels and driver ----------------------------------------------------------------------------------------


def measured_labels(project: Project) -> tuple[dict[str, tuple[float, ...]], str]:
    """How long a label of each system takes on one of the project's workers, as far as this machine can tell.

    Raises
    ------
    CampaignStopped
        A label failed.
    UserError
        The reference can't label a structure here.
    """
    made: list[Probe] = []

    def label_s(system: System) -> float:
        done = _probed(project, system)
        if isinstance(done.result, LabelFailure):
            raise CampaignStopped(f"the probe label of {system.name} {'; '.join(done.lines())}")
        made.append(done)
        return done.label_s

    found, said = _by_system(project, label_s)
    labelled = ", ".join(done.frame.system for done in made)
    were = "was" if len(made) == 1 else "were"
    times = " to ".join(f"{seconds:.3g}" for seconds in sorted({min(found.values()), max(found.values())}))
    fact = f"labels: {times} s ({labelled} {were} labelled now, by {made[0].reference}){said}"
    return {name: (seconds,) for name, seconds in found.items()}, fact


def measured_driver(project: Project) -> tuple[dict[str, float], str]:
    """How long an MD step of the driver of the initial stage takes, by system.

    Raises
    ------
    UserError
        The driver can't be had here.
    """
    sampler = assembly.initial_sampler(project, driver_forces(project, project.initial.driving))
    troubles: list[str] = []

    def step_s(system: System) -> float:
        seconds, problem = _driver_step(sampler, system.frame.trajectory)
        if problem is not None:
            troubles.append(f"{system.name}: {problem}")
        return seconds

    found, said = _by_system(project, step_s)
    fact = f"driver: {_each(found)} a step ({project.initial.driver}, measured){said}"
    return found, f"{fact}; its MD stops: {'; '.join(troubles)}" if troubles else fact


def _by_system(project: Project, measure: Callable[[System], float]) -> tuple[dict[str, float], str]:
    """A time for each system: those that are alike share it; those that come late are estimated by their atoms.

    Alike are systems of one composition that are labelled in the same way: with the same input, on as many ranks.
    """
    seconds: dict[tuple[bytes, str], float] = {}
    found, estimated, started = {}, [], time.perf_counter()
    measured: list[tuple[str, int, float]] = []
    for system in project.systems:
        method = project.reference_for(system).identity
        n_atoms, alike = system.frame.n_atoms, (_composition(system.frame), method)
        if alike not in seconds and (not seconds or time.perf_counter() - started < ENOUGH_S):
            seconds[alike] = measure(system)
            measured.append((method, n_atoms, seconds[alike]))
        if alike in seconds:
            found[system.name] = seconds[alike]
        else:
            _, nearest, nearest_s = min(measured, key=lambda one: (one[0] != method, abs(one[1] - n_atoms)))
            found[system.name] = nearest_s * n_atoms / nearest
            estimated.append(system.name)
    return found, f"; {len(estimated)} more systems by their number of atoms" if estimated else ""


def _composition(frame: Frame) -> bytes:
    return np.sort(frame.numbers).tobytes() + frame.pbc.tobytes()


def _each(seconds: Mapping[str, float]) -> str:
    low, high = min(seconds.values()), max(seconds.values())
    return f"{low:.2g} s" if high < 1.1 * low else f"{low:.2g} to {high:.2g} s"


def _driver_step(sampler: BatchedSampler, index: int) -> tuple[float, str | None]:
    """Seconds of one step of a system, and what stopped it."""
    started = time.perf_counter()
    (moved,) = sampler.advance([index], 1)
    first_s = time.perf_counter() - started
    if moved.problem is not None or first_s > ENOUGH_S / 2:
        return first_s / 2, moved.problem  # forces of the start and of the first step
    started, n_steps = time.perf_counter(), 0
    while n_steps < 2 or time.perf_counter() - started < MEASURED_S:
        (moved,) = sampler.advance([index], 1)
        if moved.problem is not None:
            break
        n_steps += 1
    return (time.perf_counter() - started) / max(1, n_steps), moved.problem


def _probed(project: Project, system: System) -> Probe:
    """A label as a worker of the project would compute it; workers of this machine share its cores."""
    settings, cluster = project.reference_for(system), project.settings.cluster
    if not isinstance(cluster, LocalCluster):
        return probe(settings, system.frame)
    n_threads = max(1, assembly.n_cores() // cluster.max_workers)
    with _threads(n_threads), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as worker:
        return worker.submit(probe, settings, system.frame).result()


@contextmanager
def _threads(n: int) -> Iterator[None]:
    """Processes that begin meanwhile use so many threads."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(n)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# -- models ---------------------------------------------------------------------------------------------------


def measured_speed(project: Project, n_trajectories: int) -> Speed:
    """Time MD and training with models of mace.yaml that have learned nothing: they cost as much as trained ones.

    Parameters
    ----------
    n_trajectories : int
        Of active learning; 0 where there is none, and its MD is not timed.

    Raises
    ------
    UserError
        Models are not of MACE: others that have learned nothing cost nothing, and are trained by other programs.
    """
    if not project.mace.architecture.is_mace:
        name = NAMES[project.mace.architecture.model_choice]
        found = f"The time of a campaign of {name} can't be foretold: its models are trained by another program."
        raise UserError(Problem(project.where("ARCHITECTURE", "model_choice"), found, "mace"))
    started = time.perf_counter()
    points = _made_up_points(project)
    n_first = project.mace.training.batch_size
    committee = _untrained(project, points[:n_first])
    build_s = time.perf_counter() - started
    batch_step_s, step_s = _dynamics(project, committee, n_trajectories) if n_trajectories else (0.0, 0.0)
    if not (n_trajectories or project.settings.learning):
        sampler = _exploration(project, committee) or _flight(project, committee) or _workflows(project, committee)
        batch_step_s, step_s = (0.0, 0.0) if sampler is None else _step_times(sampler, committee, None)
    active, initial = project.settings.active, project.settings.initial
    plan = EpochPlan(validates_last=False)
    if active is not None or initial is not None:
        plan = assembly.initial_plan(project.initial) if active is None else assembly.active_plan(active)

    def epoch_s(members: list[int] | None = None) -> float:
        return _seconds(lambda: committee.train(1, members=members, plan=plan))

    warm_s = epoch_s()
    few_s = warm_s if warm_s > SLOW_EPOCH_S else epoch_s()
    lone_share = 1.0 / committee.n_members if warm_s > SLOW_EPOCH_S else min(1.0, epoch_s([0]) / few_s)
    structure_s, overhead_s = few_s / n_first, 0.0
    if warm_s <= SLOW_EPOCH_S:
        committee.add(points[n_first:])
        many_s = min(epoch_s(), epoch_s())
        n_more = committee.n_train(0) - n_first
        structure_s = max(0.5 * many_s / committee.n_train(0), (many_s - few_s) / n_more)
        overhead_s = max(0.0, many_s - committee.n_train(0) * structure_s)
    with TemporaryDirectory(prefix="aims-pax-speed-") as scratch:
        checkpoint_s = _seconds(lambda: committee.save(Path(scratch) / "committee.pt"))
    return Speed(batch_step_s, step_s, structure_s, overhead_s, lone_share, build_s, checkpoint_s)


def _dynamics(project: Project, committee: Committee, n_trajectories: int) -> tuple[float, float]:
    """Seconds of an MD step: of the batch as such, and of each trajectory in it."""
    sampled = replace(project, settings=replace(project.settings, md=project.md_for(0)))  # all move alike
    plan = project.settings.learning[0]
    settings = project.active.model_copy(update={"num_trajectories": n_trajectories, "MD": {}})
    driver = learning_driver(sampled, settings)
    sampler = assembly.active_sampler(sampled, replace(plan, settings=settings), committee, driver=driver)
    return _step_times(sampler, committee, settings.skip_step_mlff)


def _step_times(sampler: BatchedSampler, committee: Committee, every: int | None) -> tuple[float, float]:
    """The same of the trajectories of a sampler."""
    alone_s = _step_s(sampler, committee, [0], every)
    if sampler.n_trajectories == 1:
        return 0.0, alone_s
    all_s = _step_s(sampler, committee, list(range(sampler.n_trajectories)), every)
    step_s = max(0.0, all_s - alone_s) / (sampler.n_trajectories - 1)
    return max(0.0, alone_s - step_s), step_s


def _flight(project: Project, committee: Committee) -> BatchedSampler | None:
    """Trajectories as those of a flight, which all members drive; None where none is foreseen."""
    if not project.settings.flying:
        return None
    settings = project.settings.flying[0].read_as(FlyStageSettings)
    everyone = [(index, project.system_for(index)) for index in range(min(settings.num_trajectories, MOST_EXPLORING))]
    starts = [
        assembly.start_of(replace(one.frame, trajectory=index), project.md_for(index, settings), one, noise=0)
        for index, one in everyone
    ]
    return BatchedSampler(starts, CommitteeForces(committee), device=committee.device)


def _exploration(project: Project, committee: Committee) -> BatchedSampler | None:
    """Trajectories as those of exploration, which one member drives; None where none is foreseen."""
    plan = next((one for one in project.settings.stages if one.kind == EXPLORE), None)
    starts = [] if plan is None else Explore(plan).starts_ahead(project)[:MOST_EXPLORING]
    if not starts:
        return None
    return BatchedSampler(
        [TrajectoryStart(replace(one.frame, trajectory=k), (one.segment,), 0) for k, one in enumerate(starts)],
        CommitteeForces(committee, member=0),
        device=committee.device,
    )


def _workflows(project: Project, committee: Committee) -> BatchedSampler | None:
    """Trajectories as those that play workflows, each in the largest of its structures; None where none is foreseen."""
    for plan in project.settings.playing[:1]:
        settings, largest = plan.read_as(PlaySettings), dict[str, Frame]()
        for one in rehearsed(project, plan):
            frame = None if one.built is None else one.built.frame
            if frame is not None and frame.n_atoms > getattr(largest.get(one.workflow), "n_atoms", 0):
                largest[one.workflow] = frame
        frames = [*largest.values()]
        frames = _cycled(frames, min(MOST_EXPLORING, settings.replicas * len(frames))) if frames else []
        if frames:
            steady = [
                TrajectoryStart.steady(replace(one, trajectory=k), Langevin(0.01), 300.0, 0.5, 0)
                for k, one in enumerate(frames)
            ]
            return BatchedSampler(steady, CommitteeForces(committee), device=committee.device)
    return None


def _made_up_points(project: Project) -> list[LabelledFrame]:
    """Points that are made up: only their size and number matter for the time. Two batches train, some validate."""
    rng, n_batch = np.random.default_rng(0), project.mace.training.batch_size
    ratios = [getattr(one.settings, "valid_ratio", None) for one in project.settings.stages]
    ratio = next((one for one in ratios if one is not None), USUAL_VALID_RATIO)
    n_valid = max(1, round(2 * n_batch * ratio / (1 - ratio)))
    splits = [Split.TRAINING] * 2 * n_batch + [Split.VALIDATION] * n_valid
    frames = _cycled([*(system.frame for system in project.systems), *_of_workflows(project)], len(splits))
    return [
        LabelledFrame(number, frame, _made_up(project, frame, rng), split, None)
        for number, (frame, split) in enumerate(zip(frames, splits, strict=True), start=1)
    ]


def _untrained(project: Project, points: Sequence[LabelledFrame]) -> Committee:
    """A committee with constants from these points, which it is given to train on."""
    return assembly.build_committee(project, points, isolated_atoms_ev=dict.fromkeys(project.elements, 0.0))


def _made_up(project: Project, frame: Frame, rng: np.random.Generator) -> Label:
    has_stress = assembly.wants_stress(project) and bool(frame.pbc.all())
    forces = rng.normal(0.0, 0.1, (frame.n_atoms, 3))
    return Label(0.0, forces, np.zeros(6) if has_stress else None, "made up", 0.0)


def _cycled(frames: Sequence[Frame], n: int) -> list[Frame]:
    return [frames[index % len(frames)] for index in range(n)]


def _step_s(sampler: BatchedSampler, committee: Committee, trajectories: list[int], every: int | None) -> float:
    """Seconds of one MD step of these trajectories in one batch, with its share of an uncertainty estimate, if any."""
    sampler.advance(trajectories, 1)  # neighbour lists, and whatever the device does only once
    begun = [sampler.frame(index).md_step for index in trajectories]
    started, n_steps = time.perf_counter(), 0
    while n_steps < 2 or time.perf_counter() - started < MEASURED_S:
        sampler.advance(trajectories, 2)
        n_steps += 2
    elapsed = time.perf_counter() - started
    made = np.mean([sampler.frame(index).md_step - before for index, before in zip(trajectories, begun, strict=True)])
    if every is None:
        return elapsed / max(1.0, float(made))
    estimate_s = _seconds(lambda: committee.opinions(seen_by(committee, sampler, trajectories)).forces.cpu())
    return elapsed / max(1.0, float(made)) + estimate_s / every


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _of_workflows(project: Project) -> Iterator[Frame]:
    """Structures that bring elements along which no starting structure has."""
    for some in project.further.workflows.values():
        for workflow in some:
            yield from workflow.structures.values()
