"""A step that is being read: what a file has told so far, and the whole step that is made of it."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from aims_pax.calculations.method import Method
from aims_pax.calculations.step import Convergence, Step
from aims_pax.frame import BoolArray, FloatArray, IntArray

PERIODIC: Final = (True, True, True)
STILL_EV_PER_ANG: Final = 0.05
"""Sum of all forces along an axis that integration grids may leave."""
HELD: Final = "atoms that are held have forces of zero in the place of their own"
LARGE_FORCE_EV_PER_ANG: Final = 100.0
"""Larger ones are right where atoms overlap, and of no use for a model: they are told."""


@dataclass(slots=True)
class Draft:
    """Parts of one step in the units of :class:`Step`; tables that are broken are None, with a flaw that says so."""

    numbers: IntArray | None = None
    positions: FloatArray | None = None
    cell: FloatArray | None = None
    pbc: tuple[bool, bool, bool] = PERIODIC
    energy: float | None = None
    forces: FloatArray | None = None
    stress: FloatArray | None = None
    convergence: Convergence = Convergence.NOT_STATED
    energies: dict[str, float] = field(default_factory=dict)
    flaws: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    charge: int | None = None
    spin: int | None = None
    fixed: BoolArray | None = None

    def isolate(self) -> None:
        """A molecule that is computed alone in its box has no period, unless the box's border cuts through it."""
        if self.positions is None or self.cell is None:
            return
        if _is_whole(self.positions, self.cell):
            self.pbc = (False, False, False)
        else:
            self.remarks.append("it is a molecule across the border of its box, and is kept periodic")

    def step(self, method: Method) -> Step:
        """The step; tables of different lengths are left out, for it can't be known which one is whole."""
        n_atoms = {len(one) for one in (self.numbers, self.positions, self.forces) if one is not None}
        if len(n_atoms) > 1:
            self.flaws.append(f"its tables name different numbers of atoms ({', '.join(map(str, sorted(n_atoms)))})")
            self.numbers = self.positions = self.forces = None
        if self.forces is not None and (largest := abs(self.forces).max()) > LARGE_FORCE_EV_PER_ANG:
            self.remarks.append(f"its largest force is {largest:.0f} eV/Å")
        return Step(
            method=method,
            numbers=self.numbers,
            positions=self.positions,
            cell=self.cell,
            pbc=self.pbc,
            energy=self.energy,
            forces=self.forces,
            stress=self.stress,
            convergence=self.convergence,
            energies=self.energies,
            flaws=tuple(dict.fromkeys(self.flaws)),
            remarks=tuple(dict.fromkeys(self.remarks)),
            charge=self.charge,
            spin=self.spin,
            fixed=self.fixed if self.fixed is not None and n_atoms == {len(self.fixed)} else None,
        )


def has_held(forces: FloatArray) -> bool:
    """Whether components of some atoms are exactly zero along an axis where all forces together do not vanish.

    NWChem, CP2K and FHI-aims print zeros for atoms that were held fixed; what else than these takes up the sum?

    Parameters
    ----------
    forces : (n_atoms, 3), eV/Å
    """
    is_zero = forces == 0.0
    is_short = is_zero.any(axis=0) & ~is_zero.all(axis=0)
    return bool((is_short & (abs(forces.sum(axis=0)) > STILL_EV_PER_ANG)).any())


def _is_whole(positions: FloatArray, cell: FloatArray) -> bool:
    """Whether no two atoms are nearer to an image of each other than to each other along an axis."""
    fractions = positions @ np.linalg.pinv(cell)
    return bool(np.all(np.ptp(fractions, axis=0) <= 0.5 + 1e-6))


def voigt(matrix: FloatArray) -> FloatArray:
    """The six components xx, yy, zz, yz, xz, xy of a symmetric matrix (3, 3)."""
    return np.array([matrix[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))])
