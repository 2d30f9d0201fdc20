"""Why steps are left out, and what is told of those that are not."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a step is not in the set."""

    UNREADABLE = "the file can't be read"
    READER_FAILED = "its reader failed"
    """Nothing of the file is taken: where the reader was before it stopped is not known."""
    NO_STEP = "the file holds no step"
    MISSING = "a part of it was not printed"
    FLAWED = "its reader refuses it"
    NOT_CONVERGED = "not converged"
    """The self-consistency cycle of this step, not the relaxation that it belongs to."""
    NOT_FINITE = "a number is not finite"
    ABSURD = "values that can't be right"
    LARGE_FORCE = "a force above --max-force"
    TOO_NEAR = "atoms nearer than half their covalent radii"
    DUPLICATE = "the same structure is there already"
    FREE_ATOM = "another free atom of the element tells its E0"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A step that is not in the set.

    Parameters
    ----------
    file : int
        Its number among the outputs.
    step : int or None
        From 1; None: the whole file.
    reason : Reason
    detail : str
        In the words of what was found: "energy, forces".
    """

    file: int
    step: int | None
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """What is told of an output, or of a step that is in the set.

    Parameters
    ----------
    file : int
    step : int or None
        From 1; None: the whole file.
    said : str
        A sentence that is the same wherever it holds, so that it can be counted.
    detail : str
        What is particular to this step: "812 eV/Å".
    is_grave : bool
        Whether it may spoil the set: told first.
    """

    file: int
    step: int | None
    said: str
    detail: str = ""
    is_grave: bool = False
