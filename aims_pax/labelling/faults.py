"""What is done about each fault of a label: the one table, which the desk obeys and the documentation shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aims_pax.frame import FailureReason
from aims_pax.learner.state import WreckRule

MAX_IN_ROW: Final = 3
"""A label whose workers fail it, after the pool's own retries, may have met a bad node; this many in a row have not."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """What is done about one kind of fault.

    Parameters
    ----------
    n_attempts : int or None
        A label that has failed so often for this reason is given up: its trajectory goes back to its checkpoint.
        None: never.
    n_in_row : int or None
        So many answers in a row of such kinds, of whatever labels, stop the campaign if no other label is being
        computed meanwhile; else these labels wait until one has come. None: they don't.
    """

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
    FailureReason.NOT_CONVERGED: Remedy(1),
    FailureReason.UNPHYSICAL: Remedy(1),
    FailureReason.KEPT_OUT: Remedy(1),
    FailureReason.WALLTIME: Remedy(1),
    FailureReason.CRASHED: Remedy(2),
    FailureReason.CUT_SHORT: Remedy(2),
    FailureReason.OUT_OF_MEMORY: Remedy(2),
    FailureReason.WORKER_LOST: Remedy(2, MAX_IN_ROW),
    FailureReason.MISSING_EXECUTABLE: Remedy(None, MAX_IN_ROW),
    FailureReason.SCRATCH: Remedy(None, MAX_IN_ROW),
    FailureReason.NOT_OFFERED: Remedy(1),
}
"""Every reason but NOT_STARTED, by which nothing was tried: such a label stays in the books for the next session."""

WRECKS: Final = WreckRule(n_recent=8, n_most=4, pause_epochs=40, max_pauses=2)
"""Unphysical labels in series, and labels that are kept out. A healthy run of DFT has none among eight, rarely two."""


def as_markdown() -> str:
    """The table as docs/durability.md shows it."""
    rows = [f"| {reason} | {reason.meaning} | {remedy.consequence()} |" for reason, remedy in REMEDIES.items()]
    series = (
        f"| unphysical or kept out, in series | more than {WRECKS.n_most} of {WRECKS.n_recent} labels of active "
        "learning in a row | no structure is picked, trajectories go back to their checkpoints, and the committee is "
        f"trained for {WRECKS.pause_epochs} epochs; when that was done {WRECKS.max_pauses} times in a row, the "
        "campaign stops with advice |"
    )
    return "\n".join(["| Fault | How it shows | What is done |", "| --- | --- | --- |", *rows, series])
