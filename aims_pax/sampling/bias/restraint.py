"""Springs on collective variables."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from aims_pax.frame import FloatArray
from aims_pax.protocols import Variable
from aims_pax.sampling.bias.variables import Periods


@dataclass(frozen=True, slots=True)
class Restraint:
    """A spring that holds a variable near a value: k (s - center)²/2, the short way round for a dihedral.

    Parameters
    ----------
    variable : Variable
    center : float
        In the unit of the variable: Å, rad, or a number.
    stiffness : float
        k, eV over that unit squared.
    """

    variable: Variable
    center: float
    stiffness: float

    @property
    def variables(self) -> tuple[Variable, ...]:
        return (self.variable,)

    @classmethod
    def together(cls, each: Sequence[Self], memories: Sequence[FloatArray], device: torch.device) -> "Springs":
        def column(values: list[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float64, device=device)

        periods = Periods.of([one.variable for one in each], device)
        return Springs(column([one.center for one in each]), column([one.stiffness for one in each]), periods)


@dataclass(frozen=True, slots=True, eq=False)
class Springs:
    """K restraints.

    Parameters
    ----------
    centers, stiffness : (K,)
    periods : Periods
        Of K variables.
    """

    centers: Tensor
    stiffness: Tensor
    periods: Periods

    def felt(self, values: Tensor) -> tuple[Tensor, Tensor]:
        stretched = self.periods.shortest(values - self.centers)
        slopes = self.stiffness * stretched
        return slopes * stretched / 2, slopes
