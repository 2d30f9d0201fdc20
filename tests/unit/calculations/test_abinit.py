"""Main output of ABINIT."""

import gzip
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from aims_pax.calculations.abinit import output
from aims_pax.calculations.method import Aspect
from aims_pax.calculations.step import Closing, Convergence, Ended, Step
from tests.unit.calculations import published
from tests.unit.calculations.damage import read_text, require_survival
from tests.unit.calculations.work import work_ev

HERE: Final = Path(__file__).parents[2] / "data" / "outputs" / "abinit"
RUNS: Final = ("si-two-sets", "h2-md", "si-unconverged")


def text_of(name: str) -> str:
    return gzip.decompress((HERE / f"{name}.abo.gz").read_bytes()).decode()


def read(name: str, change: Callable[[str], str] = str) -> tuple[list[Step], Closing]:
    return read_text(output.steps, change(text_of(name)))


@pytest.mark.parametrize("expected", published.parameters("abinit"))
def test_published_outputs_are_read_right(expected: dict[str, Any]) -> None:
    published.check(expected)


@pytest.mark.parametrize(("name", "first", "tolerance_ev"), [("h2-md", 0, 1e-4), ("si-two-sets", 1, 2e-2)])
def test_energies_along_a_path_are_the_work_of_forces_and_stress(name: str, first: int, tolerance_ev: float) -> None:
    steps = read(name)[0][first:]
    assert len(steps) >= 4
    for before, after in pairwise(steps):
        assert before.energy is not None
        assert after.energy is not None
        assert after.energy - before.energy == pytest.approx(work_ev(before, after), abs=tolerance_ev)


def test_each_data_set_has_its_own_cell_and_the_cell_of_a_relaxation_moves() -> None:
    steps, closing = read("si-two-sets")
    assert len(steps) == 5
    cells = [step.cell for step in steps]
    assert cells[0] is not None
    assert cells[1] is not None
    assert cells[2] is not None
    np.testing.assert_allclose(cells[0], cells[1], atol=1e-9)
    assert abs(cells[2] - cells[1]).max() > 1e-3
    assert closing.relaxed is False
    assert closing.ended is Ended.IN_ORDER


def test_the_tables_at_the_end_of_a_relaxation_are_no_step() -> None:
    steps, _ = read("h2-md")
    assert text_of("h2-md").count("cartesian forces (hartree/bohr) at end:") == 1
    assert len(steps) == 5


def test_scf_that_ran_out_of_cycles_has_not_converged() -> None:
    steps, closing = read("si-unconverged")
    assert [step.convergence for step in steps] == [Convergence.NOT_REACHED]
    assert closing.ended is Ended.IN_ORDER


def test_an_energy_of_an_earlier_cycle_is_not_taken_for_the_last_one() -> None:
    def without_last(text: str) -> str:
        lines = text.splitlines(keepends=True)
        last = next(number for number, line in enumerate(lines) if line.startswith(" ETOT  8"))
        return "".join(lines[:last] + lines[last + 1 :])

    steps, _ = read("si-two-sets", without_last)
    assert [step.missing for step in steps] == [("energy",), (), (), (), ()]


def test_virtual_atoms_and_non_self_consistent_data_sets_are_refused() -> None:
    mixed, _ = read(
        "h2-md", lambda text: text.replace("            natom  ", "         ntypalch           1\n            natom  ")
    )
    assert all("virtual atoms" in " ".join(step.flaws) for step in mixed)
    fixed, _ = read(
        "h2-md", lambda text: text.replace("            natom  ", "             iscf          -2\n            natom  ")
    )
    assert all("not self-consistent" in " ".join(step.flaws) for step in fixed)


def test_settings_are_those_of_the_data_set() -> None:
    method = read("si-two-sets")[0][0].method
    assert (method.version, method.mesh) == ("9.6.2", (2, 2, 2))
    assert dict(method.aspects) == {
        Aspect.FUNCTIONAL: "LDA (Teter)",
        Aspect.BASIS: "plane waves orbitals 136.057 eV",
        Aspect.SMEARING: "fermi-dirac 0.272114 eV",
        Aspect.SPIN: "not polarised",
        Aspect.POTENTIALS: "Si 14si.pspnc",
        Aspect.ACCURACY: "smoothed kinetic energy 13.6057 eV",
    }
    other, _ = read(
        "si-two-sets", lambda text: text.replace("           occopt           3", "          occopt2           3")
    )
    assert other[0].method.aspects[Aspect.SMEARING] == "none"
    assert other[1].method.aspects[Aspect.SMEARING] == "fermi-dirac 0.272114 eV"


@pytest.mark.parametrize("name", RUNS)
def test_damaged_outputs_give_steps_of_the_whole_one_or_none(name: str) -> None:
    require_survival(output.steps, text_of(name))
