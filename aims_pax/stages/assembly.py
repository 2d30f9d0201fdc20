"""Concrete parts from a project: the one place that turns settings into classes."""

import functools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from math import inf, isinf
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zlib import crc32

from aims_pax.dataset.run_folder import RunFolder
from aims_pax.frame import Frame, LabelledFrame
from aims_pax.labelling.faults import WRECKS
from aims_pax.learner.cadence import PerLabel, PerRound
from aims_pax.learner.quota import Quota
from aims_pax.learner.selectors import EveryStructure
from aims_pax.learner.state import Rules
from aims_pax.protocols import Pool
from aims_pax.reference.registry import build_reference
from aims_pax.settings import (
    ActiveLearningSettings,
    InitialDatasetSettings,
    InlineCluster,
    MDSettings,
    Project,
    SlurmCluster,
)
from aims_pax.settings.cluster import NO_RESOURCES
from aims_pax.settings.committee.losses import INTERMOLECULAR
from aims_pax.settings.reading.document import KeyPath, dotted
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.settings.stages.flying import FlyStageSettings
from aims_pax.settings.stages.kinds import KINDS, LEARN
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.systems import System
from aims_pax.stages.beginnings.finetuning import fine_tuned, foundation_of, let_remember
from aims_pax.stages.driver import cells_move, moves_cells
from aims_pax.stages.fly.rules import begins_with_reference
from aims_pax.stages.loop.selecting import active_selectors, budgets_of

if TYPE_CHECKING:  # PyTorch and MACE take seconds to import, and what `aims-pax check` asks for needs neither
    from aims_pax.committee import EpochPlan, Handling
    from aims_pax.protocols import Committee, Driver
    from aims_pax.sampling import BatchedSampler, TrajectoryStart
    from aims_pax.stages.loop.recording import NoRecorder, TrajectoryRecorder

USUAL_MEMBERS: Final = 4
"""Of a campaign of which no stage says how many there are."""

EQUILIBRATION_CHUNK: Final = 5
"""MD steps of equilibration between two moments at which a run can be left: few, for the driver may take a second for
each, and no fewer, for it begins each chunk without its wave functions."""


def seeds_of(project: Project) -> tuple[int, ...]:
    """Seeds of the members: those of `seeds_tags_dict`, or consecutive ones from the seed of mace.yaml."""
    active, general = project.settings.active, project.mace.general
    if active is not None and active.seeds_tags_dict is not None:
        return tuple(active.seeds_tags_dict.values())
    # v0.2 reads the number of the first stage alone.
    sizes = [size for one in project.settings.stages if (size := getattr(one.settings, "ensemble_size", None))]
    return tuple(range(general.seed, general.seed + (sizes[0] if sizes else USUAL_MEMBERS)))


def run_folder(project: Project, *, run_id: str | None = None) -> RunFolder:
    """Where a run of this project keeps its files.

    Parameters
    ----------
    run_id : str or None
        Keeps the calculations of a run apart from those of any other; None where they don't matter.
    """
    return RunFolder(project.run_folder, project.label_folder / (f"run-{run_id}" if run_id else ""))


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def wants_stress(project: Project) -> bool:
    """Whether labels get a stress: to be learned, or to move the cells of ab initio MD."""
    return project.mace.general.compute_stress or _cells_move_by_labels(project)


def _cells_move_by_labels(project: Project) -> bool:
    initial, stages = project.settings.initial, project.settings.stages
    flies = any(isinstance(one.settings, FlyStageSettings) and begins_with_reference(project, one) for one in stages)
    if not flies and (initial is None or initial.driver != "reference"):
        return False
    return any(project.md_of(system).moves_cell for system in project.systems)


def committee_moves_cells(project: Project) -> bool:
    """Whether the committee drives trajectories whose cells move."""
    if any(moves_cells(project, plan.name) for plan in project.settings.playing):
        return True
    stages = [one.settings for one in project.settings.stages]
    if any(isinstance(one, FlyStageSettings) and cells_move(project, one) for one in stages):
        return True
    learning = (plan.read_as(ActiveLearningSettings) for plan in project.settings.learning)
    exploring = [one.settings for one in project.settings.stages if isinstance(one.settings, ExploreSettings)]
    if any(one.pressure or any(project.md_of(each).moves_cell for each in project.systems) for one in exploring):
        return True
    return any(cells_move(project, settings) for settings in learning)


def committee_handling(project: Project) -> "Handling":
    """How the committee is run: as mace.yaml says, and ready to tell stress where it drives cells."""
    from aims_pax.committee import Handling

    misc = project.mace.misc
    return Handling(compiled=misc.compile, moves_cells=committee_moves_cells(project), cueq=misc.cueq)


def build_pool(project: Project, *, want_stress: bool | None = None) -> Pool:
    """The pool that CLUSTER describes; starts its workers, and waits until they have shown that they can label.

    Parameters
    ----------
    want_stress : bool or None
        Whether its labels get a stress; None: as those of the run do.

    Raises
    ------
    SettingsError
        The workers that CLUSTER describes can't be had, or can't compute labels.
    """
    from aims_pax.labelling.bounded import BoundedPool
    from aims_pax.labelling.inline import InlinePool

    cluster, reference = project.settings.cluster, project.reference
    keeps, want_stress = not cluster.clean_dirs, wants_stress(project) if want_stress is None else want_stress
    if isinstance(cluster, InlineCluster):
        return InlinePool(build_reference(reference), want_stress=want_stress, keep_files=keeps)
    from aims_pax.labelling.workers.cluster import cluster_config, placed, require_order
    from aims_pax.labelling.workers.parsl import ParslPool

    config = cluster_config(cluster, n_cores=n_cores())
    executors = placed(config, wanted_executors(project), written=executor_places(project))
    require_order(config, priorities_of(project))
    free_mb = cluster.disk_per_job if isinstance(cluster, SlurmCluster) else 0
    pool = ParslPool(
        reference,
        config,
        want_stress=want_stress,
        run_dir=parsl_folder(project),
        keep_files=keeps,
        executors=executors,
        priorities=priorities_of(project),
    )
    try:
        pool.probe([system.frame for system in project.systems], project.label_folder, free_mb=free_mb)
    except BaseException:
        pool.close()
        raise
    if cluster.max_in_flight is None:
        return pool
    return BoundedPool(pool, cluster.max_in_flight, priorities=priorities_of(project))


def parsl_folder(project: Project) -> Path:
    """Where Parsl's logs go."""
    cluster = project.settings.cluster
    chosen = cluster.parsl_options.run_dir if isinstance(cluster, SlurmCluster) else None
    return chosen or project.log_folder / "parsl"


def wanted_executors(project: Project) -> dict[str, str | None]:
    """The executor that SYSTEMS or CLUSTER.systems names for each system; None where they name none."""
    return {system.name: project.resources_of(system).executor for system in project.systems}


def executor_places(project: Project) -> dict[str, tuple[str, str]]:
    """File, line and key of these."""
    found = {}
    for system in project.systems:
        plan = project.plan_of(system)
        keys: KeyPath = ("CLUSTER", "systems", system.name, "executor")
        if plan is not None and plan.settings.resources != NO_RESOURCES:
            keys = ("SYSTEMS", system.name, "resources", "executor")
        found[system.name] = project.where(*keys), dotted(keys)
    return found


def priorities_of(project: Project) -> dict[str, int]:
    """Of systems whose labels SYSTEMS wants before or after those of others; empty where all are alike."""
    found = {name: plan.settings.priority for name, plan in project.settings.systems.items()}
    return found if len(set(found.values())) > 1 else {}


def build_committee(
    project: Project, labelled: Sequence[LabelledFrame], *, isolated_atoms_ev: Mapping[int, float]
) -> "Committee":
    """A committee with constants from these labels, untrained or as a foundation model is."""
    from aims_pax.committee import devices_of, family_of

    mace = project.mace
    build: Callable[..., Committee]
    if mace.training.perform_finetuning:
        numbers = {*isolated_atoms_ev, *(int(z) for point in labelled for z in point.frame.numbers)}
        build = fine_tuned(mace, foundation_of(mace, project.folder, numbers))
    else:
        build = functools.partial(family_of(mace).build, mace)
    committee = build(
        labelled,
        seeds=seeds_of(project),
        atomic_energies_ev=isolated_atoms_ev,
        device=devices_of(mace.misc.device),
        handling=committee_handling(project),
    )
    let_remember(committee, project.folder)
    return committee


def continued_committee(project: Project, paths: Sequence[Path], labelled: Sequence[LabelledFrame]) -> "Committee":
    """A committee that goes on from trained models, with these points."""
    from aims_pax.committee import devices_of, family_of

    committee = family_of(project.mace).from_models(
        project.mace,
        paths,
        seeds=seeds_of(project),
        device=devices_of(project.mace.misc.device),
        handling=committee_handling(project),
    )
    committee.add(labelled)
    return committee


# -- initial dataset ------------------------------------------------------------------------------------------


def initial_sampler(project: Project, forces: "Driver", *, n_trajectories: int = 1, noise: int = 0) -> "BatchedSampler":
    """A trajectory for each starting structure; or so many, if that is more, which begin at these in turn."""
    from aims_pax.committee import devices_of
    from aims_pax.sampling import BatchedSampler

    everyone = range(max(n_trajectories, len(project.systems)))
    systems = [project.systems[index % len(project.systems)] for index in everyone]
    starts = [start_of(system.frame, project.md_of(system), system, noise=noise) for system in systems]
    return BatchedSampler(starts, forces, device=devices_of(project.mace.misc.device)[0])


def n_owners(settings: InitialDatasetSettings) -> int:
    """Members that have initial structures of their own; 1 where all share them."""
    return settings.ensemble_size if settings.distinct_model_sets else 1


def initial_rules(project: Project) -> Rules:
    """The rules of the initial stage."""
    settings = project.initial
    return Rules(
        selectors=(EveryStructure(),),
        cadence=PerRound(
            labels_per_round=settings.n_points_per_sampling_step_idg * n_owners(settings) * len(project.systems),
            epochs_per_round=settings.intermediate_epochs_idg,
        ),
        quota=Quota(settings.valid_ratio),
        skip_steps=settings.skip_step_initial,
        max_failures=settings.max_consecutive_failures,
        equilibration_steps=settings.equilibration_steps,
        steps_per_chunk=EQUILIBRATION_CHUNK,
        max_train_size=_whole(settings.max_initial_set_size),
        desired_force_mae=settings.desired_force_mae_ev_per_ang,
        max_epochs=settings.max_initial_epochs,
    )


# -- active learning ------------------------------------------------------------------------------------------


def active_sampler(
    project: Project,
    plan: StagePlan,
    committee: "Committee",
    *,
    driver: "Driver | None" = None,
    frames: Sequence[Frame] | None = None,
) -> "BatchedSampler":
    """All trajectories of a stage of active learning.

    Parameters
    ----------
    driver : Driver or None
        None: the committee drives.
    frames : sequence of Frame or None
        Where each of them begins; None: at the starting structures in turn.
    """
    from aims_pax.sampling import BatchedSampler

    settings, noise = plan.read_as(ActiveLearningSettings), 1 + apart(plan.name)
    if frames is None:
        frames = [project.system_for(index).frame for index in range(settings.num_trajectories)]
    motions = [project.md_for(index, settings) for index in range(len(frames))]
    starts = [
        start_of(frame, md, project.system_for(index), noise=noise)
        for index, (frame, md) in enumerate(zip(frames, motions, strict=True))
    ]
    if driver is None:
        driver = _committee_driver(committee, frames, motions)
    return BatchedSampler(starts, driver, device=committee.device)


def _committee_driver(committee: "Committee", frames: Sequence[Frame], motions: Sequence[MDSettings]) -> "Driver":
    """What the committee drives trajectories with that begin there and are to move so."""
    from aims_pax.committee import CommitteeForces, PushedForces

    if any(md.uncertainty_bias for md in motions):
        return PushedForces(committee, [md.uncertainty_bias for md in motions], frames)
    return CommitteeForces(committee, member=0 if motions[0].propagate_with == "member" else None)


def apart(stage: str) -> int:
    """What is added to seeds so that one stage of active learning shares no random numbers with another."""
    return 0 if stage == KINDS[LEARN].first else crc32(stage.encode()) << 48


def learns_molecules(project: Project) -> bool:
    """Whether the loss may come to count the forces on molecules."""
    return project.mace.training.loss == INTERMOLECULAR


def active_rules(project: Project, plan: StagePlan) -> Rules:
    """The rules of a stage of active learning."""
    settings = plan.read_as(ActiveLearningSettings)
    return Rules(
        selectors=tuple(active_selectors(project, plan, seed=project.mace.general.seed + apart(plan.name))),
        cadence=PerLabel(settings.epochs_per_worker, settings.intermediate_epochs_al, are_shared=settings.share_epochs),
        quota=Quota(settings.valid_ratio),
        skip_steps=settings.skip_step_mlff,
        max_failures=settings.max_consecutive_failures,
        max_md_steps=_whole(settings.max_MD_steps),
        max_train_size=_whole(settings.max_train_set_size),
        desired_force_mae=settings.desired_acc or None,
        max_epochs=settings.max_epochs,
        molecular_limit=settings.intermol_crossed_limit if learns_molecules(project) else inf,
        wrecks=WRECKS if settings.driving is None else None,  # training mends no MD that others drive
        budgets=tuple(budgets_of(project, plan)),
    )


def active_plan(settings: ActiveLearningSettings) -> "EpochPlan":
    """What belongs to an epoch of active learning."""
    from aims_pax.committee import EpochPlan, RandomSubset

    replay = None
    if settings.train_subset_size is not None:
        n_valid = settings.valid_subset_size or sys.maxsize
        replay = RandomSubset(settings.train_subset_size, n_valid, fresh_epochs=settings.epochs_per_worker)
    return EpochPlan(schedule=False, valid_skip=settings.valid_skip, validates_last=False, replay=replay)


def initial_plan(settings: InitialDatasetSettings) -> "EpochPlan":
    """What belongs to an epoch of initial dataset generation."""
    from aims_pax.committee import EpochPlan

    return EpochPlan(schedule=settings.scheduler_initial, valid_skip=settings.valid_skip)


def recorder(
    settings: InitialDatasetSettings | ActiveLearningSettings | FlyStageSettings, stage: str, folder: RunFolder
) -> "TrajectoryRecorder | NoRecorder":
    """What saves the frames of the MD, if that was asked for."""
    from aims_pax.stages.loop.recording import NoRecorder, TrajectoryRecorder

    if not settings.save_trajectories:
        return NoRecorder()
    return TrajectoryRecorder(folder.trajectories, stage, interval_steps=settings.save_trajectories_interval)


def start_of(frame: Frame, md: MDSettings, system: System, *, noise: int) -> "TrajectoryStart":
    """How a trajectory begins, with noise of its own: else each stage would begin with the moves of the one before."""
    from aims_pax.sampling import TrajectoryStart, program_of

    return TrajectoryStart(frame, program_of(md, system), seed=2 * md.seed + noise)


def _whole(limit: float) -> int | None:
    return None if isinf(limit) else int(limit)
