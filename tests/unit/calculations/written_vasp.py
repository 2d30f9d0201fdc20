"""Outputs in VASP's format, written by tests: VASP itself is licensed.

Layouts are those of VASP 4.6.35, 5.4.4 and 6.3 as public outputs show them; numbers are of a harmonic crystal, so that
energies and forces belong together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from aims_pax.calculations.step import Closing, Step
from aims_pax.frame import FloatArray

from .published import read

RULE = " " + "-" * 83
BAR = "-" * 104
SPRING_EV_PER_ANG2 = 1.5


@dataclass(frozen=True, slots=True)
class Moment:
    """One step of a written output."""

    positions: FloatArray
    cell: FloatArray
    changes: Sequence[float] = (-12.5, 3e-2, -4e-5, 7e-7)
    """Change of the energy by each electronic cycle, eV."""
    entropy_ev: float = -0.004
    is_learned: bool = False
    table: bool = True
    dispersion_ev: float = 0.0

    @property
    def energy(self) -> float:
        """Of springs to the lattice of :func:`moments`, eV."""
        return float(0.5 * SPRING_EV_PER_ANG2 * ((self.positions - START) ** 2).sum()) - 20.0 + self.dispersion_ev

    @property
    def forces(self) -> FloatArray:
        """eV/Å."""
        forces: FloatArray = -SPRING_EV_PER_ANG2 * (self.positions - START)
        return forces


CELL = np.array([[4.2, 0.0, 0.0], [-0.3, 4.4, 0.0], [0.1, -0.2, 5.1]])
START = np.array([[0.1, 0.2, 0.3], [2.1, 2.2, 2.3], [1.0, 3.0, 4.0]])
KILOBARS = (-12.5, 3.25, 7.125, 0.5, -0.25, 1.75)
"""xx yy zz xy yz zx."""
KILOBAR = -1e-3 / 1.602176634
"""eV/Å³, in ASE's sign."""


def moments(n_steps: int = 3) -> list[Moment]:
    """Steps of three atoms that move."""
    noise = np.random.default_rng(7)
    return [Moment(np.round(START + noise.normal(scale=0.05, size=(3, 3)), 5), CELL) for _ in range(n_steps)]


@dataclass(frozen=True, slots=True)
class Outcar:
    """An OUTCAR that is written."""

    version: str = "5.4.4.18Apr17-6-g9f103f2a35"
    titles: Sequence[str] = ("PAW_PBE Ti_sv 26Sep2005", "PAW_PBE O 08Apr2002")
    counts: Sequence[int] = (1, 2)
    echo: Sequence[str] = ()
    settings: dict[str, str] = field(default_factory=dict)
    lattice_decimals: int = 9

    def text(self, steps: Sequence[Moment], *, is_whole: bool = True) -> str:
        """The file."""
        body = [line for number, step in enumerate(steps, start=1) for line in self._step(number, step)]
        end = ["", " General timing and accounting informations for this job:", " " + "=" * 56] if is_whole else []
        return "\n".join([*self._head(steps[0]), *body, *end, ""])

    def _head(self, first: Moment) -> list[str]:
        values = {
            "NWRITE": "2", "PREC": "accura", "ICHARG": "2", "ISPIN": "1", "LNONCOLLINEAR": "F", "LSORBIT": "F",
            "LASPH": "T", "METAGGA": "F", "ENCUT": "400.0", "NELM": "60", "EDIFF": "0.1E-05", "LREAL": "F",
            "NSW": "10", "IBRION": "0", "ISIF": "2", "SCALEE": "1.0000", "PSTRESS": "0.0", "NELECT": "24.0000",
            "NUPDOWN": "-1.0000", "ISMEAR": "0", "SIGMA": "0.05", "IALGO": "38", "GGA": "--", "LEXCH": "8",
            "LHFCALC": "F", "AEXX": "0.0000",
        } | self.settings  # fmt: skip
        potentials = [f" POTCAR:    {title}                   " for title in self.titles]
        each = [line for title in self.titles for line in (f" POTCAR:    {title}  ", f"   TITEL  = {title}  ")]
        fractional = first.positions @ np.linalg.inv(first.cell)
        return [
            f" vasp.{self.version} (build Sep 18 2018 16:57:57) complex          ", "  ",
            " executed on             LinuxIFC date 2019.04.23  05:48:14", BAR, " INCAR:", *self.echo, *potentials,
            *each,
            "Automatic generation of k-mesh.", " generate k-points for:    2    2    1",
            " Dimension of arrays:", "   number of dos      NEDOS =    301   number of ions     NIONS =      3",
            "   ions per type =               " + "".join(f"{count:4d}" for count in self.counts),
            " Startparameter for this run:", *(f"   {name:6s} = {value:>6s}" for name, value in values.items()),
            "   ZVAL   =  12.00  6.00", "   VCA    =   1.00  1.00",
            *self._vectors(first.cell), " position of ions in fractional coordinates (direct lattice) ",
            *(" " + "".join(f"{value:13.8f}" for value in row) for row in fractional), "",
        ]  # fmt: skip

    def _vectors(self, cell: FloatArray) -> list[str]:
        reciprocal = np.linalg.inv(cell).T
        rows = [[*direct, *other] for direct, other in zip(cell, reciprocal, strict=True)]
        return [
            f"  volume of cell : {abs(np.linalg.det(cell)):11.2f}",
            "      direct lattice vectors                 reciprocal lattice vectors",
            *("    " + "".join(f"{value:13.9f}" for value in row) for row in rows),
            "",
        ]

    def _step(self, number: int, step: Moment) -> list[str]:
        if step.is_learned:
            return [
                *self._stress(step),
                *self._vectors(step.cell),
                *self._table(step),
                *self._energy(step),
                "     LOOP+:  1",
            ]
        cycles = [
            line
            for cycle, change in enumerate(step.changes, start=1)
            for line in (
                f"{'-' * 39} Iteration {number:6d}({cycle:4d})  {'-' * 39}",
                f" total energy-change (2. order) :{change:14.7E}  ({0.1 * change:.7E})".replace("E", "E"),
                f"  free energy    TOTEN  = {step.energy - step.dispersion_ev + change:20.8f} eV", "",
            )
        ]  # fmt: skip
        end = [f"{'-' * 24} aborting loop because EDIFF is reached {'-' * 40}", ""]
        derivatives = [*self._stress(step), *self._vectors(step.cell), *(self._table(step) if step.table else [])]
        parts = [self._energy(step), derivatives] if self.version.startswith("4") else [derivatives, self._energy(step)]
        return [*cycles, *end, *parts[0], *parts[1], "     LOOP+:  cpu time   65.0190: real time   65.1009", ""]

    def _stress(self, step: Moment) -> list[str]:
        start = "  ML FORCE" if step.is_learned else "  FORCE"
        return [
            f"{start} on cell =-STRESS in cart. coord.  units (eV):",
            "  in kB  " + "".join(f"{value:12.5f}" for value in KILOBARS),
            "  external pressure =       -2.65 kB  Pullay stress =        0.00 kB",
            "  Total+kin.    99.0     99.0      99.0       99.0      99.0       99.0",
        ]

    def _table(self, step: Moment) -> list[str]:
        mark = " (ML)" if step.is_learned else ""
        rows = zip(step.positions, step.forces, strict=True)
        return [
            f" POSITION                                       TOTAL-FORCE (eV/Angst){mark}", RULE,
            *(_columns(place, 13, 5) + "   " + _columns(force, 14, 6) for place, force in rows),
            RULE, "    total drift:                               -0.005850     -0.002026      0.008629", "",
        ]  # fmt: skip

    def _energy(self, step: Moment) -> list[str]:
        mark, start = ("ML TOTEN", "ML ") if step.is_learned else ("  TOTEN", "")
        return [
            "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)", "  " + "-" * 51,
            f"  free  energy {mark}  = {step.energy:18.8f} eV", "",
            f"  {start}energy  without entropy={step.energy - step.entropy_ev:17.8f}  "
            f"energy(sigma->0) ={step.energy - 0.5 * step.entropy_ev:17.8f}",
            f"  enthalpy is  TOTEN    = {step.energy + 5:18.8f} eV   P V=        5.00000000", "",
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Vasprun:
    """A vasprun.xml that is written."""

    version: str = "5.4.4.18Apr17-6-g9f103f2a35"
    kinds: Sequence[tuple[int, str, str]] = ((1, "Ti", "PAW_PBE Ti_sv 26Sep2005"), (2, "O ", "PAW_PBE O 08Apr2002"))
    given: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    selective: Sequence[str] = ()
    is_zero: bool = False
    """Whether forces and stress were not computed."""

    def text(self, steps: Sequence[Moment], *, is_whole: bool = True) -> str:
        """The file."""
        values = {
            "PREC": "accura", "ENMAX": "400.00000000", "EDIFF": "0.00000100", "IALGO": "38", "NELECT": "24.0",
            "ISMEAR": "0", "SIGMA": "0.05000000", "LREAL": "F", "ICHARG": "2", "ISPIN": "1", "LNONCOLLINEAR": "F",
            "NUPDOWN": "-1.0", "LSORBIT": "F", "LASPH": "T", "NELM": "60", "NSW": "10", "IBRION": "0", "ISIF": "2",
            "SCALEE": "1.0", "LDAU": "F", "GGA": "--", "LHFCALC": "F", "AEXX": "0.0",
        } | self.settings  # fmt: skip
        atoms = [(symbol, kind) for kind, (n, symbol, _) in enumerate(self.kinds, start=1) for _ in range(n)]
        lines = [
            '<?xml version="1.0" encoding="ISO-8859-1"?>', "<modeling>", " <generator>",
            '  <i name="program" type="string">vasp </i>', f'  <i name="version" type="string">{self.version}  </i>',
            " </generator>", " <incar>", *_entries(self.given), " </incar>", " <kpoints>",
            '  <generation param="Monkhorst-Pack">',
            '   <v type="int" name="divisions">       2        2        1 </v>',
            "  </generation>", " </kpoints>", " <parameters>", *_entries(values),
            '  <separator name="response"> ', '   <i type="int" name="NELM">     1</i>', "  </separator>",
            " </parameters>",
            " <atominfo>", f"  <atoms>  {len(atoms)} </atoms>", '  <array name="atoms" >', "   <set>",
            *(f"    <rc><c>{symbol}</c><c>   {kind}</c></rc>" for symbol, kind in atoms),
            "   </set>", "  </array>", '  <array name="atomtypes" >', "   <set>",
            *(f"    <rc><c>  {n}</c><c>{symbol}</c><c>  1.0</c><c>  {valence}</c><c> {title}  </c></rc>"
              for (n, symbol, title), valence in zip(self.kinds, (12.0, 6.0), strict=True)),
            "   </set>", "  </array>", " </atominfo>", ' <structure name="initialpos" >', *_structure(steps[0]),
            *((' <varray name="selective" >', *self.selective, " </varray>") if self.selective else ()),
            " </structure>",
        ]  # fmt: skip
        for step in steps:
            lines += self._calculation(step)
        end = (
            [' <structure name="finalpos" >', *_structure(steps[-1]), " </structure>", "</modeling>"]
            if is_whole
            else []
        )
        return "\n".join([*lines, *end, ""])

    def _calculation(self, step: Moment) -> list[str]:
        cycles: list[str] = []
        last = step.energy - step.dispersion_ev
        energies = [last + change for change in step.changes[1:]] + [last]
        for energy in () if step.is_learned else energies:
            cycles += [
                "  <scstep>",
                "   <energy>",
                *_energies(energy, energy - step.entropy_ev, energy),
                "   </energy>",
            ]
            cycles += ["  </scstep>"]
        zero = 0.0 if self.is_zero else 1.0
        xx, yy, zz, xy, yz, zx = (zero * value for value in KILOBARS)
        return [
            " <calculation>", *cycles, "  <structure>", *_structure(step), "  </structure>",
            *_rows("forces", zero * step.forces), *_rows("stress", [[xx, xy, zx], [xy, yy, yz], [zx, yz, zz]]),
            "  <energy>", *_energies(step.energy, step.energy - 0.5 * step.entropy_ev, step.entropy_ev),
            f'   <i name="total"> {step.energy + 3:16.8f} </i>', "  </energy>",
            "  <dos>", "    <set>", "       <r>    -1.0881    12.4905    17.9848 </r>", "    </set>", "  </dos>",
            " </calculation>",
        ]  # fmt: skip


def _columns(values: FloatArray, width: int, places: int) -> str:
    return "".join(f"{value:{width}.{places}f}" for value in values)


def _entries(values: dict[str, str]) -> list[str]:
    return [f'  <i type="string" name="{name}">{value}</i>' for name, value in values.items()]


def _energies(free: float, internal: float, zero: float) -> list[str]:
    names = {"e_fr_energy": free, "e_wo_entrp": internal, "e_0_energy": zero}
    return [f'    <i name="{name}"> {value:16.8f} </i>' for name, value in names.items()]


def _rows(name: str, rows: FloatArray | Sequence[Sequence[float]]) -> list[str]:
    return [
        f'  <varray name="{name}" >',
        *("   <v> " + " ".join(f"{value:16.8f}" for value in row) + " </v>" for row in rows),
        "  </varray>",
    ]


def _structure(step: Moment) -> list[str]:
    return [
        "  <crystal>", *_rows("basis", step.cell), *_rows("rec_basis", np.linalg.inv(step.cell).T), "  </crystal>",
        *_rows("positions", step.positions @ np.linalg.inv(step.cell)),
    ]  # fmt: skip


def stretched(step: Moment, factor: float) -> Moment:
    """The same step in a longer cell."""
    return replace(step, cell=step.cell * factor)


def steps_of(folder: Path, text: str, name: str = "OUTCAR") -> tuple[list[Step], Closing]:
    """What is read of a text."""
    file = folder / name
    file.write_text(text)
    return read(file)


def is_same(step: Step, moment: Moment, tolerance: float = 1e-6) -> bool:
    """Whether a step has the numbers that were written."""
    return (
        step.energy == pytest.approx(moment.energy, abs=1e-7)
        and step.numbers is not None
        and step.numbers.tolist() == [22, 8, 8]
        and step.cell is not None
        and np.allclose(step.cell, moment.cell, atol=1e-7)
        and step.positions is not None
        and np.allclose(step.positions, moment.positions, atol=tolerance)
        and step.forces is not None
        and np.allclose(step.forces, moment.forces, atol=tolerance)
    )
