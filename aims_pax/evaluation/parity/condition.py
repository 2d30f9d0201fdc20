"""How dense structures are and how hot they were, as groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from aims_pax.evaluation.density import density_of, edges_of, has_density, places_in, words_of
from aims_pax.frame import Frame, IntArray

DENSITY: Final = "density"
TEMPERATURE: Final = "temperature"
BOTH: Final = "density_and_temperature"

UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """Structures by density, or by temperature.

    Parameters
    ----------
    kind : str
    names : tuple of str
        Of the groups, from the lowest; :data:`UNKNOWN` is the last where some structures do not tell it.
    codes : (n_structures,) int
        The group of each structure.
    """

    kind: str
    names: tuple[str, ...]
    codes: IntArray

    @property
    def known(self) -> tuple[str, ...]:
        """Names of the groups that are told."""
        return tuple(name for name in self.names if name != UNKNOWN)


def density_groups(frames: Sequence[Frame]) -> Condition:
    """By mass density."""
    return _grouped(DENSITY, [density_of(frame) if has_density(frame) else None for frame in frames], unit="g/cm³")


def temperature_groups(temperatures_k: Sequence[float | None]) -> Condition:
    """By temperature; those of single steps of an MD, which all differ, in bins as densities are."""
    return _grouped(TEMPERATURE, temperatures_k, unit="K")


def _grouped(kind: str, told: Sequence[float | None], *, unit: str) -> Condition:
    known = np.array([one for one in told if one is not None], dtype=np.float64)
    if not len(known):
        return Condition(kind, (UNKNOWN,), np.zeros(len(told), dtype=np.int64))
    edges = edges_of(known)
    names = tuple(f"{words} {unit}" for words in words_of(edges, known))
    codes = np.full(len(told), len(names))
    codes[[one is not None for one in told]] = places_in(edges, known)
    return Condition(kind, (*names, UNKNOWN) if len(known) < len(told) else names, codes)


def both_of(density: Condition, temperature: Condition) -> Condition:
    """By density and temperature at once."""
    n_temperatures = len(temperature.names)
    names = tuple(cell_name(dense, hot) for dense in density.names for hot in temperature.names)
    return Condition(BOTH, names, density.codes * n_temperatures + temperature.codes)


def cell_name(density: str, temperature: str) -> str:
    """What a group of one density and one temperature is called."""
    return f"{density}, {temperature}"
