"""A run from its first label to its results, and from wherever it was interrupted."""

import logging
from contextlib import suppress

from aims_pax.campaign.barren import ending_barren_sessions
from aims_pax.campaign.course import Position, ahead, ahead_of, course_problems, parts_of
from aims_pax.campaign.ending import noting_end
from aims_pax.campaign.fingerprint import claim
from aims_pax.campaign.inputs import begin_session
from aims_pax.campaign.probing import forget, probe_run, take_over
from aims_pax.campaign.progress import FINISHED, progress_of
from aims_pax.campaign.refit import refit
from aims_pax.campaign.reopening import reopen, set_aside_results
from aims_pax.campaign.returning import let_labels_in
from aims_pax.campaign.session import WRITTEN, opened, part_of, proceed
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure
from aims_pax.errors import Problem, StoreError, UserError
from aims_pax.frame import Split, Stage
from aims_pax.outcome.provenance import learned_from, product_of
from aims_pax.outcome.results import Summary, read_summary, write_results
from aims_pax.outcome.verdict import Case, give_verdict, with_verdict
from aims_pax.protocols import Observer
from aims_pax.settings import Project
from aims_pax.settings.stage import ACTIVE, INITIAL
from aims_pax.settings.stages.converge import ConvergeSettings
from aims_pax.settings.stages.kinds import KINDS
from aims_pax.stages.activities import Activity, Part
from aims_pax.stages.beginnings import pretrained
from aims_pax.stages.beginnings.imported import import_datasets, nothing_to_begin_with
from aims_pax.stages.bench import Bench
from aims_pax.stages.epochs import epochs_trained
from aims_pax.stages.loop.status import convergence_status
from aims_pax.stages.stage import stage_of
from aims_pax.stages.watching import Outlook, no_outlook

diary = logging.getLogger("aims_pax.run")


def run_campaign(
    project: Project,
    *,
    stages: tuple[Stage, ...],
    observer: Observer,
    departure: Departure | None = None,
    outlook: Outlook = no_outlook,
    command: str = "",
) -> Summary:
    """Run the stages of a project, or what is left of them, and write the results.

    Parameters
    ----------
    project : Project
    stages : tuple of Stage
        In their order. With ACTIVE alone an initial dataset must be there, from an earlier run in the same folder or
        from files.
    observer : Observer
    departure : Departure or None
        By which others ask the campaign to leave; None: nobody does.
    outlook : Outlook
        Foretells what is left, for whoever looks on.
    command : str
        By which it was begun, and goes on; empty where that is a call from Python.

    Raises
    ------
    Departed
        It has left as it was asked to; the same call goes on.
    UserError
        What was asked for can't be done with what is there.
    CampaignStopped
        Nothing sensible is left to do before the goal was reached.
    """
    asked = departure or Departure()
    with RunStore.open(project.run_folder) as store, opened(project, store, observer, asked) as bench:
        if ACTIVE in stages:
            reopen(bench)
        progress = progress_of(bench.memory)
        if progress == FINISHED:
            diary.info("this run is finished; its results are in %s", bench.folder.results)
            return read_summary(bench.folder.results)
        if problems := list(course_problems(project, Position.of(store, bench.memory))):
            raise UserError(problems)
        claim(store, project, is_new=progress is None)
        begin_session(store, project)
        bench.observer.outlook = outlook
        with noting_end(store, bench.memory, command=command):
            return _worked(bench, stages, is_new=progress is None)


def _worked(bench: Bench, stages: tuple[Stage, ...], *, is_new: bool) -> Summary:
    """What a session does, from where the run stands to its end."""
    project, store = bench.project, bench.store
    with ending_barren_sessions(store, bench.memory):
        if is_new:
            _begin(bench, stages)
        else:
            let_labels_in(bench)
        _go_through(bench, stages)
    set_aside_results(bench)
    summary = _results(bench, stages)
    if ACTIVE in stages:
        with ending_barren_sessions(store, bench.memory):
            summary = _examined(bench, summary)
        if project.settings.samples and "verdict" not in summary.content:
            summary = _judged(bench, summary)
        proceed(bench, FINISHED)
    return summary


def _results(bench: Bench, stages: tuple[Stage, ...]) -> Summary:
    """The results; those that are there, where the run was left while it looked at them."""
    project, ending = bench.project, bench.project.settings.ending
    if bench.memory.recall_json(WRITTEN) is not None:
        with suppress(StoreError):
            return read_summary(bench.folder.results)
    summary = write_results(project, bench.store, bench.existing_committee(), bench.folder, bench.stopwatch)
    if ACTIVE in stages and ending is not None and ending.read_as(ConvergeSettings).converge_on_validation:
        summary = refit(bench, summary, ending)
    if ACTIVE in stages and any(KINDS[plan.kind].judges for plan in project.settings.stages):
        with bench.store.transaction():
            bench.memory.keep_json(WRITTEN, True)
            bench.memory.keep_time(bench.stopwatch)
    return summary


def _examined(bench: Bench, summary: Summary) -> Summary:
    """The summary with what the stages have found that look at the models."""
    position = Position.of(bench.store, bench.memory)
    left = [
        plan for plan in ahead(bench.project, position) if KINDS[plan.kind].judges and plan.name not in position.over
    ]
    for plan, following in zip(left, (*(one.name for one in left[1:]), left[-1].name if left else ""), strict=False):
        bench.stopwatch.enter(part_of(plan.name))
        stage_of(plan).run(bench)
        proceed(bench, following, after=plan.name)
    return read_summary(bench.folder.results) if left else summary


def _judged(bench: Bench, summary: Summary) -> Summary:
    """The summary with the verdict on the models. An interrupted trial is made anew: it is a tenth of the run."""
    case = Case(
        project=bench.project,
        models=product_of(bench.project),
        labelled=tuple(bench.store.labelled()),
        learned=learned_from(bench.project, bench.store),
        run_s=sum(bench.stopwatch.seconds().values()),
        departure=bench.departure,
    )
    committee = bench.existing_committee()
    n_epochs = epochs_trained(bench)

    def show(words: str) -> None:
        bench.observer.show(
            convergence_status(bench.store.counts(), committee, n_epochs=n_epochs, force_mae=None, activity=words)
        )

    bench.stopwatch.enter(Part.VERDICT)
    with bench.stopwatch.during(Activity.VERIFYING):
        verdict = give_verdict(case, show=show)
    if verdict is not None:
        diary.info("verdict: %s; %s", verdict.word, verdict.reasons[0].text)
    return with_verdict(summary, verdict, bench.stopwatch)


def _begin(bench: Bench, stages: tuple[Stage, ...]) -> None:
    """Start a new run: with the initial stage, or from datasets that the user brings."""
    if (missing := nothing_to_begin_with(bench.project, stages)) is not None:
        raise UserError(missing)
    plans = bench.project.plans(stages or (ACTIVE,))
    if INITIAL in stages:
        probed = probe_run(bench, stages)
        with bench.store.transaction():
            take_over(probed, bench.store, bench.memory, split=None)
            proceed(bench, plans[0].name)
        forget(bench.project)
        return
    problems, models = list(pretrained.model_problems(bench.project)), pretrained.model_files(bench.project)
    if problems:
        raise UserError(problems)
    converges = not plans[0].is_implied or pretrained.converges_what_is_given(bench.project)
    first = plans[0] if converges else plans[1]
    probed = probe_run(bench, stages)
    with bench.store.transaction():
        import_datasets(bench.project, bench.store, bench.memory)
        learned = None if bench.project.settings.judging is not None else Split.TRAINING
        take_over(probed, bench.store, bench.memory, split=learned)
        if models:
            bench.memory.keep_json(pretrained.KEY, [str(path) for path in models])
        bench.memory.keep_json("progress", first.name)
    forget(bench.project)
    bench.stopwatch.enter(part_of(first.name))


def _go_through(bench: Bench, asked: tuple[Stage, ...]) -> None:
    """Run the stages that are asked for and not over, one after the other, up to those that look at the results."""
    project, position = bench.project, Position.of(bench.store, bench.memory)
    to_come, asked_for = ahead(project, position), ahead_of(project, position, asked)
    bench.observer.parts = parts_of(project, position, asked)
    if to_come and KINDS[to_come[0].kind].begins and INITIAL not in asked:
        raise UserError(
            Problem(
                where=str(project.run_folder),
                found="The initial dataset of this run is not complete.",
                advice="Finish it with aims-pax-idg, or let aims-pax run do both.",
            )
        )
    last = project.settings.end if project.settings.learning else str(ACTIVE)
    working = [plan for plan in asked_for if not KINDS[plan.kind].judges]
    for plan, following in zip(working, (*(one.name for one in to_come[1:]), last), strict=False):
        stage_of(plan).run(bench)
        proceed(bench, following, after=plan.name)
