"""Atoms put together at random, without a cell."""

from collections.abc import Iterator, Sequence

import numpy as np

from aims_pax.frame import FloatArray, Frame, IntArray
from aims_pax.settings.augmentation.sources import ClusterSettings
from aims_pax.structures.augmentation.drafts import Augmentation, Begins, Draft, Drawing, elements_of, neutral, too_near
from aims_pax.structures.spacing import reaches


class Clusters(Augmentation[ClusterSettings]):
    """Atoms of the elements of a structure, each added beside one that is there already.

    Structures of the same elements have their clusters in common, which are told to be of the first of them.

    Notes
    -----
    AiiDA-TrainsPot, Digital Discovery (2026): neighbours are 1 to sqrt(3) times the spacing apart.
    """

    key, kind, begins = "clusters", "cluster", Begins.GIVEN

    def __init__(self, starts: Sequence[Frame], settings: ClusterSettings, drawing: Drawing) -> None:
        firsts: dict[tuple[int, ...], Frame] = {}
        for start in starts:
            firsts.setdefault(elements_of([start]), start)
        super().__init__(list(firsts.values()), settings, drawing)

    def made_of(self, start: Frame) -> Iterator[Draft]:
        """As many as are asked for."""
        elements = np.array(elements_of([start]))
        for number in range(self.settings.n):
            rng = self.stream(start, number)
            numbers = rng.choice(elements, rng.integers(2, self.settings.max_atoms, endpoint=True))
            positions, n_rejected = self._grown(numbers, rng)
            if positions is None:
                yield Draft(None, n_rejected, too_near(n_rejected), "Raise redraws, or lower its max_atoms.")
                continue
            frame = neutral(Frame(start.system, start.trajectory, 0, 0, numbers, positions))
            yield Draft(self.finished(frame), n_rejected)

    def _grown(self, numbers: IntArray, rng: np.random.Generator) -> tuple[FloatArray | None, int]:
        """Places of atoms, (n_atoms, 3) Å, and how often one was drawn too near to others; None: once too often."""
        reach, n_rejected = reaches(numbers, self.drawing.overlap), 0
        places = np.zeros((1, 3))
        while len(places) < len(numbers):
            new, beside = len(places), int(rng.integers(len(places)))
            closest = np.maximum(reach[:new] + reach[new], self.settings.spacing)
            direction = rng.normal(size=3)
            # Even in the volume between two spheres.
            length = closest[beside] * np.cbrt(rng.uniform(1.0, 3.0**1.5))
            place = places[beside] + length * direction / np.linalg.norm(direction)
            if (np.linalg.norm(places - place, axis=1) < closest).any():
                n_rejected += 1
                if n_rejected > self.drawing.redraws * len(numbers):
                    return None, n_rejected
                continue
            places = np.vstack([places, place])
        return places, n_rejected
