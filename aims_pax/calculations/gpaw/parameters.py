"""What the text of GPAW 26 says of its settings."""

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from aims_pax.calculations.gpaw.settings import PROGRAM
from aims_pax.calculations.method import Aspect, Method
from aims_pax.calculations.numerals import number, respelled, spelled

BANNER: Final = "|__||  | ||/\\|"

_INPUT: Final = re.compile(r"(\w+)=(.*?),?$")
_ADDED: Final = ("extensions", "external", "poissonsolver", "experimental")
"""What changes energies, and is told by the input alone."""
_SPECIES: Final = re.compile(r"([A-Z][a-z]?):(?:\s+#.*)?$")
_SIZE: Final = re.compile(r"Monkhorst-Pack size: \[(\d+), (\d+), (\d+)\]")
_OCCUPATIONS: Final = re.compile(r"([A-Z][a-z]+-[A-Z][a-z]+):$")
_SPIN: Final = {"1": "not polarised", "2": "collinear", "4": "non-collinear"}
_WAVES: Final = {"Plane wave coef": "Plane wave expansion", "Uniform wave fu": "Uniform real-space grid"}


@dataclass(slots=True)
class Parameters:
    """Settings, gathered line by line; those that a step prints again are told anew."""

    version: str = ""
    charge: int | None = None
    mesh: tuple[int, int, int] | None = None
    waves: str = ""
    cutoff: str = ""
    asked: dict[str, str] = field(default_factory=dict)
    """The input, as it was written."""
    setups: dict[str, str] = field(default_factory=dict)
    basis: dict[str, str] = field(default_factory=dict)
    """Names of orbitals by element: of plane waves and grids only the guess is made of them."""
    aspects: dict[Aspect, str] = field(default_factory=dict)
    _is_input: bool = False
    _species: str = ""
    _occupations: str = ""

    def said(self, text: str) -> None:
        """One line without blanks around it."""
        if self._is_input:
            self._is_input = bool(text)
            if match := _INPUT.match(text):
                self.asked[match.group(1)] = match.group(2)
        elif text.startswith(BANNER):
            self.version = text.rpartition(" - ")[2].strip()
        elif ":" not in text:
            if text == "# Zero width":
                self.aspects[Aspect.SMEARING] = "none"
        elif text == "Input parameters:":
            self._is_input = True
        elif match := _SIZE.match(text):
            self.mesh = (int(match.group(1)), int(match.group(2)), int(match.group(3)))
        elif match := _OCCUPATIONS.match(text):
            self._occupations = match.group(1)
        elif match := _SPECIES.match(text):
            self._species = match.group(1)
        else:
            self._value(text)

    def _value(self, text: str) -> None:
        key, _, rest = text.partition(":")
        value = rest.partition("#")[0].strip()
        if key == "Charge":
            charge = number(value)
            self.charge = round(charge) if charge is not None and charge == round(charge) else None
        elif text[:15] in _WAVES:
            self.waves = _WAVES[text[:15]]
        elif key == "basis functions":
            self.waves = "LCAO"
        elif key == "Cutoff" and (cutoff := number(value)) is not None:
            self.cutoff = f" {spelled(cutoff)} eV"
        elif key == "Spin-components":
            self.aspects[Aspect.SPIN] = _SPIN.get(value.split(" ")[0], value)
        elif key == "id" and self._species:
            self.setups[self._species] = value[:8]
        elif key == "Name" and self._species:
            self.basis[self._species] = value
        elif key == "width" and self._occupations and (width := number(value)) is not None:
            self.aspects[Aspect.SMEARING] = f"{self._occupations} {spelled(width)} eV"
        elif key == "order" and Aspect.SMEARING in self.aspects:
            self.aspects[Aspect.SMEARING] = f"{self.aspects[Aspect.SMEARING].partition(',')[0]}, order {value}"

    def method(self, *, is_periodic: bool) -> Method:
        """The method of a step; molecules have no mesh."""
        aspects = dict(self.aspects)
        aspects[Aspect.PROGRAM] = PROGRAM
        if self.asked:
            aspects[Aspect.FUNCTIONAL] = _plain(self.asked.get("xc", "LDA").removeprefix("XC(name=").removesuffix(")"))
        if self.waves:
            orbitals = "".join(f" {element} {name}" for element, name in sorted(self.basis.items()))
            spacing = number(self.asked.get("h"))
            aspects[Aspect.BASIS] = (
                self.waves
                + (orbitals if self.waves == "LCAO" else "")
                + (self.cutoff if self.waves == "Plane wave expansion" else "")
                + (f", h {spelled(spacing)} Å" if spacing is not None else "")
            )
        if self.setups:
            aspects[Aspect.POTENTIALS] = "; ".join(f"{name} {setup}" for name, setup in sorted(self.setups.items()))
        if re.search(r":[spdf],", self.asked.get("setups", "")):
            aspects[Aspect.HUBBARD] = _plain(self.asked["setups"])
        if self.asked.get("soc") == "True":
            aspects[Aspect.RELATIVITY] = "spin-orbit coupling"
        aspects |= self._added()
        return Method(PROGRAM, self.version, MappingProxyType(aspects), self.mesh if is_periodic else None)

    def _added(self) -> dict[Aspect, str]:
        """What was put on top of the functional, its forces too: dispersion, a solvent, fields."""
        found = {key: _plain(self.asked[key]) for key in _ADDED if key in self.asked}
        added: dict[Aspect, str] = {}
        if "D3(" in found.get("extensions", ""):
            added[Aspect.DISPERSION] = found.pop("extensions").strip("[]")
        elif re.search(r"Solvation\(|SJM\(", found.get("extensions", "")):
            added[Aspect.SOLVATION] = found.pop("extensions").strip("[]")
        if found:
            added[Aspect.ACCURACY] = ", ".join(f"{key} {value}" for key, value in found.items())
        return added


def _plain(text: str) -> str:
    return respelled(text.replace("'", "").replace('"', ""))
