"""What all point defects have in common: a supercell, a relaxation, and what the atoms that came and went are worth."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Final

from aims_pax.evaluation.properties.effort import Effort
from aims_pax.evaluation.properties.property import Measured, Quantity, Unmeasurable, Usual
from aims_pax.evaluation.properties.shape import not_a_solid, of_one_cell, repeats_for, solid_axes
from aims_pax.evaluation.properties.specimen import CellFreedom, Specimen
from aims_pax.evaluation.properties.symmetry import symmetry_of

if TYPE_CHECKING:
    from ase import Atoms

PERFECT: Final = "perfect"
"""What the crystal without defects is called among geometries."""

LEAST_ATOMS: Final = 4
"""Of a supercell: in a smaller one a defect is another crystal."""


PAIRS_ANG: Final = 6.0
MOST_OF_PAIRS: Final = 300
"""Of a supercell in which kinds of neighbours are looked for."""


@dataclass(frozen=True, slots=True)
class PointDefects(Usual, ABC):
    """Formation energies of point defects, one after the other, at the volume of the perfect crystal.

    A kind of defects says by :meth:`names` which there are, and by :meth:`made` what they are.

    Parameters
    ----------
    distance_ang : float, Å
        Between a defect and its images, at least.
    most_atoms : int
        In the supercell; the distance gives way.

    Notes
    -----
    E(defect) - E(perfect) - sum of n mu over the elements of which it has n atoms more. Of an element mu is the energy
    of an atom of the crystal. In a compound, and of foreign elements, it is that of the free atom, for where else these
    atoms are is no property of the structure.
    """

    distance_ang: float = 8.0
    most_atoms: int = 300

    @abstractmethod
    def names(self, given: "Atoms") -> list[str]:
        """Of all defects of a structure as it was given: the same ones for every method."""

    @abstractmethod
    def made(self, name: str, given: "Atoms", perfect: "Atoms") -> "Atoms":
        """One of them, in a supercell whose first atoms are those of the structure."""

    def remarks(self, given: "Atoms") -> list[str]:
        """What a reader of the numbers should know."""
        return []

    def unfit(self, atoms: "Atoms") -> str | None:
        """What is not solid along two directions at least, and cells with a charge or spin of their own."""
        if sum(solid_axes(atoms)) < 2:
            return not_a_solid(atoms)
        return of_one_cell(atoms, repeats_for(atoms, self.distance_ang, most_atoms=self.most_atoms))

    def effort(self, atoms: "Atoms") -> Effort:
        """Each defect relaxed; the perfect crystal, free atoms, and all of it at a model's geometry."""
        repeats = repeats_for(atoms, self.distance_ang, most_atoms=self.most_atoms)
        names = self.names(atoms)
        made = [self.made(name, atoms, atoms.repeat(repeats)) for name in names]
        elements = {symbol for one in (atoms, *made) for symbol in one.symbols}
        n_atoms = max([len(atoms) * prod(repeats), *map(len, made)])
        return Effort(len(names), 2 + len(names) + len(elements), n_atoms)

    def measure(self, specimen: Specimen) -> Measured:
        """Each defect relaxed, and as it was made."""
        given, relaxed = specimen.atoms, specimen.relaxed
        perfect = relaxed.repeat(repeats_for(given, self.distance_ang, most_atoms=self.most_atoms))
        if len(perfect) < LEAST_ATOMS:
            raise Unmeasurable("its supercell has fewer than four atoms")
        geometries, remarks, at_once = {PERFECT: perfect}, list[str](), list[Quantity]()
        for name in self.names(given):
            made = self.made(name, given, perfect)
            try:
                geometries[name] = specimen.relax(made, CellFreedom.FIXED, words=f"{name}, {len(made)} atoms")
                energy = formation_ev(specimen, perfect, made)
            except Unmeasurable as error:
                geometries.pop(name, None)
                remarks.append(f"{name} was left out: {error}")
                continue
            key = f"unrelaxed_{key_of(name)}_ev"
            at_once.append(Quantity(key, f"{name}, unrelaxed", "eV", energy, least=0.01, is_detail=True))
        if not at_once:
            raise Unmeasurable("; ".join(remarks))
        values = (*self.judged(geometries, specimen), *at_once)
        return Measured(values, remarks=(*remarks, *self.remarks(given)), geometries=geometries)

    def judged(self, geometries: "Mapping[str, Atoms]", specimen: Specimen) -> tuple[Quantity, ...]:
        """Formation energies of geometries that are there already."""
        perfect = geometries[PERFECT]
        return tuple(
            Quantity(f"{key_of(name)}_ev", name, "eV", formation_ev(specimen, perfect, defect), least=0.01)
            for name, defect in geometries.items()
            if name != PERFECT
        )


def formation_ev(specimen: Specimen, perfect: "Atoms", defect: "Atoms") -> float:
    """Formation energy of a defect, eV; see :class:`PointDefects`."""
    energy = specimen.energy(perfect)
    before, after = perfect.symbols.formula.count(), defect.symbols.formula.count()
    found = specimen.energy(defect) - energy
    for symbol in sorted({*before, *after}):
        n_more = after.get(symbol, 0) - before.get(symbol, 0)
        if n_more:
            is_own = list(before) == [symbol]
            found -= n_more * (energy / len(perfect) if is_own else specimen.free_atom_energy(_number(symbol)))
    return found


def sites_of(atoms: "Atoms") -> list[int]:
    """One atom of each kind of site; without symmetry, one of each element."""
    symmetry = symmetry_of(atoms)
    kinds = atoms.numbers if symmetry is None else symmetry.equivalent
    return sorted({int(kind): place for place, kind in reversed(list(enumerate(kinds)))}.values())


def site_names(atoms: "Atoms") -> dict[str, int]:
    """Kinds of sites by their elements, with the number of the atom where several sites are of one."""
    sites = sites_of(atoms)
    symbols = [str(atoms.symbols[site]) for site in sites]
    return {
        symbol if symbols.count(symbol) == 1 else f"{symbol} {site}": site
        for symbol, site in zip(symbols, sites, strict=True)
    }


def pair_names(given: "Atoms", perfect: "Atoms | None" = None) -> dict[str, tuple[int, int]]:
    """Kinds of nearest neighbours by their sites, and where in a supercell such a pair is.

    Parameters
    ----------
    given : Atoms
        As it was given: the same kinds for every method.
    perfect : Atoms or None
        Its supercell, relaxed or not, in which pairs are found; None: any that is large enough.
    """
    import numpy as np

    sites = site_names(given)
    large = given.repeat(repeats_for(given, PAIRS_ANG, most_atoms=MOST_OF_PAIRS)) if perfect is None else perfect
    found: dict[str, tuple[int, int]] = {}
    for name, site in sites.items():
        others = np.delete(np.arange(len(large)), site)
        distances = large.get_distances(site, others, mic=True)
        neighbour = int(others[np.argmin(np.round(distances, 2))])
        kind = _kind_of(given, sites, neighbour % len(given))
        found.setdefault(" ".join(sorted({name, kind})), (site, neighbour))
    return found


def _kind_of(given: "Atoms", sites: Mapping[str, int], atom: int) -> str:
    """Name of the kind of site that an atom of the structure is on."""
    symmetry = symmetry_of(given)
    kinds = given.numbers if symmetry is None else symmetry.equivalent
    return next(name for name, site in sites.items() if kinds[site] == kinds[atom])


def key_of(name: str) -> str:
    """Of a defect in names of numbers."""
    return name.lower().replace(" ", "_")


def _number(symbol: str) -> int:
    from ase.data import atomic_numbers

    return int(atomic_numbers[symbol])
