"""What the look at an installation gives: one finding for each thing that was looked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Standing(StrEnum):
    """How it stands with one thing."""

    READY = "ok"
    """It is there, and works as far as it was tried."""
    ABSENT = "-"
    """It is not there, and a campaign can do without."""
    WRONG = "!!"
    """It is needed and not there, or it is there and does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing.

    Parameters
    ----------
    name : str
        What was looked for.
    standing : Standing
    found : str
        What there is, in a line.
    advice : str
        What to do, or the command to give; empty where nothing is to be done.
    is_needed : bool
        Whether a campaign with tblite, on this machine, can't run without.
    facts : mapping
        The same in numbers and names, for programs; values that JSON has.
    """

    name: str
    standing: Standing
    found: str
    advice: str = ""
    is_needed: bool = False
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def prevents(self) -> bool:
        """Whether no campaign can run because of it."""
        return self.is_needed and self.standing is Standing.WRONG

    def record(self) -> dict[str, object]:
        """The same as JSON."""
        return {
            "name": self.name,
            "standing": self.standing.name.lower(),
            "found": self.found,
            "advice": self.advice,
            "is_needed": self.is_needed,
            **({"facts": dict(self.facts)} if self.facts else {}),
        }
