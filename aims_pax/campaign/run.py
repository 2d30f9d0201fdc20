"""A run from its first label to its results, and from wherever it was interrupted."""

import logging

from aims_pax.campaign.barren import ending_barren_sessions
from aims_pax.campaign.fingerprint import claim
from aims_pax.campaign.probing import forget, probe_run, take_over
from aims_pax.campaign.refit import refit
from aims_pax.campaign.reopening import keep_before_convergence, reopen, set_aside_results
from aims_pax.campaign.session import Progress, Run, opened
from aims_pax.committee import Committee
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure
from aims_pax.errors import CampaignStopped, Problem, UserError
from aims_pax.frame import Label, LabelFailure, Split, Stage
from aims_pax.learner.state import Phase, StopReason
from aims_pax.learner.transition import begin
from aims_pax.outcome.provenance import learned_from, product_of
from aims_pax.outcome.results import Summary, read_summary, write_results
from aims_pax.outcome.verdict import Case, give_verdict, with_verdict
from aims_pax.protocols import Observer
from aims_pax.reference.registry import build_reference
from aims_pax.sampling import BatchedSampler, ReferenceForces
from aims_pax.selection import SCORES
from aims_pax.settings import Project
from aims_pax.settings.stage import StageSettings
from aims_pax.stages import assembly
from aims_pax.stages.activities import Activity, Part
from aims_pax.stages.convergence import (
    FINAL_CONVERGENCE,
    INITIAL_CONVERGENCE,
    Convergence,
    ConvergenceParts,
    annealing_rules,
    stored_convergence,
)
from aims_pax.stages.imported import import_datasets
from aims_pax.stages.loop import Loop
from aims_pax.stages.parts import GoesBackTo, LoopParts
from aims_pax.stages.starts import starting_frames
from aims_pax.stages.states import STOPPED_INITIALLY, recall_state
from aims_pax.stages.status import convergence_status
from aims_pax.stages.trainer import MIN_RESET_PATIENCE, Stagnations
from aims_pax.stages.wrecks import stuck_words

diary = logging.getLogger("aims_pax.run")


def run_campaign(
    project: Project, *, stages: tuple[Stage, ...], observer: Observer, departure: Departure | None = None
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
    with RunStore.open(project.run_folder) as store, opened(project, store, observer, asked) as run:
        if Stage.ACTIVE in stages:
            reopen(run)
        progress = run.progress
        if progress is Progress.FINISHED:
            diary.info("this run is finished; its results are in %s", run.folder.results)
            return read_summary(run.folder.results)
        claim(store, project, is_new=progress is None)
        with ending_barren_sessions(store, run.memory):
            if progress is None:
                _begin(run, stages)
            _finish_initial(run, stages)
            if Stage.ACTIVE in stages:
                _finish_active(run)
        set_aside_results(run)
        summary = write_results(run.project, store, run.existing_committee(), run.folder, run.stopwatch)
        if Stage.ACTIVE in stages:
            if project.active.converge_on_validation:
                summary = refit(run, summary)
            summary = _judged(run, summary)
            run.proceed(Progress.FINISHED)
        return summary


def _judged(run: Run, summary: Summary) -> Summary:
    """The summary with the verdict on the models. An interrupted trial is made anew: it is a tenth of the run."""
    case = Case(
        project=run.project,
        models=product_of(run.project),
        labelled=tuple(run.store.labelled()),
        learned=learned_from(run.project, run.store),
        run_s=sum(run.stopwatch.seconds().values()),
        departure=run.departure,
    )
    committee = run.existing_committee()
    n_epochs = _epochs_trained(run, besides="")

    def show(words: str) -> None:
        run.observer.show(
            convergence_status(run.store.counts(), committee, n_epochs=n_epochs, force_mae=None, activity=words)
        )

    run.stopwatch.enter(Part.VERDICT)
    with run.stopwatch.during(Activity.VERIFYING):
        verdict = give_verdict(case, show=show)
    if verdict is not None:
        diary.info("verdict: %s; %s", verdict.word, verdict.reasons[0].text)
    return with_verdict(summary, verdict, run.stopwatch)


def _begin(run: Run, stages: tuple[Stage, ...]) -> None:
    """Start a new run: with the initial stage, or from datasets that the user brings."""
    if Stage.INITIAL in stages:
        probed = probe_run(run, stages)
        with run.store.transaction():
            take_over(probed, run.store, run.memory, split=None)
            run.proceed(Progress.INITIAL)
        forget(run.project)
        return
    active = run.project.active
    if active.initial_train_dataset is None:
        raise UserError(
            Problem(
                where=str(run.project.run_folder),
                found="There is no initial dataset for active learning to start from.",
                advice="Run aims-pax-idg first (or aims-pax run, which does both), or name labelled structures by "
                "ACTIVE_LEARNING.initial_train_dataset and initial_valid_dataset.",
            )
        )
    probed = probe_run(run, stages)
    with run.store.transaction():
        import_datasets(run.project, run.store, run.memory)
        take_over(probed, run.store, run.memory, split=Split.TRAINING)
        run.memory.keep_json("progress", str(Progress.INITIAL_CONVERGENCE))
    forget(run.project)
    run.stopwatch.enter(Part.INITIAL_CONVERGENCE)


def _finish_initial(run: Run, stages: tuple[Stage, ...]) -> None:
    if run.progress is Progress.INITIAL:
        if Stage.INITIAL not in stages:
            raise UserError(
                Problem(
                    where=str(run.project.run_folder),
                    found="The initial dataset of this run is not complete.",
                    advice="Finish it with aims-pax-idg, or let aims-pax run do both.",
                )
            )
        _sample_initial(run)
        converge = run.project.initial.converge_initial
        run.proceed(Progress.INITIAL_CONVERGENCE if converge else Progress.ACTIVE)
    if run.progress is Progress.INITIAL_CONVERGENCE:
        settings = run.project.settings.initial or run.project.active
        _converge(run, settings, key=INITIAL_CONVERGENCE, best_only=False)
        run.proceed(Progress.ACTIVE)


def _sample_initial(run: Run) -> None:
    project, settings = run.project, run.project.initial
    with run.stopwatch.during(Activity.STARTING):
        reference = build_reference(project.reference)
        forces = assembly.driver_forces(project, reference, run.folder)
        sampler = assembly.initial_sampler(project, forces)
        committee = run.committee()
    parts = LoopParts(
        rules=assembly.initial_rules(project),
        sampler=sampler,
        recorder=assembly.recorder(project, Stage.INITIAL, run.folder),
        goes_back_to=GoesBackTo.LAST_CHUNK,
        plan=assembly.initial_plan(settings),
        build_committee=run.build_committee,
        forget_history=assembly.forget_history(project, forces),
        known_label=forces.result_of if isinstance(forces, ReferenceForces) else _unknown,
        quiet_commit_s=2.0,
        reasons=STOPPED_INITIALLY,
        labels_per_line=settings.progress_dft_update,
        seed=project.mace.general.seed,
    )
    state = recall_state(run.store, Stage.INITIAL) or begin(
        parts.rules, n_trajectories=len(project.systems), n_owners=assembly.n_owners(settings)
    )
    loop = Loop(run.bench(Stage.INITIAL), parts, state, committee=committee)
    if loop.run() is StopReason.ALL_FAILED:
        raise CampaignStopped(_why_nothing_is_sampled(loop, sampler))


def _why_nothing_is_sampled(loop: Loop, sampler: BatchedSampler) -> str:
    """What to say of an initial stage whose driver or reference failed again and again."""
    failed = loop.state.in_phase(Phase.FAILED)
    if failed:
        stopped = [moved for moved in loop.stuck if moved.trajectory in failed]
        names = [sampler.frame(moved.trajectory).system for moved in stopped]
        return stuck_words(stopped, names, n_times=max(loop.state.trajectories[index].failures for index in failed))
    last = (
        "" if loop.last_failure is None else f", the last time {loop.last_failure.reason}: {loop.last_failure.message}"
    )
    return (
        f"the reference failed for {loop.state.n_failed_in_row} structures in a row{last}. The folders of the "
        "calculations (CLUSTER.calc_dir) hold what it said. Mend it, then the same command tries again"
    )


def _unknown(_frame: object) -> Label | LabelFailure | None:
    return None


def _finish_active(run: Run) -> None:
    settings = run.project.active
    if run.progress is Progress.ACTIVE:
        reason = _learn_actively(run)
        run.close()  # no more labels are needed: nodes should not idle while the models converge
        if reason is StopReason.ALL_FAILED:
            raise CampaignStopped(
                "every trajectory has failed too often in a row; the log says how each of them failed. If it was the "
                "reference, mend it, then the same command tries again. If it was the MD, start anew with a lower "
                "MD.timestep or MD.temperature, or a larger initial dataset"
            )
        if settings.converge_al:
            keep_before_convergence(run)
        run.proceed(Progress.CONVERGENCE)
    if run.progress is Progress.CONVERGENCE and settings.converge_al:
        _converge_finally(run)


def _learn_actively(run: Run) -> StopReason:
    project, settings = run.project, run.project.active
    rules = assembly.active_rules(project)
    with run.stopwatch.during(Activity.STARTING):
        committee = run.existing_committee()
        sampler = assembly.active_sampler(project, committee, frames=starting_frames(project, run.store))
    state = recall_state(run.store, Stage.ACTIVE)
    stagnations = run.memory.recall("stagnations", Stagnations)
    if state is None or stagnations is None:
        _reset_optimizers(run, committee)
        n_initial_train = min(committee.n_train(member) for member in range(committee.n_members))
        state = begin(rules, n_trajectories=settings.num_trajectories, n_initial_train=n_initial_train)
        patience = max(settings.epochs_per_worker, MIN_RESET_PATIENCE)
        stagnations = Stagnations.begin(committee.n_members, patience=patience, margin=settings.margin)
    parts = LoopParts(
        rules=rules,
        sampler=sampler,
        recorder=assembly.recorder(project, Stage.ACTIVE, run.folder),
        goes_back_to=GoesBackTo.LAST_LABEL if settings.update_md_checkpoints else GoesBackTo.START,
        plan=assembly.active_plan(settings),
        build_committee=run.build_committee,
        score=SCORES[settings.uncertainty_type],
        n_epochs_before=_epochs_trained(run, besides=Stage.ACTIVE),
    )
    return Loop(run.bench(Stage.ACTIVE), parts, state, committee=committee, stagnations=stagnations).run()


def _reset_optimizers(run: Run, committee: Committee) -> None:
    """Begin at the full learning rate, since active learning has no schedule; and so does a run interrupted here."""
    for member in range(committee.n_members):
        committee.reset_optimizer(member)
    with run.stopwatch.during(Activity.RECORDING):
        checkpoint = run.memory.write_committee(committee)
        with run.store.transaction():
            run.memory.keep_committee(checkpoint)
        run.memory.forget_other_checkpoints()


def _converge_finally(run: Run) -> None:
    """Train the members that are to be handed over on everything that was paid for."""
    with run.stopwatch.during(Activity.STARTING):
        run.existing_committee().share_points()
    settings = run.project.active
    _converge(run, settings, key=FINAL_CONVERGENCE, best_only=settings.converge_best)


def _converge(run: Run, settings: StageSettings, *, key: str, best_only: bool) -> None:
    with run.stopwatch.during(Activity.STARTING):
        committee = run.existing_committee()
    rules = annealing_rules(settings)
    parts = ConvergenceParts(committee, run.store, run.memory, run.stopwatch, run.departure)
    convergence = Convergence(parts, rules, valid_skip=settings.valid_skip, key=key)
    members = (_best_member(committee),) if best_only else tuple(range(committee.n_members))
    n_epochs_before = _epochs_trained(run, besides=key)

    def show(n_epochs: int, force_mae: float | None) -> None:
        activity = f"converging, epoch {n_epochs} of at most {rules.max_epochs}"
        run.observer.show(
            convergence_status(
                run.store.counts(),
                committee,
                n_epochs=n_epochs_before + n_epochs,
                force_mae=force_mae,
                activity=activity,
            )
        )

    convergence.run(members, show=show)


def _epochs_trained(run: Run, *, besides: str) -> int:
    """Epochs of the parts of a run that are over or under way, without the one that is stored by this name."""
    states = {
        Stage.INITIAL: recall_state(run.store, Stage.INITIAL),
        INITIAL_CONVERGENCE: stored_convergence(run.memory, INITIAL_CONVERGENCE),
        Stage.ACTIVE: recall_state(run.store, Stage.ACTIVE),
        FINAL_CONVERGENCE: stored_convergence(run.memory, FINAL_CONVERGENCE),
    }
    return sum(state.n_epochs for name, state in states.items() if state is not None and name != besides)


def _best_member(committee: Committee) -> int:
    """The member of the lowest validation force MAE."""
    errors = committee.errors()
    return min(
        range(committee.n_members),
        key=lambda member: float("inf") if (e := errors[member]) is None else e.force_mae_ev_per_ang,
    )
