"""How many molecules of each compound, and how much room they take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from aims_pax.frame import FloatArray, Frame, IntArray
from aims_pax.structures.building.failure import NotBuilt

AMU_PER_ANG3_G_PER_CM3: Final = 1.66053906660
"""One u/Å³ in g/cm³ (CODATA 2018)."""

SPREAD: Final = 2.0
"""How closely drawn concentrations keep to those written; see :func:`redrawn`."""


@dataclass(frozen=True, slots=True)
class Compound:
    """A kind of molecule, or of single atoms.

    Parameters
    ----------
    name : str
    frame : Frame
        One molecule.
    concentration : float
        Molecules of it relative to those of the others.
    count : int or None
        Molecules of it; None: its concentration says.
    masses : mapping of int to float
        Masses by atomic numbers, u, where they are not the usual ones.
    """

    name: str
    frame: Frame
    concentration: float = 1.0
    count: int | None = None
    masses: Mapping[int, float] = field(default_factory=dict)

    @property
    def mass_u(self) -> float:
        """Mass of a molecule, u."""
        return mass_of(self.frame.numbers, self.masses)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is to be packed.

    Parameters
    ----------
    compounds : tuple of Compound
        At least one.
    density : float or None
        g/cm³.
    n_molecules : int or None
        In all, those with a count of their own among them.
    box_ang : tuple of float, or None
        Edges, Å.
    max_atoms : int
        Most atoms of a structure.
    """

    compounds: tuple[Compound, ...]
    density: float | None = None
    n_molecules: int | None = None
    box_ang: tuple[float, float, float] | None = None
    max_atoms: int = 200

    def counts_in(self, volume_ang3: float | None, *, n_others: int = 0) -> tuple[int, ...]:
        """Molecules of each compound.

        In this order: all counts are written; their sum is; a volume and a density make the sum; as many as may be.

        Parameters
        ----------
        volume_ang3 : float or None, Å³
            What is filled; None: their density will say.
        n_others : int
            Atoms that the structure has besides.

        Raises
        ------
        NotBuilt
            There are too many atoms, no molecules, or too little is said.
        """
        counts = self._said(volume_ang3)
        return self._most(n_others) if counts is None else self._allowed(counts, n_others)

    def least_atoms(self, volume_ang3: float | None) -> int | None:
        """Atoms that the molecules have at least, beside whatever others; None: not one has room. See above."""
        counts = self._said(volume_ang3) or tuple(one.count or 1 for one in self.compounds)
        return self.n_atoms(counts) if any(counts) else None

    def shared(self, n_molecules: int) -> tuple[int, ...]:
        """So many molecules among the compounds: what has a count has it, the others share the rest.

        Raises
        ------
        NotBuilt
            The counts are more than that.
        """
        open_ones = [one for one in self.compounds if one.count is None]
        rest = n_molecules - sum(one.count or 0 for one in self.compounds)
        if rest < 0:
            found = f"The counts of {self.names} are more than {n_molecules} molecules in all."
            raise NotBuilt(found, "Raise Number, or lower a Count.")
        shares = iter(apportioned(rest, [one.concentration for one in open_ones]))
        return tuple(next(shares) if one.count is None else one.count for one in self.compounds)

    def n_atoms(self, counts: Sequence[int]) -> int:
        """Atoms of so many molecules of each compound."""
        return sum(n * one.frame.n_atoms for n, one in zip(counts, self.compounds, strict=True))

    def mass_u(self, counts: Sequence[int]) -> float:
        """Mass of so many molecules of each compound, u."""
        return sum(n * one.mass_u for n, one in zip(counts, self.compounds, strict=True))

    def volume_ang3(self, counts: Sequence[int]) -> float:
        """Volume of so many molecules of each compound at the density, Å³.

        Raises
        ------
        NotBuilt
            None is written.
        """
        if self.density is None:
            raise NotBuilt(f"It is not said how much room {self.names} take.", "Write a Density, or a Box.")
        return self.mass_u(counts) * AMU_PER_ANG3_G_PER_CM3 / self.density

    def edges_ang(self, counts: Sequence[int]) -> tuple[float, float, float]:
        """Edges of the box that is packed, Å: those written, or a cube's, by the density."""
        if self.box_ang is not None:
            return self.box_ang
        edge = float(np.cbrt(self.volume_ang3(counts)))
        return edge, edge, edge

    @property
    def names(self) -> str:
        """Of all compounds, in a sentence."""
        names = [one.name for one in self.compounds]
        return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

    def _said(self, volume_ang3: float | None) -> tuple[int, ...] | None:
        """What the recipe says by itself; None: as many as may be."""
        if all(compound.count is not None for compound in self.compounds):
            return tuple(compound.count or 0 for compound in self.compounds)
        if self.n_molecules is not None:
            return self.shared(self.n_molecules)
        if self.density is None:
            advice = "Write Number, a Density, or a Count for each."
            raise NotBuilt(f"It is not said how many molecules of {self.names} there are.", advice)
        return None if volume_ang3 is None else self._by_density(volume_ang3)

    def _by_density(self, volume_ang3: float) -> tuple[int, ...]:
        """Those whose mass in a volume is nearest to the density."""
        assert self.density is not None
        wanted = self.density * volume_ang3 / AMU_PER_ANG3_G_PER_CM3
        n_counted = sum(one.count or 0 for one in self.compounds)
        counted = sum((one.count or 0) * one.mass_u for one in self.compounds)
        open_ones = [one for one in self.compounds if one.count is None]
        weights = sum(one.concentration for one in open_ones)
        mean = sum(one.concentration * one.mass_u for one in open_ones) / weights
        guess = n_counted + max(0, round((wanted - counted) / mean))
        # Of the first few numbers, the rounding of single compounds matters.
        near = [self.shared(n) for n in range(max(n_counted, guess - 2), guess + 3)]
        return min(near, key=lambda counts: abs(self.mass_u(counts) - wanted))

    def _most(self, n_others: int) -> tuple[int, ...]:
        n_counted = sum(one.count or 0 for one in self.compounds)
        fewest = min(one.frame.n_atoms for one in self.compounds if one.count is None)
        for n in range(n_counted + max(0, self.max_atoms - n_others) // fewest, n_counted, -1):
            counts = self.shared(n)
            if self.n_atoms(counts) + n_others <= self.max_atoms:
                return counts
        found = f"There is no room for a molecule of {self.names} beside {n_others} atoms."
        raise NotBuilt(found, f"Raise MaxAtoms, which is {self.max_atoms}.")

    def _allowed(self, counts: tuple[int, ...], n_others: int) -> tuple[int, ...]:
        if not any(counts):
            found = f"There is no room for a molecule of {self.names}, or none is asked for."
            raise NotBuilt(found, "Raise Density, Box or Number.")
        n_atoms = self.n_atoms(counts) + n_others
        if n_atoms > self.max_atoms:
            beside = f" beside {n_others} others" if n_others else ""
            found = f"{said(self, counts)}{beside} are {n_atoms} atoms; MaxAtoms allows {self.max_atoms}."
            raise NotBuilt(found, "Raise MaxAtoms, or lower Number, Count, Density or Box.")
        return counts


def said(recipe: Recipe, counts: Sequence[int]) -> str:
    """Numbers of molecules as a person reads them: ``12 Water, 5 Ethanol``."""
    return ", ".join(f"{n} {one.name}" for n, one in zip(counts, recipe.compounds, strict=True))


def mass_of(numbers: IntArray, masses: Mapping[int, float]) -> float:
    """Mass of some atoms, u: by the masses given, ASE's for all others."""
    from ase.data import atomic_masses

    return float(sum(masses.get(number, float(atomic_masses[number])) for number in numbers.tolist()))


def apportioned(total: int, weights: Sequence[float]) -> tuple[int, ...]:
    """A whole number shared by weights, by largest remainder (Hamilton), at least one for each where it goes round.

    Parameters
    ----------
    total : int
    weights : sequence of float
        Above 0.

    Returns
    -------
    tuple of int
        Each within one of its exact share; but where shares below one became one, that are more than one, the largest
        pay for it. Equal remainders: the first.
    """
    shares: FloatArray = total * np.array(weights, dtype=np.float64) / sum(weights)
    least = 1 if total >= len(shares) else 0
    counts = np.maximum(np.floor(shares + 1e-9).astype(np.int64), least)
    while counts.sum() < total:
        counts[np.argmax(shares - counts)] += 1
    while counts.sum() > total:
        counts[np.argmax(np.where(counts > least, counts - shares, -np.inf))] -= 1
    return tuple(counts.tolist())


def redrawn(compounds: Sequence[Compound], rng: np.random.Generator) -> tuple[Compound, ...]:
    """The same with concentrations around those written, which are their means; counts stay.

    Notes
    -----
    Dirichlet's distribution of shares with parameters SPREAD n m, for n compounds with the mean shares m. Compounds of
    equal shares have the parameter 2 each: the least whole one at which neither a compound that vanishes nor one that
    is alone is likely, so that a share differs by about half of itself from visit to visit (45 % of two, 60 % of five).
    Rarer ones spread more, relative to themselves.
    """
    open_ones = [one for one in compounds if one.count is None]
    if len(open_ones) < 2:
        return tuple(compounds)
    means = np.array([one.concentration for one in open_ones])
    drawn = iter(rng.dirichlet(SPREAD * len(means) * means / means.sum()).tolist())
    # Shares of rare ones may come out as 0.0 to the last digit.
    return tuple(replace(one, concentration=max(next(drawn), 1e-12)) if one.count is None else one for one in compounds)
