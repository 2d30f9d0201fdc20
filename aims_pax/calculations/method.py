"""Settings that energies depend on: labels that differ in one of them are not of one surface."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Aspect(StrEnum):
    """One kind of setting; labels of a set agree in all of them, as far as programs tell."""

    PROGRAM = "program"
    FUNCTIONAL = "functional"
    """Exchange and correlation, or the semi-empirical Hamiltonian; with a share of exact exchange and +U."""
    DISPERSION = "dispersion"
    BASIS = "basis"
    """Cutoff energies in eV, or names of basis sets."""
    POTENTIALS = "pseudopotentials"
    """Names of pseudopotentials or species defaults, sorted by element: `Al PAW_PBE Al 04Jan2001`."""
    SUMS = "check sums of pseudopotentials"
    """Of the files that have these names, by element: `Si md5 a974d1b8`. Not all outputs of a program tell them."""
    SMEARING = "smearing"
    """Kind and width in eV."""
    SPIN = "spin"
    """Polarised, not polarised, non-collinear, spin-orbit."""
    RELATIVITY = "relativity"
    HUBBARD = "Hubbard U"
    SOLVATION = "solvation"
    ACCURACY = "accuracy"
    """Whatever else changes energies by more than noise: PREC, integration grids, linear-scaling thresholds."""
    EXTRAS = "further accuracy"
    """The same of what not all outputs of a program tell: `none` where one tells that there is nothing."""


@dataclass(frozen=True, slots=True)
class Method:
    """How one step was computed, as far as its program tells.

    Parameters
    ----------
    program : str
        As people write it: "VASP", "Quantum ESPRESSO".
    version : str
        Told, and not compared; empty where it is not known.
    aspects : mapping of Aspect to str
        In a spelling that is the same for the same setting, so that texts can be compared. What the program does not
        tell is left out. Potentials name the elements that are there, one by one, separated by `; `.
    mesh : three int, or None
        Divisions of the Brillouin zone; (1, 1, 1) for the Gamma point alone.
    k_spacing : float or None, 1/Å
        Largest distance of k points, with 2 pi in it, where the program was given this in the place of a mesh.
    decimals : mapping of Aspect to int
        How many the numbers of these aspects have, where the output rounds what the program was given: with two, 0.03
        may be 0.025. Methods are equal whatever is told of it.
    """

    program: str
    version: str = ""
    aspects: Mapping[Aspect, str] = field(default_factory=lambda: MappingProxyType({}))
    mesh: tuple[int, int, int] | None = None
    k_spacing: float | None = None
    decimals: Mapping[Aspect, int] = field(default_factory=lambda: MappingProxyType({}), compare=False)
