"""Species exchanged between atoms."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from aims_pax.errors import Problem
from aims_pax.frame import Frame
from aims_pax.settings.augmentation.sources import SubstituteSettings
from aims_pax.structures.augmentation.drafts import Augmentation, Begins, Draft


class Substitutions(Augmentation[SubstituteSettings]):
    """Structures drawn from others in which pairs of atoms have exchanged their species."""

    key, kind, begins = "substitute", "substituted", Begins.MADE

    def problems(self) -> list[Problem]:
        """Also that no source before it makes any structures."""
        if self.starts:
            return super().problems()
        found = "No structures are made before it, in which species could be exchanged."
        return [Problem(f"augment.{self.key}", found, "", "Name inputs, distort or slabs, too.")]

    def unsuited(self, start: Frame) -> str:
        """There must be two species."""
        return "" if len(np.unique(start.numbers)) > 1 else "has one species"

    def made_of(self, start: Frame) -> Iterator[Draft]:
        """One, or none where the draw says so."""
        rng = self.stream(start)
        if rng.uniform() < self.settings.structures:
            yield self.drawn(partial(self._exchanged, start, rng))

    def _exchanged(self, start: Frame, rng: np.random.Generator) -> Frame:
        """No atom is exchanged twice. Where one species is all that is left, no more are exchanged."""
        numbers = start.numbers.copy()
        n_pairs = max(1, round(self.settings.atoms * start.n_atoms / 2))
        left = rng.permutation(start.n_atoms)
        for _ in range(n_pairs):
            first, rest = left[0], left[1:]
            others = np.flatnonzero(start.numbers[rest] != start.numbers[first])
            if not len(others):
                break
            second = rest[others[0]]
            numbers[[first, second]] = numbers[[second, first]]
            left = np.delete(rest, others[0])
            if len(left) < 2:
                break
        return replace(start, numbers=numbers)
