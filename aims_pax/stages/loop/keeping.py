"""What a loop stores of one and the same moment: its journal and its state, and what a sampler needs to go on."""

from typing import Any

from aims_pax.learner.state import State
from aims_pax.stages.bench import Bench
from aims_pax.stages.loop.checkpoints import Checkpoints
from aims_pax.stages.loop.parts import LoopParts
from aims_pax.stages.loop.trainer import Stagnations
from aims_pax.stages.states import keep_state


class Keeping:
    """Gathers what has happened, and writes it with everything that a resumed run needs.

    Parameters
    ----------
    stage : str
        Its name, under which the store keeps its state.
    """

    def __init__(self, bench: Bench, stage: str, parts: LoopParts) -> None:
        self._bench, self._stage, self._parts = bench, stage, parts
        self._journal: list[tuple[str, dict[str, Any]]] = []

    def note(self, kind: str, payload: dict[str, Any]) -> None:
        """Something has happened that belongs into the journal."""
        self._journal.append((kind, payload))

    def recall_sampler(self) -> Checkpoints | None:
        """Take over the stored positions and noise streams; their checkpoints, or None where nothing was stored."""
        sampler, memory = self._parts.sampler, self._bench.memory
        stored = memory.recall_bytes(f"sampler.{self._stage}")
        if stored is None:
            return None
        sampler.load(stored)
        return Checkpoints(sampler, packed=memory.recall_bytes(f"checkpoints.{self._stage}"))

    def write(self, state: State, checkpoints: Checkpoints, stagnations: Stagnations | None) -> None:
        """Store all of it, within the caller's transaction."""
        memory, store = self._bench.memory, self._bench.store
        for kind, payload in self._journal:
            store.append_journal(kind, payload)
        self._journal.clear()
        keep_state(store, self._stage, state)
        if stagnations is not None:
            memory.keep("stagnations", stagnations)
        memory.keep_bytes(f"sampler.{self._stage}", self._parts.sampler.save())
        memory.keep_bytes(f"checkpoints.{self._stage}", checkpoints.to_bytes())
        memory.keep_time(self._bench.stopwatch)
        self._bench.observer.keep()
