"""Atoms alone."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from aims_pax.frame import Frame
from aims_pax.reference.electrons import ground_state_multiplicity
from aims_pax.settings.augmentation.sources import IsolatedSettings
from aims_pax.structures.augmentation.drafts import Augmentation, Begins, Draft, Drawing, elements_of


class IsolatedAtoms(Augmentation[IsolatedSettings]):
    """One atom of each element of all structures, told to be of the first that has it.

    They are called IsolatedAtom, by which MACE knows them.
    """

    key, kind, begins = "isolated", "IsolatedAtom", Begins.GIVEN

    def __init__(self, starts: Sequence[Frame], settings: IsolatedSettings, drawing: Drawing) -> None:
        super().__init__(starts, settings, drawing)
        self._first = {number: start for start in reversed(starts) for number in elements_of([start])}

    def made_of(self, start: Frame) -> Iterator[Draft]:
        """One of each element that no structure before it has, neutral and with the spin of its ground state."""
        for number, first in sorted(self._first.items()):
            if first is start:
                frame = Frame(start.system, start.trajectory, 0, 0, np.array([number]), np.zeros((1, 3)))
                spin = ground_state_multiplicity(number)
                yield Draft(self.finished(replace(frame, charge=0, spin=spin)))
