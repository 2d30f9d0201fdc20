"""aims.out: published files, and outputs that are written here in the format of FHI-aims, which is licensed.

The format: https://fhi-aims.org (manual), the sources of ASE's reader, and the published outputs.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pytest

from aims_pax.calculations.aims import output
from aims_pax.calculations.method import Aspect
from aims_pax.calculations.reader import Reader
from aims_pax.calculations.step import Convergence, Ended, Step
from tests.unit.calculations import published
from tests.unit.calculations.damage import read_text, require_losses_told, require_survival

READER: Final = Reader("FHI-aims", "aims.out", (), output.recognises, output.steps)
CELL: Final = ((4.0, 0.0, 0.0), (0.0, 5.0, 0.0), (0.0, 0.0, 6.0))
POSITIONS: Final = ((0.0, 0.0, 0.0), (0.0, 0.0, 1.2))
BEGIN: Final = "          Begin self-consistency loop: {}.\n\n"
CONVERGED: Final = "\n  Self-consistency cycle converged.\n\n"
CLOSE: Final = "\n          Have a nice day.\n"
REAL_CELL: Final = np.array(CELL)


def _row(values: Sequence[float]) -> str:
    return "".join(f"{value:18.8f}" for value in values)


def _head(
    *, said: str = "  XC: Using PBE gradient-corrected functionals.\n", cell: Any = CELL, n_electrons: int = 16
) -> str:
    unit_cell = "  | No unit cell requested.\n"
    if cell is not None:
        unit_cell = "  | Unit cell:\n" + "".join(f"  |{_row(vector)}\n" for vector in cell)
    atoms = "".join(f"  |{i:5d}: Species O  {_row(row)}\n" for i, row in enumerate(POSITIONS, 1))
    return (
        "          Invoking FHI-aims ...\n\n          Version 210716\n\n"
        "          Reading file control.in.\n" + said + "\n          Reading geometry description geometry.in.\n"
        f"  The structure contains        2 atoms,  and a total of {n_electrons:14.3f} electrons.\n\n"
        "  Input geometry:\n"
        + unit_cell
        + "  | Atomic structure:\n  |       Atom                x [A]            y [A]            z [A]\n"
        + atoms
        + "\n"
        + BEGIN.format("Initialization")
    )


def _results(energy: float, force: float, *, title: str = "unitary forces cleaned") -> str:
    return (
        "  Energy and forces in a compact form:\n"
        f"  | Total energy uncorrected      :  {energy + 0.2:24.15E} eV\n"
        f"  | Total energy corrected        :  {energy + 0.1:24.15E} eV  <-- do not rely on this value\n"
        f"  | Electronic free energy        :  {energy:24.15E} eV\n"
        f"  Total atomic forces ({title}) [eV/Ang]:\n"
        f"  |    1 {0.0:24.15E} {0.0:24.15E} {-force:24.15E}\n"
        f"  |    2 {0.0:24.15E} {0.0:24.15E} {force:24.15E}\n\n"
    )


def _structure(title: str, height: float, *, cell: Any = None, velocities: bool = False) -> str:
    lattice = "" if cell is None else "".join(f"  lattice_vector{_row(vector)}\n" for vector in cell) + "\n"
    velocity = "     velocity         1.00000000       2.00000000       3.00000000\n" if velocities else ""
    atoms = "".join(f"            atom{_row((0.0, 0.0, z))}  O\n{velocity}" for z in (0.0, height))
    rule = "-" * 60 + "\n"
    return f"{title}\n                         x [A]             y [A]             z [A]\n{lattice}{atoms}{rule}"


def _relaxation(*, cell: Any = None) -> str:
    optimise = "  Geometry optimization: Attempting to predict improved coordinates.\n\n"
    return (
        _head()
        + CONVERGED
        + _results(-10.0, 1.0)
        + optimise
        + "  Present geometry is not yet converged.\n\n"
        + _structure("  Updated atomic structure:", 1.3, cell=cell)
        + BEGIN.format("Re-initialization")
        + CONVERGED
        + _results(-11.0, 0.001)
        + optimise
        + "  Present geometry is converged.\n\n"
        + _structure("  Final atomic structure:", 1.3, cell=cell)
        + CLOSE
    )


def _dynamics() -> str:
    move = "  Molecular dynamics: Attempting to update all nuclear coordinates.\n\n"
    used = "tomic structure (and velocities) as used in the preceding time step:"
    return (
        _head()
        + CONVERGED
        + _results(-10.0, 1.0)
        + move
        + _structure("  A" + used, 1.2, velocities=True)
        + BEGIN.format("Re-initialization")
        + CONVERGED
        + _results(-10.5, 0.5)
        + move
        + _structure("  Final a" + used, 1.25, velocities=True)
        + CLOSE
    )


def _only(text: str) -> Step:
    steps, _ = read_text(READER.steps, text)
    assert len(steps) == 1
    return steps[0]


def _heights(steps: Sequence[Step]) -> list[float | None]:
    return [None if step.positions is None else float(step.positions[1, 2]) for step in steps]


@pytest.mark.parametrize("expected", published.parameters("aims"))
def test_published_outputs_are_read_right(expected: dict[str, Any]) -> None:
    published.check(expected)


def test_the_energy_is_the_free_one_and_the_others_are_kept() -> None:
    step = _only(_head() + CONVERGED + _results(-10.0, 1.0) + CLOSE)
    assert step.energy == -10.0
    assert step.energies == {"Total energy uncorrected": -9.8, "Total energy corrected": -9.9}
    assert step.convergence is Convergence.REACHED
    assert step.forces is not None
    assert step.forces[1, 2] == 1.0


def test_the_updated_structure_of_a_relaxation_is_the_next_one() -> None:
    strained = tuple(tuple(1.01 * value for value in vector) for vector in CELL)
    steps, closing = read_text(READER.steps, _relaxation(cell=strained))
    assert _heights(steps) == [1.2, 1.3]
    assert closing.relaxed is True
    assert steps[0].cell is not None
    assert steps[1].cell is not None
    np.testing.assert_allclose(steps[0].cell, REAL_CELL)
    np.testing.assert_allclose(steps[1].cell, 1.01 * REAL_CELL)


def test_a_relaxation_that_moves_atoms_alone_keeps_its_cell() -> None:
    steps, _ = read_text(READER.steps, _relaxation())
    assert steps[1].cell is not None
    np.testing.assert_allclose(steps[1].cell, REAL_CELL)


def test_the_structure_of_a_step_of_dynamics_comes_after_its_forces() -> None:
    steps, closing = read_text(READER.steps, _dynamics())
    assert _heights(steps) == [1.2, 1.25]
    assert closing.ended is Ended.IN_ORDER
    assert closing.relaxed is None


def test_a_step_of_dynamics_without_its_structure_has_no_positions() -> None:
    steps, closing = read_text(READER.steps, _dynamics().partition("  Final a")[0])
    assert _heights(steps) == [1.2, None]
    assert closing.ended is Ended.CUT


def test_dynamics_that_go_on_do_not_begin_at_the_structure_of_the_input() -> None:
    said = "  Continuing molecular dynamics run from previous calculation\n"
    text = _head(said=said) + CONVERGED + _results(-10.0, 1.0)
    assert _only(text).positions is None
    used = _structure("  Atomic structure (and velocities) as used in the preceding time step:", 1.4)
    assert _heights([_only(text + used)]) == [1.4]


def test_structures_under_a_socket_come_after_their_forces() -> None:
    title = " Atomic structure that was used in the preceding time step of the wrapper"
    said = "  Using external wrapper (i-PI) for performing (path integral) molecular dynamics\n"
    text = _head(said=said) + CONVERGED + _results(-10.0, 1.0)
    assert _heights([_only(text)]) == [None]  # positions of the input are ignored there
    assert _heights([_only(text + _structure(title, 1.22, cell=CELL) + CLOSE)]) == [1.22]


def test_a_cycle_that_restarts_its_mixer_is_no_step() -> None:
    restarted = (
        "  Self-consistency cycle not yet converged - restarting mixer to attempt better convergence.\n"
        + _results(-3.0, 0.0)
        + "  No geometry change - only restart of scf mixer after initial iterations.\n\n"
        + BEGIN.format("Re-initialization")
    )
    step = _only(_head() + restarted + CONVERGED + _results(-10.0, 1.0) + CLOSE)
    assert step.energy == -10.0
    assert _heights([step]) == [1.2]


STRESS: Final = """\
  |                {} stress tensor {}                     |
  |                    Cartesian components [eV/A**3]                 |
  +-------------------------------------------------------------------+
  |                x                y                z                |
  |                                                                   |
  |  x         0.00100000       0.00600000       0.00500000           |
  |  y         0.00600000       0.00200000       0.00400000           |
  |  z         0.00500000       0.00400000       0.00300000           |
  |                                                                   |
  |  Pressure:      -0.00200000   [eV/A**3]                           |
"""


def _numerical_stress() -> str:
    strained = BEGIN.format("Re-initialization") + CONVERGED + "  Energy and forces in a compact form:\n"
    strained += f"  | Electronic free energy        :  {-9.0:24.15E} eV\n"
    return (
        _head()
        + CONVERGED
        + _results(-10.0, 1.0)
        + "  Calculation of numerical stress starts. \n"
        + strained * 12
        + "  Calculation of numerical stress completed\n"
        + STRESS.format("Numerical", "")
        + "  Calculation of original geometry\n"
        + BEGIN.format("Re-initialization")
        + CONVERGED
        + _results(-10.0000001, 1.0)
        + CLOSE
    )


def test_strained_cells_of_a_numerical_stress_are_no_steps() -> None:
    step = _only(_numerical_stress())
    assert step.energy == -10.0000001
    assert step.stress is not None
    np.testing.assert_allclose(step.stress, [0.001, 0.002, 0.003, 0.004, 0.005, 0.006])


def test_a_numerical_stress_that_is_cut_leaves_the_step_itself() -> None:
    step = _only(_numerical_stress().partition("  Calculation of numerical stress completed")[0])
    assert step.energy == -10.0
    assert step.stress is None


def test_the_analytical_stress_is_that_of_the_last_cycle() -> None:
    text = _head() + STRESS.format("Analytical", "- Symmetrized") + CONVERGED + _results(-10.0, 1.0) + CLOSE
    step = _only(text)
    assert step.stress is not None
    np.testing.assert_allclose(step.stress, [0.001, 0.002, 0.003, 0.004, 0.005, 0.006])


def test_a_cycle_that_did_not_converge_is_told_even_where_results_follow() -> None:
    failed = "  ** WARNING! SELF-CONSISTENCY CYCLE DID NOT CONVERGE\n"
    assert _only(_head() + failed + _results(-10.0, 1.0) + CLOSE).convergence is Convergence.NOT_REACHED
    assert _only(_head() + "*** scf_solver: SCF cycle not converged.\n").convergence is Convergence.NOT_REACHED


def test_forces_that_a_constraint_has_overwritten_are_told() -> None:
    fixed = "  Found relaxation constraint for atom      1: All coordinates fixed.\n"
    fixed += "  Found relaxation constraint for atom      2: x coordinate fixed.\n"
    title = "unitary forces were cleaned, then relaxation constraints were applied"
    head = _head(said=fixed + "  XC: Using PBE gradient-corrected functionals.\n")
    step = _only(head + CONVERGED + _results(-10.0, 1.0, title=title) + CLOSE)
    assert step.fixed is not None
    assert step.fixed.tolist() == [[True, True, True], [True, False, False]]
    assert step.remarks == (output.CONSTRAINED,)


def test_a_molecule_has_no_cell_and_tells_charge_and_multiplicity() -> None:
    text = _head(cell=None, n_electrons=15) + "  | N = N_up - N_down :          1.00000\n" + CONVERGED
    step = _only(text + _results(-10.0, 1.0) + CLOSE)
    assert step.pbc == (False, False, False)
    assert step.cell is not None
    assert not step.cell.any()
    assert (step.charge, step.spin) == (1, 2)


def test_a_table_of_forces_that_is_not_whole_gives_no_forces() -> None:
    text = _head() + CONVERGED + _results(-10.0, 1.0)
    assert _only(text.partition("  |    2 ")[0]).forces is None
    assert _only(text.replace(f"{1.0:24.15E}\n", f"{'*' * 24}\n")).forces is None


def test_runs_one_after_the_other_in_one_file_are_told() -> None:
    one = _head() + CONVERGED + _results(-10.0, 1.0) + CLOSE
    steps, closing = read_text(READER.steps, one + one.partition("Have a nice")[0])
    assert len(steps) == 2
    assert closing.ended is Ended.CUT
    assert closing.remarks == ("2 runs stand in this file.",)


SAID: Final = """\
  XC: Using HSE-functional with OMEGA =  0.110000E+00 <units>.
  XC: For the actual units, check hse_unit.
  hse_unit: Unit for the HSE06 hybrid functional screening parameter set to bohr^(-1).
  hybrid_xc_coeff: Mixing coefficient for hybrid-functional exact exchange modified to   0.3000.
  Spin treatment: Spin density functional theory - collinear spins.
  Scalar relativistic treatment of kinetic energy: on-site free-atom approximation to ZORA.
  Occupation type: Gaussian broadening, width =   0.500000E-01 eV.
  Found k-point grid:         8         4         2

  Reading configuration options for species O                   .
  | Found nuclear charge :   8.0000
  | Found l_max for Hartree potential  :   4
  | Found cutoff potl. onset [A], width [A], scale factor :    3.50000    1.50000    1.00000
  | Found hydrogenic basis function :  2 p   1.800
"""
ECHO: Final = """\
  Parsing control.in (first pass over file, find array dimensions only).
  # xc pbe
  xc hse06 0.11
  many_body_dispersion
  species O
    plus_u 2 p 3.50
  Completed first pass over input file control.in .
"""


def test_settings_are_told_in_one_spelling() -> None:
    method = _only(ECHO + _head(said=SAID) + CONVERGED + _results(-10.0, 1.0) + CLOSE).method
    assert method.mesh == (8, 4, 2)
    assert method.version == "210716"
    assert method.aspects == {
        Aspect.PROGRAM: "FHI-aims",
        Aspect.FUNCTIONAL: "HSE-functional with OMEGA = 0.11 <units> bohr^(-1), 0.3 exact exchange",
        Aspect.DISPERSION: "MBD@rsSCS",
        Aspect.SPIN: "collinear",
        Aspect.RELATIVITY: "atomic ZORA",
        Aspect.SMEARING: "Gaussian 0.05 eV",
        Aspect.HUBBARD: "O 2 p 3.5",
        Aspect.POTENTIALS: "O l_hartree 4, cutoff 3.5 1.5 1, hydro 2 p 1.8",
    }


def test_dispersion_is_seen_among_the_energies_where_the_input_is_not_repeated() -> None:
    seen = "  Evaluating non-empirical van der Waals correction (Tkatchenko/Scheffler 2009).\n"
    seen += "  | vdW energy correction         :          -0.00183 Ha          -0.0498 eV\n"
    assert _only(_head() + seen + CONVERGED + _results(-10.0, 1.0)).method.aspects[Aspect.DISPERSION] == "TS"
    assert _only(_head() + CONVERGED + _results(-10.0, 1.0)).method.aspects[Aspect.DISPERSION] == "none"


def test_species_that_no_atom_is_of_are_no_setting() -> None:
    other = (
        SAID[SAID.index("  Reading configuration") :].replace("species O ", "species N ").replace("8.0000", "7.0000")
    )
    step = _only(_head(said=SAID + other) + CONVERGED + _results(-10.0, 1.0) + CLOSE)
    assert step.method == _only(_head(said=SAID) + CONVERGED + _results(-10.0, 1.0) + CLOSE).method


def test_a_species_is_told_by_its_nucleus_and_not_by_its_name() -> None:
    said = SAID.replace("species O   ", "species Ag_1").replace("charge :   8.0000", "charge :  26.0000")
    text = _head(said=said, n_electrons=52).replace("Species O  ", "Species Ag_1")
    step = _only(text + CONVERGED + _results(-10.0, 1.0) + CLOSE)
    assert step.numbers is not None
    assert step.numbers.tolist() == [26, 26]
    assert step.method.aspects[Aspect.POTENTIALS].startswith("Fe l_hartree 4")


@pytest.mark.parametrize("text", [_relaxation(cell=CELL), _dynamics(), _numerical_stress()])
def test_damage_is_survived_and_never_gives_other_numbers(text: str) -> None:
    require_survival(READER.steps, text)
    require_losses_told(READER.steps, text)
