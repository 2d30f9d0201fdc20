"""Two atoms over their distance."""

from collections.abc import Iterator
from itertools import combinations_with_replacement

import numpy as np

from aims_pax.frame import Frame
from aims_pax.settings.augmentation.sources import DimerSettings
from aims_pax.structures.augmentation.drafts import Augmentation, Begins, Draft, elements_of, neutral, too_near


class Dimers(Augmentation[DimerSettings]):
    """Pairs of all elements of all structures at even steps of their distance.

    A pair is told to be of the first structure that holds both elements, or else of the first that holds one.
    """

    key, kind, begins = "dimers", "dimer", Begins.GIVEN

    def made_of(self, start: Frame) -> Iterator[Draft]:
        """Each pair that belongs to it, from its smallest distance on."""
        from ase.data import covalent_radii

        low, high = self.settings.range
        for pair in (pair for pair in self._pairs() if self._home(pair) is start):
            numbers = np.array(pair)
            for distance in np.linspace(low, high, self.settings.n) * covalent_radii[numbers].sum():
                positions = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, distance]])
                frame = neutral(Frame(start.system, start.trajectory, 0, 0, numbers, positions))
                is_near = self.overlaps(frame)
                yield Draft(None, 1, too_near(1), "Begin its range higher.") if is_near else Draft(self.finished(frame))

    def _pairs(self) -> list[tuple[int, int]]:
        from ase.data import atomic_numbers

        if self.settings.pairs is None:
            return list(combinations_with_replacement(elements_of(self.starts), 2))
        return [(atomic_numbers[first], atomic_numbers[second]) for first, second in self.settings.pairs]

    def _home(self, pair: tuple[int, int]) -> Frame:
        return max(self.starts, key=lambda start: len({*pair} & {*start.numbers.tolist()}))
