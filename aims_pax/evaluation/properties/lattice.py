"""Lengths and angles of the relaxed cell."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from aims_pax.evaluation.properties.effort import Effort
from aims_pax.evaluation.properties.property import Measured, Quantity, Usual
from aims_pax.evaluation.properties.shape import solid_axes
from aims_pax.evaluation.properties.specimen import Specimen
from aims_pax.evaluation.properties.symmetry import symmetry_of

if TYPE_CHECKING:
    from ase import Atoms

SAME_LENGTH: Final = 5e-4
SAME_ANGLE_DEG: Final = 0.02
"""Lengths that differ by less than this share of them are told once; angles so near to 60, 90 or 120° not at all."""


@dataclass(frozen=True, slots=True)
class LatticeConstants(Usual):
    """Lattice constants of the conventional cell; of the given one where there is vacuum, or no spglib."""

    NAME: ClassVar = "lattice"
    TITLE: ClassVar = "lattice constants"

    def unfit(self, atoms: "Atoms") -> str | None:
        """A molecule, which has no cell."""
        return None if any(solid_axes(atoms)) else "nothing of it is periodic, and it has no lattice"

    def effort(self, atoms: "Atoms") -> Effort:
        """The relaxed structure is all."""
        return Effort(0, 0, len(atoms))

    def measure(self, specimen: Specimen) -> Measured:
        """What the symmetry leaves free."""
        from ase.cell import Cell

        solid, given = solid_axes(specimen.atoms), specimen.atoms
        relaxed, remarks = specimen.relaxed, list[str]()
        before, after = symmetry_of(given), symmetry_of(relaxed)
        cell, start = relaxed.cell, given.cell
        if all(solid) and before is not None:  # by the structure as it was given, so that all methods speak of one cell
            cell, start = Cell(before.to_conventional @ cell.array), Cell(before.to_conventional @ start.array)
        if before is not None and after is not None and before.number != after.number:
            remarks.append(f"its symmetry changed from {before.symbol} to {after.symbol} while it was relaxed")
        lengths, angles = cell.lengths(), cell.angles()
        quantities = list[Quantity]()
        for axis, name in enumerate("abc"):
            told = [one.value for one in quantities]
            if solid[axis] and not any(abs(lengths[axis] - one) < SAME_LENGTH * one for one in told):
                quantities.append(Quantity(f"{name}_ang", name, "Å", float(lengths[axis])))
        was_special = np.abs(start.angles() - 30.0 * np.round(start.angles() / 30.0)) < SAME_ANGLE_DEG
        for axis, name in enumerate(("alpha", "beta", "gamma")):
            if all(solid[other] for other in range(3) if other != axis) and not was_special[axis]:
                quantities.append(Quantity(f"{name}_deg", name, "°", float(angles[axis])))
        return Measured(tuple(quantities), remarks=tuple(remarks))
