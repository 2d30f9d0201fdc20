"""What is in the run folder already, and whether what is asked for can go on from there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aims_pax.campaign.fingerprint import changed_settings, changes
from aims_pax.campaign.reopening import Renewal, renewal, unreached_goals, what_to_raise
from aims_pax.campaign.session import Progress
from aims_pax.dataset.extxyz import read_extxyz
from aims_pax.dataset.store import STORE_NAME, RunStore
from aims_pax.errors import Problem, StructureError
from aims_pax.forecast.amounts import amount_facts
from aims_pax.forecast.standing import Standing, standing_of
from aims_pax.frame import Stage
from aims_pax.learner.state import State
from aims_pax.settings import Project
from aims_pax.settings.changing import CONVERGENCE, When, when
from aims_pax.settings.project import BOTH_STAGES
from aims_pax.settings.stage import ACTIVE, INITIAL
from aims_pax.stages import assembly
from aims_pax.stages.imported import extxyz_keys
from aims_pax.stages.memory import Memory
from aims_pax.stages.pretrained import model_problems
from aims_pax.stages.states import recall_state

DOING: Final = {
    Progress.INITIAL: "the initial dataset is being made",
    Progress.INITIAL_CONVERGENCE: "its first committee is being converged",
    Progress.ACTIVE: "it learns actively",
    Progress.CONVERGENCE: "its final models are being converged",
}

NO_INITIAL_DATASET: Final = Problem(
    where="aims-pax al",
    found="There is no initial dataset for active learning to start from.",
    advice="Run aims-pax idg first (or aims-pax run, which does both), or name labelled structures by "
    "ACTIVE_LEARNING.initial_train_dataset and initial_valid_dataset.",
)


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """The run that a folder holds.

    Parameters
    ----------
    progress : Progress or None
        Which part of it comes next; None when it has not begun.
    settings : str or None
        What it was started with, as :mod:`aims_pax.campaign.fingerprint` notes it.
    checkpoint : Path or None
        The committee that it goes on with; None before the first.
    n_labels : int
        Labels received.
    learner : State or None
        Of active learning; None before it has begun.
    standing : Standing or None
        What of it is done; None when it has not begun.
    """

    progress: Progress | None
    settings: str | None
    checkpoint: Path | None
    n_labels: int
    learner: State | None
    standing: Standing | None = None

    def renewal(self, project: Project) -> Renewal | None:
        """Why it goes on although it had ended; None when it does not, or had not."""
        return renewal(project, progress=self.progress, settings=self.settings, state=self.learner)


def earlier_run(project: Project) -> EarlierRun | None:
    """The run in the project's run folder, None when there is none.

    Raises
    ------
    RunLocked
        A campaign is working there.
    StoreError
        Its store is damaged, or newer than this program.
    """
    if not (project.run_folder / STORE_NAME).is_file():
        return None
    # Opened as its run will be, since readers of SQLite's write-ahead log leave files behind, and this one none.
    with RunStore.open(project.run_folder) as store:
        memory = Memory(store, assembly.run_folder(project))
        n_labels = store.counts().n_received
        return EarlierRun(
            progress=memory.recall_member("progress", Progress),
            settings=store.get_meta("settings"),
            checkpoint=memory.committee_checkpoint(),
            n_labels=n_labels,
            learner=recall_state(store, ACTIVE),
            standing=standing_of(store, memory, n_labels=n_labels),
        )


def continuation_problems(project: Project, stages: tuple[Stage, ...], earlier: EarlierRun | None) -> Iterator[Problem]:
    """Why the stages can't begin in this folder, or go on with the run in it."""
    if earlier is None or earlier.progress is None:
        yield from _new_run_problems(project, stages)
        return
    if earlier.progress is Progress.INITIAL and INITIAL not in stages:
        yield Problem(
            where=str(project.run_folder),
            found="The initial dataset of this run is not complete.",
            advice="Finish it with aims-pax idg, or let aims-pax run do both.",
        )
    if earlier.settings is not None:
        yield from changed_settings(earlier.settings, project)
        yield from _initial_goals_missed(project, earlier.settings, earlier.progress)
        if ACTIVE in stages:
            progress, settings, state = earlier.progress, earlier.settings, earlier.learner
            yield from unreached_goals(project, progress=progress, settings=settings, state=state)
    goes_on = earlier.progress is not Progress.FINISHED or earlier.renewal(project) is not None
    if earlier.checkpoint is not None and goes_on:
        yield from _checkpoint_problems(project, earlier.checkpoint)


def continuation_facts(
    project: Project, earlier: EarlierRun | None, *, stages: tuple[Stage, ...] = BOTH_STAGES
) -> Iterator[str]:
    """What the run in the folder means for the next one, and what it has still to do."""
    if earlier is None or earlier.progress is None:
        return
    if (renewed := earlier.renewal(project)) is not None:
        yield f"the run in {project.run_folder} had ended, and {renewed.kind}: {renewed.because}"
    elif earlier.progress is Progress.FINISHED:
        yield f"the run in {project.run_folder} is finished: its results are shown again, and nothing is computed"
        if advice := what_to_raise(earlier.learner):
            yield f"to have it go on, {advice}, and start it by the same command"
        return
    else:
        yield f"the run in {project.run_folder} goes on from {earlier.n_labels} labels: {DOING[earlier.progress]}"
    sections = {INITIAL: project.settings.initial, ACTIVE: project.settings.active}
    there = tuple(stage for stage in stages if sections[stage] is not None)
    for _, fact in amount_facts(project, there, standing=earlier.standing):
        yield f"left of it: {fact}"


def _new_run_problems(project: Project, stages: tuple[Stage, ...]) -> Iterator[Problem]:
    checkpoints = sorted(assembly.run_folder(project).checkpoints.glob("committee_*.pt"))
    if checkpoints:
        there = (project.run_folder / STORE_NAME).exists()
        lost = f"knows nothing of it; perhaps {STORE_NAME}-wal was not copied with it" if there else "is missing"
        yield Problem(
            where=str(project.run_folder),
            found=f"A run was here (checkpoints/{checkpoints[0].name}), and its {STORE_NAME} {lost}.",
            advice=f"Restore {STORE_NAME} from a copy; or remove it, checkpoints/ and results/ to start anew.",
        )
    active = project.settings.active
    given = active is not None and active.initial_train_dataset is not None
    if INITIAL not in stages and not given:
        yield NO_INITIAL_DATASET
    if INITIAL not in stages and given:
        yield from _dataset_problems(project)
        yield from model_problems(project)
    if INITIAL in stages and ACTIVE in stages and given:
        yield Problem(
            where="ACTIVE_LEARNING.initial_train_dataset",
            found="names an initial dataset, and aims-pax run would make one of its own.",
            advice="Start from the files with aims-pax al, or remove initial_train_dataset and initial_valid_dataset.",
        )


def _dataset_problems(project: Project) -> Iterator[Problem]:
    """Files of an initial dataset must be readable and hold every element that the models are asked about."""
    elements: set[int] = set()
    for given in (project.active.initial_train_dataset, project.active.initial_valid_dataset):
        for path in given.values() if isinstance(given, Mapping) else [given] if given is not None else []:
            try:
                labelled = read_extxyz(path, extxyz_keys(project.settings.misc))
            except StructureError as error:
                yield from error.problems
                return
            elements |= {int(number) for frame, _ in labelled for number in frame.numbers}
    unknown = [number for number in project.elements if number not in elements]
    if unknown:
        from ase.data import chemical_symbols

        symbols, known = (", ".join(chemical_symbols[z] for z in sorted(zs)) for zs in (unknown, elements))
        yield Problem(
            where="ACTIVE_LEARNING.initial_train_dataset",
            found=f"No structure of it has the elements {symbols}, which the starting structures have.",
            allowed=f"starting structures of {known}",
            advice="Add such structures, or generate the initial dataset by aims-pax run.",
        )


def _initial_goals_missed(project: Project, stored: str, progress: Progress) -> Iterator[Problem]:
    """Goals of the initial dataset that were changed after it was complete."""
    for name, before, now in changes(stored, project):
        if when(name) is When.UNTIL_OVER and not _is_ahead(name, progress):
            yield Problem(
                where=project.settings_file.name,
                found=f"{name} is {now:g}. The run in {project.run_folder} was done with that part at {before:g}, "
                "and has learned from it since.",
                advice="Set it back; to learn more in this run, raise the goals of ACTIVE_LEARNING.",
            )


def _is_ahead(name: str, progress: Progress) -> bool:
    """Whether the part of the initial dataset that this goal ends is still to come, or under way."""
    converges = name.endswith(CONVERGENCE)
    return progress is Progress.INITIAL or (converges and progress is Progress.INITIAL_CONVERGENCE)


def _checkpoint_problems(project: Project, checkpoint: Path) -> Iterator[Problem]:
    if not checkpoint.is_file():
        yield Problem(
            where=str(checkpoint),
            found="The committee that this run goes on with is missing.",
            advice="Restore the file from a copy; without it, start in another folder (MISC.output_dir).",
        )
