"""Texts of GPAW: a published one, and texts that are written here in its format (of versions 0.8 to 25)."""

from typing import Any, Final

import numpy as np
import pytest

from aims_pax.calculations.gpaw import output
from aims_pax.calculations.method import Aspect
from aims_pax.calculations.reader import Reader
from aims_pax.calculations.step import Convergence, Ended, Step
from aims_pax.gathering.judgement import Limits, refusal
from aims_pax.gathering.reasons import Reason
from tests.unit.calculations import published
from tests.unit.calculations.damage import read_text, require_losses_told, require_survival

READER: Final = Reader("GPAW", "text", (), output.recognises, output.steps)
HEAD: Final = """\

  ___ ___ ___ _ _ _
 |   |   |_  | | | |
 | | | | | . | | | |
 |__ |  _|___|_____|  24.1.0
 |___|_|

gpaw:   somewhere (b6cd452de2)
units:  Angstrom and eV

Input parameters:
  h: 0.20
  kpts: [2 2 2]
  xc: PBEsol

Si-setup:
  name: Silicon
  id: ee77bee481871cc2cb65ac61239ccafa

Spin-paired calculation

Occupation numbers:
  Fermi-Dirac: width=0.1000 eV

8 k-points: 2 x 2 x 2 Monkhorst-Pack grid

Wave functions: Plane wave expansion
  Cutoff energy: 340.000 eV

  Total Charge: 0.000000

"""
STRUCTURE: Final = """\
Positions:
   0 Si     0.000000    0.000000    0.000000    ( 0.0000,  0.0000,  0.0000)
   1 Si     1.357500    1.357500    {:8.6f}    ( 0.0000,  0.0000,  0.0000)

Unit cell:
           periodic     x           y           z      points  spacing
  1. axis:    yes    0.000000    2.715000    2.715000    12     0.2613
  2. axis:    yes    2.715000    0.000000    2.715000    12     0.2613
  3. axis:    yes    2.715000    2.715000    0.000000    12     0.2613

"""
RESULTS: Final = """\
Converged after 13 iterations.

Free energy:     {0:.6f}
Extrapolated:    {1:.6f}

Forces in eV/Ang:
  0 Si    0.00000    0.00000   {2:8.5f}
  1 Si    0.00000    0.00000   {3:8.5f}

Stress tensor:
     0.001000     0.006000     0.005000
     0.006000     0.002000     0.004000
     0.005000     0.004000     0.003000

"""
END: Final = "Timing:                              incl.     excl.\n"


def _step(height: float, energy: float, force: float) -> str:
    return STRUCTURE.format(height) + RESULTS.format(energy, energy + 0.1, -force, force)


def _only(text: str) -> Step:
    steps, _ = read_text(READER.steps, text)
    assert len(steps) == 1
    return steps[0]


@pytest.mark.parametrize("expected", published.parameters("gpaw"))
def test_published_outputs_are_read_right(expected: dict[str, Any]) -> None:
    published.check(expected)


def test_the_energy_is_the_free_one_and_settings_are_told() -> None:
    step = _only(HEAD + _step(1.3575, -10.0, 0.5) + END)
    assert step.energy == -10.0
    assert step.energies == {"Extrapolated": -9.9}
    assert step.stress is not None
    np.testing.assert_allclose(step.stress, [0.001, 0.002, 0.003, 0.004, 0.005, 0.006])
    assert step.pbc == (True, True, True)
    assert step.cell is not None
    np.testing.assert_allclose(step.cell[0], [0.0, 2.715, 2.715])
    assert step.method.version == "24.1.0"
    assert step.method.mesh == (2, 2, 2)
    assert step.method.aspects == {
        Aspect.PROGRAM: "GPAW",
        Aspect.FUNCTIONAL: "PBEsol",
        Aspect.SMEARING: "Fermi-Dirac 0.1 eV",
        Aspect.BASIS: "Plane wave expansion 340 eV, h 0.2 Å",
        Aspect.SPIN: "not polarised",
        Aspect.POTENTIALS: "Si ee77bee4",
    }


def test_each_structure_goes_with_the_energy_that_follows_it() -> None:
    steps, closing = read_text(READER.steps, HEAD + _step(1.3575, -10.0, 0.5) + _step(1.37, -11.0, 0.1) + END)
    assert [float(np.asarray(step.positions)[1, 2]) for step in steps] == [1.3575, 1.37]
    assert [float(np.asarray(step.forces)[1, 2]) for step in steps] == [0.5, 0.1]
    assert closing.ended is Ended.IN_ORDER


def test_old_texts_name_their_energies_otherwise() -> None:
    old = _step(1.3575, -10.0, 0.5).replace("Free energy", "Free Energy").replace("Extrapolated", "Zero Kelvin")
    step = _only(HEAD + old.replace("Unit cell", "Unit Cell") + END)
    assert step.energy == -10.0
    assert step.energies == {"Zero Kelvin": -9.9}
    assert published.is_usable(step)


def test_a_cycle_that_did_not_converge_is_told() -> None:
    text = HEAD + _step(1.3575, -10.0, 0.5).replace("Converged after 13 iterations.", "Did not converge!")
    assert _only(text).convergence is Convergence.NOT_REACHED


def test_a_cycle_after_which_gpaw_stops_is_a_step_without_energy() -> None:
    """Versions before 26 write this with their advice, raise an error, and print no energy (gpaw/scf.py)."""
    advice = (
        "\nDid not converge!\n\nHere are some tips:\n\n1) Make sure the geometry and spin-state is physically sound.\n"
    )
    for text in (STRUCTURE.format(1.3575), _step(1.3575, -10.0, 0.5) + STRUCTURE.format(1.4)):
        steps, _ = read_text(output.steps, HEAD + text + advice + END)
        assert [step.convergence for step in steps[:-1]] == [Convergence.REACHED] * (len(steps) - 1)
        assert steps[-1].convergence is Convergence.NOT_REACHED
        assert steps[-1].missing == ("energy", "forces")
        assert refusal(steps[-1], Limits()) == (Reason.NOT_CONVERGED, "")
    assert len(steps) == 2


def test_a_correction_that_was_added_outside_is_left_out_and_told() -> None:
    added = "vdW correction: -0.5\nEnergy:         -10.5\n\nForces in eV/Ang:\n"
    added += "  0 Si    0.00000    0.00000   -0.70000\n  1 Si    0.00000    0.00000    0.70000\n\n"
    step = _only(HEAD + _step(1.3575, -10.0, 0.5) + added + END)
    assert step.energy == -10.0
    assert step.forces is not None
    assert step.forces[1, 2] == 0.5
    assert step.remarks == (output.LEFT_OUT,)


def test_damage_is_survived_and_never_gives_other_numbers() -> None:
    text = HEAD + _step(1.3575, -10.0, 0.5) + _step(1.37, -11.0, 0.1) + END
    require_survival(READER.steps, text, every_bytes=31)
    require_losses_told(READER.steps, text)
