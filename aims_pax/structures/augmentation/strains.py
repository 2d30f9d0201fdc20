"""Strained cells, their atoms moved along."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from aims_pax.frame import FloatArray, Frame
from aims_pax.settings.augmentation.sources import StrainSettings
from aims_pax.structures.augmentation.drafts import Augmentation, Draft, too_near

_ADVICE: Final = "Begin its range higher."


class Strains(Augmentation[StrainSettings]):
    """The periodic directions of a structure longer and shorter: all alike at even steps, and each for itself."""

    key, kind = "strain", "strained"

    def unsuited(self, start: Frame) -> str:
        """There must be a cell."""
        return "" if start.pbc.any() else "is periodic in no direction"

    def made_of(self, start: Frame) -> Iterator[Draft]:
        """Those at even steps, from the smallest, then those at random."""
        low, high = self.settings.range
        across = _periodic(start)
        for strain in np.linspace(low, high, self.settings.n_isotropic):
            frame = _strained(start, float(strain) * across)
            yield Draft(None, 1, too_near(1), _ADVICE) if self.overlaps(frame) else Draft(self.finished(frame))
        for number in range(self.settings.n_anisotropic):
            rng = self.stream(start, number)
            yield self.drawn(partial(self._at_random, start, across, rng), advice=_ADVICE)

    def _at_random(self, start: Frame, across: FloatArray, rng: np.random.Generator) -> Frame:
        """By a symmetric tensor, which turns nothing."""
        tensor = np.diag(rng.uniform(*self.settings.range, 3))
        upper = np.triu(rng.uniform(-self.settings.shear, self.settings.shear, (3, 3)), k=1)
        return _strained(start, across @ (tensor + upper + upper.T) @ across)


def _periodic(frame: Frame) -> FloatArray:
    """Projector (3, 3) onto what the periodic lattice vectors span."""
    vectors = frame.cell[frame.pbc]
    projector: FloatArray = np.linalg.pinv(vectors) @ vectors
    return projector


def _strained(frame: Frame, strain: FloatArray) -> Frame:
    longer = np.eye(3) + strain
    return replace(frame, positions=frame.positions @ longer, cell=frame.cell @ longer)
