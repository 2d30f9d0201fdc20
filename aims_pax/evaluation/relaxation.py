"""How a relaxation converges, ionic step by ionic step."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from aims_pax.frame import FloatArray

MARKS_EV_PER_ANG: Final = (0.1, 0.05, 0.02, 0.01)
"""Largest forces below which relaxations are usually ended."""


@dataclass(frozen=True, slots=True, eq=False)
class Relaxation:
    """One relaxation.

    Parameters
    ----------
    name : str
    n_atoms : int
    energy_ev : (n_steps,), eV
        That which the forces are derivatives of, where it is told.
    mean_force_ev_per_ang, max_force_ev_per_ang : (n_steps,), eV/Å
        Mean and largest length of the forces on atoms that are not held; NaN of steps without forces.
    pressure_gpa : (n_steps,), GPa
        A third of the trace of minus the stress: positive where the cell is pressed. NaN without stress.
    """

    name: str
    n_atoms: int
    energy_ev: FloatArray
    mean_force_ev_per_ang: FloatArray
    max_force_ev_per_ang: FloatArray
    pressure_gpa: FloatArray

    @property
    def n_steps(self) -> int:
        """Structures, the first one counted."""
        return len(self.energy_ev)

    @property
    def energy_difference_ev_per_atom(self) -> FloatArray:
        """Energy minus that of the step before (n_steps,), eV/atom; NaN of the first."""
        differences: FloatArray = np.diff(self.energy_ev, prepend=np.nan) / self.n_atoms
        return differences

    def below_from(self, limit_ev_per_ang: float) -> int | None:
        """The step, from 1, from which on no force is above this; None where the last one is above, or unknown."""
        above = ~(self.max_force_ev_per_ang <= limit_ev_per_ang)
        if above[-1]:
            return None
        return int(np.flatnonzero(above)[-1]) + 2 if above.any() else 1
