"""Where a loop stands, shown to whoever looks on."""

from aims_pax.committee import Committee
from aims_pax.learner.events import Command
from aims_pax.learner.state import State
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

    def show(self, state: State, command: Command, committee: Committee | None) -> None:
        """The loop is about to carry out this command."""
        status = loop_status(self._stage, state, self._parts, command, before=self._before, committee=committee)
        self._bench.observer.show(status)
