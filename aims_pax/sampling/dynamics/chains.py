"""Chains of thermostats, many at once: Martyna, Klein & Tuckerman, J. Chem. Phys. 97, 2635 (1992)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Chains:
    """The thermostats of B structures; shorter chains are filled up with links that do nothing.

    Parameters
    ----------
    kt : (B,), eV
    n_degrees : (B,)
        Degrees of freedom that the first link holds at the temperature.
    lightness : (B, M), 1/fs²
        Thermal energy over the mass of each link; 0 where there is none.
    n_loops : (B,)
        In how many parts a step is cut.
    most_loops : int
        The largest of them.
    """

    kt: Tensor
    n_degrees: Tensor
    lightness: Tensor
    n_loops: Tensor
    most_loops: int

    @classmethod
    def of(
        cls, kt: Tensor, n_degrees: Tensor, *, times_fs: Tensor, lengths: Sequence[int], loops: Sequence[int]
    ) -> Self:
        """Chains of so many links each, that answer within a time (B,); the first link is as heavy as what it holds."""
        held = n_degrees.to(kt.dtype)
        weights = torch.ones(len(lengths), max(lengths), dtype=kt.dtype, device=kt.device)
        weights[:, 0] = held
        there = torch.arange(max(lengths), device=kt.device) < torch.as_tensor(lengths, device=kt.device).unsqueeze(1)
        lightness = torch.where(there, 1 / (weights * times_fs.square().unsqueeze(1)), 0.0)
        return cls(kt, held, lightness, torch.as_tensor(loops, device=kt.device), max(loops))

    @property
    def n_own(self) -> int:
        """Position and momentum of each link."""
        return 2 * self.lightness.shape[1]

    @property
    def stiffness(self) -> Tensor:
        """One over the mass of each link, (B, M), 1/(eV fs²)."""
        return self.lightness / self.kt.unsqueeze(1)

    def at(self, kt: Tensor) -> Self:
        """Chains that hold other thermal energies (B,), eV."""
        return replace(self, kt=kt)

    def propagated(self, own: Tensor, twice_kinetic: Tensor, times_fs: Tensor) -> tuple[Tensor, Tensor]:
        """Links (B, n_own) after a time (B,), and the factor (B,) by which all momenta have been scaled.

        Parameters
        ----------
        own : (B, n_own)
            Position and momentum (eV fs) of the first link, of the second, ...
        twice_kinetic : (B,), eV
            Of the degrees of freedom that they hold.
        """
        places, momenta = list(own[:, 0::2].unbind(1)), list(own[:, 1::2].unbind(1))
        stiffness, factor = self.stiffness.unbind(1), torch.ones_like(self.kt)
        for loop in range(self.most_loops):
            step = torch.where(self.n_loops > loop, times_fs / self.n_loops, 0.0)
            for link in reversed(range(len(places))):
                self._kick(momenta, stiffness, link, factor.square() * twice_kinetic, step)
            factor = factor * torch.exp(-step * momenta[0] * stiffness[0])
            places = [place + step * p * s for place, p, s in zip(places, momenta, stiffness, strict=True)]
            for link in range(len(places)):
                self._kick(momenta, stiffness, link, factor.square() * twice_kinetic, step)
        return torch.stack((torch.stack(places, dim=1), torch.stack(momenta, dim=1)), dim=2).flatten(1), factor

    def energies(self, own: Tensor) -> Tensor:
        """What the links hold, (B,), eV: it belongs to what is conserved."""
        places, momenta = own[:, 0::2], own[:, 1::2]
        kinetic = 0.5 * momenta.square() * self.stiffness
        heat = self.kt.unsqueeze(1) * places * (self.lightness > 0)
        each = torch.cat((kinetic, (self.n_degrees * heat[:, 0]).unsqueeze(1), heat[:, 1:]), dim=1)
        return each.cumsum(dim=1)[:, -1]  # in this order, however many links others have

    def _kick(
        self, momenta: list[Tensor], stiffness: Sequence[Tensor], link: int, twice_kinetic: Tensor, step: Tensor
    ) -> None:
        """Half a kick of a link by the one before it, while the one after it brakes."""
        if link:
            driven = momenta[link - 1].square() * stiffness[link - 1] - self.kt
        else:
            driven = twice_kinetic - self.n_degrees * self.kt
        driven = torch.where(stiffness[link] > 0, driven, 0.0)
        if link + 1 < len(momenta):
            brake = torch.exp(-step / 4 * momenta[link + 1] * stiffness[link + 1])
            momenta[link] = (momenta[link] * brake + step / 2 * driven) * brake
        else:
            momenta[link] = momenta[link] + step / 2 * driven
