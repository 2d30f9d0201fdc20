"""What can go wrong by a person's hand, and how it is said.

Expected failures of a campaign (no SCF convergence, lost worker, exploding MD) are values, not exceptions:
see :class:`aims_pax.frame.LabelFailure`. The exceptions here all derive from :class:`AimsPaxError`; the command
line prints them without a traceback.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Statement:
    """Something about what a user wrote, said in four parts, in the words of the user's own files.

    Parameters
    ----------
    where : str
        File and line, or the key where there is no file: ``aims_PAX.yaml, line 14``.
    found : str
        What stands there, in a sentence: ``ACTIVE_LEARNING.skip_step_mlf is not a setting.``
    allowed : str
        What may stand there; empty when nothing may.
    advice : str
        What to do next.
    """

    where: str
    found: str
    allowed: str = ""
    advice: str = ""

    SCOPE: ClassVar[str] = "Allowed"

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.found}" if self.where else self.found]
        lines += [f"  {self.SCOPE}: {self.allowed}"] if self.allowed else []
        lines += [f"  {self.advice}"] if self.advice else []
        return _printable("\n".join(lines))


@dataclass(frozen=True, slots=True)
class Problem(Statement):
    """A mistake: nothing is started before it is mended."""


@dataclass(frozen=True, slots=True)
class Doubt(Statement):
    """What is allowed and hardly meant: `allowed` says what is usual. It is shown, and stops nothing."""

    SCOPE: ClassVar[str] = "Usual"


def _printable(text: str) -> str:
    """The same text with escapes for what a terminal would obey, or no file can hold, instead of showing it."""
    return "".join(letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1] for letter in text)


class AimsPaxError(Exception):
    """Base class of every error that this package raises on purpose."""

    exit_code = 1


class UserError(AimsPaxError):
    """A mistake in what the user wrote or asked; all mistakes found are reported together."""

    exit_code = 2

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in the place of a traceback: IPython asks exceptions for this."""
        return str(self).splitlines()


class SettingsError(UserError):
    """A settings file does not say what it may say."""


class StructureError(UserError):
    """A structure file can't be read, or holds no usable structure."""


class ReferenceUnavailable(UserError):
    """A reference method can't run here: its package or executable is missing, or it doesn't know an element."""


class ModelError(UserError):
    """A model file can't be loaded, or doesn't fit what it is asked for."""


class RunLocked(UserError):
    """Another campaign owns this run folder."""


class ShapeError(AimsPaxError):
    """Arrays don't have the shapes that the docstring states: a defect of the calling code."""


class StoreError(AimsPaxError):
    """The run store is damaged, or newer than this program."""


class CampaignStopped(AimsPaxError):
    """Nothing sensible is left to do before the goal was reached; the message says why."""


class PoolDead(CampaignStopped):
    """No worker is left, and none will come; the message says what became of them."""

    exit_code = 3
