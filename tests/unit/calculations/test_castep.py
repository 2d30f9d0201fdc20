"""Files of CASTEP: published ones, and texts that are written here in its format, for it is licensed.

The format: the published outputs, and those that ASE and castep-outputs are tested with.
"""

import copy
import itertools
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from aims_pax.calculations.castep import output
from aims_pax.calculations.method import Aspect
from aims_pax.calculations.reader import Reader
from aims_pax.calculations.step import Convergence, Ended, Step
from aims_pax.frame import FloatArray
from aims_pax.units import GIGAPASCAL_EV_PER_ANG3
from tests.unit.calculations import published
from tests.unit.calculations.damage import read_text, require_losses_told, require_survival

READER: Final = Reader("CASTEP", ".castep", (), output.recognises, output.steps)
DYNAMICS: Final = "castep/Si8-md-NPT.castep"


@pytest.mark.parametrize("expected", published.parameters("castep"))
def test_published_outputs_are_read_right(expected: dict[str, Any]) -> None:
    if expected["file"].startswith(DYNAMICS):  # its last stress is of the table with the reversed sign, see below
        expected = copy.deepcopy(expected)
        expected["frame_data"][-1]["stress"] = [-value for value in expected["frame_data"][-1]["stress"]]
    published.check(expected)


@pytest.mark.skipif("AIMS_PAX_CASES" not in os.environ, reason="AIMS_PAX_CASES names no folder")
def test_work_along_published_dynamics_tells_the_sign_of_stresses() -> None:
    """The last step too: the table that is repeated at the end of dynamics has the other sign."""
    steps, _ = published.read(Path(os.environ["AIMS_PAX_CASES"]) / "outputs" / f"{DYNAMICS}.gz")
    changes, works = zip(*(_change_and_work(*pair) for pair in itertools.pairwise(steps)), strict=True)
    assert np.corrcoef(changes, works)[0, 1] > 0.9
    assert abs(changes[-1] - works[-1]) < 0.01  # eV; 0.05 with the other sign


def _change_and_work(one: Step, other: Step) -> tuple[float, float]:
    """Change of the energy between two steps, and the work of mean forces and mean stress, eV."""
    assert one.cell is not None
    assert other.cell is not None
    assert one.positions is not None
    assert other.positions is not None
    mean = (one.cell + other.cell) / 2
    strain = np.linalg.solve(mean, other.cell - one.cell)
    moved = other.positions @ np.linalg.inv(other.cell) - one.positions @ np.linalg.inv(one.cell)
    moved = (moved - np.round(moved)) @ mean
    force = (np.asarray(one.forces) + np.asarray(other.forces)) / 2
    stress = (_tensor(np.asarray(one.stress)) + _tensor(np.asarray(other.stress))) / 2
    work = -(force * moved).sum() + abs(np.linalg.det(mean)) * (stress * (strain + strain.T) / 2).sum()
    return float(np.asarray(other.energy) - np.asarray(one.energy)), float(work)


def _tensor(voigt: FloatArray) -> FloatArray:
    xx, yy, zz, yz, xz, xy = voigt
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


HEAD: Final = """\
 | Welcome to Academic Release CASTEP version 21.1 |
 | Ab Initio Total Energy Program                  |

 Run started: Fri, 26 Sep 2025 10:05:15 +0100

 using functional                               : Perdew Burke Ernzerhof
 relativistic treatment                         : Koelling-Harmon
 DFT+D: Semi-empirical dispersion correction    : off

 plane wave basis set cut-off                   :   300.0000   eV
 size of standard grid                          :     1.7500
 net charge of system                           :  0.000
 treating system as spin-polarized
 Method: Treating system as metallic with density mixing treatment of electrons,
 smearing scheme                                : Gaussian
 smearing width                                 : 0.5000E-01   eV
"""
LATTICE: Final = """\
                                      Unit Cell
        Real Lattice(A)                      Reciprocal Lattice(1/A)
   {0:9.7f}   0.0000000   0.0000000        1.5707963   0.0000000   0.0000000
   0.0000000   {0:9.7f}   0.0000000        0.0000000   1.5707963   0.0000000
   0.0000000   0.0000000   {0:9.7f}        0.0000000   0.0000000   1.5707963

"""
CONTENTS: Final = """\
            xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            x  Element    Atom        Fractional coordinates of atoms  x
            x            Number           u          v          w      x
            x----------------------------------------------------------x
            x  Fe           1         0.000000   0.000000   0.000000   x
            x  O            1         0.250000   0.000000   {:8.6f}   x
            xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx

"""
POTENTIALS: Final = """\
                          Files used for pseudopotentials:
                                    Fe Fe_00.usp
                                    O  2|1.5|3|qc=7

                       MP grid size for SCF calculation is  4  4  2
"""


def _results(energy: float, force: float, *, title: str = "Symmetrised Forces", mark: str = "") -> str:
    return (
        "      6  -8.55524592E+002  6.22675330E+000   1.51540202E-007       7.33  <-- SCF\n"
        f"Final energy, E             =  {energy + 0.2:16.10f}     eV\n"
        f"Final free energy (E-TS)    =  {energy:16.10f}     eV\n"
        "(energies not corrected for finite basis set)\n\n"
        f"NB est. 0K energy (E-0.5TS)      =  {energy + 0.1:16.10f}     eV\n" + _forces(force, title=title, mark=mark)
    )


def _forces(force: float, *, title: str = "Symmetrised Forces", mark: str = "") -> str:
    return (
        f" ************************** {title} **************************\n"
        " *               Cartesian components (eV/A)                *\n"
        " *                         x            y            z      *\n"
        " *                                                          *\n"
        f" * Fe              1      0.00000{mark}     0.00000{mark}     {-force:8.5f} *\n"
        f" * O               1      0.00000      0.00000     {force:8.5f} *\n"
        " *                                                          *\n"
        " ************************************************************\n\n"
    )


STRESS: Final = """\
 ***************** Stress Tensor *****************
 *          Cartesian components (GPa)           *
 *             x             y             z     *
 *                                               *
 *  x     {0}1.000000     {0}6.000000     {0}5.000000  *
 *  y     {0}6.000000     {0}2.000000     {0}4.000000  *
 *  z     {0}5.000000     {0}4.000000     {0}3.000000  *
 *                                               *
 *  Pressure:   -2.0000                          *
 *                                               *
 *************************************************

"""
VOIGT: Final = GIGAPASCAL_EV_PER_ANG3 * np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
END: Final = "Total time          =     27.61 s\n"
START: Final = HEAD + LATTICE.format(4.0) + CONTENTS.format(0.3) + POTENTIALS


def _only(text: str) -> Step:
    steps, _ = read_text(READER.steps, text)
    assert len(steps) == 1
    return steps[0]


def test_the_energy_is_the_free_one_and_settings_are_told() -> None:
    step = _only(START + _results(-10.0, 1.0) + STRESS.format(" ") + END)
    assert step.energy == -10.0
    assert step.energies["Final energy, E"] == -9.8
    assert step.convergence is Convergence.REACHED
    assert step.positions is not None
    np.testing.assert_allclose(step.positions, [[0.0, 0.0, 0.0], [1.0, 0.0, 1.2]])
    assert step.numbers is not None
    assert step.numbers.tolist() == [26, 8]
    assert step.stress is not None
    np.testing.assert_allclose(step.stress, VOIGT)
    assert step.method.mesh == (4, 4, 2)
    assert step.method.aspects == {
        Aspect.PROGRAM: "CASTEP",
        Aspect.FUNCTIONAL: "PBE",
        Aspect.DISPERSION: "none",
        Aspect.BASIS: "300 eV",
        Aspect.SMEARING: "Gaussian 0.05 eV",
        Aspect.SPIN: "collinear",
        Aspect.RELATIVITY: "Koelling-Harmon",
        Aspect.POTENTIALS: "Fe Fe_00.usp; O 2|1.5|3|qc=7",
        Aspect.ACCURACY: "size of standard grid 1.75",
    }


def test_the_energy_has_its_dispersion() -> None:
    corrected = (
        "Dispersion corrected final energy*, Ecor          =  -10.6000000000     eV\n"
        "Dispersion corrected final free energy* (Ecor-TS) =  -10.8000000000     eV\n"
        "NB dispersion corrected est. 0K energy* (Ecor-0.5TS) =  -10.7000000000     eV\n"
    )
    on = "correction    : on\n SEDC with                                      : TS correction scheme\n"
    head, text = START.replace("correction    : off\n", on), _results(-10.0, 1.0)
    step = _only(head + text.replace(" ****", corrected + " ****", 1) + END)
    assert step.energy == -10.8
    assert step.method.aspects[Aspect.DISPERSION] == "TS"
    assert _only(head + text + END).flaws == (output.UNCORRECTED,)


def test_energies_at_other_cutoffs_are_no_steps() -> None:
    probes = "Calculating finite basis set correction with  3 cut-off energies.\n"
    for cutoff in (290.0, 295.0, 300.0):
        probes += f"Calculating total energy with cut-off of  {cutoff:.3f} eV.\n"
        probes += f"Final energy, E             =  {-cutoff:16.10f}     eV\n"
        probes += f"Final free energy (E-TS)    =  {-cutoff:16.10f}     eV\n"
    probes += " Total energy corrected for finite basis set =    -300.100000 eV\n"
    for head in (START, START.replace("plane wave basis set cut-off", "something else")):
        step = _only(head + probes + _forces(1.0) + END)
        assert step.energy == -300.0
        assert step.energies["Total energy corrected for finite basis set"] == -300.1


def _relaxation() -> str:
    return (
        START
        + _results(-10.0, 1.0)
        + " Starting LBFGS iteration          1 ...\n"
        + LATTICE.format(4.04)
        + CONTENTS.format(0.31)
        + _results(-11.0, 0.5)
        + " LBFGS: Geometry optimization completed successfully.\n LBFGS: Final Configuration:\n"
        + LATTICE.format(4.04)
        + CONTENTS.format(0.31)
        + _forces(0.5)
        + STRESS.format(" ")
        + END
    )


def test_tables_at_the_end_are_of_the_final_structure() -> None:
    steps, closing = read_text(READER.steps, _relaxation())
    assert len(steps) == 2
    assert closing.relaxed is True
    assert closing.ended is Ended.IN_ORDER
    assert steps[0].stress is None
    assert steps[1].stress is not None
    assert steps[1].positions is not None
    np.testing.assert_allclose(steps[1].positions[1], [1.01, 0.0, 4.04 * 0.31])


def test_tables_at_the_end_of_another_structure_than_the_last_are_left_out() -> None:
    first, _, last = _relaxation().rpartition("x  O            1         0.250000   0.000000   0.310000")
    steps, _ = read_text(READER.steps, first + "x  O            1         0.250000   0.000000   0.300000" + last)
    assert steps[1].stress is None


def test_the_stress_that_dynamics_repeat_is_left_out() -> None:
    text = START + " Starting MD\n" + _results(-10.0, 1.0)
    step = _only(text + STRESS.format(" ") + _forces(1.0) + STRESS.format("-") + END)
    assert step.stress is not None
    np.testing.assert_allclose(step.stress, VOIGT)
    assert _only(text + _forces(1.0) + STRESS.format("-") + END).stress is None


def test_a_cycle_that_did_not_converge_is_told() -> None:
    warning = " *Warning* max. SCF cycles performed but system has not reached the groundstate.\n"
    step = _only(START + _results(-10.0, 1.0).replace("Final energy, E", warning + "Final energy, E") + END)
    assert step.convergence is Convergence.NOT_REACHED


def test_constrained_components_are_told() -> None:
    step = _only(START + _results(-10.0, 1.0, title="Constrained Forces", mark="(cons'd)") + END)
    assert step.forces is not None
    assert step.fixed is not None
    assert step.fixed.tolist() == [[True, True, False], [False, False, False]]
    assert step.remarks == (output.CONSTRAINED,)


def test_labels_of_species_are_elements() -> None:
    step = _only(START.replace("x  Fe           1 ", "x  Fe:up [top]  1 ") + _results(-10.0, 1.0) + END)
    assert step.numbers is not None
    assert step.numbers.tolist() == [26, 8]


@pytest.mark.parametrize("text", [_relaxation(), START + _results(-10.0, 1.0) + STRESS.format(" ") + END])
def test_damage_is_survived_and_never_gives_other_numbers(text: str) -> None:
    # Of several lines lost at once, and of columns of the cell that are none, not all is seen.
    require_survival(READER.steps, text, every_bytes=37, n_each=0)
    require_losses_told(READER.steps, text)
