"""What the text of GPAW says of its settings."""

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from aims_pax.calculations.method import Aspect, Method
from aims_pax.calculations.numerals import numbers, respelled, spelled

PROGRAM: Final = "GPAW"

_VERSION: Final = re.compile(r"\|_____\|\s+(\d\S*)")
_WIDTH: Final = re.compile(r"([A-Z][\w-]*):\s*width=\s*([\d.]+)")
_MESH: Final = re.compile(r"(\d+)\s*x\s*(\d+)\s*x\s*(\d+)\s+Monkhorst-Pack")
_FUNCTIONAL: Final = re.compile(
    r"(?:Using the (\S+) Exchange-Correlation|XC parameters:\s*(\S+)|xc: \{?(?:name: )?([\w.+-]+))"
)
_SPACING: Final = re.compile(r"h: ([\d.]+),?")
_SETUP: Final = re.compile(r"(\S+)-setup:$")


@dataclass(slots=True)
class Settings:
    """Settings, gathered line by line."""

    version: str = ""
    charge: int | None = None
    mesh: tuple[int, int, int] | None = None
    basis: str = ""
    spacing: str = ""
    """As it was asked for: the effective one differs from cell to cell."""
    setups: dict[str, str] = field(default_factory=dict)
    hubbard: str = ""
    aspects: dict[Aspect, str] = field(default_factory=dict)
    _setup: str = ""

    def said(self, text: str) -> None:
        """One line without blanks around it."""
        if match := _SETUP.match(text):
            self._setup = match.group(1)
        elif text.startswith("id:") and self._setup:
            self.setups[self._setup] = text.partition(":")[2].strip()[:8]
        elif text.startswith("Spin-"):
            self.aspects[Aspect.SPIN] = "not polarised" if text.startswith("Spin-paired") else "collinear"
        elif match := _WIDTH.match(text):
            self.aspects[Aspect.SMEARING] = f"{match.group(1)} {spelled(float(match.group(2)))} eV"
        elif match := _FUNCTIONAL.match(text):
            self.aspects[Aspect.FUNCTIONAL] = next(filter(None, match.groups()))
        elif text.startswith("Wave functions:"):
            self.basis = respelled(text.partition(":")[2])
        elif text.startswith("Cutoff energy:"):
            self.basis += f" {spelled(numbers(text)[0])} eV" if numbers(text) else ""
        elif match := _SPACING.fullmatch(text):
            self.spacing = f", h {spelled(float(match.group(1)))} Å"
        elif "Monkhorst" in text and (match := _MESH.search(text)):
            self.mesh = (int(match.group(1)), int(match.group(2)), int(match.group(3)))
        elif text.startswith("1 k-point (Gamma)"):
            self.mesh = (1, 1, 1)
        elif text.lower().startswith("total charge:"):
            charge = numbers(text.partition(":")[2])
            self.charge = round(charge[0]) if charge and charge[0] == round(charge[0]) else None
        elif text.startswith("setups:") and re.search(r":[spdf],", text):
            self.hubbard = respelled(text.partition(":")[2])
        elif "|_____|" in text and (match := _VERSION.search(text)):
            self.version = match.group(1)

    def method(self, *, is_periodic: bool) -> Method:
        """The method of a step; molecules have no mesh."""
        aspects = dict(self.aspects)
        aspects[Aspect.PROGRAM] = PROGRAM
        if self.basis:
            aspects[Aspect.BASIS] = self.basis + self.spacing
        if self.setups:
            aspects[Aspect.POTENTIALS] = "; ".join(f"{name} {setup}" for name, setup in sorted(self.setups.items()))
        if self.hubbard:
            aspects[Aspect.HUBBARD] = self.hubbard
        return Method(PROGRAM, self.version, MappingProxyType(aspects), self.mesh if is_periodic else None)
