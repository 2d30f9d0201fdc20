"""A run that had come to its end goes on, because its settings now ask for more than it was ended by."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from aims_pax.campaign.course import Position, ahead, course_problems
from aims_pax.campaign.fingerprint import changed_settings, changes, claim, in_users_words, noted
from aims_pax.campaign.goals import asks_for_more, has_begun_exploring, open_stages, what_to_raise
from aims_pax.campaign.progress import FINISHED, progress_of
from aims_pax.campaign.returning import returning
from aims_pax.campaign.session import OVER, WRITTEN, stages_over
from aims_pax.dataset.store import RunStore
from aims_pax.errors import Problem, SettingsError
from aims_pax.settings import ActiveLearningSettings, Project
from aims_pax.settings.changing import CONVERGENCE, GOALS, ROUNDS, When, when
from aims_pax.settings.stages.converge import ConvergeSettings
from aims_pax.settings.stages.kinds import KINDS
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.workflow.playing import PlaySettings
from aims_pax.stages.bench import Bench
from aims_pax.stages.converge import BEFORE, copy_before_convergence, keep_before_convergence
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import convergence_key, recall_state

diary = logging.getLogger("aims_pax.run")

NEW_RESULTS: Final = "new_results"
"""Name under which the store keeps that results/ holds those of an end that was not the last."""

MORE: Final = {"convergence_patience": 1, "max_convergence_epochs": 1, "converge_al": 1, "converge_best": -1}
"""Settings of the convergence at the end, and the sign of a change that asks for more of it."""


class Kind(StrEnum):
    """What a run that has ended can go on with."""

    LEARNING = "it goes on learning actively"
    """A goal of the last stage of active learning was moved further away."""
    EXPLORING = "it goes on exploring"
    """More rounds or visits are allowed in the last stage that explores."""
    CONVERGENCE = "its models are converged again"
    """Only the convergence at the end is to be another one."""
    FURTHER = "it goes on with stages that were added to the campaign"
    """The list has entries after the last one that is over."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run as it ended, or as it is about to.

    Parameters
    ----------
    position : Position
    settings : str or None
        Those that it was last continued with, as :mod:`aims_pax.campaign.fingerprint` notes them.
    asking : tuple of str
        Names of the stages that it may be opened at again and that would go on by the settings of now.
    advice : str
        What would have it go on: ``raise ACTIVE_LEARNING.max_epochs``; empty where nothing is known to.
    n_returning : int
        Labels that were kept out, and that the limits of now let in.
    n_kept_out : int
        Labels that are kept out, with these.
    """

    position: Position
    settings: str | None
    asking: tuple[str, ...] = ()
    advice: str = ""
    n_returning: int = 0
    n_kept_out: int = 0

    @classmethod
    def of(cls, project: Project, store: RunStore, memory: Memory) -> "Ended":
        """That of the run in a store."""
        return cls(
            Position.of(store, memory),
            store.get_meta("settings"),
            asking=tuple(plan.name for plan in open_stages(project) if asks_for_more(project, plan, store, memory)),
            advice=what_to_raise(project, store, memory),
            n_returning=len(returning(project, store, memory)),
            n_kept_out=len(store.kept_out()),
        )


@dataclass(frozen=True, slots=True)
class Renewal:
    """Why a run that has ended goes on.

    Parameters
    ----------
    kind : Kind
    because : str
        The settings that ask for it: ``max_train_set_size was 50, and is 100``; or the stages.
    stage : str
        Name of the stage that it is opened at, where it goes on learning or exploring.
    """

    kind: Kind
    because: str
    stage: str = ""


def renewal(project: Project, run: Ended) -> Renewal | None:
    """What there is left to do in a run that takes no more structures; None when it is nothing."""
    settings, position = project.settings, run.position
    if run.settings is None or position.progress is None:
        return None
    returned = None
    if position.progress == FINISHED and run.n_returning and settings.ending is not None:
        returned = Renewal(Kind.CONVERGENCE, f"{n_labels(run.n_returning)} that were kept out are let in now")
    changed = list(_renewing(project, run.settings))
    because = "; ".join(f"{key_of(name)} was {shown(before)}, and is {shown(now)}" for name, before, now in changed)
    for plan in open_stages(project):
        goals = [name for name, _, _ in changed if name.startswith("SYSTEMS.") or name == noted(plan, key_of(name))]
        has_begun = plan.name in (*position.over, position.progress)
        if goals and has_begun and plan.name in run.asking and not _relabelled_since(project, position, plan):
            kind = Kind.LEARNING if plan in settings.looping else Kind.EXPLORING
            return Renewal(kind, because, plan.name)
    if position.progress == FINISHED and (added := ahead(project, position)):
        names = ", ".join(plan.name for plan in added)
        if settings.looping and [plan.name for plan in added] == [settings.end]:
            is_new = any(key_of(name) == "converge_al" for name, _, _ in changed)
            return Renewal(Kind.CONVERGENCE, because) if is_new else returned
        return Renewal(Kind.FURTHER, names)
    if returned is not None:
        return returned
    if settings.ending is None or not _is_learned(project, position):
        return None
    more = {
        key_of(name)
        for name, before, now in changed
        if MORE.get(key_of(name), 0) * (float(now) - float(before)) > 0 and _is_of_the_end(project, name)
    }
    # A convergence under way reads its limits anew as it goes on, but its members are those that it began with.
    more &= {"converge_best"} if position.progress == settings.end else MORE.keys()
    return Renewal(Kind.CONVERGENCE, because) if more else None


def _is_learned(project: Project, position: Position) -> bool:
    """Whether all is there that the training at the end learns."""
    settings = project.settings
    others = [one for one in settings.stages if one != settings.ending and not KINDS[one.kind].judges]
    return (settings.looping or others)[-1].name in position.over


def _relabelled_since(project: Project, position: Position, plan: StagePlan) -> str:
    """Name of the first stage that has labelled anew what this one had; empty for none."""
    names = [one.name for one in project.settings.stages]
    after = project.settings.stages[names.index(plan.name) :]
    begun = (*position.over, position.progress)
    return next((one.name for one in after if KINDS[one.kind].relabels and one.name in begun), "")


def _is_of_the_end(project: Project, name: str) -> bool:
    """Whether a setting is about the training that ends the campaign."""
    ending = project.settings.ending
    said_by = [*([] if ending is None else [ending]), *project.settings.looping[-1:]]
    return ending is not None and name in [noted(plan, key_of(name)) for plan in said_by]


def unreached_goals(project: Project, run: Ended) -> Iterator[Problem]:
    """Goals of a run that takes no more structures, which were changed and ask for no more than it has done."""
    if run.settings is None or renewal(project, run) is not None:
        return
    over = [plan for plan in open_stages(project) if plan.name in run.position.over]
    for name, before, now in _renewing(project, run.settings):
        own = next((plan for plan in over if name == noted(plan, key_of(name))), None)
        is_under_way = key_of(name) in CONVERGENCE and run.position.progress == project.settings.end
        is_last = own is not None or (_is_of_the_end(project, name) and _is_learned(project, run.position))
        if not is_last or key_of(name) not in (*GOALS, *ROUNDS) or is_under_way:
            continue
        said = in_users_words(project, name)
        if own is not None and (relabelled := _relabelled_since(project, run.position, own)):
            yield Problem(
                where=project.settings_file.name,
                found=f"{said} is {shown(now)} and was {shown(before)}, and {relabelled} has computed the labels "
                "of that stage again.",
                advice="Set it back. To learn more, write a further learn at the end of STAGES.",
            )
            continue
        yield Problem(
            where=project.settings_file.name,
            found=f"{said} is {shown(now)}, which asks for no more than the run in {project.run_folder} has done; "
            f"it ended with {shown(before)}.",
            advice=f"Set it back{f'; to have the run go on, {run.advice}' if run.advice else ''}.",
        )


def reopen(run: Bench) -> None:
    """Open a run again that has ended, or is being converged, if its settings now ask for more.

    With :attr:`Kind.LEARNING` and :attr:`Kind.EXPLORING` the committee is the one that learning left, before its
    convergence; then it is as if the goal had been further from the beginning. Where that was not kept, the converged
    weights learn on, with optimizers that start afresh. The same committee goes through stages that were added; where
    these only look at the models, the results stay as they are.

    Raises
    ------
    SettingsError
        Settings have changed, too, that belong to what the run is.
    """
    ended = Ended.of(run.project, run.store, run.memory)
    renewed = renewal(run.project, ended)
    if renewed is None:
        return
    problems = list(course_problems(run.project, ended.position))
    if ended.settings is not None and (problems := [*problems, *changed_settings(ended.settings, run.project)]):
        raise SettingsError(problems)
    diary.debug("%s: %s", renewed.kind, renewed.because)  # `check` has told it already
    match renewed.kind:
        case Kind.LEARNING | Kind.EXPLORING:
            _learn_on(run, renewed.stage)
        case Kind.CONVERGENCE:
            _converge_again(run)
        case Kind.FURTHER:
            _go_further(run, ahead(run.project, ended.position))


def set_aside_results(run: Bench) -> None:
    """Keep the results of an earlier end of this run under another name, once new ones are to be written."""
    if run.memory.recall_json(NEW_RESULTS) is None:
        return
    results = run.folder.results
    if results.is_dir():
        numbers = (n for n in range(1, 10**6) if not results.with_name(f"{results.name}.{n}").exists())
        earlier = results.with_name(f"{results.name}.{next(numbers)}")
        results.rename(earlier)
        diary.info("the results of the run's earlier end are kept in %s", earlier)
    with run.store.transaction():
        run.memory.forget(NEW_RESULTS)


def _learn_on(run: Bench, name: str) -> None:
    from aims_pax.stages.loop.parts import REOPENED  # not above: `aims-pax check` is spared PyTorch

    last = next(plan for plan in run.project.settings.stages if plan.name == name)
    key = _key_of_the_end(run)
    goes_back = _goes_back(run, key)
    goes_on = isinstance(last.settings, ActiveLearningSettings | PlaySettings)  # refits and rounds begin afresh
    if key and not goes_back and goes_on:
        _start_optimizers_afresh(run, last)
    with run.store.transaction():
        _undo_convergence(run, key, goes_back=goes_back)
        if last in run.project.settings.looping:
            run.memory.keep_json(REOPENED, True)
        _return_to(run, name)


def _go_further(run: Bench, added: tuple[StagePlan, ...]) -> None:
    """With the committee as learning left it where more is learned, since all of its members are needed then."""
    learns = any(KINDS[plan.kind].learns for plan in added)
    key = _key_of_the_end(run) if learns else ""
    goes_back = _goes_back(run, key)
    with run.store.transaction():
        if learns:
            _undo_convergence(run, key, goes_back=goes_back)
        keeps_results = all(KINDS[plan.kind].judges for plan in added)
        _return_to(run, _learns_anew(run.project, key) or added[0].name, keeps_results=keeps_results)


def _learns_anew(project: Project, key: str) -> str:
    """Name of the convergence of this key where nothing could be learned without it: on labels that no model knows, by
    new models.
    """
    before = None
    for plan in project.settings.stages:
        if key and isinstance(plan.settings, ConvergeSettings) and convergence_key(plan.name) == key:
            follows = before is not None and (KINDS[before.kind].relabels or KINDS[before.kind].adds)
            return plan.name if follows or plan.settings.from_scratch else ""
        before = plan
    return ""


def _key_of_the_end(run: Bench) -> str:
    """Name of the state of the convergence that the run has ended with; empty where it had none."""
    names = [*stages_over(run.store, run.memory), str(progress_of(run.memory))]
    for name in reversed(names):
        if recall_state(run.store, name) is not None or has_begun_exploring(run.store, name):
            break
        if run.memory.recall_bytes(convergence_key(name)) is not None:
            return convergence_key(name)
    return ""


def _goes_back(run: Bench, key: str) -> bool:
    """Whether learning goes on with the committee from before this convergence, which was kept."""
    kept = run.memory.recall_json(BEFORE) is not None and copy_before_convergence(run).is_file()
    if key:
        diary.info(
            "learning goes on with the committee as it was before its convergence"
            if kept
            else "the committee before its convergence was not kept: the converged one learns on"
        )
    return bool(key) and kept


def _undo_convergence(run: Bench, key: str, *, goes_back: bool) -> None:
    """Forget the convergence, and its epochs with its committee where there is the one before; in a transaction."""
    if goes_back:
        run.memory.keep_committee(copy_before_convergence(run))
        run.store.forget_epochs(after_generation=int(str(run.memory.recall_json(BEFORE))))
    if key:
        run.memory.forget(key)


def _return_to(run: Bench, name: str, *, keeps_results: bool = False) -> None:
    """Have a stage that was over, or is to come, be the one that comes next, within the caller's transaction."""
    if keeps_results:
        run.memory.keep_json(WRITTEN, True)
    else:
        run.memory.forget(WRITTEN)
        if progress_of(run.memory) == FINISHED:
            run.memory.keep_json(NEW_RESULTS, True)
    over = stages_over(run.store, run.memory)
    run.memory.keep_json(OVER, over[: over.index(name)] if name in over else over)
    run.memory.keep_json("progress", name)
    claim(run.store, run.project)


def _converge_again(run: Bench) -> None:
    """From the best weights so far."""
    key, end = convergence_key(run.project.settings.end), run.project.settings.end
    if run.memory.recall_bytes(key) is None:
        keep_before_convergence(run)
    elif progress_of(run.memory) == end:
        run.existing_committee().end_convergence()
        run.keep_committee(run.existing_committee())
    with run.store.transaction():
        run.memory.forget(key)
        _return_to(run, end)


def _start_optimizers_afresh(run: Bench, plan: StagePlan) -> None:
    from aims_pax.stages.loop.trainer import MIN_RESET_PATIENCE, Stagnations

    committee = run.existing_committee()
    for member in range(committee.n_members):
        committee.reset_optimizer(member)
    run.keep_committee(run.existing_committee())
    if not isinstance(plan.settings, ActiveLearningSettings):
        return
    patience = max(plan.settings.epochs_per_worker, MIN_RESET_PATIENCE)
    with run.store.transaction():
        stagnations = Stagnations.begin(committee.n_members, patience=patience, margin=plan.settings.margin)
        run.memory.keep("stagnations", stagnations)


def _renewing(project: Project, settings: str) -> Iterator[tuple[str, Any, Any]]:
    return (change for change in changes(settings, project) if when(change[0]) is When.RENEWS)


def n_labels(n: int) -> str:
    """So many labels, in words."""
    return f"{n} label{'s' if n != 1 else ''}"


def key_of(name: str) -> str:
    """The setting of a name in the note."""
    return name.rpartition(".")[2]


def shown(value: Any) -> str:
    """A setting as it is written in the file."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"
