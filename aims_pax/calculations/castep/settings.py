"""What SEED.castep says of its settings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from aims_pax.calculations.lines import Lines
from aims_pax.calculations.method import Aspect, Method
from aims_pax.calculations.numerals import numbers, respelled, spelled

PROGRAM: Final = "CASTEP"

_FUNCTIONALS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Perdew Burke Ernzerhof": "PBE",
        "PBE for solids (2008)": "PBEsol",
        "Local Density Approximation": "LDA",
        "Perdew Wang (1991)": "PW91",
        "revised Perdew Burke Ernzerhof": "RPBE",
        "Wu-Cohen": "WC",
        "hybrid PBE0": "PBE0",
        "hybrid B3LYP": "B3LYP",
    }
)
_MESH: Final = re.compile(r"MP grid size for SCF calculation is\s+(\d+)\s+(\d+)\s+(\d+)")
_KEPT: Final = ("size of standard grid", "spin-orbit coupling")


@dataclass(slots=True)
class Settings:
    """Settings, gathered line by line from the head of the output."""

    version: str = ""
    cutoff: float | None = None
    charge: int | None = None
    is_metal: bool | None = None
    mesh: tuple[int, int, int] | None = None
    told: dict[str, str] = field(default_factory=dict)
    potentials: list[str] = field(default_factory=list)
    hubbard: list[str] = field(default_factory=list)
    aspects: dict[Aspect, str] = field(default_factory=dict)

    def said(self, text: str, lines: Lines) -> None:
        """One line of the head without blanks around it; what follows it may be taken."""
        name, colon, value = text.partition(" :")
        if colon:
            self._setting(name.strip(), value.strip())
        elif "CASTEP version" in text:
            self.version = text.partition("CASTEP version")[2].strip(" |")
        elif text.startswith("treating system as"):
            is_polarised = "non-spin" not in text
            self.aspects[Aspect.SPIN] = "collinear" if is_polarised else "not polarised"
        elif text.startswith("Method: Treating system as"):
            self.is_metal = "non-metallic" not in text
        elif text.startswith("Files used for pseudopotentials"):
            self.potentials = _rows(lines)
        elif text.startswith("Hubbard U values"):
            self.hubbard = _rows(lines)
        elif match := _MESH.match(text):
            self.mesh = (int(match.group(1)), int(match.group(2)), int(match.group(3)))

    def _setting(self, name: str, value: str) -> None:
        if name == "plane wave basis set cut-off":
            self.cutoff = next(iter(numbers(value)), None)
        elif name == "net charge of system":
            charge = next(iter(numbers(value)), None)
            self.charge = round(charge) if charge is not None and charge == round(charge) else None
        elif name == "using functional":
            self.aspects[Aspect.FUNCTIONAL] = _FUNCTIONALS.get(value, value)
        elif name == "relativistic treatment":
            self.aspects[Aspect.RELATIVITY] = value
        elif name.startswith("DFT+D: Semi-empirical dispersion correction"):
            self.aspects[Aspect.DISPERSION] = "none" if value == "off" else "SEDC"
        elif name == "SEDC with":
            self.aspects[Aspect.DISPERSION] = value.removesuffix("correction scheme").strip()
        else:
            self.told[name] = value

    def method(self) -> Method:
        """The method of the steps."""
        aspects = dict(self.aspects)
        aspects[Aspect.PROGRAM] = PROGRAM
        if self.cutoff is not None:
            aspects[Aspect.BASIS] = f"{spelled(self.cutoff)} eV"
        if self.is_metal is not None:
            width = numbers(self.told.get("smearing width", ""))
            smeared = f"{self.told.get('smearing scheme', '')} {spelled(width[0])} eV" if width else "smeared"
            aspects[Aspect.SMEARING] = smeared if self.is_metal else "fixed"
        if self.potentials:
            aspects[Aspect.POTENTIALS] = "; ".join(sorted(self.potentials))
        if self.hubbard:
            aspects[Aspect.HUBBARD] = "; ".join(sorted(self.hubbard))
        kept = [f"{name} {respelled(self.told[name])}" for name in _KEPT if name in self.told]
        if kept:
            aspects[Aspect.ACCURACY] = ", ".join(kept)
        return Method(PROGRAM, self.version, MappingProxyType(aspects), self.mesh)


def _rows(lines: Lines) -> list[str]:
    """The lines that follow, up to an empty one."""
    found: list[str] = []
    while (line := lines.peek()) is not None and line.strip() and not line.strip().startswith("--"):
        found.append(respelled(next(lines).replace("|->", " ").strip(" |")))
    return [one for one in found if one]
