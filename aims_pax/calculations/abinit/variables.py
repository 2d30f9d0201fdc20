"""The echo of input variables, from which settings and elements of each data set are known.

Names and meanings are those of the variables' documentation (https://docs.abinit.org/variables/).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final

from ase.data import chemical_symbols

from aims_pax.calculations.lines import Lines
from aims_pax.calculations.method import Aspect, Method
from aims_pax.units import HARTREE_EV

PROGRAM: Final = "ABINIT"
_LINE: Final = re.compile(r"[-P ]?\s*([A-Za-z]\w*)\s+(\S.*)")
_FUNCTIONALS: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "LDA (Teter)",
        2: "LDA-PZ",
        7: "LDA-PW",
        11: "PBE",
        14: "revPBE",
        15: "RPBE",
        23: "WC",
        40: "Hartree-Fock",
        41: "PBE0",
        -1012: "LDA-PW",
        -101130: "PBE",
        -102130: "revPBE",
        -116133: "PBEsol",
        -106131: "BLYP",
        -117130: "RPBE",
        -118130: "WC",
        -406: "PBE0",
        -402: "B3LYP",
        -427: "HSE03",
        -428: "HSE06",
        -263267: "SCAN",
    }
)
_SMEARINGS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "occupations from the input",
        1: "none",
        2: "occupations from the input",
        3: "fermi-dirac",
        4: "marzari-vanderbilt (a = -0.5634)",
        5: "marzari-vanderbilt (a = -0.8165)",
        6: "methfessel-paxton",
        7: "gaussian",
        8: "uniform",
        9: "fermi-dirac of two levels",
    }
)
_DISPERSIONS: Final[Mapping[int, str]] = MappingProxyType(
    {1: "vdW-DF1", 2: "vdW-DF2", 5: "D2", 6: "D3", 7: "D3(BJ)", 10: "Wannier functions", 14: "Wannier functions, QHO"}
)


@dataclass(slots=True)
class Variables:
    """Variables of all data sets: `natom2` is that of the second one, `natom` of those that have none of their own."""

    words: dict[str, list[str]] = field(default_factory=dict)

    def read(self, lines: Lines) -> None:
        """Take the echo, to the rule that ends it."""
        name = ""
        while (line := lines.peek()) is not None and not line.startswith("====="):
            next(lines)
            found = _LINE.fullmatch(line)
            if found is not None:
                name = found.group(1)
                self.words[name] = found.group(2).split()
            elif name and line.strip():
                self.words[name] += line.lstrip("-P ").split() if line[:1] in "-P" else line.split()

    def reals(self, name: str, data_set: int) -> list[float] | None:
        """Values of a variable in one data set; None if it is not echoed, or overflowed."""
        words = self.words.get(f"{name}{data_set}", self.words.get(name))
        if not words:
            return None
        values = []
        for word in words:
            try:
                value = float(word.replace("D", "E"))
            except ValueError:
                break
            if not isfinite(value):
                return None
            values.append(value)
        return values or None

    def whole(self, name: str, data_set: int, default: int) -> int:
        """One whole number, or what it is by default."""
        values = self.reals(name, data_set)
        return default if values is None else round(values[0])

    def numbers(self, data_set: int) -> list[int] | None:
        """Atomic numbers in the order of the atoms; None if they are not known."""
        n_atoms, znucl = self.n_atoms(data_set), self.reals("znucl", data_set)
        if n_atoms is None or znucl is None or self.is_mixed(data_set):
            return None
        types = self.reals("typat", data_set) or ([1.0] * n_atoms if len(znucl) == 1 else [])
        if len(types) != n_atoms or not all(1 <= one <= len(znucl) for one in types):
            return None
        found = [round(znucl[round(one) - 1]) for one in types]
        return found if all(0 < one < len(chemical_symbols) for one in found) else None

    def n_atoms(self, data_set: int) -> int | None:
        """Number of atoms; None if it is not echoed."""
        count = self.whole("natom", data_set, 0)
        return count if count > 0 else None

    def is_mixed(self, data_set: int) -> bool:
        """Whether there are virtual atoms, mixed of several elements."""
        return self.whole("ntypalch", data_set, 0) > 0 or bool(self.reals("mixalch", data_set))

    def charge(self, data_set: int) -> int | None:
        """Total charge, if it is whole."""
        if not self.words:
            return None
        value = (self.reals("cellcharge", data_set) or self.reals("charge", data_set) or [0.0])[0]
        return round(value) if abs(value - round(value)) < 1e-3 else None

    def multiplicity(self, data_set: int) -> int | None:
        """2S + 1 where the magnetization is imposed."""
        target = self.reals("spinmagntarget", data_set)
        if target is None or target[0] < -99.0 or abs(target[0] - round(target[0])) > 1e-3:
            return None
        return abs(round(target[0])) + 1

    def method(self, data_set: int, version: str, potentials: Mapping[int, str]) -> Method:
        """Settings of one data set in one spelling; what is not echoed has its default."""
        if not self.words:
            return Method(PROGRAM, version)
        aspects = {
            Aspect.FUNCTIONAL: self._functional(data_set),
            Aspect.BASIS: self._basis(data_set),
            Aspect.SMEARING: self._smearing(data_set),
            Aspect.SPIN: self._spin(data_set),
            Aspect.POTENTIALS: self._potentials(data_set, potentials),
            Aspect.DISPERSION: _DISPERSIONS.get(self.whole("vdw_xc", data_set, 0), ""),
            Aspect.HUBBARD: self._hubbard(data_set),
            Aspect.ACCURACY: self._accuracy(data_set),
        }
        told = {aspect: text for aspect, text in aspects.items() if text}
        return Method(PROGRAM, version, MappingProxyType(told), self._mesh(data_set))

    def _functional(self, data_set: int) -> str:
        if self.reals("ixc", data_set) is None:
            return "LDA (Teter)"
        code = self.whole("ixc", data_set, 1)
        share = self.reals("auxc_ixc", data_set)
        return _FUNCTIONALS.get(code, f"ixc {code}") + (f", auxiliary {round(share[0])}" if share else "")

    def _basis(self, data_set: int) -> str:
        parts = []
        for name, words in (("ecut", "orbitals"), ("pawecutdg", "density")):
            value = self.reals(name, data_set)
            if value is not None and value[0] > 0.0:
                parts.append(f"{words} {value[0] * HARTREE_EV:.6g} eV")
        return "plane waves " + ", ".join(parts) if parts else ""

    def _smearing(self, data_set: int) -> str:
        kind = self.whole("occopt", data_set, 1)
        text = _SMEARINGS.get(kind, f"occopt {kind}")
        if kind < 3:
            return text
        width = self.reals("tsmear", data_set) or [0.01]
        return f"{text} {width[0] * HARTREE_EV:.6g} eV"

    def _spin(self, data_set: int) -> str:
        components, spinors = self.whole("nspden", data_set, 1), self.whole("nspinor", data_set, 1)
        if components == 4:
            return "non-collinear"
        if self.whole("nsppol", data_set, 1) == 2:
            return "polarised"
        if spinors == 2:
            return "not magnetic, spin-orbit"
        return "antiferromagnetic" if components == 2 else "not polarised"

    def _potentials(self, data_set: int, potentials: Mapping[int, str]) -> str:
        znucl = self.reals("znucl", data_set) or []
        found: dict[str, None] = {}
        for index, charge in enumerate(znucl, 1):
            name = PurePosixPath(potentials.get(index, "")).name
            if name and 0 < round(charge) < len(chemical_symbols):
                found[f"{chemical_symbols[round(charge)]} {name}"] = None
        return "; ".join(sorted(found))

    def _hubbard(self, data_set: int) -> str:
        kind = self.whole("usepawu", data_set, 0)
        if kind == 0:
            return ""
        parts = [f"usepawu {kind}"]
        for name, unit in (("lpawu", 1.0), ("upawu", HARTREE_EV), ("jpawu", HARTREE_EV)):
            values = self.reals(name, data_set)
            if values is not None:
                parts.append(f"{name} {' '.join(f'{value * unit:.4g}' for value in values)}")
        return ", ".join(parts)

    def _accuracy(self, data_set: int) -> str:
        value = self.reals("ecutsm", data_set)
        return "" if value is None or value[0] == 0.0 else f"smoothed kinetic energy {value[0] * HARTREE_EV:.6g} eV"

    def _mesh(self, data_set: int) -> tuple[int, int, int] | None:
        divisions = self.reals("ngkpt", data_set)
        lattice = self.reals("kptrlatt", data_set)
        if lattice is not None and len(lattice) == 9:
            is_diagonal = all(lattice[index] == 0.0 for index in (1, 2, 3, 5, 6, 7))
            divisions = [lattice[0], lattice[4], lattice[8]] if is_diagonal else None
        if divisions is not None and len(divisions) >= 3:
            return abs(round(divisions[0])), abs(round(divisions[1])), abs(round(divisions[2]))
        points = self.reals("kpt", data_set) or [0.0]
        is_gamma = self.whole("nkpt", data_set, 1) == 1 and not any(points) and lattice is None
        return (1, 1, 1) if is_gamma else None
