"""What is in the run folder already, and whether what is asked for can go on from there."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aims_pax.campaign.course import course_problems
from aims_pax.campaign.fingerprint import changed_settings, changes, in_users_words, noted_plan
from aims_pax.campaign.goals import open_stages
from aims_pax.campaign.progress import FINISHED
from aims_pax.campaign.reopening import Ended, Renewal, n_labels, renewal, shown, unreached_goals
from aims_pax.dataset.store import STORE_NAME, RunStore
from aims_pax.errors import Problem, StructureError
from aims_pax.forecast.amounts import amount_facts
from aims_pax.forecast.standing import Standing, standing_of
from aims_pax.frame import Stage
from aims_pax.settings import Project
from aims_pax.settings.changing import When, when
from aims_pax.settings.project import BOTH_STAGES
from aims_pax.settings.reading.final_datasets import EXTEND
from aims_pax.settings.stage import ACTIVE, INITIAL
from aims_pax.stages import assembly
from aims_pax.stages.beginnings.imported import given_datasets, nothing_to_begin_with
from aims_pax.stages.beginnings.pretrained import model_problems
from aims_pax.stages.memory import Memory

DOING: Final = {
    "initial": "the initial dataset is being made",
    "initial convergence": "its first committee is being converged",
    "active": "it learns actively",
    "convergence": "its final models are being converged",
}


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """The run that a folder holds.

    Parameters
    ----------
    ended : Ended
        How far it is, with what settings.
    checkpoint : Path or None
        The committee that it goes on with; None before the first.
    n_labels : int
        Labels received.
    standing : Standing or None
        What of it is done; None when it has not begun.
    """

    ended: Ended
    checkpoint: Path | None
    n_labels: int
    standing: Standing | None = None

    @property
    def progress(self) -> str | None:
        """The stage that comes next or is under way; None when it has not begun."""
        return self.ended.position.progress

    def renewal(self, project: Project) -> Renewal | None:
        """Why it goes on although it had ended; None when it does not, or had not."""
        return renewal(project, self.ended)


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
    # Opened as its run will be, which tells whether a campaign works there.
    with RunStore.open(project.run_folder) as store:
        memory = Memory(store, assembly.run_folder(project))
        n_labels = store.counts().n_received
        return EarlierRun(
            ended=Ended.of(project, store, memory),
            checkpoint=memory.committee_checkpoint(),
            n_labels=n_labels,
            standing=standing_of(store, memory, n_labels=n_labels),
        )


def continuation_problems(project: Project, stages: tuple[Stage, ...], earlier: EarlierRun | None) -> Iterator[Problem]:
    """Why the stages can't begin in this folder, or go on with the run in it."""
    if earlier is None or earlier.progress is None:
        yield from _new_run_problems(project, stages)
        return
    if earlier.progress == INITIAL and INITIAL not in stages:
        yield Problem(
            where=str(project.run_folder),
            found="The initial dataset of this run is not complete.",
            advice="Finish it with aims-pax idg, or let aims-pax run do both.",
        )
    yield from course_problems(project, earlier.ended.position)
    if earlier.ended.settings is not None:
        yield from changed_settings(earlier.ended.settings, project)
        yield from _goals_missed(project, earlier.ended)
        if ACTIVE in stages:
            yield from unreached_goals(project, earlier.ended)
    goes_on = earlier.progress != FINISHED or earlier.renewal(project) is not None
    if earlier.checkpoint is not None and goes_on:
        yield from _checkpoint_problems(project, earlier.checkpoint)


def continuation_facts(
    project: Project, earlier: EarlierRun | None, *, stages: tuple[Stage, ...] = BOTH_STAGES
) -> Iterator[str]:
    """What the run in the folder means for the next one, and what it has still to do."""
    if earlier is None or earlier.progress is None:
        return
    yield from _kept_out_facts(earlier, project)
    if (renewed := earlier.renewal(project)) is not None:
        yield f"the run in {project.run_folder} had ended, and {renewed.kind}: {renewed.because}"
    elif earlier.progress == FINISHED:
        yield f"the run in {project.run_folder} is finished: its results are shown again, and nothing is computed"
        if earlier.ended.advice:
            yield f"to have it go on, {earlier.ended.advice}, and start it by the same command"
        return
    else:
        doing = DOING.get(earlier.progress, f"it is at {earlier.progress}")
        yield f"the run in {project.run_folder} goes on from {earlier.n_labels} labels: {doing}"
    there = tuple(stage for stage in stages if stage in project.stages)
    for _, fact in amount_facts(project, there, standing=earlier.standing):
        yield f"left of it: {fact}"


def _kept_out_facts(earlier: EarlierRun, project: Project) -> Iterator[str]:
    """Labels that nobody learns for their forces, and what becomes of them by the limits of now."""
    n_all, n_back = earlier.ended.n_kept_out, earlier.ended.n_returning
    if n_all > n_back:
        yield f"kept out of what is learned: {n_labels(n_all - n_back)}, of forces beyond max_force_ev_per_ang"
    if n_back:
        goes_on = earlier.progress != FINISHED or earlier.renewal(project) is not None
        told = "learned from now on" if goes_on else "learned if the run went on by a further stage"
        yield f"{told}: {n_labels(n_back)} kept out before, whose forces max_force_ev_per_ang allows now"


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
    given = project.settings.bringing is not None
    if (missing := nothing_to_begin_with(project, stages)) is not None:
        yield missing
    if INITIAL not in stages and given:
        yield from _dataset_problems(project)
        yield from model_problems(project)
    if project.settings.judging is not None:
        yield from model_problems(project)
    if INITIAL in stages and ACTIVE in stages and given:
        yield _two_beginnings(project)


def _two_beginnings(project: Project) -> Problem:
    """A dataset that is there, and a command that would make one."""
    bringing, active = project.settings.bringing, project.settings.active
    assert bringing is not None, "something is brought along"
    if active is not None and active.extend_existing_final_ds:
        return Problem(
            where=bringing.said(EXTEND),
            found="asks for a finished dataset to be extended, and aims-pax run would make one of its own.",
            advice="Extend it with aims-pax al, or set it to false.",
        )
    return Problem(
        where=bringing.said("initial_train_dataset"),
        found="names an initial dataset, and aims-pax run would make one of its own.",
        advice="Start from the files with aims-pax al, or remove initial_train_dataset and initial_valid_dataset.",
    )


def _dataset_problems(project: Project) -> Iterator[Problem]:
    """Files of an initial dataset must be readable and hold every element that the models are asked about."""
    bringing = project.settings.bringing
    assert bringing is not None, "something is brought along"
    try:
        shares = given_datasets(project)
    except StructureError as error:
        yield from error.problems
        return
    elements = {int(number) for share in shares for frame, _ in share.dataset.structures for number in frame.numbers}
    unknown = [number for number in project.elements if number not in elements]
    if unknown:
        from ase.data import chemical_symbols

        symbols, known = (", ".join(chemical_symbols[z] for z in sorted(zs)) for zs in (unknown, elements))
        yield Problem(
            where=bringing.said("initial_train_dataset"),
            found=f"No structure of it has the elements {symbols}, which the starting structures have.",
            allowed=f"starting structures of {known}",
            advice="Add such structures, or generate the initial dataset by aims-pax run.",
        )


def _goals_missed(project: Project, ended: Ended) -> Iterator[Problem]:
    """Goals of a stage that were changed after it was over, and that the run has built on since."""
    last = open_stages(project)
    gone = set(ended.position.over) - {one.name for one in (*last, project.settings.ending) if one is not None}
    raised = f"the goals of {last[-1].said()}" if last else "those of a stage to come"
    for name, before, now in changes(str(ended.settings), project):
        plan = noted_plan(project, name)
        if plan is not None and plan.name in gone and when(name) in (When.UNTIL_OVER, When.RENEWS):
            yield Problem(
                where=project.settings_file.name,
                found=f"{in_users_words(project, name)} is {shown(now)}. The run in {project.run_folder} was done with "
                f"that part at {shown(before)}, and has learned from it since.",
                advice=f"Set it back; to learn more in this run, raise {raised}.",
            )


def _checkpoint_problems(project: Project, checkpoint: Path) -> Iterator[Problem]:
    if not checkpoint.is_file():
        yield Problem(
            where=str(checkpoint),
            found="The committee that this run goes on with is missing.",
            advice="Restore the file from a copy; without it, start in another folder (MISC.output_dir).",
        )
