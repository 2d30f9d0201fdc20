"""Where a loop stands, shown to whoever looks on."""

from dataclasses import replace

from aims_pax.learner.events import Advance, Command
from aims_pax.learner.state import State
from aims_pax.protocols import Committee, Status
from aims_pax.stages.bench import Bench
from aims_pax.stages.loop.parts import LoopParts
from aims_pax.stages.loop.status import LabelsBefore, loop_status


class Showing:
    """Tells the observer of a bench what a loop is about to do.

    Parameters
    ----------
    stage : str
    state : State
        Of the loop now; what else the run has had labelled was before it.
    """

    def __init__(self, bench: Bench, stage: str, parts: LoopParts, state: State) -> None:
        self._bench, self._stage, self._parts = bench, stage, parts
        self._before = LabelsBefore.of(bench.store.counts(), state)
        self._status: Status | None = None
        self._n_ahead = self._n_done = 0

    def show(self, state: State, command: Command, committee: Committee | None) -> None:
        """The loop is about to carry out this command."""
        status = loop_status(self._stage, state, self._parts, command, before=self._before, committee=committee)
        self._bench.observer.show(status)
        self._status, self._n_done = status, 0
        self._n_ahead = command.n_steps * len(command.trajectories) if isinstance(command, Advance) else 0

    def step_done(self) -> None:
        """One more MD step of the present command was computed; of drivers that are quick nobody need hear it."""
        self._n_done += 1
        if self._status is not None and self._n_done <= self._n_ahead:  # the first chunk computes where it starts, too
            self._bench.observer.show(replace(self._status, md_steps=self._status.md_steps + self._n_done))
