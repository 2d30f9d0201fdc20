"""Standard output of NWChem."""

import gzip
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from aims_pax.calculations.method import Aspect
from aims_pax.calculations.nwchem import output
from aims_pax.calculations.step import Closing, Convergence, Ended, Step
from aims_pax.units import BOHR_ANG, HARTREE_EV
from tests.unit.calculations import published
from tests.unit.calculations.damage import read_text, require_survival

HERE: Final = Path(__file__).parents[2] / "data" / "outputs" / "nwchem"


def text_of(name: str) -> str:
    return gzip.decompress((HERE / f"{name}.out.gz").read_bytes()).decode()


def read(name: str, change: Callable[[str], str] = str) -> tuple[list[Step], Closing]:
    return read_text(output.steps, change(text_of(name)))


@pytest.mark.parametrize("expected", published.parameters("nwchem"))
def test_published_outputs_are_read_right(expected: dict[str, Any]) -> None:
    published.check(expected)


def test_energies_of_line_searches_have_no_gradient_and_take_none() -> None:
    steps, closing = read("water-relax")
    assert [bool(step.missing) for step in steps] == [False, True, False, True, False]
    assert closing.relaxed is False
    assert "Its relaxation has not converged." in closing.remarks


def test_gradients_are_forces_of_the_opposite_sign_at_their_own_coordinates() -> None:
    first = read("water-relax")[0][0]
    assert first.positions is not None
    assert first.forces is not None
    np.testing.assert_allclose(first.positions[0], np.array([0.0, -0.179524, -0.207870]) * BOHR_ANG)
    np.testing.assert_allclose(first.forces[2], np.array([0.0, 0.091768, -0.035594]) * HARTREE_EV / BOHR_ANG)


def test_atoms_that_are_held_have_no_gradients_of_their_own() -> None:
    held = "0.000000   1.615716  -0.018897    0.000000   0.000000   0.000000"

    def hold(text: str) -> str:
        return text.replace("0.000000   1.615716  -0.018897    0.000000  -0.091768   0.035594", held)

    steps, _ = read("water-relax", hold)
    assert "forces of zero" in steps[0].flaws[0]
    assert not steps[2].flaws


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("          s6 scale factor :        1.400000000000\n", "D2, s6 1.4"),
        ("             DFT-D3 Model   \n          s8 scale factor  :        1.0\n", "D3"),
        ("            DFT-D3BJ Model   \n", "D3BJ"),
    ],
)
def test_dispersion_is_told_for_each_energy(model: str, expected: str) -> None:
    told = f"      Dispersion Parameters\n      ---------------------\n\n{model}\n         Total DFT energy"
    steps, _ = read("water-relax", lambda text: text.replace("         Total DFT energy", told, 1))
    assert steps[0].method.aspects[Aspect.DISPERSION] == expected
    assert steps[1].method.aspects[Aspect.DISPERSION] == "D3"


def test_a_later_task_without_dispersion_has_none() -> None:
    def without(text: str) -> str:
        first, _, last = text.rpartition("      Dispersion Parameters")
        return first + last.replace("DFT-D3 Model", "")

    steps, _ = read("water-relax", without)
    assert Aspect.DISPERSION in steps[0].method.aspects
    assert Aspect.DISPERSION not in steps[-1].method.aspects


def test_runs_in_one_file_have_settings_of_their_own() -> None:
    other = text_of("water-relax").replace('"ao basis"', '"other"').replace("  Charge           :     0", "")
    steps, _ = read_text(output.steps, text_of("water-relax") + other)
    alone = read("water-relax")[0]
    assert len(steps) == 2 * len(alone)
    assert [step.method for step in steps[: len(alone)]] == [step.method for step in alone]
    assert all(Aspect.BASIS not in step.method.aspects for step in steps[len(alone) :])


def test_what_stands_among_point_charges_is_refused() -> None:
    told = " Bq nuclear interaction energy =   3.1091297398677535\n         Total DFT energy"
    steps, _ = read("water-relax", lambda text: text.replace("         Total DFT energy", told, 1))
    assert "point charges" in steps[0].flaws[0]
    assert not steps[2].flaws


def test_energies_along_a_relaxation_are_the_work_of_forces() -> None:
    steps = [step for step in read("water-relax")[0] if step.forces is not None]
    for before, after in pairwise(steps):
        assert before.energy is not None
        assert after.energy is not None
        assert before.forces is not None
        assert after.forces is not None
        assert before.positions is not None
        assert after.positions is not None
        work = -np.sum((before.forces + after.forces) / 2 * (after.positions - before.positions))
        assert after.energy - before.energy == pytest.approx(work, abs=0.03)


def test_a_molecule_has_no_cell_and_labels_of_the_user_are_elements() -> None:
    first = read("water-relax")[0][0]
    assert first.numbers is not None
    assert first.numbers.tolist() == [8, 1, 1]
    assert first.pbc == (False, False, False)
    assert (first.charge, first.spin) == (0, 1)


def test_scf_that_failed_is_not_converged_and_the_file_is_cut() -> None:
    steps, closing = read("hydroxide")
    assert [step.convergence for step in steps] == [Convergence.REACHED, Convergence.NOT_REACHED]
    assert [step.charge for step in steps] == [-1, -1]
    assert [step.spin for step in steps] == [3, 1]
    assert closing.ended is Ended.CUT


def test_gradients_of_another_method_do_not_take_its_energy() -> None:
    steps, _ = read("hydroxide", lambda text: text.replace("UHF ENERGY GRADIENTS", "TDDFT ENERGY GRADIENTS"))
    assert steps[0].energy is None
    assert "its forces are of TDDFT, whose energy is not told" in steps[0].flaws


def test_gradients_of_mp2_take_the_energy_of_mp2() -> None:
    def correlated(text: str) -> str:
        text = text.replace("UHF ENERGY GRADIENTS", "mp2 ENERGY GRADIENTS")
        start = text.index("mp2 ENERGY GRADIENTS")
        return text[:start] + "Total MP2 energy           -74.700000000000\n" + text[start:]

    first = read("hydroxide", correlated)[0][0]
    assert first.energy == pytest.approx(-74.7 * HARTREE_EV)
    assert first.method.aspects[Aspect.FUNCTIONAL] == "MP2"


def test_calculations_by_plane_waves_are_told_to_be_left_out() -> None:
    head = text_of("water-relax")[:4000] + "          *               NWPW PSPW Calculation              *\n"
    steps, closing = read_text(output.steps, head)
    assert steps == []
    assert any("plane waves" in remark for remark in closing.remarks)


def test_ghost_atoms_are_refused() -> None:
    steps, _ = read("water-relax", lambda text: text.replace(" H2 ", " bq2"))
    assert all("ghost atoms" in " ".join(step.flaws) for step in steps if step.forces is not None)


def test_settings_are_those_of_the_method_of_each_step() -> None:
    assert dict(read("water-relax")[0][0].method.aspects) == {
        Aspect.FUNCTIONAL: "PBE0",
        Aspect.DISPERSION: "D3",
        Aspect.BASIS: "H sto-3g; O sto-3g (cartesian)",
        Aspect.SPIN: "not polarised",
        Aspect.ACCURACY: "grid coarse",
    }
    assert dict(read("hydroxide")[0][0].method.aspects) == {
        Aspect.FUNCTIONAL: "Hartree-Fock",
        Aspect.BASIS: "H sto-3g; O 3-21g (cartesian)",
        Aspect.SPIN: "polarised",
    }


@pytest.mark.parametrize("name", ["water-relax", "hydroxide"])
def test_damaged_outputs_give_steps_of_the_whole_one_or_none(name: str) -> None:
    require_survival(output.steps, text_of(name))
