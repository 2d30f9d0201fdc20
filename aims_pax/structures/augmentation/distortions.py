"""Atoms moved at random in cells of random size."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from aims_pax.frame import FloatArray, Frame, IntArray
from aims_pax.settings.augmentation.sources import DistortSettings
from aims_pax.structures.augmentation.drafts import Augmentation, Draft, too_near
from aims_pax.structures.augmentation.vacancies import untakeable, without
from aims_pax.structures.spacing import nearest, neighbours, reaches

_ADVICE: Final = "Lower its displacement, begin its strain higher, or raise redraws."


class Distortions(Augmentation[DistortSettings]):
    """Each atom moves by up to a part of the distance to its nearest neighbour, in any direction.

    Notes
    -----
    AiiDA-TrainsPot, Digital Discovery (2026): all lengths change by a factor uniform in the range of strains; then an
    atom moves by u f d, u uniform in [0, 1], f the largest displacement, d the distance to its nearest neighbour as
    strained. The first structures lose atoms. An atom whose neighbour is too near is drawn anew, and so is the other.
    """

    key, kind = "distort", "distorted"

    def unsuited(self, start: Frame) -> str:
        """One atom alone has nothing to be moved against."""
        return "is one atom" if start.n_atoms == 1 and not start.pbc.any() else ""

    def made_of(self, start: Frame) -> Iterator[Draft]:
        """As many as are asked for, those without some of their atoms first."""
        near = _Near.of(start, self.settings, self.drawing.overlap)
        n_losing = int(np.ceil(round(self.settings.n * self.settings.vacancies, 9)))
        for number in range(self.settings.n):
            n_lost = self.settings.n_vacancies if number < n_losing else 0
            yield self._draft(near, self.stream(start, number), n_lost)

    def _draft(self, near: "_Near", rng: np.random.Generator, n_lost: int) -> Draft:
        start = near.start
        if why := untakeable(start, n_lost):
            return Draft(None, 0, f"{start.system} {why}", "Lower its n_vacancies, or set its vacancies to 0.")
        factor = 1.0 + rng.uniform(*self.settings.strain)
        moves, n_rejected = near.moves(rng, start.n_atoms), 0
        while len(crowded := near.crowded(factor, moves)):
            n_rejected += 1
            if n_rejected > self.drawing.redraws:
                return Draft(None, n_rejected, too_near(n_rejected), _ADVICE)
            moves[crowded] = near.moves(rng, len(crowded)) * (near.steps[crowded] > 0)[:, None]
        places = start.positions + near.steps[:, None] * moves
        lengths = np.where(start.pbc, factor, 1.0)[:, None]
        frame = replace(start, positions=factor * places, cell=lengths * start.cell)
        return Draft(self.finished(without(frame, n_lost, rng) if n_lost else frame), n_rejected)


@dataclass(frozen=True, slots=True, eq=False)
class _Near:
    """A structure, and which of its atoms may come too near to each other.

    Parameters
    ----------
    start : Frame
    steps : (n_atoms,), Å
        How far each atom may move, before strain.
    pairs : (2, n_pairs) int
        Those that may meet.
    vectors : (n_pairs, 3), Å
        From the first to the second, where none has moved.
    closest : (n_pairs,), Å
        How near they may be.
    """

    start: Frame
    steps: FloatArray
    pairs: IntArray
    vectors: FloatArray
    closest: FloatArray

    @classmethod
    def of(cls, start: Frame, settings: DistortSettings, overlap: float) -> "_Near":
        """All pairs that moves can bring together in the most compressed cell."""
        distances = nearest(start)
        steps = settings.displacement * np.where(np.isfinite(distances), distances, 0.0)
        reach = reaches(start.numbers, overlap)
        cutoff = 2 * float(reach.max()) / (1.0 + settings.strain[0]) + 2 * float(steps.max()) + 1e-6
        first, second, vectors = neighbours(start, cutoff)
        return cls(start, steps, np.array([first, second]), vectors, reach[first] + reach[second])

    @staticmethod
    def moves(rng: np.random.Generator, n_atoms: int) -> FloatArray:
        """(n_atoms, 3): directions even on the sphere, lengths even in [0, 1]."""
        directions = rng.normal(size=(n_atoms, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        return rng.uniform(0.0, 1.0, (n_atoms, 1)) * directions

    def crowded(self, factor: float, moves: FloatArray) -> IntArray:
        """Atoms that are too near to others when all lengths change by a factor and they have moved."""
        first, second = self.pairs
        shift = self.steps[:, None] * moves
        distances = factor * np.linalg.norm(self.vectors + shift[second] - shift[first], axis=1)
        near = distances < self.closest
        found: IntArray = np.unique(np.concatenate([first[near], second[near]]))
        return found
