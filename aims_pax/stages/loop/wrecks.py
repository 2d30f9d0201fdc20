"""What a run says when it gets nowhere: structures that fall apart, a driver that fails, a reference without forces."""

import logging
from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np

from aims_pax.errors import CampaignStopped
from aims_pax.frame import Label, LabelFailure
from aims_pax.sampling import Advanced

diary = logging.getLogger("aims_pax.labels")

WINDOW: Final = 10
"""Newest answers that are looked at. A healthy run of DFT has no unphysical one among them, rarely two."""

NO_FORCE_EV_PER_ANG: Final = 1e-9
"""Forces below are zero: those of a relaxed structure are thousands of times larger already by rounding."""

WHAT_TO_DO: Final = (
    "the MD runs into structures that fall apart, and their labels are wasted. Interrupt the run, and begin another "
    "with relaxed starting structures, a shorter MD.timestep, a lower MD.temperature or another model that drives"
)


class WreckWatch:
    """Says so in the diary when most of the newest labels failed as unphysical, once for each such stretch."""

    def __init__(self) -> None:
        self._newest: deque[bool] = deque(maxlen=WINDOW)

    def note(self, result: Label | LabelFailure) -> None:
        """Take note of an answer; other failures than unphysical ones are of no concern here."""
        if isinstance(result, LabelFailure) and not result.reason.is_unphysical:
            return
        self._newest.append(isinstance(result, LabelFailure))
        n_wrecks = sum(self._newest)
        if len(self._newest) == WINDOW and n_wrecks > WINDOW // 2:
            diary.warning("%d of the last %d labels were unphysical: %s", n_wrecks, WINDOW, WHAT_TO_DO)
            self._newest.clear()


def require_something_to_learn(labels: Sequence[Label]) -> None:
    """Do nothing when the first labels of a run hold something that a model can learn.

    Raises
    ------
    CampaignStopped
        All forces are exactly zero, and there is no stress.
    """
    has_forces = any(np.abs(label.forces).max() > NO_FORCE_EV_PER_ANG for label in labels)
    if has_forces or any(label.stress is not None for label in labels) or not labels:
        return
    lone = all(len(label.forces) == 1 for label in labels)
    reason = (
        "a lone atom has none, in a cell either. Take a structure of several atoms, or repeat the cell"
        if lone
        else f"the reference ({labels[0].reference}) computes none. Choose one that does"
    )
    found = f"nothing can be learned: all forces of the first {len(labels)} labels are zero"
    raise CampaignStopped(f"{found}: {reason}, and begin in another folder")


def stuck_words(stopped: Sequence[Advanced], names: Sequence[str], *, n_times: int) -> str:
    """What to say of an initial MD that gets nowhere: the last word of one system, and what can be done about it.

    Parameters
    ----------
    stopped : sequence of Advanced
        What became of the systems at their last attempt; one at least.
    names : sequence of str
        Of these systems.
    n_times : int
        Attempts in a row that ended so.
    """
    last = next((moved for moved in stopped if moved.lacks_forces), stopped[0])
    other = (
        "choose another INITIAL_DATASET_GENERATION.foundational_model, such as mace-mp or a model file, in a new folder"
    )
    if last.lacks_forces:
        happened, advice = "failed", f"Mend it, then the same command goes on; or {other}"
    else:
        happened = "was stopped"
        advice = f"Lower MD.timestep or MD.temperature, begin with a relaxed structure, or {other}"
    return (
        f"the MD of the initial sampling {happened} {n_times} times in a row (starting from {', '.join(names)}), the "
        f"last time: {last.problem}. {advice}"
    )
