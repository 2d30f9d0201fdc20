"""Cells strained by the points of a grid."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import Final

import numpy as np

from aims_pax.frame import FloatArray, Frame
from aims_pax.settings.augmentation.grid import N_COMPONENTS, StrainGridSettings
from aims_pax.structures.augmentation.drafts import Augmentation, Draft, too_near

Point = tuple[Decimal, ...]
"""Strains e1 to e6, in Voigt's order: xx, yy, zz, yz, xz, xy."""

AXES: Final = ("XX", "YY", "ZZ", "YZ", "XZ", "XY")

MIN_DECIMALS: Final = 4
"""Of the strains in names, as in AtomProNet's data."""

_NAUGHT: Final = Decimal(0)
_ADVICE: Final = "Begin it at a higher strain."


class StrainGrid(Augmentation[StrainGridSettings]):
    """Each cell once at each point of a grid of strains, fractional coordinates unchanged."""

    key, kind = "strain_grid", "strain_grid"

    def unsuited(self, start: Frame) -> str:
        """All six components must mean something."""
        return "" if start.pbc.all() else "is not periodic in three directions"

    def made_of(self, start: Frame) -> Iterator[Draft]:
        """In the order of the grid, the last component fastest."""
        values = self.settings.strains
        n_decimals = max(MIN_DECIMALS, *(_n_decimals(value) for value in values))
        for point in points(self.settings.mode, values):
            name = name_of(point, n_decimals=n_decimals, n_shown=N_COMPONENTS[self.settings.mode])
            frame = strained(start, point)
            if self.overlaps(frame):
                yield Draft(None, 1, too_near(1), _ADVICE, name)
            else:
                yield Draft(self.finished(frame), name=name)


def points(mode: str, values: Sequence[Decimal]) -> Iterator[Point]:
    """The points of a grid, each once.

    Parameters
    ----------
    mode : str
        As :class:`~aims_pax.settings.augmentation.grid.StrainGridSettings` has it.
    values : sequence of Decimal
    """
    if mode == "hydrostatic":
        yield from ((value,) * 3 + (_NAUGHT,) * 3 for value in values)
    elif mode == "axes":
        yield from ((*along, *(_NAUGHT,) * 3) for along in product(values, repeat=3))
    elif mode == "components":
        if _NAUGHT in values:  # the cell itself belongs to all six, and is there once
            yield (_NAUGHT,) * 6
        for place, value in product(range(6), (value for value in values if value)):
            yield tuple(value if place == other else _NAUGHT for other in range(6))
    else:
        yield from product(values, repeat=6)


def tensor(point: Point) -> FloatArray:
    """(3, 3) of strains in Voigt's order: [[e1, e6/2, e5/2], [e6/2, e2, e4/2], [e5/2, e4/2, e3]]."""
    e1, e2, e3, e4, e5, e6 = (float(value) for value in point)
    return np.array([[e1, e6 / 2, e5 / 2], [e6 / 2, e2, e4 / 2], [e5 / 2, e4 / 2, e3]])


def strained(frame: Frame, point: Point) -> Frame:
    """Lattice vectors, as rows, times I + e, and atoms along with them."""
    longer = np.eye(3) + tensor(point)
    return replace(frame, positions=frame.positions @ longer, cell=frame.cell @ longer)


def name_of(point: Point, *, n_decimals: int, n_shown: int) -> str:
    """``strain_XX_0.0100/strain_YY_0.0100/strain_ZZ_0.0100``; zero has no sign."""
    shown = zip(AXES[:n_shown], point, strict=False)
    return "/".join(f"strain_{axis}_{value if value else _NAUGHT:.{n_decimals}f}" for axis, value in shown)


def _n_decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
