"""One atom at a time displaced by a fixed distance."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from itertools import product
from typing import Any, Final

import numpy as np

from aims_pax.errors import Problem
from aims_pax.frame import Frame
from aims_pax.settings.augmentation.grid import DisplaceSettings
from aims_pax.structures.augmentation.drafts import Augmentation, Draft, too_near

TOLERANCE_ANG: Final = 1e-3
"""How far atoms may be from where symmetry puts them."""

_ADVICE: Final = "Lower its distance, or augment.overlap."


class Displacements(Augmentation[DisplaceSettings]):
    """Each atom along x, y and z, forward and back: central differences of forces are force constants."""

    key, kind = "displace", "displaced"

    def problems(self) -> list[Problem]:
        """No structure that suits, or no spglib."""
        if self.settings.atoms == "unique" and find_spec("spglib") is None:
            found, advice = "spglib is not installed.", "Install it: pip install 'aims-pax[properties]'."
            return [Problem(f"augment.{self.key}.atoms", found, "all, or unique by spglib", advice)]
        return super().problems()

    def unsuited(self, start: Frame) -> str:
        """Symmetry is looked for in crystals."""
        if self.settings.atoms == "unique" and not start.pbc.all():
            return "is not periodic in three directions, where unique atoms are looked for"
        return "is one atom" if start.n_atoms == 1 and not start.pbc.any() else ""

    def made_of(self, start: Frame) -> Iterator[Draft]:
        """Six of each atom: x, y, z, each forward and back."""
        atoms = range(start.n_atoms) if self.settings.atoms == "all" else _unique(start)
        width = len(str(start.n_atoms))
        for atom, axis, sign in product(atoms, range(3), (1, -1)):
            moved = sign * self.settings.distance
            name = f"atom_{atom + 1:0{width}d}_{'XYZ'[axis]}_{moved:+.4f}"
            positions = start.positions.copy()
            positions[atom, axis] += moved
            frame = replace(start, positions=positions)
            if self.overlaps(frame):
                yield Draft(None, 1, too_near(1), _ADVICE, name)
            else:
                yield Draft(self.finished(frame), name=name)


def _unique(start: Frame) -> list[int]:
    """The first of each kind of atoms that symmetry makes alike; all where none is found."""
    import spglib

    cell = start.cell, np.linalg.solve(start.cell.T, start.positions.T).T, start.numbers
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its old error handling
        found: Any = spglib.get_symmetry_dataset(cell, symprec=TOLERANCE_ANG)
    if found is None:
        return list(range(start.n_atoms))
    return sorted({int(atom) for atom in found.equivalent_atoms})
