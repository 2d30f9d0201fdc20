"""What aims.out says of its settings, before the first cycle of self-consistency."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from ase.data import chemical_symbols

from aims_pax.calculations.elements import atomic_number
from aims_pax.calculations.method import Aspect, Method
from aims_pax.calculations.numerals import numbers, respelled, spelled

PROGRAM: Final = "FHI-aims"

_FUNCTIONALS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Perdew-Wang parametrisation of Ceperley-Alder LDA": "PW-LDA",
        "Perdew-Zunger parametrisation of Ceperley-Alder LDA": "PZ-LDA",
        "PBE gradient-corrected functionals": "PBE",
        "PBEsol gradient-corrected functionals": "PBEsol",
        "RPBE gradient-corrected functionals": "RPBE",
        "revPBE gradient-corrected functionals": "revPBE",
        "PW91 gradient-corrected functionals": "PW91",
        "AM05 gradient-corrected functionals": "AM05",
        "BLYP functional": "BLYP",
        "hybrid B3LYP functional": "B3LYP",
        "hybrid-PBE0 functionals": "PBE0",
        "hybrid-PBEsol0 functionals": "PBEsol0",
    }
)
_DISPERSION: Final[Mapping[str, str]] = MappingProxyType(
    {
        "vdw_correction_hirshfeld": "TS",
        "many_body_dispersion": "MBD@rsSCS",
        "many_body_dispersion_nl": "MBD-NL",
    }
)
_DISPERSION_KEY: Final = re.compile(r"vdw|many_body_dispersion|mbd|libmbd|d3|dftd")
_SAID: Final = re.compile(
    r"\s*(?:\| Found|Reading conf|XC:|Hartree-Fock|hybrid_xc|hse_unit|Spin |Scalar rel|Non-rel|\S* *[Rr]elativistic"
    r"|Occupation type|No occupation|The width|Found k-point|Continuing mol|Could not find MD"
    r"|Using external wrapper|@ DRIVER)"
)
_WIDTH: Final = re.compile(r"(.*?)\s*broadening.*?,\s*width\s*=\s*(\S+)\s*eV")
_OF_SPECIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "l_max for Hartree potential": "l_hartree",
        "cutoff potl. onset [A], width [A], scale factor": "cutoff",
        "data for basic radial integration grid": "radial",
        "multiplier for basic radial grid": "multiplier",
        "hydrogenic basis function": "hydro",
        "ionic basis function": "ionic",
        "confined basis function": "confined",
        "Gaussian basis function": "gaussian",
    }
)
"""What distinguishes one set of species defaults from another, by what FHI-aims calls it and by the keyword."""


@dataclass(slots=True)
class Species:
    """What is known of one species.

    Parameters
    ----------
    charge : float or None
        Of the nucleus, e.
    found : list of str
        What FHI-aims says that it has found for it: cutoffs, grids, basis functions.
    """

    charge: float | None = None
    found: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Settings:
    """Settings, gathered line by line from the head of the output and from the copy of control.in within it."""

    version: str = ""
    aspects: dict[Aspect, str] = field(default_factory=dict)
    mesh: tuple[int, int, int] | None = None
    species: dict[str, Species] = field(default_factory=dict)
    moves_before_it_computes: bool = False
    """Whether the structure of the input is not what is computed: dynamics that go on, or positions of a socket."""
    dispersion: list[str] = field(default_factory=list)
    hubbard: list[str] = field(default_factory=list)
    requested: str = ""
    exchange: str = ""
    screening: str = ""
    present: set[str] = field(default_factory=set)
    """Species of the atoms; control.in may have others besides."""
    _species_now: str = ""

    def echoed(self, line: str) -> None:
        """One line of control.in, as it is repeated at the top."""
        words = line.split("#", 1)[0].split()
        if not words:
            return
        key, values = words[0].lower(), words[1:]
        if key == "species" and values:
            self._species_now = values[0]
        elif key == "xc":
            self.requested = " ".join(values)
        elif key == "plus_u":
            self.hubbard.append(respelled(" ".join([self._species_now, *values])))
        elif _DISPERSION_KEY.match(key) and values[:1] != [".false."]:
            self.dispersion.append(" ".join([_DISPERSION.get(key, key), *values]))
        elif key in ("solvent", "mpb_solver"):
            self.aspects[Aspect.SOLVATION] = respelled(" ".join(values))
        elif key == "k_offset":
            self.aspects[Aspect.ACCURACY] = "k_offset " + respelled(" ".join(map(spelled, numbers(" ".join(values)))))

    def said(self, line: str) -> None:
        """One line of what FHI-aims says of its settings."""
        if not _SAID.match(line):
            return
        text = line.strip()
        if text.startswith("|"):
            self._said_of_species(text)
        elif text.startswith("Reading configuration options for species"):
            self._species_now = text.split()[5] if len(text.split()) > 5 else ""
            self.species[self._species_now] = Species()
        elif text.startswith("XC:") and Aspect.FUNCTIONAL not in self.aspects:
            name = respelled(text[3:].strip().removeprefix("Using "))
            self.aspects[Aspect.FUNCTIONAL] = _FUNCTIONALS.get(name, name)
        elif text.startswith("Hartree-Fock calculation starts"):
            self.aspects[Aspect.FUNCTIONAL] = "HF"
        elif text.startswith(("hybrid_xc_coeff:", "hse_unit:")):
            self._said_of_exchange(text)
        elif text.startswith(("Spin treatment:", "Spin handling was not defined")):
            self.aspects[Aspect.SPIN] = "collinear" if "collinear" in text else "not polarised"
        elif "elativistic treatment of kinetic energy" in text:
            self._said_of_relativity(text)
        elif text.startswith(("Occupation type:", "No occupation type")):
            self._said_of_smearing(text)
        elif text.startswith("The width will be adjusted"):
            self.aspects[Aspect.SMEARING] = self.aspects.get(Aspect.SMEARING, "") + ", adjusted"
        elif text.startswith("Found k-point grid:"):
            self._said_of_mesh(text)
        elif text.startswith(("Continuing molecular dynamics run", "Using external wrapper", "@ DRIVER")):
            self.moves_before_it_computes = True
        elif text.startswith("Could not find MD restart file"):
            self.moves_before_it_computes = False

    def _said_of_species(self, text: str) -> None:
        name, _, value = text.removeprefix("|").strip().removeprefix("Found ").partition(" :")
        species = self.species.get(self._species_now)
        if species is None:
            return
        if name == "nuclear charge":
            species.charge = next(iter(numbers(value)), None)
        elif (keyword := _OF_SPECIES.get(name.strip())) is not None:
            kept = " ".join(map(spelled, numbers(value))) if keyword == "radial" else respelled(value.replace(",", " "))
            species.found.append(f"{keyword} {kept}")

    def _said_of_exchange(self, text: str) -> None:
        if text.startswith("hybrid_xc_coeff:"):
            share = numbers(text.partition("modified to")[2])
            self.exchange = f", {spelled(share[0])} exact exchange" if share else ""
        else:
            self.screening = f" {text.split()[-1].rstrip('.')}"

    def _said_of_relativity(self, text: str) -> None:
        _, _, kind = text.partition(":")
        said = "none" if text.startswith("Non-relativistic") else respelled(kind)
        self.aspects[Aspect.RELATIVITY] = "atomic ZORA" if "free-atom approximation to ZORA" in said else said

    def _said_of_smearing(self, text: str) -> None:
        kind = text.partition("Defaulting to")[2] if text.startswith("No ") else text.partition(":")[2]
        width = _WIDTH.match(kind.strip())
        values = numbers(width.group(2)) if width else []
        self.aspects[Aspect.SMEARING] = (
            f"{width.group(1)} {spelled(values[0])} eV" if width and values else respelled(kind)
        )

    def _said_of_mesh(self, text: str) -> None:
        values = [int(value) for value in numbers(text.partition(":")[2])]
        if len(values) == 3 and all(value > 0 for value in values):
            self.mesh = (values[0], values[1], values[2])

    def method(self, seen_dispersion: str) -> Method:
        """The method of a step.

        Parameters
        ----------
        seen_dispersion : str
            What its energies name as a correction for dispersion; counts where control.in is not repeated.
        """
        aspects = dict(self.aspects)
        aspects[Aspect.PROGRAM] = PROGRAM
        functional = aspects.get(Aspect.FUNCTIONAL, self.requested)
        if functional.startswith("LibXC"):
            functional = self.requested or "libxc"
        if functional:
            aspects[Aspect.FUNCTIONAL] = functional + self.screening + self.exchange
            aspects[Aspect.DISPERSION] = "; ".join(sorted(self.dispersion)) or seen_dispersion or "none"
        if self.hubbard:
            aspects[Aspect.HUBBARD] = "; ".join(sorted(self.hubbard))
        potentials = {
            f"{self._element(name)} {', '.join(one.found)}"
            for name, one in self.species.items()
            if one.found and (name in self.present or not self.present)
        }
        if potentials:
            aspects[Aspect.POTENTIALS] = "; ".join(sorted(potentials))
        return Method(PROGRAM, self.version, MappingProxyType(aspects), self.mesh)

    def _element(self, species: str) -> str:
        """The symbol of a species, or else its own name."""
        found = self.atomic_number(species)
        return chemical_symbols[found] if found and found < len(chemical_symbols) else species

    def atomic_number(self, species: str) -> int | None:
        """What element a species is: by the charge of its nucleus, or else by its name."""
        known = self.species.get(species)
        if known is None or known.charge is None:
            return atomic_number(species)
        return round(known.charge) if known.charge == round(known.charge) and known.charge > 0 else None
