"""Outputs of ORCA: published ones, and texts that are written here in its format, for it is licensed.

The format: the published outputs, of versions 3 to 5; version 6 prints the same tables.
"""

from typing import Any, Final

import numpy as np
import pytest

from aims_pax.calculations.method import Aspect
from aims_pax.calculations.orca import engrad, output
from aims_pax.calculations.reader import Reader
from aims_pax.calculations.step import Convergence, Ended, Step
from aims_pax.units import BOHR_ANG, HARTREE_EV
from tests.unit.calculations import published
from tests.unit.calculations.damage import read_text, require_losses_told, require_survival

READER: Final = Reader("ORCA", "output", (), output.recognises, output.steps)
ENGRAD: Final = Reader("ORCA", ".engrad", (), engrad.recognises, engrad.steps)
HEAD: Final = """\
                                 *****************
                                 * O   R   C   A *
                                 *****************
                         Program Version 6.0.1  - RELEASE   -

Your calculation utilizes the basis: def2-TZVP

|  1> # a comment
|  2> ! B3LYP D4 DEF2-TZVP DEFGRID3 CPCM(water) Opt # TightSCF
|  3> * xyz 1 2
"""
SETTINGS: Final = """\
 Exchange Functional    Exchange        .... B88
 Correlation Functional Correlation     .... LYP
   Fraction HF Exchange ScalHFX         ....  0.200000
 Hartree-Fock type      HFTyp           .... UHF
 Total Charge           Charge          ....    1
 Multiplicity           Mult            ....    2
"""
COORDINATES: Final = """\
---------------------------------
CARTESIAN COORDINATES (ANGSTROEM)
---------------------------------
  O      0.000000    0.000000    0.000000
  H      0.000000    0.000000    {:8.6f}

----------------------------
CARTESIAN COORDINATES (A.U.)
----------------------------
  NO LB      ZA    FRAG     MASS         X           Y           Z
   0 O     8.0000    0    15.999    0.000000    0.000000    0.000000

"""
CONVERGED: Final = "               *           SCF CONVERGED AFTER  13 CYCLES          *\n\n"
ENERGY: Final = """\
-------------------------   --------------------
FINAL SINGLE POINT ENERGY      {:.9f}
-------------------------   --------------------

"""
GRADIENT: Final = """\
------------------
CARTESIAN GRADIENT
------------------

   1   O   :    0.000000000    0.000000000    {0:.9f}
   2   H   :    0.000000000    0.000000000   -{0:.9f}

Difference to translation invariance:
"""
CYCLE: Final = "         *                GEOMETRY OPTIMIZATION CYCLE   {}            *\n"
END: Final = "                             ****ORCA TERMINATED NORMALLY****\n"


def _step(height: float, energy: float, gradient: float) -> str:
    return COORDINATES.format(height) + SETTINGS + CONVERGED + ENERGY.format(energy) + GRADIENT.format(gradient)


def _optimisation() -> str:
    return (
        HEAD
        + CYCLE.format(1)
        + _step(1.0, -75.5, 0.02)
        + CYCLE.format(2)
        + _step(0.98, -75.6, 0.001)
        + "                    ***        THE OPTIMIZATION HAS CONVERGED     ***\n"
        + "                 *** FINAL ENERGY EVALUATION AT THE STATIONARY POINT ***\n"
        + COORDINATES.format(0.97)
        + CONVERGED
        + ENERGY.format(-75.7)
        + END
    )


def _only(text: str) -> Step:
    steps, _ = read_text(READER.steps, text)
    assert len(steps) == 1
    return steps[0]


@pytest.mark.parametrize("expected", published.parameters("orca"))
def test_published_outputs_are_read_right(expected: dict[str, Any]) -> None:
    published.check(expected)


def test_forces_are_minus_the_gradient_and_settings_are_told() -> None:
    step = _only(HEAD + _step(1.0, -75.5, 0.02) + END)
    assert step.energy == pytest.approx(-75.5 * HARTREE_EV)
    assert step.forces is not None
    np.testing.assert_allclose(step.forces[:, 2], np.array([-0.02, 0.02]) * HARTREE_EV / BOHR_ANG)
    assert (step.charge, step.spin, step.pbc) == (1, 2, (False, False, False))
    assert step.convergence is Convergence.REACHED
    assert step.method.version == "6.0.1"
    assert step.method.aspects == {
        Aspect.PROGRAM: "ORCA",
        Aspect.FUNCTIONAL: "B88 + LYP, 0.2 exact exchange",
        Aspect.DISPERSION: "D4",
        Aspect.BASIS: "def2-TZVP",
        Aspect.SPIN: "UHF",
        Aspect.SOLVATION: "CPCM(WATER)",
        Aspect.ACCURACY: "DEFGRID3",
    }


def test_the_last_energy_of_an_optimisation_has_no_forces() -> None:
    steps, closing = read_text(READER.steps, _optimisation())
    assert [step.forces is None for step in steps] == [False, False, True]
    assert [step.positions is not None and float(step.positions[1, 2]) for step in steps] == [1.0, 0.98, 0.97]
    assert closing.relaxed is True
    assert closing.ended is Ended.IN_ORDER


@pytest.mark.parametrize(
    "said",
    [
        "                     SCF NOT CONVERGED AFTER 125 CYCLES\n",
        "                  This wavefunction IS NOT FULLY CONVERGED!\n",
    ],
)
def test_a_cycle_that_did_not_converge_is_told(said: str) -> None:
    assert _only((HEAD + _step(1.0, -75.5, 0.02)).replace(CONVERGED, said)).convergence is Convergence.NOT_REACHED


def test_a_remark_on_the_line_of_the_energy_is_no_number() -> None:
    text = (HEAD + _step(1.0, -75.5, 0.02)).replace(
        "-75.500000000", "-75.500000000 (Wavefunction not fully converged!)"
    )
    step = _only(text.replace(CONVERGED, ""))
    assert step.energy == pytest.approx(-75.5 * HARTREE_EV)
    assert step.convergence is Convergence.NOT_REACHED


def test_a_second_energy_of_one_structure_is_of_another_one() -> None:
    steps, _ = read_text(READER.steps, HEAD + _step(1.0, -75.5, 0.02) + ENERGY.format(-75.4) + GRADIENT.format(0.03))
    assert [step.positions is None for step in steps] == [False, True]


def test_the_total_gradient_counts_where_a_part_is_printed_before() -> None:
    part = "The final MP2 gradient\n  0:   0.00000000   0.00000000   0.07000000\n"
    part += "  1:   0.00000000   0.00000000  -0.07000000\n\n"
    text = HEAD + _step(1.0, -75.5, 0.02).replace("CARTESIAN GRADIENT", part + "CARTESIAN GRADIENT")
    step = _only(text)
    assert step.forces is not None
    assert step.forces[1, 2] == pytest.approx(0.02 * HARTREE_EV / BOHR_ANG)
    alone = _only(text.partition("CARTESIAN GRADIENT")[0])
    assert alone.forces is not None
    assert alone.forces[1, 2] == pytest.approx(0.07 * HARTREE_EV / BOHR_ANG)


def test_a_gradient_of_finite_differences_is_refused() -> None:
    text = HEAD + _step(1.0, -75.5, 0.02).replace(CONVERGED, CONVERGED + "               ORCA NUMERICAL GRADIENT\n")
    assert _only(text).flaws == (output.NUMERICAL,)


def test_ghosts_and_point_charges_are_no_atoms() -> None:
    step = _only((HEAD + _step(1.0, -75.5, 0.02)).replace("  H      0.0", "  H:     0.0"))
    assert step.flaws == (output.EMBEDDED,)


def test_an_engrad_file_is_one_step_of_unknown_convergence() -> None:
    text = (
        "#\n# Number of atoms\n#\n 2\n#\n# The current total energy in Eh\n#\n    -75.500000000000\n#\n"
        "# The current gradient in Eh/bohr\n#\n  0.0\n  0.0\n  0.02\n  0.0\n  0.0\n  -0.02\n#\n"
        "# The atomic numbers and current coordinates in Bohr\n#\n   8     0.0    0.0    0.0\n   1     0.0    0.0   "
        " 1.8897261\n"
    )
    (step,), _ = read_text(ENGRAD.steps, text)
    assert engrad.recognises(text, "orca.engrad")
    assert step.energy == pytest.approx(-75.5 * HARTREE_EV)
    assert step.positions is not None
    assert step.positions[1, 2] == pytest.approx(1.0, abs=1e-6)
    assert step.forces is not None
    assert step.forces[1, 2] == pytest.approx(0.02 * HARTREE_EV / BOHR_ANG)
    assert step.convergence is Convergence.NOT_STATED
    require_losses_told(ENGRAD.steps, text)


def test_damage_is_survived_and_never_gives_other_numbers() -> None:
    require_survival(READER.steps, _optimisation(), every_bytes=41)
    require_losses_told(READER.steps, _optimisation())
