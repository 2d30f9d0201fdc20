"""What is done about each fault of a label: the one table, which the desk obeys and the documentation shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aims_pax.frame import FailureReason

MAX_IN_ROW: Final = 3
"""A label whose workers fail it, after the pool's own retries, may have met a bad node; this many in a row have not."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """What is done about one kind of fault.

    Parameters
    ----------
    meaning : str
        How it shows, for the documentation.
    n_attempts : int or None
        A label that has failed so often for this reason is given up: its trajectory goes back to its checkpoint.
        None: never.
    n_in_row : int or None
        So many answers in a row of such kinds, of whatever labels, stop the campaign if no other label is being
        computed meanwhile; else these labels wait until one has come. None: they don't.
    """

    meaning: str
    n_attempts: int | None
    n_in_row: int | None = None

    def consequence(self) -> str:
        """What is done, in words."""
        if self.n_attempts is None:
            done = "the label is asked for again"
        elif self.n_attempts == 1:
            done = "the structure is given up"
        else:
            done = f"the label is asked for again; after {self.n_attempts} attempts the structure is given up"
        if self.n_in_row is None:
            return done
        return f"{done}; {self.n_in_row} such answers in a row stop the campaign, if no other label is under way"


REMEDIES: Final[Mapping[FailureReason, Remedy]] = {
    FailureReason.NOT_CONVERGED: Remedy("the self-consistency cycle stopped without converging", 1),
    FailureReason.UNPHYSICAL: Remedy(
        "energy or forces are not finite, are for another number of atoms, or exceed `REFERENCE.max_force_ev_per_ang`",
        1,
    ),
    FailureReason.WALLTIME: Remedy("the calculation took longer than `REFERENCE.walltime_s`", 1),
    FailureReason.CRASHED: Remedy("the engine ended by an error or a signal", 2),
    FailureReason.CUT_SHORT: Remedy("the engine's output stops before its end", 2),
    FailureReason.OUT_OF_MEMORY: Remedy("the engine was refused memory, or was ended by SIGKILL from outside", 2),
    FailureReason.WORKER_LOST: Remedy(
        "the worker, its node or its batch job disappeared, more often than Parsl retries by itself", 2, MAX_IN_ROW
    ),
    FailureReason.MISSING_EXECUTABLE: Remedy("the engine was not found on the worker's node", None, MAX_IN_ROW),
    FailureReason.SCRATCH: Remedy(
        "the folder of the calculation can't be written there: disk or quota full, read-only, or gone",
        None,
        MAX_IN_ROW,
    ),
}
"""Every reason but NOT_STARTED, by which nothing was tried: such a label stays in the books for the next session."""


def as_markdown() -> str:
    """The table as docs/durability.md shows it."""
    rows = [f"| {reason} | {remedy.meaning} | {remedy.consequence()} |" for reason, remedy in REMEDIES.items()]
    return "\n".join(["| Fault | How it shows | What is done |", "| --- | --- | --- |", *rows])
