"""Which steps of an output are asked for."""

import re
from dataclasses import dataclass
from typing import Final, Self

from aims_pax.errors import Problem, UserError

ALLOWED: Final = "last, all, or every N: every 10 takes the first, the eleventh, ..."

_EVERY: Final = re.compile(r"every[\s:=]*(\d+)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A choice of steps.

    Parameters
    ----------
    every : int
        The first step and every so many after it; 0: the last one alone.
    """

    every: int

    @classmethod
    def read(cls, text: str) -> Self:
        """The choice that is written so.

        Raises
        ------
        UserError
            It is none.
        """
        words = text.strip().lower()
        if words in ("last", "all"):
            return cls(every=int(words == "all"))
        match = _EVERY.fullmatch(words)
        if match is None or not int(match[1]):
            raise UserError(Problem("--steps", f"{text} is no choice of steps.", ALLOWED))
        return cls(every=int(match[1]))

    @property
    def is_last(self) -> bool:
        """Whether the last step alone is wanted."""
        return not self.every

    def takes(self, number: int) -> bool:
        """Whether a step is wanted wherever the output ends; `number` counts from 0."""
        return bool(self.every) and number % self.every == 0

    def __str__(self) -> str:
        return {0: "last", 1: "all"}.get(self.every, f"every {self.every}")
