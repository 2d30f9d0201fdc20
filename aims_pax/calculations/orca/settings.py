"""What the output of ORCA says of its settings."""

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from aims_pax.calculations.method import Aspect, Method
from aims_pax.calculations.numerals import numbers, spelled

PROGRAM: Final = "ORCA"

_KEYWORDS: Final = re.compile(r"\|\s*\d+>\s*!(.*)")
_SETTING: Final = re.compile(r"(.*?)\s\.\.\.+\s*(.+)")
_DISPERSION: Final = ("D2", "D3", "D3BJ", "D3ZERO", "D3TZ", "D4", "NL", "SCNL", "ABC")
_RELATIVITY: Final = ("ZORA", "DKH", "DKH1", "DKH2", "X2C", "IORA")
_SOLVATION: Final = ("CPCM", "SMD", "COSMO", "ALPB", "CPCMC", "CPCMX", "DDCOSMO", "OPENCOSMO")
_ACCURACY: Final = re.compile(r"(?:DEF)?GRID\w*|FINALGRID\w*|NOFINALGRID|RI\w*|NORI|NOCOSX|GRIDX\w*|NOGRIDX")
_CORRELATED: Final = re.compile(
    r"(?:\w+-)*(?:MP[234]|CCSD(?:\(T\))?|QCISD(?:\(T\))?|CEPA/?\d?|NEVPT2|CASSCF|MRCI\w*)\b"
)


@dataclass(slots=True)
class Settings:
    """Settings, gathered line by line: keywords of the input, and what the modules say."""

    version: str = ""
    keywords: list[str] = field(default_factory=list)
    basis: str = ""
    told: dict[str, str] = field(default_factory=dict)

    @property
    def charge(self) -> int | None:
        """Total charge, e."""
        return _whole(self.told.get("Total Charge Charge", ""))

    @property
    def multiplicity(self) -> int | None:
        """2S + 1."""
        return _whole(self.told.get("Multiplicity Mult", ""))

    def said(self, text: str) -> None:
        """One line without blanks around it."""
        if text.startswith("|"):
            match = _KEYWORDS.match(text)
            if match is not None:
                self.keywords += match.group(1).partition("#")[0].upper().split()
        elif text.startswith("Program Version"):
            self.version = text.split()[2] if len(text.split()) > 2 else ""
        elif text.startswith("Your calculation utilizes the basis:"):
            self.basis = text.partition(":")[2].strip()
        elif " ..." in text and (match := _SETTING.match(text)) is not None:
            self.told[" ".join(match.group(1).split())] = match.group(2).strip()

    def method(self) -> Method:
        """The method of the steps."""
        told, words = self.told, self.keywords
        aspects: dict[Aspect, str] = {Aspect.PROGRAM: PROGRAM}
        functional = [told.get("Exchange Functional Exchange", ""), told.get("Correlation Functional Correlation", "")]
        hamiltonian = next((value for key, value in told.items() if key.endswith(" Method")), "")
        name = told.get("Functional name", "") or " + ".join(filter(None, functional)) or hamiltonian
        share = numbers(told.get("Fraction HF Exchange ScalHFX", ""))
        exact = f", {spelled(share[0])} exact exchange" if share and any(functional) else ""
        beyond = [word for word in words if _CORRELATED.fullmatch(word)]
        if name or beyond:
            aspects[Aspect.FUNCTIONAL] = ", ".join(filter(None, (name + exact, *beyond)))
        aspects[Aspect.DISPERSION] = " ".join(word for word in words if word in _DISPERSION) or "none"
        basis = self.basis or next(
            (word for word in words if re.match(r"(?:MA-|AUG-)?(?:DEF2|CC-P|6-31|STO|PC)", word)), ""
        )
        if basis:
            aspects[Aspect.BASIS] = basis
        if "Hartree-Fock type HFTyp" in told:
            aspects[Aspect.SPIN] = told["Hartree-Fock type HFTyp"]
        relativity = [word for word in words if word in _RELATIVITY]
        if relativity:
            aspects[Aspect.RELATIVITY] = " ".join(relativity)
        solvation = [word for word in words if word.partition("(")[0] in _SOLVATION]
        if solvation:
            aspects[Aspect.SOLVATION] = " ".join(solvation)
        accuracy = sorted(word for word in words if _ACCURACY.fullmatch(word) and word not in beyond)
        if accuracy:
            aspects[Aspect.ACCURACY] = " ".join(accuracy)
        return Method(PROGRAM, self.version, MappingProxyType(aspects))


def _whole(word: str) -> int | None:
    return int(word) if re.fullmatch(r"[-+]?\d+", word) else None
