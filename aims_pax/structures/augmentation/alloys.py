"""Species given to the sites of structures by fractions."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from aims_pax.frame import FloatArray, Frame, IntArray
from aims_pax.settings.augmentation.sources import AlloySettings
from aims_pax.structures.augmentation.drafts import Augmentation, Draft, neutral


class Alloys(Augmentation[AlloySettings]):
    """Sites of each structure, but those of fixed elements, with species in given fractions or in random ones."""

    key, kind = "alloys", "alloy"

    def unsuited(self, start: Frame) -> str:
        """Some site must be free."""
        return "" if self._sites(start).any() else f"holds nothing but {', '.join(self.settings.fixed)}, which is fixed"

    def made_of(self, start: Frame) -> Iterator[Draft]:
        """As many as are asked for."""
        for number in range(self.settings.n):
            yield self.drawn(partial(self._alloyed, start, self.stream(start, number)))

    def _sites(self, start: Frame) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        return ~np.isin(start.numbers, _numbers(self.settings.fixed))

    def _alloyed(self, start: Frame, rng: np.random.Generator) -> Frame:
        given, n_species = self.settings.fractions, len(self.settings.species)
        if given is None:
            fractions = rng.dirichlet(np.ones(n_species))
        else:
            shares = np.array([given[name] for name in self.settings.species])
            fractions = shares / shares.sum()
        sites = np.flatnonzero(self._sites(start))
        new = np.repeat(_numbers(self.settings.species), counts(fractions, len(sites)))
        numbers = start.numbers.copy()
        numbers[sites] = rng.permutation(new)
        return neutral(replace(start, numbers=numbers))


def counts(fractions: FloatArray, n_sites: int) -> IntArray:
    """How many of the sites each fraction gets, by the largest remainder.

    Parameters
    ----------
    fractions : (n_species,), of sum 1
    n_sites : int
    """
    exact = fractions * n_sites
    found: IntArray = np.floor(exact + 1e-9).astype(np.int64)
    for index in np.argsort(found - exact, kind="stable")[: n_sites - int(found.sum())]:
        found[index] += 1
    return found


def _numbers(symbols: tuple[str, ...]) -> IntArray:
    from ase.data import atomic_numbers

    return np.array([atomic_numbers[one] for one in symbols], dtype=np.int64)
