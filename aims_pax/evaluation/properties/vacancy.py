"""A missing atom: what it costs to take it away."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, ClassVar, Final

from aims_pax.evaluation.properties.effort import Effort
from aims_pax.evaluation.properties.property import Measured, Quantity, Unmeasurable, Usual
from aims_pax.evaluation.properties.shape import not_a_solid, repeats_for, solid_axes
from aims_pax.evaluation.properties.specimen import CellFreedom, Specimen
from aims_pax.evaluation.properties.symmetry import symmetry_of

if TYPE_CHECKING:
    from ase import Atoms

TO_FREE_ATOMS: Final = "its missing atoms become free atoms, for what else they join is no property of a compound"


@dataclass(frozen=True, slots=True)
class VacancyEnergies(Usual):
    """Formation energies of vacancies, one for each kind of site, at the volume of the perfect crystal.

    Parameters
    ----------
    distance_ang : float, Å
        Between a vacancy and its images, at least.
    most_atoms : int
        In the supercell; the distance gives way.

    Notes
    -----
    E(N - 1) + mu - E(N). Of an element mu is the energy of an atom of the crystal, which the missing one joins. Of a
    compound it is that of the free atom, for what else it might join is no property of the structure.
    """

    distance_ang: float = 8.0
    most_atoms: int = 300

    NAME: ClassVar = "vacancy"
    TITLE: ClassVar = "vacancy formation energy"

    def unfit(self, atoms: "Atoms") -> str | None:
        """What is not solid along two directions at least."""
        return not_a_solid(atoms) if sum(solid_axes(atoms)) < 2 else None

    def effort(self, atoms: "Atoms") -> Effort:
        """Each site relaxed; the perfect crystal, free atoms of a compound, and all of it at a model's geometry."""
        repeats = repeats_for(atoms, self.distance_ang, most_atoms=self.most_atoms)
        n_sites, n_elements = len(_sites(atoms)), len(set(atoms.numbers))
        n_free = n_elements if n_elements > 1 else 0
        return Effort(n_sites, 2 + n_sites + n_free, len(atoms) * prod(repeats))

    def measure(self, specimen: Specimen) -> Measured:
        """Each site relaxed, and as it was when the atom had just gone."""
        relaxed = specimen.relaxed
        repeats = repeats_for(relaxed, self.distance_ang, most_atoms=self.most_atoms)
        perfect = relaxed.repeat(repeats)
        if len(perfect) < 4:
            raise Unmeasurable("its supercell has fewer than four atoms")
        geometries, remarks, at_once = {"perfect": perfect}, list[str](), list[Quantity]()
        for site in _sites(relaxed):
            name, gone = _name(relaxed, site), perfect.copy()
            del gone[site]
            try:
                geometries[name] = specimen.relax(gone, CellFreedom.FIXED, words=f"{name}, {len(gone)} atoms")
                energy = _formation(specimen, perfect, gone)
            except Unmeasurable as error:
                remarks.append(f"{name} was left out: {error}")
                continue
            key = f"unrelaxed_{_key(name)}_ev"
            at_once.append(Quantity(key, f"{name}, unrelaxed", "eV", energy, least=0.01, is_detail=True))
        if not at_once:
            raise Unmeasurable("; ".join(remarks))
        if len(set(relaxed.numbers)) > 1:
            remarks.append(TO_FREE_ATOMS)
        values = (*self.judged(geometries, specimen), *at_once)
        return Measured(values, remarks=tuple(remarks), geometries=geometries)

    def judged(self, geometries: "Mapping[str, Atoms]", specimen: Specimen) -> tuple[Quantity, ...]:
        """Formation energies of geometries that are there already."""
        perfect = geometries["perfect"]
        return tuple(
            Quantity(f"{_key(name)}_ev", name, "eV", _formation(specimen, perfect, defect), least=0.01)
            for name, defect in geometries.items()
            if name != "perfect"
        )


def _formation(specimen: Specimen, perfect: "Atoms", defect: "Atoms") -> float:
    energy = specimen.energy(perfect)
    if len(set(perfect.numbers)) == 1:
        reservoir = energy / len(perfect)
    else:
        counts = perfect.symbols.formula.count()
        (gone,) = (name for name, n in counts.items() if defect.symbols.formula.count().get(name, 0) < n)
        reservoir = specimen.free_atom_energy(int(perfect.numbers[list(perfect.symbols).index(gone)]))
    return specimen.energy(defect) + reservoir - energy


def _sites(atoms: "Atoms") -> list[int]:
    """One atom of each kind of site; without symmetry, one of each element."""
    symmetry = symmetry_of(atoms)
    kinds = atoms.numbers if symmetry is None else symmetry.equivalent
    return sorted({int(kind): place for place, kind in reversed(list(enumerate(kinds)))}.values())


def _name(atoms: "Atoms", site: int) -> str:
    """Its element, with the number of the atom where several sites are of it."""
    symbol, sites = atoms.symbols[site], _sites(atoms)
    is_alone = sum(atoms.symbols[other] == symbol for other in sites) == 1
    return f"vacancy {symbol}" if is_alone else f"vacancy {symbol} {site}"


def _key(name: str) -> str:
    return name.lower().replace(" ", "_")
