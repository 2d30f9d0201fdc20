"""What a run of VASP tells before its first step, whichever file tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from aims_pax.calculations.numerals import is_true, number, values, whole
from aims_pax.calculations.vasp.potential import element_of
from aims_pax.frame import IntArray

WHOLE_ELECTRONS: Final = 1e-3
FIXED_DENSITY: Final = 10
NO_CYCLE: Final = (2, 3, 4)
"""IALGO of ALGO = None, Eigenval and Subrot, which leave orbitals or density as they are."""


@dataclass(frozen=True, slots=True)
class Run:
    """Settings and atoms of one run.

    Parameters
    ----------
    version : str
        As VASP prints it: `5.4.4.18Apr17-6-g9f103f2a35`.
    tags : mapping of str to str
        Values that VASP ended up with, by the names of INCAR.
    given : mapping of str to str
        INCAR as the user wrote it; empty when VASP does not repeat it.
    titles : tuple of str
        Of the pseudopotentials, in the order of their atoms.
    counts : tuple of int, or None
        How many atoms each potential has; None when the file does not tell all.
    n_atoms : int or None
    valences : tuple of float
        Valence electrons of each potential; empty when they are not told.
    mesh, k_spacing
        As in :class:`~aims_pax.calculations.method.Method`.
    """

    version: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    titles: tuple[str, ...] = ()
    counts: tuple[int, ...] | None = None
    n_atoms: int | None = None
    valences: tuple[float, ...] = ()
    mesh: tuple[int, int, int] | None = None
    k_spacing: float | None = None

    def tag(self, name: str) -> str | None:
        """A value that VASP ended up with, or that it was given."""
        return self.tags.get(name, self.given.get(name))

    def whole(self, name: str) -> int | None:
        """The same as a whole number."""
        return whole(self.tag(name))

    def real(self, name: str) -> float | None:
        """The same as a number."""
        return number(self.tag(name))

    def is_true(self, name: str) -> bool:
        """The same as a truth value."""
        return is_true(self.tag(name))

    @property
    def numbers(self) -> IntArray | None:
        """(n_atoms,) atomic numbers; None when they can't be known."""
        elements = [element_of(title) for title in self.titles]
        if self.counts is None or len(self.counts) != len(elements) or sum(self.counts) != self.n_atoms:
            return None
        known = [element for element in elements if element is not None]
        return None if len(known) < len(elements) else np.repeat(known, self.counts).astype(np.int64)

    @property
    def charge(self) -> int | None:
        """Total charge, e; None when electrons can't be counted."""
        charge = self._charge
        return None if charge is None or abs(charge - round(charge)) > WHOLE_ELECTRONS else round(charge)

    @property
    def _charge(self) -> float | None:
        n_electrons = self.real("NELECT")
        if n_electrons is None or self.counts is None or len(self.valences) != len(self.counts):
            return None
        return sum(n * valence for n, valence in zip(self.counts, self.valences, strict=True)) - n_electrons

    @property
    def multiplicity(self) -> int | None:
        """2S + 1 where the run was held to it by NUPDOWN."""
        unpaired = self.whole("NUPDOWN")
        return None if self.whole("ISPIN") != 2 or unpaired is None or unpaired < 0 else unpaired + 1

    @property
    def flaws(self) -> tuple[str, ...]:
        """Why no step of the run can be a label, each as the end of a sentence."""
        flaws = []
        if (self.whole("ICHARG") or 0) >= FIXED_DENSITY:
            flaws.append(f"its density was held fixed (ICHARG = {self.whole('ICHARG')})")
        if self.whole("IALGO") in NO_CYCLE:
            flaws.append(f"no cycle of self-consistency was run (IALGO = {self.whole('IALGO')})")
        if self.real("SCALEE") not in (None, 1.0):
            flaws.append(f"energy and forces are scaled (SCALEE = {self.real('SCALEE'):g})")
        if any(weight != 1 for weight in _weights(self.tag("VCA"))):
            flaws.append("it is of a virtual crystal (VCA)")
        if self.whole("ICORELEVEL") == 2:
            flaws.append("an electron was taken out of a core (ICORELEVEL = 2)")
        if self._charge is not None and self.charge is None:
            flaws.append(f"its charge is no whole one (NELECT = {self.real('NELECT'):g})")
        strange = [title for title in self.titles if element_of(title) is None]
        flaws += [f"the potential `{title}` stands for no element" for title in dict.fromkeys(strange)]
        return tuple(flaws)


def _weights(text: str | None) -> list[float]:
    try:
        return values(text or "", (2,))
    except ValueError:
        return []
