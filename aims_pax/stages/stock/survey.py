"""What is in a pool of labelled structures: looked through once, and remembered by the run."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from aims_pax.dataset.stock import Fault, Stock
from aims_pax.frame import FloatArray

diary = logging.getLogger("aims_pax.run")

MAX_NAMED: Final = 5
"""Structures that are named one by one."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What is in a pool; a value that can be journalled.

    Parameters
    ----------
    n_structures : int
        In the files, with all that can't be learned.
    sizes : tuple of int
        Bytes of the files: by these a pool that was changed is known.
    energies_ev : tuple of (int, float)
        Atomic numbers of all elements that occur, and their E0.
    fitted : tuple of int
        Those of which no free atom is among the structures: their E0 are fitted to the energies of all.
    n_free_atoms, n_faults : int
        Structures that are free atoms, and such as can't be learned.
    faults : tuple of str
        Of the first of these: where and why.
    """

    n_structures: int
    sizes: tuple[int, ...]
    energies_ev: tuple[tuple[int, float], ...]
    fitted: tuple[int, ...]
    n_free_atoms: int
    n_faults: int
    faults: tuple[str, ...]

    @property
    def n_labelled(self) -> int:
        """Structures that can be learned."""
        return self.n_structures - self.n_free_atoms - self.n_faults


def sizes_of(stock: Stock) -> tuple[int, ...]:
    """Bytes of each file."""
    return tuple(path.stat().st_size for path in stock.paths)


def surveyed(stock: Stock, *, seen: Callable[[int], None]) -> Survey:
    """Look through a pool.

    Parameters
    ----------
    stock : Stock
    seen : callable
        Told after each structure how many have been looked at.
    """
    free: dict[int, float] = {}
    faults: list[Fault] = []
    fit = _Fit()
    n_free = n_faults = 0
    for number in range(len(stock)):
        entry = stock.entry(number)
        if isinstance(entry, Fault):
            n_faults += 1
            faults += [entry] if len(faults) < MAX_NAMED else []
        elif entry.label is None:
            n_free += 1
            free.setdefault(int(entry.frame.numbers[0]), entry.energy)
        else:
            fit.add(entry.frame.numbers.tolist(), entry.energy)
        seen(number + 1)
    energies = fit.energies_ev(free)
    return Survey(
        n_structures=len(stock),
        sizes=sizes_of(stock),
        energies_ev=tuple(sorted(energies.items())),
        fitted=tuple(sorted(energies.keys() - free.keys())),
        n_free_atoms=n_free,
        n_faults=n_faults,
        faults=tuple(f"{fault.place}: {fault.found}" for fault in faults),
    )


class _Fit:
    """Least squares of energies by compositions, whose sums alone are kept."""

    def __init__(self) -> None:
        self._counts: dict[tuple[tuple[int, int], ...], tuple[int, float]] = {}

    def add(self, numbers: list[int], energy_ev: float) -> None:
        composition = tuple((number, numbers.count(number)) for number in sorted(set(numbers)))
        n_structures, total = self._counts.get(composition, (0, 0.0))
        self._counts[composition] = n_structures + 1, total + energy_ev

    def energies_ev(self, known: dict[int, float]) -> dict[int, float]:
        """E0 of every element that occurs: the known ones, and the rest by the fit of what these leave."""
        elements = sorted({number for composition in self._counts for number, _ in composition})
        unknown = [number for number in elements if number not in known]
        rows, values = [], []
        for composition, (n_structures, total) in self._counts.items():
            of_element, weight = dict(composition), np.sqrt(n_structures)
            rest = total / n_structures - sum(known.get(number, 0.0) * n for number, n in composition)
            rows.append([weight * of_element.get(number, 0) for number in unknown])
            values.append(weight * rest)
        fitted: FloatArray = np.zeros(0)
        if unknown:
            # The smallest energies that fit: one composition alone does not tell its elements apart.
            fitted = np.linalg.lstsq(np.array(rows, dtype=np.float64), np.array(values), rcond=None)[0]
        found = dict(zip(unknown, map(float, fitted), strict=True))
        return {number: known.get(number, found.get(number, 0.0)) for number in elements}
