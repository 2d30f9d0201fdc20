"""A property of `carbon.py`: energies of a sheet or a chain that is stretched."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from ase import Atoms

from aims_pax.evaluation.properties import Line, Measured, Panel, Quantity, Usual

if TYPE_CHECKING:
    from aims_pax.evaluation.properties import Specimen


@dataclass(frozen=True, slots=True)
class Stretched(Usual):
    """Energies of a sheet or a chain whose periodic directions are stretched alike, atoms moved along.

    Parameters
    ----------
    span : float
        Lengths from 1 - span to 1 + span of those that were given.
    n_lengths : int
    """

    span: float = 0.06
    n_lengths: int = 7

    NAME: ClassVar = "stretched"
    TITLE: ClassVar = "stretched"

    def unfit(self, atoms: Atoms) -> str | None:
        """What is periodic in all directions, which has an equation of state."""
        return "it is periodic in three directions, or in none" if atoms.pbc.all() or not atoms.pbc.any() else None

    def measure(self, specimen: "Specimen") -> Measured:
        """The length of least energy, and the curvature there: of a parabola through the three lowest energies."""
        atoms, shares = specimen.atoms, np.linspace(1 - self.span, 1 + self.span, self.n_lengths)
        energies = []
        for share in shares:
            stretched = atoms.copy()
            stretched.set_cell(np.where(atoms.pbc[:, None], share, 1) * atoms.cell.array, scale_atoms=True)
            energies.append(specimen.energy(stretched) / len(atoms))
        lowest = int(np.clip(np.argmin(energies), 1, self.n_lengths - 2))
        near = slice(lowest - 1, lowest + 2)
        second, first, _ = np.polyfit(shares[near] - 1, np.array(energies)[near], 2)
        length = float(atoms.cell.lengths()[atoms.pbc][0]) * (1 - first / (2 * second))
        above = 1000 * (np.array(energies) - min(energies))
        return Measured(
            (
                Quantity("length_ang", "length", "Å", length),
                Quantity("stiffness_ev_per_atom", "second derivative by strain", "eV/atom", 2 * second),
            ),
            panels=(
                Panel(
                    key="energy",
                    title="",
                    lines=(Line(shares, above, marks=True),),
                    x_label="length, in those given",
                    y_label="energy above minimum (meV/atom)",
                ),
            ),
        )
