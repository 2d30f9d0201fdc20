"""Standard output of NWChem, versions 6 and 7: molecules by DFT, Hartree-Fock and MP2.

Each energy is a step; those of a line search have no gradient. The table of gradients names its own coordinates, so
that the pair is certain. Facts of the format are from outputs of versions 6 and 7.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from ase.data import chemical_symbols

from aims_pax.calculations.draft import HELD, Draft, has_held
from aims_pax.calculations.elements import atomic_number
from aims_pax.calculations.events import Reading, followed
from aims_pax.calculations.lines import Lines
from aims_pax.calculations.method import Aspect, Method
from aims_pax.calculations.numerals import even_reals, number_after, reals, stacked
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.step import Convergence, Step
from aims_pax.units import BOHR_ANG, HARTREE_EV

PROGRAM: Final = "NWChem"
_VERSION: Final = re.compile(r"\(NWChem\)\s+(\S+)")
_ENERGY: Final = re.compile(r"\s*Total (\S+) energy\s*=?\s*(-?\d+\.\d{6,})\s*")
_GRADIENTS: Final = re.compile(r"\s*(\S+) ENERGY GRADIENTS\s*")
_ATOM: Final = re.compile(r"\s*(\d+)\s+([A-Za-z]\S*)\s+(.*)")
_BASIS: Final = re.compile(r"(\S+)\s{2,}(\S.*?)\s{2,}\d+\s+\d+\s+\S+\s*")
_SPINS: Final[Mapping[str, str]] = MappingProxyType(
    {"closed shell": "not polarised", "RHF": "not polarised", "spin polarized": "polarised", "UHF": "polarised"}
)
CHARGES: Final = "point charges stand around it (Bq, QM/MM)"
_ENERGY_OF: Final[Mapping[str, str]] = MappingProxyType(
    {"DFT": "DFT", "RHF": "SCF", "UHF": "SCF", "ROHF": "SCF", "SCF": "SCF", "MP2": "MP2"}
)
"""Which energy the gradients of a heading are of; those of others, as of excited states, have none here."""


def recognises(text: str, _name: str) -> bool:
    """Whether a text is the standard output of NWChem."""
    is_part = "ENERGY GRADIENTS" in text and "coordinates                        gradient" in text
    return is_part or "Northwest Computational Chemistry Package (NWChem)" in text


def steps(lines: Lines) -> Steps:
    """The steps of an output of NWChem."""
    return followed(_Reading(lines), _EVENTS)


class _Reading(Reading):
    """Where the reading of one output stands."""

    def __init__(self, lines: Lines) -> None:
        super().__init__(lines)
        self.version = ""
        self.draft_energy = ""
        self._begin_run()

    def _begin_run(self) -> None:
        self.aspects: dict[Aspect, str] = {}
        self.told: dict[Aspect, str] = {}
        self.n_alpha: float | None = None
        self.charges: list[float] = []
        self.elements: dict[str, int] = {}
        self.charge: int | None = None
        self.multiplicity: int | None = None
        self.kind = ""
        self.has_failed = self.has_charges = False

    def completed(self, draft: Draft) -> Step:
        aspects = dict(self.told)
        if self.draft_energy != "DFT":
            aspects[Aspect.FUNCTIONAL] = {"SCF": "Hartree-Fock"}.get(self.draft_energy, self.draft_energy)
            aspects.pop(Aspect.ACCURACY, None)
            aspects.pop(Aspect.DISPERSION, None)
        return draft.step(Method(PROGRAM, self.version, MappingProxyType(aspects)))

    def on_version(self, line: str) -> None:
        found = _VERSION.search(line)
        if found is not None:
            self.finish()
            self._begin_run()
            self.version, self.has_ended = found.group(1), False

    def on_energy(self, line: str) -> None:
        """A DFT or SCF energy begins a step; one of a correlated method is another one of the same geometry."""
        found = _ENERGY.fullmatch(line)
        name = line.split()[1]
        value = None if found is None else float(found.group(2)) * HARTREE_EV
        if name in ("DFT", "SCF"):
            self.finish()
            self.draft = Draft(cell=np.zeros((3, 3)), pbc=(False, False, False), energy=value)
            self.draft.charge, self.draft.spin = self.charge, self.multiplicity
            self.draft.convergence = Convergence.NOT_REACHED if self.has_failed else Convergence.REACHED
            self.draft.flaws += [CHARGES] if self.has_charges else []
            self.draft_energy, self.has_failed, self.told = name, False, dict(self.aspects)
            self.has_charges = False
        if self.draft is not None and value is not None:
            self.draft.energies[f"Total {name} energy"] = value

    def on_failed(self, line: str) -> None:
        if "failed to converge" in line:
            self.has_failed = True

    def on_charges(self, _line: str) -> None:
        """Before the energy that they are part of."""
        self.has_charges = True

    def on_gradients(self, line: str) -> None:
        found = _GRADIENTS.fullmatch(line)
        self.kind = "" if found is None else found.group(1).upper()

    def on_table(self, line: str) -> None:
        if "coordinates" not in line or "gradient" not in line:
            return
        next(self.lines, None)
        labels: list[str] = []
        positions: list[list[float] | None] = []
        gradients: list[list[float] | None] = []
        while (found := _ATOM.fullmatch(self.lines.peek() or "")) is not None:
            if int(found.group(1)) != len(labels) + 1:
                break
            next(self.lines)
            row = even_reals(found.group(3), 6)
            labels.append(found.group(2))
            positions.append(None if row is None else row[:3])
            gradients.append(None if row is None else row[3:])
        draft = self.draft
        if draft is None or draft.forces is not None:
            self.finish()
            draft = self.draft = Draft(cell=np.zeros((3, 3)), pbc=(False, False, False))
            self.told = dict(self.aspects)
        self._pair(draft)
        n_atoms = len(self.charges) or None
        where, slope = stacked(positions, n_atoms), stacked(gradients, n_atoms)
        draft.positions = None if where is None else where * BOHR_ANG
        draft.forces = None if slope is None else -slope * (HARTREE_EV / BOHR_ANG)
        draft.flaws += [HELD] if draft.forces is not None and has_held(draft.forces) else []
        draft.numbers = self._numbers(labels)
        if draft.numbers is None or any(label.lower().startswith("bq") for label in labels):
            draft.flaws.append("it has ghost atoms, or labels that are of no element")

    def _pair(self, draft: Draft) -> None:
        """The energy that the gradients are of."""
        name = _ENERGY_OF.get(self.kind, "")
        draft.energy = draft.energies.get(f"Total {name} energy")
        self.draft_energy = name or self.draft_energy
        if not name:
            draft.flaws.append(f"its forces are of {self.kind or 'an unknown method'}, whose energy is not told")
        self.kind = ""

    def _numbers(self, labels: list[str]) -> np.ndarray | None:
        if len(self.charges) == len(labels) and all(one == round(one) > 0 for one in self.charges):
            return np.array([round(one) for one in self.charges], dtype=int)
        found = [atomic_number(label) for label in labels]
        return None if None in found or self.charges else np.array(found, dtype=int)

    def on_geometry(self, line: str) -> None:
        """The table of atoms with their nuclear charges; coordinates are taken from the gradients."""
        for _ in range(4):
            if _ATOM.fullmatch(self.lines.peek() or "") is not None:
                break
            next(self.lines, None)
        if "coordinates" not in line:
            return
        self.charges = []
        while (found := _ATOM.fullmatch(self.lines.peek() or "")) is not None:
            row = reals(found.group(3), 4)
            if row is None or int(found.group(1)) != len(self.charges) + 1:
                self.charges = []
                return
            next(self.lines)
            self.charges.append(row[0])
            self.elements[found.group(2).lower()] = round(row[0])

    def on_charge(self, line: str) -> None:
        value = number_after(line.replace("=", ":"), ":")
        if value is not None and value == round(value):
            self.charge = round(value)

    def on_multiplicity(self, line: str) -> None:
        value = number_after(line, ":")
        self.multiplicity = None if value is None else round(value)

    def on_electrons(self, line: str) -> None:
        """`alpha electrons = 6`, then those of the other spin."""
        count = number_after(line, "=")
        if line.lstrip().startswith("alpha"):
            self.n_alpha = count
        elif count is not None and self.n_alpha is not None:
            self.multiplicity = abs(round(self.n_alpha - count)) + 1

    def on_wave_function(self, line: str) -> None:
        kind = line.replace("=", ":").partition(":")[2].strip(" .")
        self.aspects[Aspect.SPIN] = _SPINS.get(kind, kind)

    def on_functional(self, _line: str) -> None:
        """A correction for dispersion is told behind it, where there is one."""
        self.aspects.pop(Aspect.DISPERSION, None)
        next(self.lines, None)
        rows = []
        while (line := self.lines.peek()) is not None and line.strip():
            rows.append(" ".join(next(self.lines).split()))
        named = [row for row in rows if " Method XC " in row]
        name = " ".join(row.split(" Method XC ")[0] for row in named)
        if name and all(row.split()[-1] in ("Functional", "Potential") for row in named):
            self.aspects[Aspect.FUNCTIONAL] = {"PBE96": "PBE"}.get(name, name)
        else:
            self.aspects[Aspect.FUNCTIONAL] = "PBE" if rows == _PBE else "; ".join(rows)

    def on_grid(self, line: str) -> None:
        if "XC integration" in line:
            self.aspects[Aspect.ACCURACY] = f"grid {line.partition(':')[2].strip()}"

    def on_basis(self, line: str) -> None:
        if "basis" not in line:
            return
        self.lines.take(3)
        rows: dict[str, None] = {}
        while (found := _BASIS.fullmatch((self.lines.peek() or "").strip())) is not None:
            next(self.lines)
            rows[f"{self._symbol(found.group(1))} {found.group(2)}"] = None
        if rows and '"ao basis"' in line:
            shape = "spherical" if "spherical" in line else "cartesian"
            self.aspects[Aspect.BASIS] = "; ".join(sorted(rows)) + f" ({shape})"

    def _symbol(self, tag: str) -> str:
        number = self.elements.get(tag.lower()) or atomic_number(tag) or 0
        return chemical_symbols[number] if 0 < number < len(chemical_symbols) else tag

    def on_dispersion(self, line: str) -> None:
        """`Dispersion Parameters`, then a model and its numbers; without a model it is Grimme's of 2004 or 2006."""
        if "Model" in line:
            self.aspects[Aspect.DISPERSION] = line.strip().removesuffix(" Model").removeprefix("DFT-")
        elif "Parameters" in line:
            self.aspects[Aspect.DISPERSION] = "D2"
        elif line.lstrip().startswith("s6") and self.aspects.get(Aspect.DISPERSION) == "D2":
            self.aspects[Aspect.DISPERSION] = f"D2, s6 {number_after(line, ':'):g}" if number_after(line, ":") else "D2"

    def on_dielectric(self, line: str) -> None:
        value = number_after(line, "=")
        if value is not None:
            self.aspects[Aspect.SOLVATION] = f"COSMO, dielectric constant {value:g}"

    def on_relaxation(self, line: str) -> None:
        if "converged" in line:
            self.relaxed = True
        elif "Geometry Optimization" in line or "maximum number of steps" in line:
            self.relaxed = False

    def on_plane_waves(self, line: str) -> None:
        if "NWPW" in line:
            self.remarks.append("It holds a calculation by plane waves (NWPW), which is not read.")

    def on_end(self, _line: str) -> None:
        self.has_ended = True


_PBE: Final = [
    "PerdewBurkeErnzerhof Exchange Functional 1.000",
    "Perdew 1991 LDA Correlation Functional 1.000 local",
    "PerdewBurkeErnz. Correlation Functional 1.000 non-local",
]
_EVENTS: Final[Mapping[str, Callable[[_Reading, str], None]]] = MappingProxyType(
    {
        "Northwes": _Reading.on_version,
        "Total DF": _Reading.on_energy,
        "Total SC": _Reading.on_energy,
        "Total MP": _Reading.on_energy,
        "Calculat": _Reading.on_failed,
        "Bq nucle": _Reading.on_charges,
        "atom    ": _Reading.on_table,
        "Output c": _Reading.on_geometry,
        "Charge  ": _Reading.on_charge,
        "charge  ": _Reading.on_charge,
        "Spin mul": _Reading.on_multiplicity,
        "alpha el": _Reading.on_electrons,
        "beta  el": _Reading.on_electrons,
        "wavefunc": _Reading.on_wave_function,
        "Wavefunc": _Reading.on_wave_function,
        "XC Infor": _Reading.on_functional,
        "Grid use": _Reading.on_grid,
        "Summary ": _Reading.on_basis,
        "Dispersi": _Reading.on_dispersion,
        "s6 scale": _Reading.on_dispersion,
        "DFT-D3 M": _Reading.on_dispersion,
        "DFT-D3BJ": _Reading.on_dispersion,
        "DFT-D2 M": _Reading.on_dispersion,
        "dielectr": _Reading.on_dielectric,
        "NWChem G": _Reading.on_relaxation,
        "Optimiza": _Reading.on_relaxation,
        "Failed t": _Reading.on_relaxation,
        "*       ": _Reading.on_plane_waves,
        "Total ti": _Reading.on_end,
    }
    | dict.fromkeys(
        ("DFT ENER", "RHF ENER", "UHF ENER", "ROHF ENE", "SCF ENER", "MP2 ENER", "mp2 ENER", "TDDFT EN"),
        _Reading.on_gradients,
    )
)
"""What is done with a line, by its first eight characters without blanks."""
