"""Hills that fill up what a trajectory has seen already."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from aims_pax.errors import ShapeError
from aims_pax.frame import FloatArray
from aims_pax.protocols import Variable
from aims_pax.sampling.bias.variables import Periods
from aims_pax.units import BOLTZMANN_EV_PER_K

_POINTS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Tempering:
    """Hills become lower where there are hills already, so that their sum comes to rest.

    Parameters
    ----------
    bias_factor : float
        γ, above 1: variables move in the end as at γ times the temperature.
    temperature_k : float, K
        Of the trajectory.
    """

    bias_factor: float
    temperature_k: float

    def __post_init__(self) -> None:
        if not (self.bias_factor > 1 and self.temperature_k > 0):
            raise ShapeError(f"a bias factor of {self.bias_factor:g} at {self.temperature_k:g} K tempers nothing")


@dataclass(frozen=True, slots=True)
class Metadynamics:
    """Repels a trajectory from where it has been, by a Gaussian hill every few steps.

    Each trajectory has hills of its own. They stay when it is rewound: what it has seen, it has seen. A row of its
    memory is a height (eV) and the center of each variable.

    Parameters
    ----------
    variables : tuple of one or two Variable
    widths : tuple of float
        Standard deviation of a hill along each, in its unit; well below half of a period, for only the nearest image
        of a hill counts.
    height_ev : float, eV
        Of the first hill, and of all of them without tempering.
    every_steps : int
        Steps between two hills.
    tempering : Tempering or None
        None: all hills have one height.

    Notes
    -----
    Laio & Parrinello, PNAS 99, 12562 (2002), doi:10.1073/pnas.202427399; tempered: Barducci, Bussi & Parrinello,
    Phys. Rev. Lett. 100, 020603 (2008), doi:10.1103/PhysRevLett.100.020603, with heights times exp(-V/(γ - 1)kT).
    """

    variables: tuple[Variable, ...]
    widths: tuple[float, ...]
    height_ev: float
    every_steps: int
    tempering: Tempering | None = None

    def __post_init__(self) -> None:
        if not self.variables or len(self.widths) != len(self.variables):
            raise ShapeError(f"{len(self.widths)} widths of hills do not belong to {len(self.variables)} variables")
        if self.every_steps < 1 or min(self.widths) <= 0:
            raise ShapeError(f"hills of widths {self.widths} every {self.every_steps} steps can't be laid")

    @property
    def n_columns(self) -> int:
        """A height, and a center for each variable."""
        return 1 + len(self.variables)

    @classmethod
    def together(cls, each: Sequence[Self], memories: Sequence[FloatArray], device: torch.device) -> "Hills":
        return Hills.of(each, memories, device)


@dataclass(frozen=True, slots=True, eq=False)
class Hills:
    """The H hills of K metadynamics with m values in all, of which each has up to d.

    Parameters
    ----------
    owner : (H,) int64
        Whose hill it is. Those of one are in the order in which they were laid.
    heights : (H,), eV
    centers, inverse_widths, periods : d times (H,)
        Where a hill has fewer variables, its inverse width is zero.
    slots : d times (H,) int64
        Which of the values is that of its variable.
    own_slots : d times (K,) int64
        The same for each of the metadynamics.
    first_heights : (K,), eV
    falling : (K,), 1/eV
        By the exponential of which times the potential heights fall.
    """

    owner: Tensor
    heights: Tensor
    centers: list[Tensor]
    inverse_widths: list[Tensor]
    periods: list[Periods]
    slots: list[Tensor]
    own_slots: list[Tensor]
    first_heights: Tensor
    falling: Tensor

    @classmethod
    def of(cls, each: Sequence[Metadynamics], memories: Sequence[FloatArray], device: torch.device) -> Self:
        """Those that each has laid."""

        def column(values: object) -> Tensor:
            return torch.as_tensor(values, dtype=torch.float64, device=device)

        counts = torch.tensor([len(memory) for memory in memories], device=device)
        owner = torch.repeat_interleave(torch.arange(len(each), device=device), counts)
        n_variables = [len(one.variables) for one in each]
        first = np.cumsum([0, *n_variables[:-1]])
        centers, inverse_widths, periods, own_slots = [], [], [], []
        for number in range(max(n_variables)):
            has = [number < n for n in n_variables]
            own = [number if there else 0 for there in has]
            inverse = [1 / one.widths[k] if there else 0.0 for one, k, there in zip(each, own, has, strict=True)]
            found = [memory[:, 1 + k] for memory, k in zip(memories, own, strict=True)]
            centers.append(column(np.concatenate(found)))
            inverse_widths.append(column(inverse)[owner])
            periods.append(Periods.of([one.variables[k] for one, k in zip(each, own, strict=True)], device)[owner])
            own_slots.append(torch.as_tensor(first + own, device=device))
        return cls(
            owner=owner,
            heights=column(np.concatenate([memory[:, 0] for memory in memories])),
            centers=centers,
            inverse_widths=inverse_widths,
            periods=periods,
            slots=[slot[owner] for slot in own_slots],
            own_slots=own_slots,
            first_heights=column([one.height_ev for one in each]),
            falling=column([_falling(one.tempering) for one in each]),
        )

    def felt(self, values: Tensor) -> tuple[Tensor, Tensor]:
        scaled, hills = self._there(values)
        slopes = torch.zeros_like(values)
        for away, inverse, slot in zip(scaled, self.inverse_widths, self.slots, strict=True):
            slopes = slopes.index_add(0, slot, -hills * away * inverse)
        return self._sums(hills), slopes

    def lesson(self, values: Tensor) -> Tensor:
        _, hills = self._there(values)
        heights = self.first_heights * torch.exp(-self._sums(hills) * self.falling)
        return torch.stack((heights, *(values[slot] for slot in self.own_slots)), dim=1)

    def _there(self, values: Tensor) -> tuple[list[Tensor], Tensor]:
        """How far off each hill is, in its widths, d times (H,); and its height there, (H,), eV."""
        scaled, squared = [], torch.zeros_like(self.heights)
        for center, inverse, period, slot in zip(
            self.centers, self.inverse_widths, self.periods, self.slots, strict=True
        ):
            away = period.shortest(values[slot] - center) * inverse
            squared = squared + away * away
            scaled.append(away)
        return scaled, self.heights * torch.exp(-squared / 2)

    def _sums(self, hills: Tensor) -> Tensor:
        """Of what hills (H,) are, for each owner (K,): one after another, so that no other's hills change a bit."""
        return torch.zeros_like(self.first_heights).index_add(0, self.owner, hills)


def free_energy(metadynamics: Metadynamics, hills: FloatArray, points: FloatArray) -> FloatArray:
    """Free energy that hills tell of, eV, zero where it is least among the points.

    Parameters
    ----------
    metadynamics : Metadynamics
    hills : (n_hills, 1 + n_variables)
        As its memory has them.
    points : (..., n_variables)
        Values of the variables.

    Returns
    -------
    (...)
        -γ/(γ - 1) times the sum of the hills, or minus the sum without tempering. What it still does from hill to hill
        is its error: of the order of the last heights.
    """
    device = torch.device("cpu")
    flat = np.ascontiguousarray(points, dtype=np.float64).reshape(-1, len(metadynamics.variables))
    sums = [
        Hills.of([metadynamics] * len(some), [hills] * len(some), device).felt(torch.as_tensor(some).flatten())[0]
        for some in np.array_split(flat, max(1, len(flat) // _POINTS_AT_ONCE))
    ]
    tempering = metadynamics.tempering
    factor = 1.0 if tempering is None else tempering.bias_factor / (tempering.bias_factor - 1)
    energies = -factor * torch.cat(sums).numpy()
    shifted: FloatArray = (energies - energies.min()).reshape(np.shape(points)[:-1])
    return shifted


def _falling(tempering: Tempering | None) -> float:
    if tempering is None:
        return 0.0
    return 1 / (BOLTZMANN_EV_PER_K * (tempering.bias_factor - 1) * tempering.temperature_k)
