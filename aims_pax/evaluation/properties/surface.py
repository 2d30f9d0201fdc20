"""Crystals that are cut: energies of surfaces."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from aims_pax.errors import Problem
from aims_pax.evaluation.properties.effort import Effort
from aims_pax.evaluation.properties.property import Measured, Quantity, Unmeasurable, Usual
from aims_pax.evaluation.properties.shape import heights, not_a_solid
from aims_pax.evaluation.properties.specimen import CellFreedom, Specimen
from aims_pax.evaluation.properties.symmetry import conventional

if TYPE_CHECKING:
    from ase import Atoms

Indices = tuple[int, int, int]

J_PER_M2_EV_PER_ANG2: Final = 1 / 16.02176634
"""One J/m² in eV/Å² (CODATA 2018, exact)."""


@dataclass(frozen=True, slots=True)
class SurfaceEnergies(Usual):
    """Energies of relaxed surfaces.

    Parameters
    ----------
    indices : tuple of three int each
        Miller's, of the conventional cell.
    thickness_ang : float, Å
        Of a slab, at least.
    vacuum_ang : float, Å
        Between a slab and its image.
    most_atoms : int
        A slab of more is not computed, which is told.

    Notes
    -----
    (E(slab) - n E(bulk)) / 2 A: the mean of both sides, which are not the same where a compound ends differently.
    """

    indices: tuple[Indices, ...] = ((1, 0, 0), (1, 1, 0), (1, 1, 1))
    thickness_ang: float = 12.0
    vacuum_ang: float = 15.0
    most_atoms: int = 300

    NAME: ClassVar = "surface"
    TITLE: ClassVar = "surface energy"

    def problems(self) -> list[Problem]:
        """Indices that name no plane."""
        wrong = [one for one in self.indices if one == (0, 0, 0)]
        return [Problem("surface", "The indices 0 0 0 name no plane.", "1,0,0 | 1,1,1 | ...")] if wrong else []

    def unfit(self, atoms: "Atoms") -> str | None:
        """What is no solid can't be cut."""
        return not_a_solid(atoms)

    def effort(self, atoms: "Atoms") -> Effort:
        """Each slab relaxed; the crystal, and all of it at a model's geometry."""
        bulk = conventional(atoms)
        sizes = [len(self._slab(bulk, indices)) for indices in self.indices]
        kept = [size for size in sizes if size <= self.most_atoms]
        return Effort(len(kept), 2 + len(sizes), max([*kept, len(bulk)]))

    def measure(self, specimen: Specimen) -> Measured:
        """Each surface relaxed, and as it was cut."""
        bulk = conventional(specimen.relaxed)
        geometries, remarks, cut = {"bulk": bulk}, list[str](), list[Quantity]()
        for indices in self.indices:
            name = f"surface {_digits(indices)}"
            try:
                geometries[name], quantity = self._relaxed(specimen, bulk, indices)
            except Unmeasurable as error:
                remarks.append(f"{name} was left out: {error}")
                continue
            cut.append(quantity)
        if not cut:
            raise Unmeasurable("; ".join(remarks))
        if len(set(bulk.numbers)) > 1:
            remarks.append("each is the mean of both sides of a slab, which need not end alike")
        return Measured((*self.judged(geometries, specimen), *cut), remarks=tuple(remarks), geometries=geometries)

    def _relaxed(self, specimen: Specimen, bulk: "Atoms", indices: Indices) -> tuple["Atoms", Quantity]:
        """A relaxed slab, and the energy of its surfaces when they had just been cut."""
        slab, name = self._slab(bulk, indices), f"surface {_digits(indices)}"
        if len(slab) > self.most_atoms:
            raise Unmeasurable(f"its slab has {len(slab)} atoms, more than {self.most_atoms}")
        key = f"unrelaxed_surface_{_digits(indices)}_j_per_m2"
        energy = _energy(specimen, bulk, slab)
        quantity = Quantity(key, f"{name}, unrelaxed", "J/m²", energy, least=0.01, is_detail=True)
        return specimen.relax(slab, CellFreedom.FIXED, words=f"{name}, {len(slab)} atoms"), quantity

    def judged(self, geometries: "Mapping[str, Atoms]", specimen: Specimen) -> tuple[Quantity, ...]:
        """Energies of slabs that are there already."""
        bulk = geometries["bulk"]
        return tuple(
            Quantity(f"{name.replace(' ', '_')}_j_per_m2", name, "J/m²", _energy(specimen, bulk, slab), least=0.01)
            for name, slab in geometries.items()
            if name != "bulk"
        )

    def _slab(self, bulk: "Atoms", indices: Indices) -> "Atoms":
        from ase.build import surface

        step_ang = heights(surface(bulk, indices, 1, vacuum=None, periodic=True))[2]
        n_layers = max(2, int(np.ceil(self.thickness_ang / step_ang)))
        return surface(_cut_in_a_gap(bulk, indices), indices, n_layers, vacuum=self.vacuum_ang / 2, periodic=True)


def _cut_in_a_gap(bulk: "Atoms", indices: Indices) -> "Atoms":
    """The crystal moved so that the plane through its origin lies in the middle of the widest gap between planes.

    There ASE cuts. A plane of atoms at the origin would be cut itself: rounding leaves some of it below, some above.
    """
    normal = np.array(indices) @ bulk.cell.reciprocal().array
    period_ang = 1 / float(np.linalg.norm(normal))
    places = np.sort(np.mod(bulk.positions @ normal, 1.0))
    gaps = np.append(np.diff(places), 1.0 + places[0] - places[-1])
    first = int(np.argmax(np.round(gaps, 3)))  # among equal ones always the same
    moved = bulk.copy()
    moved.positions -= (places[first] + gaps[first] / 2) * period_ang**2 * normal
    moved.wrap()
    return moved


def _energy(specimen: Specimen, bulk: "Atoms", slab: "Atoms") -> float:
    n_cells = len(slab) / len(bulk)
    area = float(slab.cell.volume) / heights(slab)[2]
    excess = specimen.energy(slab) - n_cells * specimen.energy(bulk)
    return float(excess / (2 * area) / J_PER_M2_EV_PER_ANG2)


def _digits(indices: Indices) -> str:
    return "".join(str(index) for index in indices)
