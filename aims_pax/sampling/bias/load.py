"""Constant forces on groups of atoms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from aims_pax.errors import ShapeError
from aims_pax.frame import FloatArray
from aims_pax.protocols import Variable
from aims_pax.sampling.bias.variables import MeanPosition


@dataclass(frozen=True, slots=True)
class Load:
    """A constant force on a group of atoms, of which each bears an equal share: -F · (mean position).

    It comes from outside: it sets the whole in motion unless something else holds it, and has no part in the stress.

    Parameters
    ----------
    atoms : tuple of int
    force_ev_per_ang : tuple of three float, eV/Å
        On all of them together.
    """

    atoms: tuple[int, ...]
    force_ev_per_ang: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not any(self.force_ev_per_ang):
            raise ShapeError("a load of (0, 0, 0) eV/Å pulls nowhere")

    @property
    def variables(self) -> tuple[Variable, ...]:
        return (MeanPosition(self.atoms, self.force_ev_per_ang),)

    @classmethod
    def together(cls, each: Sequence[Self], memories: Sequence[FloatArray], device: torch.device) -> "Pulls":
        sizes = [sum(part * part for part in one.force_ev_per_ang) ** 0.5 for one in each]
        return Pulls(torch.tensor(sizes, dtype=torch.float64, device=device))


@dataclass(frozen=True, slots=True, eq=False)
class Pulls:
    """K loads.

    Parameters
    ----------
    sizes : (K,), eV/Å
    """

    sizes: Tensor

    def felt(self, values: Tensor) -> tuple[Tensor, Tensor]:
        return -self.sizes * values, -self.sizes
