"""Training on a finished dataset until the validation loss no longer falls."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from aims_pax.campaign.activities import Activity, Stopwatch
from aims_pax.campaign.memory import Memory
from aims_pax.campaign.training import CommitteeTrainer, Stagnations
from aims_pax.committee import Committee, EpochPlan
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure

diary = logging.getLogger("aims_pax.convergence")

COMMIT_S = 15.0
"""Seconds of convergence that an interruption may cost."""


@dataclass(frozen=True, slots=True)
class ConvergenceRules:
    """When convergence ends.

    Parameters
    ----------
    patience : int
        Epochs without improvement after which a member is done.
    margin : float
        Fall of the validation loss that counts as improvement, in the loss's own unit.
    max_epochs : int
    valid_skip : int
        Epochs between validations.
    """

    patience: int
    margin: float
    max_epochs: int
    valid_skip: int


@dataclass(frozen=True, slots=True)
class ConvergenceState:
    """How far convergence has come; a value that can be journalled.

    Parameters
    ----------
    members : tuple of int
        Members that are being converged.
    stagnations : Stagnations
        Of all members of the committee.
    n_epochs : int
    """

    members: tuple[int, ...]
    stagnations: Stagnations
    n_epochs: int = 0

    def unfinished(self, rules: ConvergenceRules) -> tuple[int, ...]:
        """Members that still train."""
        if self.n_epochs >= rules.max_epochs:
            return ()
        return tuple(member for member in self.members if not self.stagnations.members[member].is_reached)


@dataclass(frozen=True, slots=True)
class ConvergenceParts:
    """What convergence works on, and what it reports to."""

    committee: Committee
    store: RunStore
    memory: Memory
    stopwatch: Stopwatch
    departure: Departure


class Convergence:
    """Trains members with a learning-rate schedule and keeps the weights of their lowest validation loss.

    Parameters
    ----------
    key : str
        Name of the state in the store; an interrupted convergence goes on from there.
    """

    def __init__(
        self,
        parts: ConvergenceParts,
        rules: ConvergenceRules,
        *,
        key: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts, self._rules, self._key, self._clock = parts, rules, key, clock
        self._committee, self._memory, self._stopwatch = parts.committee, parts.memory, parts.stopwatch
        self._trainer = CommitteeTrainer(
            parts.committee, EpochPlan(schedule=True, valid_skip=rules.valid_skip, validates_last=False)
        )

    def run(self, members: tuple[int, ...], *, show: Callable[[int, float | None], None]) -> None:
        """Converge these members; `show` is told the number of epochs and the mean force MAE (eV/Å) after each.

        On return the members have their best weights, and this is stored.

        Raises
        ------
        Departed
            The campaign was asked to leave; the epochs until now are stored.
        """
        with self._parts.departure.cooperating():
            self._run(members, show)

    def _run(self, members: tuple[int, ...], show: Callable[[int, float | None], None]) -> None:
        state = self._memory.recall(self._key, ConvergenceState)
        if state is None:
            self._committee.begin_convergence(members)
            begin = Stagnations.begin(
                self._committee.n_members, patience=self._rules.patience, margin=self._rules.margin
            )
            state = ConvergenceState(members, begin)
            diary.info("converging %s on the whole set", _members(members))
        last_commit, newest = self._clock(), None
        while unfinished := state.unfinished(self._rules):
            with self._stopwatch.during(Activity.CONVERGING):
                force_mae = self._trainer.train(1, members=unfinished)
            state = self._judged(state, unfinished)
            show(state.n_epochs, force_mae)
            newest = newest if force_mae is None else force_mae
            is_asked_to_leave = self._parts.departure.reason is not None
            if is_asked_to_leave or self._clock() - last_commit > COMMIT_S:
                self._commit(state)
                last_commit = self._clock()
            if is_asked_to_leave:
                self._parts.departure.leave()
        self._committee.end_convergence()
        self._commit(state)
        mae = "" if newest is None else f", validation force MAE {1000 * newest:.1f} meV/Å"
        diary.info("converged after %d epochs%s", state.n_epochs, mae)

    def _judged(self, state: ConvergenceState, trained: tuple[int, ...]) -> ConvergenceState:
        stagnations = state.stagnations
        for member, loss in self._trainer.last_losses().items():
            if member in trained:
                stagnations = stagnations.replaced(member, stagnations.members[member].after(loss))
        return ConvergenceState(state.members, stagnations, state.n_epochs + 1)

    def _commit(self, state: ConvergenceState) -> None:
        with self._stopwatch.during(Activity.RECORDING):
            checkpoint = self._memory.write_committee(self._committee)
            with self._parts.store.transaction():
                self._trainer.record(self._parts.store)
                self._memory.keep_committee(checkpoint)
                self._memory.keep(self._key, state)
                self._memory.keep_time(self._stopwatch)
            self._memory.forget_other_checkpoints()


def _members(members: tuple[int, ...]) -> str:
    return f"member {members[0]}" if len(members) == 1 else f"members {', '.join(map(str, members))}"
