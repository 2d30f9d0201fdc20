"""How a held-out set is to be made, and what that costs."""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Final

OVERSAMPLED: Final = 4
"""Structures to choose each one from, where the farthest points are taken."""


class Select(StrEnum):
    """Which structures of the MD are labelled."""

    SPACED = "spaced"
    """Evenly spaced ones: they represent what the MD visits, and an error on them is the error of a simulation."""
    FPS = "fps"
    """Those that lie farthest apart by descriptors of the model: rare ones weigh more than in a simulation."""


@dataclass(frozen=True, slots=True)
class HeldoutPlan:
    """How a held-out set is to be made.

    Parameters
    ----------
    n_frames : int
        Labels in all; the same number from each run.
    by : str
        ``driver``, ``product``, ``reference``, ``GFN1-xTB``, ``GFN2-xTB``, a foundation model's family (``mace-mp``),
        a MACE model file, or an import path of an ASE calculator.
    select : str
        See :class:`Select`.
    n_runs : int
    equilibration_ps : float
        Of each run, not used.
    spacing_ps : float
        Between structures of one run.
    temperature_k : float or None
        Of all runs; None: each has that of its system.
    """

    n_frames: int
    by: str
    select: str = "spaced"
    n_runs: int = 6
    equilibration_ps: float = 10.0
    spacing_ps: float = 0.25
    temperature_k: float | None = 300.0

    @property
    def n_each(self) -> int:
        """Structures of each run."""
        return ceil(self.n_frames / self.n_runs)

    @property
    def n_rounds(self) -> int:
        """Times at which all runs are looked at."""
        return self.n_each * (OVERSAMPLED if self.select == Select.FPS else 1)

    @property
    def length_ps(self) -> float:
        """Of each run."""
        return self.equilibration_ps + self.n_each * self.spacing_ps


@dataclass(frozen=True, slots=True)
class Cost:
    """What a held-out set will take.

    Parameters
    ----------
    n_labels : int
        That are still to be computed.
    label_s : float or None
        Each, on one worker; None when nothing is known of it.
    n_steps : int
        MD steps of all runs together that are still to be made.
    step_s : float
        Each of them.
    by_reference : bool
        Whether each MD step is a calculation by the reference itself.
    """

    n_labels: int
    label_s: float | None
    n_steps: int
    step_s: float
    by_reference: bool

    @property
    def seconds(self) -> float | None:
        """In all, with one worker."""
        return None if self.label_s is None else self.n_labels * self.label_s + self.n_steps * self.step_s
