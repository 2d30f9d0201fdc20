"""Standard output of SIESTA, which can't be run here: own texts follow the formats of its sources."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pytest

from aims_pax.calculations.method import Aspect
from aims_pax.calculations.siesta import output
from aims_pax.calculations.step import Closing, Convergence, Ended, Step
from aims_pax.units import BOHR_ANG
from tests.unit.calculations import published
from tests.unit.calculations.damage import read_text, require_survival

HEAD: Final = """\
Siesta Version: siesta-4.0--500
                           *  WELCOME TO SIESTA  *
************************** Dump of input data file ****************************
SystemLabel  gaas
LatticeConstant  5.60 Ang   # of the conventional cell
%block LDAU.proj
Ga 1
3.0 0.0
%endblock LDAU.proj
************************** End of input data file *****************************
 Species number:            1  Label: Ga Atomic number:          31
 Species number:            2  Atomic number:          33 Label: As
Reading pseudopotential information in formatted form from Ga.psf
Reading pseudopotential information in formatted form from As.psf
xc_check: Exchange-correlation functional:
xc_check: Ceperley-Alder
%block PAO.Basis                 # Define Basis set
Ga                    1                    # Species label, number of l-shells
 n=4   0   1                         # n, l, Nzeta
   5.100
%endblock PAO.Basis
siesta: Atomic coordinates (Bohr) and species
siesta:      0.00000   0.00000   0.00000  1        1
siesta:      2.64562   2.64562   2.64562  2        2
siesta: System type = bulk
redata: Number of spin components        =     1
redata: Mesh Cutoff                      =   100.0000  Ry
redata: Net charge of the system         =     0.0000 |e|
redata: Max. number of SCF Iter          =       10
redata: DM Tolerance for SCF             =     0.000100
redata: Electronic Temperature           =     0.0019  Ry
redata: Dynamics option                  =     Verlet MD run
siesta: k-grid: Supercell and displacements
siesta: k-grid:    3   0   0      0.500
siesta: k-grid:    0   3   0      0.500
siesta: k-grid:    0   0   3      0.500
"""
TAIL: Final = ">> End of run:   7-JUL-2016   8:47:05\n"
STATIC: Final = ((-4e-3, 1e-4, 0.0), (1e-4, -5e-3, 0.0), (0.0, 0.0, 6e-3))
TOTAL: Final = ((-9e-3, 0.0, 0.0), (0.0, -9e-3, 0.0), (0.0, 0.0, 9e-3))
CELL: Final = ((0.0, 2.8, 2.8), (2.8, 0.0, 2.8), (2.8, 2.8, 0.0))


@dataclass(frozen=True, slots=True)
class Printed:
    """One step as SIESTA prints it."""

    number: int
    unit: str = "Ang"
    positions: Sequence[Sequence[float]] = ((0.0, 0.0, 0.0), (1.4, 1.4, 1.45))
    cell: Sequence[Sequence[float]] | None = CELL
    energy: float = -233.1234
    free: float = -233.1234
    forces: Sequence[Sequence[float]] = ((0.1, -0.2, 0.3), (-0.1, 0.2, -0.3))
    said: str = "SCF cycle converged after    7 iterations"
    n_cycles: int = 0
    last_change: float = 0.00001

    def text(self) -> str:
        atoms = "".join(
            "".join(f"{value:14.8f}" for value in row) + f"   {index}       {index}  X\n"
            for index, row in enumerate(self.positions, 1)
        )
        cycles = "".join(
            f"siesta:{cycle:5d}{self.energy:14.4f}{self.energy:14.4f}{self.free:14.4f}{self.last_change:8.5f} -3.7410\n"
            for cycle in range(1, self.n_cycles + 1)
        )
        cell = "" if self.cell is None else "outcell: Unit cell vectors (Ang):\n" + _rows(self.cell, "    ")
        forces = "".join(
            f"{index:6d}" + "".join(f"{value:12.6f}" for value in row) + "\n"
            for index, row in enumerate(self.forces, 1)
        )
        return (
            f"                            Begin MD step = {self.number:6d}\n"
            f"\noutcoor: Atomic coordinates ({self.unit}):\n{atoms}\n{cell}\n{cycles}\n{self.said}\n\n"
            f"siesta: E_KS(eV) = {self.energy:22.4f}\n\nsiesta: Atomic forces (eV/Ang):\n{forces}"
            "----------------------------------------\n   Tot    0.000000    0.000000    0.000000\n\n"
            f"Target enthalpy (eV/cell) {self.free:14.4f}\n\n"
            f"siesta: Stress tensor (static) (eV/Ang**3):\n{_rows(STATIC, '     ')}\n"
            f"siesta: Stress tensor (total) (eV/Ang**3):\n{_rows(TOTAL, '     ')}\n"
        )


def _rows(rows: Sequence[Sequence[float]], start: str) -> str:
    return "".join(start + "".join(f"{value:12.6f}" for value in row) + "\n" for row in rows)


def read(*printed: Printed, head: str = HEAD, tail: str = TAIL) -> tuple[list[Step], Closing]:
    return read_text(output.steps, head + "".join(one.text() for one in printed) + tail)


@pytest.mark.parametrize("expected", published.parameters("siesta"))
def test_published_outputs_are_read_right(expected: dict[str, Any]) -> None:
    published.check(expected)


def test_static_stress_is_taken_in_the_sign_that_it_has_and_without_the_kinetic_part() -> None:
    steps, _ = read(Printed(1))
    np.testing.assert_allclose(steps[0].stress, [-4e-3, -5e-3, 6e-3, 0.0, 0.0, 1e-4])


@pytest.mark.parametrize(
    ("unit", "positions"),
    [
        ("Ang", ((0.0, 0.0, 0.0), (1.4, 1.4, 1.4))),
        ("Bohr", ((0.0, 0.0, 0.0), (1.4 / BOHR_ANG,) * 3)),
        ("scaled", ((0.0, 0.0, 0.0), (0.25, 0.25, 0.25))),
        ("fractional", ((0.0, 0.0, 0.0), (0.25, 0.25, 0.25))),
    ],
)
def test_coordinates_are_in_the_units_that_their_heading_names(unit: str, positions: Any) -> None:
    steps, _ = read(Printed(1, unit=unit, positions=positions))
    assert steps[0].positions is not None
    np.testing.assert_allclose(steps[0].positions[1], [1.4, 1.4, 1.4], atol=1e-7)


def test_scaled_coordinates_without_a_lattice_constant_are_not_guessed() -> None:
    steps, _ = read(Printed(1, unit="scaled"), head=HEAD.replace("LatticeConstant", "SystemName"))
    assert steps[0].missing == ("positions",)


def test_the_free_energy_is_taken_where_states_are_smeared() -> None:
    steps, _ = read(Printed(1, energy=-56.1000, free=-56.1500), Printed(2))
    assert [step.energy for step in steps] == [-56.15, -233.1234]
    assert steps[0].energies["E_KS"] == -56.1


def test_an_enthalpy_under_pressure_is_no_free_energy() -> None:
    head = HEAD + "redata: Target Pressure                  =    10.0000  kBar\n"
    steps, _ = read(Printed(1, energy=-56.1000, free=-55.0000), head=head)
    assert steps[0].energy == -56.1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"said": "SCF_NOT_CONV: SCF did not converge in maximum number of steps (required)."},
            Convergence.NOT_REACHED,
        ),
        ({"said": "", "n_cycles": 6}, Convergence.NOT_STATED),
        ({"said": "", "n_cycles": 10}, Convergence.AT_LIMIT),
        ({"said": "", "n_cycles": 10, "last_change": 0.03}, Convergence.NOT_REACHED),
        ({}, Convergence.REACHED),
    ],
)
def test_convergence_is_what_the_version_says_of_it(change: dict[str, Any], expected: Convergence) -> None:
    steps, _ = read(replace(Printed(1), **change))
    assert steps[0].convergence is expected


def test_a_constant_cell_holds_for_later_steps_and_a_varying_one_does_not() -> None:
    head = HEAD + "redata: Variable cell                    =     T\n"
    printed = (Printed(1), Printed(2, cell=None))
    assert [step.missing for step in read(*printed)[0]] == [(), ()]
    assert [step.missing for step in read(*printed, head=head)[0]] == [(), ("cell",)]


def test_a_molecule_in_its_box_is_not_periodic() -> None:
    steps, _ = read(
        Printed(1, cell=((9.0, 0.0, 0.0), (0.0, 9.0, 0.0), (0.0, 0.0, 9.0))),
        head=HEAD.replace("= bulk", "= molecule"),
    )
    assert steps[0].pbc == (False, False, False)


def test_floating_orbitals_are_refused() -> None:
    steps, _ = read(Printed(1), head=HEAD.replace("Atomic number:          33", "Atomic number:         -33"))
    assert steps[0].flaws == ("it has floating orbitals or virtual atoms",)


def test_a_file_without_its_last_line_is_cut_and_its_steps_are_good() -> None:
    steps, closing = read(Printed(1), Printed(2), tail="")
    assert [step.missing for step in steps] == [(), ()]
    assert closing.ended is Ended.CUT


def test_settings_are_told_in_one_spelling() -> None:
    method = read(Printed(1))[0][0].method
    assert (method.version, method.mesh) == ("4.0--500", (3, 3, 3))
    assert dict(method.aspects) == {
        Aspect.FUNCTIONAL: "LDA-CA",
        Aspect.BASIS: "Ga 1; n=4 0 1; 5.100",
        Aspect.POTENTIALS: "As As.psf; Ga Ga.psf",
        Aspect.SPIN: "not polarised",
        Aspect.SMEARING: "fermi-dirac 0.02585 eV",
        Aspect.HUBBARD: "LDAU.proj: Ga 1; 3.0 0.0",
        Aspect.ACCURACY: "mesh 1360.57 eV",
    }


def test_damaged_outputs_give_steps_of_the_whole_one_or_none() -> None:
    printed = [
        Printed(
            number,
            positions=((0.0, 0.0, 0.01 * number - 0.01), (1.4, 1.4, 1.4)),
            energy=-233.0 - number,
            free=-233.0 - number,
        )
        for number in range(1, 5)
    ]
    require_survival(output.steps, HEAD + "".join(one.text() for one in printed) + TAIL, n_each=100)
