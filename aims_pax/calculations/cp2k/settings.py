"""What the output of CP2K says of its settings."""

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from aims_pax.calculations.method import Aspect, Method
from aims_pax.calculations.numerals import numbers, respelled, spelled
from aims_pax.units import BOLTZMANN_EV_PER_K, HARTREE_EV

PROGRAM: Final = "CP2K"

_FUNCTIONAL: Final = re.compile(r"(\S+):\s*(.*)")
_OF_SOLIDS: Final = ("revPBE", "PBEsol", "RPBE")
_SPINS: Final = {"RKS": "not polarised", "UKS": "collinear", "LSD": "collinear"}
_VERSION: Final = re.compile(r"CP2K version (\S+)")
_SAID: Final = (
    "CP2K| version",
    "GLOBAL|",
    "DFT|",
    "FUNCTIONAL|",
    "vdW POTENTIAL|",
    "QS|",
    "xTB|",
    "SCCS|",
    "HFX_INFO|",
    "BRILLOUIN|",
    "POISSON|",
    "MD_PAR|",
    "MD|",
    "Orbital Basis Set",
    "Smear method",
    "Electronic temperature",
    "U(eff)",
    "Angular quantum",
)


@dataclass(slots=True)
class Kind:
    """One atomic kind: its label, and the names of its basis and its pseudopotential."""

    label: str
    basis: str = ""
    potential: str = ""
    hubbard: str = ""


@dataclass(slots=True)
class Settings:
    """Settings, gathered line by line from the head of the output."""

    version: str = ""
    project: str = ""
    run_type: str = ""
    ensemble: str = ""
    n_environments: int = 1
    charge: int | None = None
    multiplicity: int | None = None
    periodicity: str = ""
    functional: list[str] = field(default_factory=list)
    dispersion: list[str] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    elements: dict[str, str] = field(default_factory=dict)
    """Symbols of elements by the labels of kinds."""
    mesh: tuple[int, int, int] | None = None
    aspects: dict[Aspect, str] = field(default_factory=dict)
    cutoffs: dict[str, float] = field(default_factory=dict)
    smearing: str = ""
    exchange: str = ""

    def said(self, text: str) -> None:
        """One line of the head, without blanks around it."""
        if not (text.startswith(_SAID) or "Atomic kind:" in text or "otential information" in text):
            return
        mark, _, rest = text.partition("|")
        word = text.split()[-1]
        if mark == "CP2K":
            found = _VERSION.search(rest)
            self.version = self.version or ("" if found is None else found[1])
        elif mark == "GLOBAL":
            self._global(rest.strip(), word)
        elif mark in ("DFT", "QS", "HFX_INFO", "MD_PAR", "MD", "POISSON", "BRILLOUIN"):
            self._of_section(mark, rest.strip(), word)
        elif mark == "FUNCTIONAL":
            self.functional.append(rest.strip())
        elif mark == "vdW POTENTIAL":
            self.dispersion.append(rest.strip())
        elif mark in ("xTB", "SCCS"):
            aspect = Aspect.FUNCTIONAL if mark == "xTB" else Aspect.SOLVATION
            self.aspects[aspect] = mark if mark == "xTB" else f"{self.aspects.get(aspect, mark)}, {respelled(rest)}"
        elif "Atomic kind:" in text:
            self.kinds.append(Kind(text.partition("Atomic kind:")[2].split()[0]))
        else:
            self._of_kind(text, word)

    def _global(self, text: str, word: str) -> None:
        if text.startswith("Project name"):
            self.project = word
        elif text.startswith("Run type"):
            self.run_type = word
        elif text.startswith("Force Environment number"):
            self.n_environments = max(self.n_environments, int(word) if word.isdigit() else 1)

    def _of_section(self, mark: str, text: str, word: str) -> None:
        values = numbers(text.partition("]")[2] or text.partition(":")[2] or text)
        if mark == "DFT":
            self._of_dft(text, word)
        elif mark == "QS" and text.startswith("Method:"):
            self.aspects[Aspect.ACCURACY] = word
        elif mark == "QS" and text.startswith(("Density cutoff", "Relative density cutoff")) and values:
            self.cutoffs["relative" if text.startswith("Rel") else "cutoff"] = values[-1] * HARTREE_EV
        elif mark == "HFX_INFO" and text.startswith("FRACTION") and values:
            self.exchange = f", {spelled(values[-1])} exact exchange"
        elif text.startswith(("Ensemble type", "Ensemble Type")):
            self.ensemble = word
        elif mark == "POISSON" and text.startswith("Periodicity"):
            self.periodicity = word
        elif mark == "BRILLOUIN" and text.lower().startswith("k-point grid"):
            mesh = [int(value) for value in numbers(text)]
            self.mesh = (mesh[0], mesh[1], mesh[2]) if len(mesh) == 3 else None

    def _of_dft(self, text: str, word: str) -> None:
        whole = int(word) if re.fullmatch(r"[-+]?\d+", word) else None
        if text.startswith("Charge"):
            self.charge = whole
        elif text.startswith("Multiplicity"):
            self.multiplicity = whole
        elif text.startswith("Spin "):
            self.aspects[Aspect.SPIN] = _SPINS.get(word, word)

    def _of_kind(self, text: str, word: str) -> None:
        if text.startswith("Smear method"):
            self.smearing = word.replace("_", "-").title()
        elif text.startswith("Electronic temperature [K]"):
            width = (numbers(text.partition(":")[2]) or [0.0])[0] * BOLTZMANN_EV_PER_K
            self.aspects[Aspect.SMEARING] = f"{self.smearing} {spelled(width)} eV"
        elif not self.kinds:
            return
        elif text.startswith("Orbital Basis Set"):
            self.kinds[-1].basis = self.kinds[-1].basis or word
        elif "otential information" in text:
            self.kinds[-1].potential = word
        elif text.startswith("Angular quantum momentum number"):
            self.kinds[-1].hubbard = f"L {word}"
        elif text.startswith("U(eff)"):
            self.kinds[-1].hubbard += f" {spelled(numbers(word)[0])} eV" if numbers(word) else ""

    def method(self, evaluation: str) -> Method:
        """The method of a step.

        Parameters
        ----------
        evaluation : str
            What computed it, by the line of its energy: "QS", "FIST".
        """
        aspects = dict(self.aspects)
        aspects[Aspect.PROGRAM] = PROGRAM
        if self.functional:
            aspects[Aspect.FUNCTIONAL] = _functional(" ".join(self.functional)) + self.exchange
            aspects[Aspect.DISPERSION] = _dispersion(self.dispersion)
        elif evaluation != "QS":
            aspects[Aspect.FUNCTIONAL] = evaluation
        if self.cutoffs:
            aspects[Aspect.BASIS] = ", ".join(f"{name} {spelled(cut)} eV" for name, cut in sorted(self.cutoffs.items()))
        kinds = sorted({self._named(kind) for kind in self.kinds if kind.basis or kind.potential})
        if kinds:
            aspects[Aspect.POTENTIALS] = "; ".join(kinds)
        corrected = {f"{self.elements.get(one.label, one.label)} {one.hubbard}" for one in self.kinds if one.hubbard}
        if corrected:
            aspects[Aspect.HUBBARD] = "; ".join(sorted(corrected))
        mesh = self.mesh or ((1, 1, 1) if self.functional and self.periodicity not in ("", "NONE") else None)
        return Method(PROGRAM, self.version, MappingProxyType(aspects), mesh)

    def _named(self, kind: Kind) -> str:
        return " ".join(filter(None, (self.elements.get(kind.label, kind.label), kind.basis, kind.potential)))


def _functional(text: str) -> str:
    """`PBE:  J.P.Perdew ... {spin unpolarized} LYP: ...` by its names; a reference may tell a variant."""
    parts = []
    for part in re.split(r"\{[^}]*\}", text):
        match = _FUNCTIONAL.match(part.strip().removeprefix("ROUTINE=NEW").removeprefix("ROUTINE=OLD").strip())
        if match is None:
            continue
        name, reference = match.groups()
        scale = re.findall(r"(s[xc])=\s*([\d.]+)", reference)
        variant = next((one for one in _OF_SOLIDS if one in reference), "" if len(name) > 1 else reference)
        scaled = "".join(f" {key} {spelled(float(value))}" for key, value in scale if float(value) != 1.0)
        parts.append((variant or name) + scaled)
    return " + ".join(parts) or respelled(text)


def _dispersion(lines: list[str]) -> str:
    told = [respelled(line.replace(":", " ")) for line in lines if line and "Form" not in line and "Pair P" not in line]
    return ", ".join(told) or "none"
