"""The last training on a finished dataset: at the full learning rate as long as that helps, then with a falling one."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from aims_pax.committee import EpochPlan
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure
from aims_pax.learner.journal import from_text
from aims_pax.learner.training.annealing import LATE_LOSSES, Annealing, AnnealingRules, StageTwo
from aims_pax.protocols import Committee
from aims_pax.settings import Project
from aims_pax.settings.committee.mace import TrainingSettings
from aims_pax.settings.stage import EndSettings
from aims_pax.settings.stages.campaign import endings_of
from aims_pax.stages.activities import Activity, Stopwatch
from aims_pax.stages.loop.trainer import CommitteeTrainer
from aims_pax.stages.memory import Memory, recalling
from aims_pax.stages.states import convergence_key

diary = logging.getLogger("aims_pax.convergence")

COMMIT_S = 15.0
"""Seconds of convergence that an interruption may cost."""

LEVEL: Final = 0.01
"""A loss that fell by less than this part is called level."""


@dataclass(frozen=True, slots=True)
class ConvergenceState:
    """How far convergence has come; a value that can be journalled.

    Parameters
    ----------
    members : tuple of int
        Members that are being converged.
    n_epochs : int
        The most that any of them has made.
    annealings : tuple of Annealing
        Of these members, in their order. Empty in runs that an older program has converged.
    """

    members: tuple[int, ...]
    n_epochs: int = 0
    annealings: tuple[Annealing, ...] = ()

    def unfinished(self, rules: AnnealingRules) -> tuple[int, ...]:
        """Members that still train."""
        pairs = zip(self.members, self.annealings, strict=True)
        return tuple(member for member, annealing in pairs if not annealing.is_over(rules))

    def endings(self) -> dict[int, str]:
        """How the training of each member has ended, in words."""
        return {member: _ending(annealing) for member, annealing in zip(self.members, self.annealings, strict=False)}


@dataclass(frozen=True, slots=True)
class ConvergenceParts:
    """What convergence works on, and what it reports to."""

    committee: Committee
    store: RunStore
    memory: Memory
    stopwatch: Stopwatch
    departure: Departure


def annealing_rules(settings: EndSettings, training: TrainingSettings, *, is_end: bool) -> AnnealingRules:
    """When the learning rate of a convergence falls, and whether it has a stage two, which only the last one has."""
    stage_two = None
    if is_end and training.swa:
        start = training.stage_two_start(settings.max_convergence_epochs)
        stage_two = StageTwo(start, training.swa_lr / training.lr)
    return AnnealingRules(
        patience=settings.convergence_patience,
        margin=settings.margin,
        max_epochs=settings.max_convergence_epochs,
        stage_two=stage_two,
    )


def stored_convergence(memory: Memory, key: str) -> ConvergenceState | None:
    """The convergence that was kept by this name, or None."""
    stored = memory.recall_json(key)
    if not isinstance(stored, dict):
        return None
    stored.pop("stagnations", None)  # the rule of older programs, which had no annealing
    with recalling(key):
        return from_text(ConvergenceState, json.dumps(stored))


def final_convergence(project: Project, memory: Memory) -> ConvergenceState | None:
    """That of the training which has ended a campaign, or None."""
    states = (stored_convergence(memory, convergence_key(name)) for name in endings_of(project.settings.stages))
    return next((state for state in states if state is not None), None)


class Convergence:
    """Trains members to the end and keeps the weights of their lowest validation loss.

    Parameters
    ----------
    valid_skip : int
        Epochs between validations.
    key : str
        Name of the state in the store; an interrupted convergence goes on from there.
    """

    def __init__(
        self,
        parts: ConvergenceParts,
        rules: AnnealingRules,
        *,
        valid_skip: int,
        key: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts, self._rules, self._key, self._clock = parts, rules, key, clock
        self._committee, self._memory, self._stopwatch = parts.committee, parts.memory, parts.stopwatch
        self._trainer = CommitteeTrainer(parts.committee, EpochPlan(valid_skip=valid_skip, validates_last=False))

    def run(
        self,
        members: tuple[int, ...],
        *,
        show: Callable[[int, float | None], None],
        ended: Callable[[ConvergenceState], None] = lambda _state: None,
    ) -> None:
        """Converge these members; `show` is told the number of epochs and the mean force MAE (eV/Å) after each.

        On return the members have their best weights, and this is stored; `ended` is called within the transaction that
        does so.

        Raises
        ------
        Departed
            The campaign was asked to leave; the epochs until now are stored.
        """
        with self._parts.departure.cooperating():
            self._tell(self._run(members, show, ended))

    def _run(
        self,
        members: tuple[int, ...],
        show: Callable[[int, float | None], None],
        ended: Callable[[ConvergenceState], None],
    ) -> ConvergenceState:
        state = stored_convergence(self._memory, self._key)
        if state is None or not state.annealings:
            self._committee.begin_convergence(members)
            for member in members:  # whose steps would stay as small as the large gradients of the beginning made them
                self._committee.reset_optimizer(member)
            state = ConvergenceState(members, 0, (Annealing.begin(self._rules),) * len(members))
            names = ", ".join(self._committee.names[member] for member in members)
            diary.info("converging %s on %d structures", names, self._committee.n_train(members[0]))
        last_commit = self._clock()
        while unfinished := state.unfinished(self._rules):
            self._begin_epoch(state, unfinished)
            with self._stopwatch.during(Activity.CONVERGING):
                force_mae = self._trainer.train(1, members=unfinished)
            state = self._judged(state, unfinished)
            show(state.n_epochs, force_mae)
            is_asked_to_leave = self._parts.departure.reason is not None
            if is_asked_to_leave or self._clock() - last_commit > COMMIT_S:
                self._commit(state)
                last_commit = self._clock()
            if is_asked_to_leave:
                self._parts.departure.leave()
        self._committee.end_convergence()
        self._commit(state, ended)
        return state

    def _begin_epoch(self, state: ConvergenceState, unfinished: tuple[int, ...]) -> None:
        """Rate and loss of the next epoch."""
        for member, annealing in zip(state.members, state.annealings, strict=True):
            if member not in unfinished:
                continue
            if annealing.is_in_stage_two(self._rules):
                if annealing.n_epochs == annealing.cooling_from:
                    diary.info("%s  stage two, after %d epochs", self._committee.names[member], annealing.n_epochs)
                self._committee.begin_stage_two(member)
            self._committee.set_learning_rate(member, factor=annealing.rate_factor(self._rules))

    def _judged(self, state: ConvergenceState, trained: tuple[int, ...]) -> ConvergenceState:
        losses = self._trainer.last_losses()
        annealings = tuple(
            annealing.after(losses.get(member), self._rules) if member in trained else annealing
            for member, annealing in zip(state.members, state.annealings, strict=True)
        )
        return replace(state, n_epochs=state.n_epochs + 1, annealings=annealings)

    def _tell(self, state: ConvergenceState) -> None:
        errors = dict(zip(state.members, self._committee.errors(state.members), strict=True))
        for member, ending in state.endings().items():
            measured = errors[member]
            mae = "" if measured is None else f", validation force MAE {1000 * measured.force_mae_ev_per_ang:.1f} meV/Å"
            diary.info("%s  %s%s", self._committee.names[member], ending, mae)

    def _commit(self, state: ConvergenceState, besides: Callable[[ConvergenceState], None] | None = None) -> None:
        with self._stopwatch.during(Activity.RECORDING):
            checkpoint = self._memory.write_committee(self._committee)
            with self._parts.store.transaction():
                self._trainer.record(self._parts.store)
                self._memory.keep_committee(checkpoint)
                self._memory.keep(self._key, state)
                if besides is not None:
                    besides(state)
                self._memory.keep_time(self._stopwatch)
            self._memory.forget_other_checkpoints()


def _ending(annealing: Annealing) -> str:
    if annealing.cooling_from and not annealing.losses:
        return f"trained for {annealing.n_epochs} epochs, with no validation structures to see whether that was enough"
    if annealing.is_converged:
        return f"converged after {annealing.n_epochs} epochs"
    fall, late = annealing.late_fall(), f"in the last {LATE_LOSSES} epochs at the full rate"
    if fall is None:
        words = ""
    elif fall < LEVEL:
        words = f", level {late}"
    else:
        words = f", still falling by {100 * fall:.0f} % {late}"
    return f"stopped at the cap of {annealing.n_epochs} epochs{words}"
