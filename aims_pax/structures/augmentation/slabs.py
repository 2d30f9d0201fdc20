"""Surfaces of crystals."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from aims_pax.atoms import atoms_of, frame_of
from aims_pax.frame import FloatArray, Frame
from aims_pax.settings.augmentation.sources import SlabSettings
from aims_pax.structures.augmentation.drafts import Augmentation, Begins, Draft, too_near

_ADVICE: Final = "Raise its max_atoms."


class Slabs(Augmentation[SlabSettings]):
    """Slabs by the Miller indices of the cells that were given, periodic along their surfaces."""

    key, kind, begins = "slabs", "slab", Begins.GIVEN

    def unsuited(self, start: Frame) -> str:
        """A slab is cut from a crystal."""
        return "" if start.pbc.all() else "is not periodic in three directions"

    def made_of(self, start: Frame) -> Iterator[Draft]:
        """One of each face: of the fewest layers that are thick enough, or as many as there may be atoms."""
        for face in self.settings.miller:
            said = " ".join(map(str, face))
            slab, is_thick = self._cut(start, face)
            if slab is None:
                why = f"one layer of ({said}) of {start.system} has more than {self.settings.max_atoms} atoms"
                yield Draft(None, 0, why, _ADVICE)
                continue
            frame = self.finished(slab)
            if self.overlaps(frame):
                yield Draft(None, 1, f"({said}) of {start.system}: {too_near(1)}", "Lower overlap.")
                continue
            limit = f"({said}) is thinner than {self.settings.min_thickness:g} Å: max_atoms allows no further layer"
            yield Draft(frame) if is_thick else Draft(frame, 0, limit, _ADVICE)

    def _cut(self, start: Frame, face: tuple[int, int, int]) -> tuple[Frame | None, bool]:
        """A slab, and whether it is thick enough; None where one layer has too many atoms."""
        from ase.build import surface

        crystal, best, n_layers = atoms_of(start), None, 1
        while True:
            slab = surface(crystal, face, n_layers)
            if len(slab) > self.settings.max_atoms:
                return best, False
            # ASE leaves a third vector that need not be normal to the surface.
            cell = slab.cell.array.copy()
            cell[2] = 0.0
            slab.set_cell(cell)
            slab.pbc = (True, True, False)
            best = frame_of(slab, system=start.system)
            if np.ptp(best.positions @ _normal(cell)) >= self.settings.min_thickness:
                return best, True
            n_layers += 1


def _normal(cell: FloatArray) -> FloatArray:
    across = np.cross(cell[0], cell[1])
    unit: FloatArray = across / np.linalg.norm(across)
    return unit
