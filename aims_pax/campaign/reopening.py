"""A run that had come to its end goes on, because its settings now ask for more than it was ended by."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from aims_pax.campaign.fingerprint import changed_settings, changes, claim
from aims_pax.campaign.session import Progress, progress_of
from aims_pax.errors import Problem, SettingsError
from aims_pax.learner.decide import reopened
from aims_pax.learner.state import State, StopReason
from aims_pax.settings import Project
from aims_pax.settings.changing import CONVERGENCE, GOALS, When, when
from aims_pax.settings.stage import ACTIVE
from aims_pax.stages import assembly
from aims_pax.stages.bench import Bench
from aims_pax.stages.converge import BEFORE, copy_before_convergence, keep_before_convergence
from aims_pax.stages.states import recall_state

diary = logging.getLogger("aims_pax.run")

ENDED: Final = (Progress.CONVERGENCE, Progress.FINISHED)
"""Parts of a run in which no more structures are taken."""

NEW_RESULTS: Final = "new_results"
"""Name under which the store keeps that results/ holds those of an end that was not the last."""

RAISE: Final = {
    StopReason.TRAIN_SIZE: "raise ACTIVE_LEARNING.max_train_set_size",
    StopReason.FORCE_MAE: "lower ACTIVE_LEARNING.desired_acc",
    StopReason.EPOCHS: "raise ACTIVE_LEARNING.max_epochs",
    StopReason.MD_STEPS: "raise ACTIVE_LEARNING.max_MD_steps",
    StopReason.BUDGETS: "raise SYSTEMS.<name>.max_labels",
}
"""What has a run go on that has ended for a reason."""

MORE: Final = {"convergence_patience": 1, "max_convergence_epochs": 1, "converge_al": 1, "converge_best": -1}
"""Settings of the convergence at the end, and the sign of a change that asks for more of it."""


class Kind(StrEnum):
    """What a run that has ended can go on with."""

    LEARNING = "it goes on learning actively"
    """A goal of active learning was moved further away."""
    CONVERGENCE = "its models are converged again"
    """Only the convergence at the end is to be another one."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """Why a run that has ended goes on.

    Parameters
    ----------
    kind : Kind
    because : str
        The settings that ask for it: ``max_train_set_size was 50, and is 100``.
    """

    kind: Kind
    because: str


def renewal(
    project: Project, *, progress: Progress | None, settings: str | None, state: State | None
) -> Renewal | None:
    """What there is left to do in a run that takes no more structures; None when it is nothing.

    Parameters
    ----------
    project : Project
        As it is now.
    progress : Progress or None
        Of the run.
    settings : str or None
        Those that the run was last continued with, as :mod:`aims_pax.campaign.fingerprint` notes them.
    state : State or None
        Of active learning at its end.
    """
    if (
        progress not in (Progress.ACTIVE, *ENDED)
        or settings is None
        or state is None
        or project.settings.active is None
    ):
        return None
    changed = list(_renewing(project, settings))
    because = "; ".join(f"{_key(name)} was {_shown(before)}, and is {_shown(now)}" for name, before, now in changed)
    if changed and reopened(state, assembly.active_rules(project)) != state:
        return Renewal(Kind.LEARNING, because)
    more = {_key(name) for name, before, now in changed if MORE.get(_key(name), 0) * (float(now) - float(before)) > 0}
    # A convergence under way reads its limits anew as it goes on, but its members are those that it began with.
    more &= {"converge_best"} if progress is Progress.CONVERGENCE else MORE.keys()
    is_due = progress in ENDED and project.active.converge_al and more
    return Renewal(Kind.CONVERGENCE, because) if is_due else None


def what_to_raise(state: State | None) -> str:
    """What a user changes so that a finished run goes on: ``raise ACTIVE_LEARNING.max_epochs``."""
    return RAISE.get(state.stopping, "") if state is not None and state.stopping is not None else ""


def unreached_goals(project: Project, *, progress: Progress, settings: str, state: State | None) -> Iterator[Problem]:
    """Goals of a run that has ended, which were changed and ask for no more than it has done."""
    if progress not in ENDED or renewal(project, progress=progress, settings=settings, state=state) is not None:
        return
    advice = what_to_raise(state)
    for name, before, now in _renewing(project, settings):
        if _key(name) in GOALS and not (_key(name) in CONVERGENCE and progress is Progress.CONVERGENCE):
            yield Problem(
                where=project.settings_file.name,
                found=f"{name} is {_shown(now)}, which asks for no more than the run in {project.run_folder} has done; "
                f"it ended with {_shown(before)}.",
                advice=f"Set it back{f'; to have the run go on, {advice}' if advice else ''}.",
            )


def reopen(run: Bench) -> None:
    """Open a run again that has ended, or is being converged, if its settings now ask for more.

    With :attr:`Kind.LEARNING` the committee is the one that learning left, before its convergence; then it is as if
    the goal had been further from the beginning. Where that was not kept, the converged weights learn on, with
    optimizers that start afresh.

    Raises
    ------
    SettingsError
        Settings have changed, too, that belong to what the run is.
    """
    stored = run.store.get_meta("settings")
    state = recall_state(run.store, ACTIVE)
    renewed = renewal(run.project, progress=progress_of(run.memory), settings=stored, state=state)
    if renewed is None:
        return
    if stored is not None and (problems := changed_settings(stored, run.project)):
        raise SettingsError(problems)
    diary.debug("%s: %s", renewed.kind, renewed.because)  # `check` has told it already
    if renewed.kind is Kind.LEARNING:
        _learn_on(run)
    else:
        _converge_again(run)


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


def _learn_on(run: Bench) -> None:
    from aims_pax.stages.loop.parts import REOPENED  # not above: `aims-pax check` is spared PyTorch
    from aims_pax.stages.states import FINAL_CONVERGENCE

    generation = run.memory.recall_json(BEFORE)
    has_converged = run.memory.recall_bytes(FINAL_CONVERGENCE) is not None
    goes_back = has_converged and generation is not None and copy_before_convergence(run).is_file()
    if goes_back:
        diary.info("learning goes on with the committee as it was before its convergence")
    elif has_converged:
        _start_optimizers_afresh(run)
    with run.store.transaction():
        if goes_back:
            run.memory.keep_committee(copy_before_convergence(run))
            run.store.forget_epochs(after_generation=int(str(generation)))
        if progress_of(run.memory) is Progress.FINISHED:
            run.memory.keep_json(NEW_RESULTS, True)
        run.memory.forget(FINAL_CONVERGENCE)
        run.memory.keep_json(REOPENED, True)
        run.memory.keep_json("progress", str(Progress.ACTIVE))
        claim(run.store, run.project)


def _converge_again(run: Bench) -> None:
    """From the best weights so far."""
    from aims_pax.stages.states import FINAL_CONVERGENCE

    if run.memory.recall_bytes(FINAL_CONVERGENCE) is None:
        keep_before_convergence(run)
    elif progress_of(run.memory) is Progress.CONVERGENCE:
        run.existing_committee().end_convergence()
        run.keep_committee(run.existing_committee())
    with run.store.transaction():
        if progress_of(run.memory) is Progress.FINISHED:
            run.memory.keep_json(NEW_RESULTS, True)
        run.memory.forget(FINAL_CONVERGENCE)
        run.memory.keep_json("progress", str(Progress.CONVERGENCE))
        claim(run.store, run.project)


def _start_optimizers_afresh(run: Bench) -> None:
    from aims_pax.stages.loop.trainer import MIN_RESET_PATIENCE, Stagnations

    committee = run.existing_committee()
    diary.info("the committee before its convergence was not kept: the converged one learns on")
    for member in range(committee.n_members):
        committee.reset_optimizer(member)
    run.keep_committee(run.existing_committee())
    active = run.project.active
    patience = max(active.epochs_per_worker, MIN_RESET_PATIENCE)
    with run.store.transaction():
        stagnations = Stagnations.begin(committee.n_members, patience=patience, margin=active.margin)
        run.memory.keep("stagnations", stagnations)


def _renewing(project: Project, settings: str) -> Iterator[tuple[str, Any, Any]]:
    return (change for change in changes(settings, project) if when(change[0]) is When.RENEWS)


def _key(name: str) -> str:
    return name.rpartition(".")[2]


def _shown(value: Any) -> str:
    """A setting as it is written in the file."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"
