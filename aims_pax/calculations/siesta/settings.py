"""What one run of SIESTA prints of its settings: the echo of its input, species, basis, simulation parameters."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from ase.data import chemical_symbols

from aims_pax.calculations.lines import Lines
from aims_pax.calculations.method import Aspect, Method
from aims_pax.calculations.numerals import number_after, reals
from aims_pax.units import BOHR_ANG, BOLTZMANN_EV_PER_K, HARTREE_EV

PROGRAM: Final = "SIESTA"
_RYDBERG_EV: Final = HARTREE_EV / 2
_VERSION: Final = re.compile(r"(?:Siesta )?Version\s*:\s*(?:siesta-)?(\S+)")
_SPECIES: Final = re.compile(r"Species number:\s*(\d+)\s+(.*)")
_FUNCTIONALS: Final = (
    ("Burke & Ernzerhof 1996", "PBE"),
    ("PBEsol", "PBEsol"),
    ("for solids", "PBEsol"),
    ("revPBE", "revPBE"),
    ("Zhang & Yang", "revPBE"),
    ("RPBE", "RPBE"),
    ("Hammer", "RPBE"),
    ("Wu-Cohen", "WC"),
    ("Becke-Lee-Yang-Parr", "BLYP"),
    ("Ceperley-Alder", "LDA-CA"),
    ("Perdew-Wang", "LDA-PW"),
    ("Perdew & Wang", "LDA-PW"),
)
_SPINS: Final[Mapping[int, str]] = MappingProxyType(
    {1: "not polarised", 2: "polarised", 4: "non-collinear", 8: "spin-orbit"}
)
_MODES: Final = (
    ("none", "not polarised"),
    ("non-col", "non-collinear"),
    ("col", "polarised"),
    ("spin-orbit", "spin-orbit"),
)


@dataclass(slots=True)
class Settings:
    """Settings of one run, as they are read."""

    version: str = ""
    elements: dict[int, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    potentials: list[str] = field(default_factory=list)
    aspects: dict[Aspect, str] = field(default_factory=dict)
    mesh_cutoff_ev: float | None = None
    basis: str = ""
    smearing_kind: str = "fermi-dirac"
    temperature_ev: float | None = None
    mesh: list[list[float]] = field(default_factory=list)
    charge: float | None = None
    max_cycles: int | None = None
    tolerance: float | None = None
    lattice_ang: float | None = None
    is_optimised: bool = False
    cell_varies: bool = False
    target_pressure: float = 0.0

    def read_version(self, line: str) -> None:
        """`Siesta Version: siesta-4.0--500` or `Version : 5.0.0`."""
        found = _VERSION.match(line)
        if found is not None:
            self.version = found.group(1)

    def read_species(self, line: str) -> None:
        """`Species number: 1 Label: Si Atomic number: 14`, in either order."""
        found = _SPECIES.search(line)
        number = number_after(line, "Atomic number:")
        if found is None or number is None:
            return
        self.elements[int(found.group(1))] = int(number)
        label = line.partition("Label:")[2].split()
        if label:
            self.labels[label[0]] = int(number)

    def read_input(self, lines: Lines) -> None:
        """The echo of the input, of which little is not printed elsewhere."""
        for line in lines:
            if "End of input data file" in line:
                return
            words = line.split("#")[0].split()
            name = words[0].lower().replace(".", "").replace("-", "").replace("_", "") if words else ""
            if name == "latticeconstant" and len(words) >= 2:
                value = reals(words[1], 1)
                unit = words[2].lower() if len(words) > 2 else "bohr"
                if value is not None and unit in ("ang", "bohr"):
                    self.lattice_ang = value[0] * (1.0 if unit == "ang" else BOHR_ANG)
            elif name == "%block" and len(words) >= 2:
                self._read_block(words[1], lines)

    def _read_block(self, name: str, lines: Lines) -> None:
        told = {
            "ldau.proj": Aspect.HUBBARD,
            "dftu.proj": Aspect.HUBBARD,
            "mm.potentials": Aspect.DISPERSION,
        }.get(name.lower())
        rows = []
        while (line := lines.peek()) is not None and "End of input data file" not in line:
            next(lines)
            if line.strip().lower().startswith("%endblock"):
                break
            rows.append(" ".join(line.split("#")[0].split()))
        if told is not None:
            self.aspects[told] = f"{name}: " + "; ".join(row for row in rows if row)

    def read_functional(self, line: str) -> None:
        """`xc_check: GGA Perdew, Burke & Ernzerhof 1996`."""
        text = " ".join(line.partition(":")[2].split())
        if text and not text.startswith("Exchange"):
            self.aspects[Aspect.FUNCTIONAL] = next((name for mark, name in _FUNCTIONALS if mark in text), text)

    def read_basis(self, lines: Lines) -> None:
        """The block PAO.Basis that is printed, with all radii."""
        rows = []
        for line in lines:
            if line.startswith("%endblock"):
                break
            rows.append(" ".join(line.split("#")[0].split()))
        self.basis = "; ".join(rows)

    def read_mesh(self, lines: Lines) -> None:
        """Three rows of the supercell of k points, each with its displacement."""
        self.mesh = []
        while len(self.mesh) < 3 and (lines.peek() or "").startswith("siesta: k-grid:"):
            row = reals(next(lines).rpartition(":")[2], 4)
            if row is None:
                break
            self.mesh.append(row)

    def read_parameter(self, line: str) -> None:
        """One line of the simulation parameters, `redata: Mesh Cutoff = 300.0000  Ry`."""
        name, _, rest = line[7:].partition("=")
        text, value = " ".join(name.split()), number_after(line, "=")
        if text == "Mesh Cutoff" and value is not None:
            self.mesh_cutoff_ev = value * _RYDBERG_EV
        elif text == "Electronic Temperature" and value is not None:
            self.temperature_ev = value * (_RYDBERG_EV if "Ry" in rest else BOLTZMANN_EV_PER_K)
        elif text == "Number of spin components" and value is not None:
            self.aspects[Aspect.SPIN] = _SPINS.get(int(value), f"{int(value)} components")
        elif text == "Spin configuration":
            self.aspects[Aspect.SPIN] = next((kind for mark, kind in _MODES if mark in rest), rest.strip())
        elif text == "Net charge of the system":
            self.charge = value
        elif text == "Max. number of SCF Iter" and value is not None:
            self.max_cycles = int(value)
        elif text == "DM Tolerance for SCF":
            self.tolerance = value
        elif text == "Variable cell":
            self.cell_varies = rest.strip() == "T"
        elif text.lower() == "target pressure" and value is not None:
            self.target_pressure = value
        elif text == "Dynamics option":
            self.cell_varies |= "Parrinello" in rest
            self.is_optimised = "opt" in rest
        elif text.startswith("Maximum number of") and value == 0.0:
            self.is_optimised = False

    def whole_charge(self) -> int | None:
        """The total charge, if it is told and whole."""
        if self.charge is None or abs(self.charge - round(self.charge)) > 1e-3:
            return None
        return round(self.charge)

    def method(self) -> Method:
        """Settings in one spelling."""
        aspects = dict(self.aspects)
        if self.basis:
            aspects[Aspect.BASIS] = self.basis
        if self.mesh_cutoff_ev is not None:
            aspects[Aspect.ACCURACY] = f"mesh {self.mesh_cutoff_ev:.6g} eV"
        if self.temperature_ev is not None:
            aspects[Aspect.SMEARING] = f"{self.smearing_kind} {self.temperature_ev:.4g} eV"
        found: dict[str, None] = {}
        for name in self.potentials:
            number = self.labels.get(name.rsplit(".", 1)[0], 0)
            symbol = chemical_symbols[number] if 0 < number < len(chemical_symbols) else "?"
            found[f"{symbol} {name}"] = None
        if found:
            aspects[Aspect.POTENTIALS] = "; ".join(sorted(found))
        return Method(PROGRAM, self.version, MappingProxyType(aspects), self._divisions())

    def _divisions(self) -> tuple[int, int, int] | None:
        if len(self.mesh) != 3:
            return None
        if any(self.mesh[row][column] != 0.0 for row in range(3) for column in range(3) if row != column):
            return None
        first, second, third = (abs(round(self.mesh[index][index])) for index in range(3))
        return first, second, third
