"""Structures that lack atoms."""

from collections.abc import Iterator
from dataclasses import replace
from math import comb

import numpy as np

from aims_pax.frame import Frame
from aims_pax.settings.augmentation.sources import VacancySettings
from aims_pax.structures.augmentation.drafts import Augmentation, Draft, neutral


class Vacancies(Augmentation[VacancySettings]):
    """Atoms taken out at random, never the same ones twice."""

    key, kind = "vacancies", "vacancies"

    def unsuited(self, start: Frame) -> str:
        """Some atoms must be left."""
        return untakeable(start, self.settings.n_vacancies)

    def made_of(self, start: Frame) -> Iterator[Draft]:
        """As many as are asked for, or as there are ways to take so many atoms."""
        n_ways = comb(start.n_atoms, self.settings.n_vacancies)
        rng, taken = self.stream(start), set[tuple[int, ...]]()
        for number in range(self.settings.n):
            if number >= n_ways:
                why = f"there are {n_ways} ways to take {self.settings.n_vacancies} of the {start.n_atoms} atoms of"
                yield Draft(None, 0, f"{why} {start.system}", "Lower its n, or begin with supercells.")
                continue
            while (lost := _drawn(rng, start.n_atoms, self.settings.n_vacancies)) in taken:
                pass
            taken.add(lost)
            yield Draft(self.finished(_left(start, lost)))


def untakeable(frame: Frame, n_lost: int) -> str:
    """Why so many atoms can't be taken from a structure, continuing its name; empty where they can.

    What is left must be more than one atom alone.
    """
    least = 1 if frame.pbc.any() else 2
    too_few = n_lost > 0 and frame.n_atoms - n_lost < least
    return f"has {frame.n_atoms} atoms, of which {n_lost} can't be taken" if too_few else ""


def without(frame: Frame, n_lost: int, rng: np.random.Generator) -> Frame:
    """A structure that lacks so many of its atoms, drawn at random."""
    return _left(frame, _drawn(rng, frame.n_atoms, n_lost))


def _drawn(rng: np.random.Generator, n_atoms: int, n_lost: int) -> tuple[int, ...]:
    return tuple(sorted(rng.choice(n_atoms, n_lost, replace=False).tolist()))


def _left(frame: Frame, lost: tuple[int, ...]) -> Frame:
    kept = np.setdiff1d(np.arange(frame.n_atoms), lost)
    return neutral(replace(frame, numbers=frame.numbers[kept], positions=frame.positions[kept]))
