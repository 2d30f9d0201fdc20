"""Collective variables: numbers by which it is told how a structure stands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi
from typing import Final, Self

import torch
from torch import Tensor

from aims_pax.errors import ShapeError
from aims_pax.protocols import Variable

Formula = Callable[[Tensor], Tensor]
"""Values of variables (K,) by their vectors (V, 3), Å."""

FROM_ORIGIN: Final = -1
"""In the place of the first atom of a pair: the vector is the place of the second one."""

_SHORTEST: Final = 1e-12
"""Å, or Å²: below this nothing has a direction. What is longer is not touched by it."""

_STRAIGHT: Final = 1e-12
"""Square of the sine of an angle, with the next one's, below which a dihedral has no meaning and pulls nowhere."""


@dataclass(frozen=True, slots=True)
class Distance:
    """Distance of two atoms, Å; in a cell, to the nearest image.

    Parameters
    ----------
    atoms : tuple of two int
    """

    atoms: tuple[int, int]

    period = None

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        return (self.atoms,)

    @classmethod
    def together(cls, each: Sequence[Self], device: torch.device) -> Formula:
        return _length


@dataclass(frozen=True, slots=True)
class Angle:
    """Angle at the second of three atoms, rad, from 0 to π.

    Parameters
    ----------
    atoms : tuple of three int
    """

    atoms: tuple[int, int, int]

    period = None

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        i, j, k = self.atoms
        return (j, i), (j, k)

    @classmethod
    def together(cls, each: Sequence[Self], device: torch.device) -> Formula:
        return _angle


@dataclass(frozen=True, slots=True)
class Dihedral:
    """Angle about the bond between the second and the third of four atoms, rad, from -π to π; 0 where it is cis.

    Parameters
    ----------
    atoms : tuple of four int

    Notes
    -----
    Sign as of IUPAC (Pure Appl. Chem. 68, 2193, 1996): positive where the front bond turns clockwise onto the rear one.
    """

    atoms: tuple[int, int, int, int]

    period = 2 * pi

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        i, j, k, m = self.atoms
        return (i, j), (j, k), (k, m)

    @classmethod
    def together(cls, each: Sequence[Self], device: torch.device) -> Formula:
        return _dihedral


@dataclass(frozen=True, slots=True)
class Coordination:
    """How many partners some atoms have, counted smoothly, each pair by its nearest image.

    Parameters
    ----------
    atoms, partners : tuple of int
        What is counted are pairs of an atom and a partner; an atom that is in both is no partner of itself.
    reach_ang : float, Å
        A pair at this distance counts one half.

    Notes
    -----
    The sum of (1 - x^6)/(1 - x^12) = 1/(1 + x^6) with x = r/reach: Iannuzzi, Laio & Parrinello, Phys. Rev. Lett. 90,
    238302 (2003), doi:10.1103/PhysRevLett.90.238302, Eq. 5.
    """

    atoms: tuple[int, ...]
    partners: tuple[int, ...]
    reach_ang: float

    period = None

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        return tuple((i, j) for i in self.atoms for j in self.partners if i != j)

    @classmethod
    def together(cls, each: Sequence[Self], device: torch.device) -> Formula:
        owner = _owners(each, device)
        squared_reach = torch.tensor([one.reach_ang**2 for one in each], dtype=torch.float64, device=device)[owner]

        def count(vectors: Tensor) -> Tensor:
            ratio = _dot(vectors, vectors) / squared_reach
            return ratio.new_zeros(len(each)).index_add(0, owner, 1 / (1 + ratio * ratio * ratio))

        return count


@dataclass(frozen=True, slots=True)
class MeanPosition:
    """Mean place of a group of atoms along a direction in space, Å.

    In a cell it is that of the atoms as they have moved, not of an image of them; and as it is a place in space, which
    no cell carries along, what holds it has no part in the stress.

    Parameters
    ----------
    atoms : tuple of int
    direction : tuple of three float
        Of any length but zero.
    """

    atoms: tuple[int, ...]
    direction: tuple[float, float, float]

    period = None

    def __post_init__(self) -> None:
        if not self.atoms or not any(self.direction):
            raise ShapeError(f"{len(self.atoms)} atoms have no mean position along {self.direction}")

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        return tuple((FROM_ORIGIN, atom) for atom in self.atoms)

    @classmethod
    def together(cls, each: Sequence[Self], device: torch.device) -> Formula:
        owner = _owners(each, device)
        unit = torch.tensor([_unit(one.direction) for one in each], dtype=torch.float64, device=device)
        share = torch.tensor([1 / len(one.atoms) for one in each], dtype=torch.float64, device=device)
        along = (unit * share.unsqueeze(1))[owner]

        def mean(vectors: Tensor) -> Tensor:
            return vectors.new_zeros(len(each)).index_add(0, owner, _dot(vectors, along))

        return mean


@dataclass(frozen=True, slots=True, eq=False)
class Periods:
    """Those of some variables, by which differences are taken the short way round.

    Parameters
    ----------
    lengths, inverse : (K, ...)
        Zeros where there is none.
    """

    lengths: Tensor
    inverse: Tensor

    @classmethod
    def of(cls, variables: Sequence[Variable], device: torch.device) -> Self:
        """Of K variables."""
        lengths = torch.tensor([one.period or 0.0 for one in variables], dtype=torch.float64, device=device)
        inverse = torch.tensor([1 / (one.period or torch.inf) for one in variables], dtype=torch.float64, device=device)
        return cls(lengths, inverse)

    def shortest(self, differences: Tensor) -> Tensor:
        """Of differences (K, ...), those that are nearest to zero."""
        return differences - self.lengths * torch.round(differences * self.inverse)

    def __getitem__(self, index: Tensor) -> "Periods":
        return Periods(self.lengths[index], self.inverse[index])


def _unit(direction: tuple[float, float, float]) -> list[float]:
    length = sum(part * part for part in direction) ** 0.5
    return [part / length for part in direction]


def _owners(each: Sequence[Variable], device: torch.device) -> Tensor:
    """Which of the variables each of the vectors belongs to."""
    counts = torch.tensor([len(one.pairs) for one in each], device=device)
    return torch.repeat_interleave(torch.arange(len(each), device=device), counts)


# Products and sums number by number: a reduction, or a product of matrices, may round otherwise in another batch.


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1] + a[:, 2] * b[:, 2]


def _cross(a: Tensor, b: Tensor) -> Tensor:
    (ax, ay, az), (bx, by, bz) = a.unbind(1), b.unbind(1)
    return torch.stack((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx), dim=1)


def _length(vectors: Tensor) -> Tensor:
    """Lengths of vectors (K, 3); those of none at all push nowhere."""
    return _dot(vectors, vectors).clamp(min=_SHORTEST**2).sqrt()


def _angle(vectors: Tensor) -> Tensor:
    """Between the first and the second of two vectors, (2 K, 3).

    By the tangent: the cosine tells nothing of small angles. Three atoms in line bend in no direction, and are not
    pulled.
    """
    a, b = vectors.reshape(-1, 2, 3).unbind(1)
    with torch.no_grad():
        no_arm = torch.minimum(_dot(a, a), _dot(b, b)) <= _SHORTEST**2
    return _direction(_length(_cross(a, b)), _dot(a, b), nowhere=no_arm)


def _dihedral(vectors: Tensor) -> Tensor:
    """Of three vectors, (3 K, 3): Blondel & Karplus, J. Comput. Chem. 17, 1132 (1996)."""
    a, b, c = vectors.reshape(-1, 3, 3).unbind(1)
    front, rear = _cross(a, b), _cross(b, c)
    y, x = _length(b) * _dot(a, rear), _dot(front, rear)
    with torch.no_grad():
        whole = _dot(a, a) * _dot(b, b).square() * _dot(c, c)
        in_line = x * x + y * y <= _STRAIGHT * whole
    return _direction(y, x, nowhere=in_line)


def _direction(y: Tensor, x: Tensor, *, nowhere: Tensor) -> Tensor:
    """Angle of points (K,), (K,) from the first axis, as atan2 has it; it has no derivative where it is `nowhere`.

    PyTorch's atan2 rounds otherwise at the end of a tensor than within, so that an angle would depend on who else is
    measured; its arctangent does not. Derivatives are those of x dy - y dx over the square of the radius.
    """
    with torch.no_grad():
        is_flat = y.abs() <= x.abs()
        ratio = torch.where(is_flat, y, x) / torch.where(is_flat, x, y)
        turn = torch.atan(torch.where(ratio.isnan(), 0.0, ratio))
        half = torch.copysign(torch.full_like(y, pi), y)
        value = torch.where(is_flat, torch.where(x < 0, turn + half, turn), half / 2 - turn)
        squared = x * x + y * y
        squared = torch.where(nowhere | (squared == 0), torch.inf, squared)
        cosine, sine = x / squared, y / squared
    change = cosine * y - sine * x
    return value + (change - change.detach())
