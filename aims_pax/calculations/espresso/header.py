"""What one run of pw.x prints before its first step: settings, species, the mesh."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final

from ase.data import chemical_symbols

from aims_pax.calculations.elements import atomic_number
from aims_pax.calculations.espresso.functional import functional_of, hybrid_of
from aims_pax.calculations.espresso.mesh import mesh_of
from aims_pax.calculations.lines import Lines
from aims_pax.calculations.method import Aspect, Method
from aims_pax.calculations.numerals import number, number_after, reals
from aims_pax.frame import FloatArray
from aims_pax.units import HARTREE_EV

PROGRAM: Final = "Quantum ESPRESSO"
RYDBERG_EV: Final = HARTREE_EV / 2
_VERSION: Final = re.compile(r"PWSCF\s+v\.?\s*(\S+)")
_SPECIES: Final = re.compile(r"\s*(\S+)\s+(-?\d+\.\d+)\s*(-?\d+\.\d+|\*+)\s+(.*)")
_POTENTIAL: Final = re.compile(r"PseudoPot\. #\s*(\d+) for (.{2})\s*read from file:?\s*(.*)")
_WIDTH: Final = re.compile(r"k points=\s*(?:\d+|\*+)\s+(\S.*?) smearing, width \(Ry\)=\s*(\S+)")
_BROADENING: Final = re.compile(r"gaussian broad\. \(Ry\)=\s*(\S+)\s+ngauss =\s*(-?\d+)")
_NGAUSS: Final[Mapping[int, str]] = MappingProxyType(
    {0: "gaussian", 1: "methfessel-paxton", -1: "marzari-vanderbilt", -99: "fermi-dirac"}
)
CORRECTIONS: Final = ("U", "alpha", "J0", "beta")
"""What Dudarev's correction may have, in the order of the table."""

_DISPERSIONS: Final = (("XDM", "XDM"), ("T-S", "Tkatchenko-Scheffler"), ("MBD", "many-body dispersion"))
_SMEARINGS: Final[Mapping[str, str]] = MappingProxyType({"cold": "marzari-vanderbilt", "m-p": "methfessel-paxton"})


@dataclass(slots=True)
class Species:
    """One species: its label stands for an element and has a number of valence electrons."""

    number: int | None
    valence: float
    mixed: bool = False


@dataclass(slots=True)
class Header:
    """Settings of one run, as they are read."""

    version: str = ""
    n_atoms: int | None = None
    n_electrons: float | None = None
    multiplicity: int | None = None
    threshold_ry: float | None = None
    cutoffs: dict[str, float] = field(default_factory=dict)
    aspects: dict[Aspect, str] = field(default_factory=dict)
    extras: list[str] = field(default_factory=list)
    species: dict[str, Species] = field(default_factory=dict)
    potentials: dict[int, list[str]] = field(default_factory=dict)
    sums: dict[int, list[str]] = field(default_factory=dict)
    points: list[list[float]] = field(default_factory=list)
    axes: FloatArray | None = None
    projectors: str = ""
    """Of +U, where they are no plain atomic ones."""
    is_isolated: bool = False
    n_electrons_vary: bool = False
    _elements: dict[int, str] = field(default_factory=dict)
    _mesh: tuple[tuple[int, int, int] | None] | None = None
    _method: Method = field(default_factory=lambda: Method(PROGRAM))

    def number_of(self, label: str) -> int | None:
        """The element of a label: that of its pseudopotential where the table of species names one."""
        known = self.species.get(label)
        return atomic_number(label) if known is None else known.number

    def is_mixed(self, labels: set[str]) -> bool:
        """Whether one of the labels is a virtual atom, made of several elements."""
        return any(one in self.species and self.species[one].mixed for one in labels)

    def charge_of(self, labels: list[str]) -> tuple[int | None, str]:
        """The total charge, if it is told and whole; otherwise why not."""
        if self.n_electrons is None or self.n_electrons_vary or not labels or not set(labels) <= self.species.keys():
            return None, ""
        valence = sum(self.species[one].valence for one in labels)
        charge = valence - self.n_electrons
        whole = round(charge)
        if abs(whole) > max(10.0, valence / 2):
            return None, f"its {self.n_electrons:g} electrons are not those of its atoms, which bring {valence:g}"
        if abs(charge - whole) > 0.011:
            return None, f"its charge is not whole ({charge:+.2f} e)"
        return whole, ""

    def method(self) -> Method:
        """Settings in one spelling."""
        aspects = dict(self.aspects)
        if self.cutoffs:
            aspects[Aspect.BASIS] = basis_of(self.cutoffs)
        if self.projectors and (known := aspects.get(Aspect.HUBBARD, "")):
            aspects[Aspect.HUBBARD] = "; ".join(f"{part}, {self.projectors}" for part in known.split("; "))
        for aspect, told in ((Aspect.POTENTIALS, self.potentials), (Aspect.SUMS, self.sums)):
            found = {self._symbol(one): " + ".join(dict.fromkeys(names)) for one, names in told.items()}
            if found:
                aspects[aspect] = "; ".join(f"{symbol} {found[symbol]}" for symbol in sorted(found))
        if self.species and self.cutoffs:
            aspects.setdefault(Aspect.SPIN, "not polarised")
        if self.extras:
            aspects[Aspect.ACCURACY] = ", ".join(dict.fromkeys(self.extras))
        if self._mesh is None and self.points and self.axes is not None:
            self._mesh = (mesh_of(self.points, self.axes),)
        method = Method(PROGRAM, self.version, MappingProxyType(aspects), self._mesh[0] if self._mesh else None)
        if method != self._method:
            self._method = method
        return self._method

    def _symbol(self, index: int) -> str:
        number = atomic_number(self._elements.get(index, ""))
        return chemical_symbols[number] if number else f"species {index}"


def _on_program(header: Header, line: str, _: Lines) -> None:
    found = _VERSION.search(line)
    if found is not None:
        header.version = found.group(1)


def _on_number_of(header: Header, line: str, lines: Lines) -> None:
    if "atoms/cell" in line:
        count = number_after(line, "=")
        header.n_atoms = int(count) if count is not None and count >= 1 else None
    elif "electrons" in line:
        header.n_electrons = number_after(line, "=")
        up, down = number_after(line, "(up:"), number_after(line, "down:")
        if up is not None and down is not None:
            header.aspects[Aspect.SPIN] = "polarised"
            if abs(up - down - round(up - down)) < 0.011:
                header.multiplicity = abs(round(up - down)) + 1
    elif "k points" in line:
        _read_points(header, line, lines)


def _read_points(header: Header, line: str, lines: Lines) -> None:
    header.aspects[Aspect.SMEARING] = _smearing_of(line, header.aspects.get(Aspect.SMEARING, ""))
    header.points, header._mesh = [], None
    count = number_after(line, "=")
    if count is None or "cart. coord." not in (lines.peek() or ""):
        return
    next(lines)
    while len(header.points) < count and (lines.peek() or "").lstrip().startswith("k("):
        row = next(lines)
        values = reals(row.partition("= (")[2].replace("), wk =", " "), 4)
        if values is None:
            header.points = []
            return
        header.points.append(values)
    if len(header.points) != count:
        header.points = []


def _smearing_of(line: str, before: str) -> str:
    if "tetrahedron" in line:
        return before if before.startswith("tetrahedra") else "tetrahedra"
    if (old := _BROADENING.search(line)) is not None:
        order = int(old.group(2))
        kind, width = _NGAUSS.get(order, f"methfessel-paxton of order {order}"), old.group(1)
    elif (new := _WIDTH.search(line)) is not None:
        kind, width = new.group(1).lower(), new.group(2)
    else:
        return before if before.startswith("occupations") else "none"
    value = number(width)
    return _SMEARINGS.get(kind, kind) + (f" {printed(value):g} eV" if value is not None else "")


def _on_functional(header: Header, line: str, lines: Lines) -> None:
    following = lines.peek() or ""
    text = line + following if following.strip().startswith("(") and "(" not in line else line
    header.aspects[Aspect.FUNCTIONAL] = functional_of(text)


def _on_exact_exchange(header: Header, line: str, _: Lines) -> None:
    name = header.aspects.get(Aspect.FUNCTIONAL, "")
    header.aspects[Aspect.FUNCTIONAL] = hybrid_of(name, number_after(line, "="))


def _on_potential(header: Header, line: str, lines: Lines) -> None:
    found = _POTENTIAL.search(line)
    if found is None:
        return
    index = int(found.group(1))
    path = found.group(3).strip() or next(lines, "").strip()
    name = PurePosixPath(path).name
    following = lines.peek() or ""
    header._elements[index] = found.group(2)
    same = next((one for one, text in header._elements.items() if text == found.group(2)), index)
    names = header.potentials.setdefault(same, [])
    if name not in names:
        names.append(name)
    if "MD5 check sum:" in following:
        header.sums.setdefault(same, []).append(f"md5 {following.partition(':')[2].strip()[:8]}")


def _on_species(header: Header, line: str, lines: Lines) -> None:
    if "valence" not in line:
        return
    header.species = {}
    while (found := _SPECIES.fullmatch(lines.peek() or "")) is not None:
        next(lines)
        label, valence, _, potential = found.groups()
        parts = re.findall(r"([A-Za-z]{1,2})\s*\(", potential)
        number = atomic_number(parts[0]) if len(parts) == 1 else None
        header.species[label] = Species(number or atomic_number(label), float(valence), mixed=len(parts) > 1)


def _on_hubbard(header: Header, line: str, lines: Lines) -> None:
    if "Simplified LDA+U" in line and _read_simplified(header, lines):
        return
    if line.lstrip().startswith("Hubbard ") and not any(mark in line for mark in ("projectors", "parameters")):
        return
    found = [line.strip()]
    while (following := (lines.peek() or "").strip()) and len(found) < 200:
        next(lines)
        if not following.startswith(("atomic species", "Internal")):
            found.append(" ".join(following.split()))
    known = header.aspects.get(Aspect.HUBBARD)
    header.aspects[Aspect.HUBBARD] = "; ".join(([known] if known else []) + found)


def _on_projectors(header: Header, line: str, _: Lines) -> None:
    kinds = {"are orthogonalized": "ortho-atomic", "are normalized": "norm-atomic"}
    header.projectors = next((kind for mark, kind in kinds.items() if mark in line), "")


def _on_tetrahedra(header: Header, line: str, _: Lines) -> None:
    header.aspects[Aspect.SMEARING] = f"tetrahedra, {'linear' if 'Linear' in line else 'optimised'}"


def _read_simplified(header: Header, lines: Lines) -> bool:
    """The table of Dudarev's corrections as versions 5 and 6 print it: species, L, U, alpha, J0 and beta."""
    if "atomic species" not in (lines.peek() or ""):
        return False
    next(lines)
    found = []
    while len(words := (lines.peek() or "").split()) > 2:
        values = reals(" ".join(words[2:]), len(words) - 2)
        if values is None or len(values) > len(CORRECTIONS):
            return False
        next(lines)
        found.append(simplified(words[0], dict(zip(CORRECTIONS, values, strict=False))))
    header.aspects[Aspect.HUBBARD] = "; ".join(sorted(found))
    return bool(found)


def simplified(species: str, values: Mapping[str, float]) -> str:
    """Dudarev's correction of one species in one spelling, its parameters in eV as four decimals tell them."""
    kept = [f"{name} {round(value, 4):g}" for name, value in values.items() if name == "U" or round(value, 4)]
    return f"{species} {' '.join(kept)} eV"


def basis_of(cutoffs: Mapping[str, float]) -> str:
    """Cutoffs in one spelling; that of exact exchange is told where it is not the one of the density."""
    told = {name: value for name, value in cutoffs.items() if name != "exchange" or value != cutoffs.get("density")}
    return "plane waves " + ", ".join(f"{name} {value:g} eV" for name, value in told.items())


def printed(value_ry: float) -> float:
    """An energy as the four decimals of Rydberg tell it that pw.x prints, eV."""
    return float(f"{round(value_ry, 4) * RYDBERG_EV:.6g}")


def _on_intersite(header: Header, line: str, _: Lines) -> None:
    """Versions 6.5 to 7.0 do not print the parameters of DFT+U+V, only that there are some."""
    if "Hubbard V" in line:
        header.aspects[Aspect.HUBBARD] = "intersite V of the input, values not told"


def _cutoff(name: str) -> Callable[[Header, str, Lines], None]:
    def read(header: Header, line: str, _: Lines) -> None:
        value = number_after(line, "=")
        if value is not None:
            header.cutoffs[name] = printed(value)

    return read


def _says(aspect: Aspect, text: str, mark: str = "") -> Callable[[Header, str, Lines], None]:
    def read(header: Header, line: str, _: Lines) -> None:
        if mark in line:
            header.aspects[aspect] = text

    return read


def _extra(text: str) -> Callable[[Header, str, Lines], None]:
    def read(header: Header, _line: str, _: Lines) -> None:
        header.extras.append(text)

    return read


def _on_noncollinear(header: Header, line: str, _: Lines) -> None:
    header.aspects[Aspect.SPIN] = "non-collinear" if "without" in line else "non-collinear with spin-orbit"


def _on_threshold(header: Header, line: str, _: Lines) -> None:
    if "threshold" in line:
        header.threshold_ry = number_after(line, "=")


def _on_isolated(header: Header, line: str, _: Lines) -> None:
    header.is_isolated = "Martyna-Tuckerman" in line
    header.extras.append("isolated by Martyna-Tuckerman" if header.is_isolated else " ".join(line.split()).lower())


def _on_grand_canonical(header: Header, _line: str, _: Lines) -> None:
    header.n_electrons_vary = True


def _on_dispersion(header: Header, line: str, _: Lines) -> None:
    name = " ".join(line.partition("=")[0].strip(" :-").split())
    if "D3" in name:
        known = header.aspects.get(Aspect.DISPERSION, "")
        many = "3-body" in name or "three-body" in known
        header.aspects[Aspect.DISPERSION] = "D3 with three-body terms" if many else "D3"
    elif "Correction" in name:
        header.aspects[Aspect.DISPERSION] = next((kind for mark, kind in _DISPERSIONS if mark in name), "D2")


HEADER: Final[Mapping[str, Callable[[Header, str, Lines], None]]] = MappingProxyType(
    {
        "Program ": _on_program,
        "number o": _on_number_of,
        "kinetic-": _cutoff("orbitals"),
        "charge d": _cutoff("density"),
        "cutoff f": _cutoff("exchange"),
        "scf conv": _on_threshold,
        "Exchange": _on_functional,
        "EXX-frac": _on_exact_exchange,
        "PseudoPo": _on_potential,
        "atomic s": _on_species,
        "Starting": _says(Aspect.SPIN, "polarised", "magnetic structure"),
        "Noncolli": _on_noncollinear,
        "Non magn": _says(Aspect.SPIN, "not magnetic, spin-orbit"),
        "[opt_tet": _on_tetrahedra,
        "Atomic w": _on_projectors,
        "Occupati": _says(Aspect.SMEARING, "occupations from the input", "read from input"),
        "Environ ": _says(Aspect.SOLVATION, "Environ", "Module"),
        "Reading ": _on_intersite,
        "Simplifi": _on_hubbard,
        "LDA+U ca": _on_hubbard,
        "Full LDA": _on_hubbard,
        "Hubbard ": _on_hubbard,
        "DFT-D3 D": _on_dispersion,
        "Dispersi": _on_dispersion,
        "Paramete": _on_dispersion,
        "Assuming": _on_isolated,
        "Effectiv": _extra("effective screening medium"),
        "Adding e": _extra("external field or dipole correction"),
        "Using Be": _extra("Berry-phase electric field"),
        "Real spa": _extra("projectors in real space"),
        "Grand-Ca": _on_grand_canonical,
        "Target F": _on_grand_canonical,
        "FCP : Fe": _on_grand_canonical,
        "A smooth": _extra("smoothed kinetic energy"),
    }
)
"""What is done with a line, by its first eight characters without blanks: one look for each of millions of lines."""
