"""Sessions that end for lack of time, again and again, with nothing done: a chain of batch jobs would never notice."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from aims_pax.dataset.records import OWN_REFERENCE
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departed, Reason
from aims_pax.errors import CampaignStopped
from aims_pax.stages.bench import ERRANDS
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import CONVERGENCES, EXPLORATIONS, LOOPS, MOTIONS, PLAYS, PRIORS, RELABELS, SELECTIONS

diary = logging.getLogger("aims_pax.run")

MAX_BARREN: Final = 3
"""Sessions in a row that may end for lack of time without a label, an MD step or an epoch."""

KEY: Final = "sessions"
WORK: Final = ("progress", "probe", ERRANDS)
"""States that change with each stage, label of the probe and step of AIMD; those of stages change with all they do."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """How sessions have ended.

    Parameters
    ----------
    mark : str
        What was done when the last session ran out of time.
    n_barren : int
        Sessions in a row, up to that one, that had changed nothing of it.
    """

    mark: str
    n_barren: int


@contextmanager
def ending_barren_sessions(store: RunStore, memory: Memory) -> Iterator[None]:
    """Let a campaign leave for lack of time, but not for ever.

    Raises
    ------
    CampaignStopped
        It is the third session in a row that ran out of time with nothing done, and the next would be another one.
    """
    try:
        yield
    except Departed as departed:
        if departed.reason not in (Reason.WALLTIME, Reason.WARNED):
            raise
        mark, before = _mark(store, memory), memory.recall(KEY, Sessions)
        n_barren = before.n_barren + 1 if before is not None and before.mark == mark else 0
        with store.transaction():
            memory.keep(KEY, Sessions(mark, n_barren))
        if n_barren == 0:
            raise
        whose = "this session has" if n_barren == 1 else f"{n_barren} sessions in a row have"
        words = f"{whose} ended for lack of time with no label, MD step or epoch done"
        if n_barren < MAX_BARREN:
            diary.warning("%s; after %d such sessions this campaign stops", words, MAX_BARREN)
            raise
        raise CampaignStopped(
            f"{words}. Give it more time than the start of its workers and one label take: by MISC.walltime, or the "
            "time limit of its batch job. What was committed is kept, and the same command goes on"
        ) from None


def _mark(store: RunStore, memory: Memory) -> str:
    """A digest of all the work that a run has kept."""
    others = [name.removeprefix(RELABELS) for name in store.state_names(RELABELS)]
    parts = [str(store.counts(reference=key)).encode() for key in (OWN_REFERENCE, *others)]
    stages = [
        name
        for kind in (LOOPS, CONVERGENCES, SELECTIONS, PRIORS, EXPLORATIONS, MOTIONS, PLAYS)
        for name in store.state_names(kind)
    ]
    parts += [memory.recall_bytes(key) or b"" for key in (*WORK, *stages)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
