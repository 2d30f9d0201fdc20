"""Texts of GPAW 26, which really ran (tests/data/outputs/gpaw)."""

import gzip
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from aims_pax.calculations.gpaw import output, tables
from aims_pax.calculations.method import Aspect
from aims_pax.calculations.registry import reader_of
from aims_pax.calculations.step import Closing, Convergence, Ended, Step
from aims_pax.gathering.judgement import Limits, refusal
from aims_pax.gathering.reasons import Reason
from tests.unit.calculations import published
from tests.unit.calculations.damage import read_text, require_losses_told, require_survival
from tests.unit.calculations.work import work_ev

HERE: Final = Path(__file__).parents[2] / "data" / "outputs" / "gpaw"
RUNS: Final = ("si-relax", "h2", "h2-cation-lcao")


def text_of(name: str) -> str:
    return gzip.decompress((HERE / f"{name}.txt.gz").read_bytes()).decode()


def read(name: str, change: Callable[[str], str] = str) -> tuple[list[Step], Closing]:
    return read_text(tables.steps, change(text_of(name)))


def only(name: str, change: Callable[[str], str] = str) -> Step:
    steps, _ = read(name, change)
    assert len(steps) == 1
    return steps[0]


@pytest.mark.parametrize("path", sorted(HERE.glob("*.gz")), ids=lambda path: path.name)
def test_a_text_is_known_by_its_banner_and_the_older_kind_by_its_own(path: Path) -> None:
    reader = reader_of(path)
    assert reader is not None
    assert reader.steps is tables.steps
    assert not output.recognises(text_of(path.name.partition(".")[0]), path.name)


def test_numbers_are_those_that_the_calculator_returned_at_each_geometry() -> None:
    """Of `Atoms.get_potential_energy`, `get_forces`, `get_stress` and `calc.results` of the same run."""
    steps, closing = read("si-relax")
    assert closing.ended is Ended.IN_ORDER
    assert [step.energy for step in steps] == [-8.132752, -8.187042, -8.229843, -8.231765]
    assert [step.energies["Extrapolated"] for step in steps] == [-8.092909, -8.153423, -8.207983, -8.210775]
    second = steps[1]
    assert second.numbers is not None
    assert second.numbers.tolist() == [14, 14]
    np.testing.assert_allclose(
        np.asarray(second.positions), [[0.0126075, 0.0125913, -0.0119762], [1.4448925, 1.3949087, 1.2994761]], atol=1e-6
    )
    np.testing.assert_allclose(np.asarray(second.forces)[0], [0.68495815, 0.52861859, -0.54353291], atol=6e-6)
    np.testing.assert_allclose(
        np.asarray(second.stress),
        [-0.05930095, -0.05768646, -0.05820370, 0.03314455, 0.01292340, -0.02071439],
        atol=6e-7,
    )
    np.testing.assert_allclose(np.asarray(second.cell)[0], [0.0, 2.715, 2.715])
    assert second.pbc == (True, True, True)
    assert all(step.convergence is Convergence.REACHED and step.charge == 0 for step in steps)


def test_the_energy_is_the_one_that_forces_derive_from() -> None:
    for before, after in pairwise(read("si-relax")[0]):
        assert before.energy is not None
        assert after.energy is not None
        work = work_ev(before, after)
        free = after.energy - before.energy
        extrapolated = after.energies["Extrapolated"] - before.energies["Extrapolated"]
        assert free == pytest.approx(work, abs=2e-3)
        assert abs(free - work) < abs(extrapolated - work) / 2


def test_a_stretched_crystal_has_the_stress_of_tension() -> None:
    step = only("si-strained")
    assert step.stress is not None
    np.testing.assert_allclose(step.stress, [0.0162833] * 3 + [0.0] * 3, atol=6e-7)


def test_settings_are_told() -> None:
    step = read("si-relax")[0][-1]
    assert step.method.version == "26.7.0"
    assert step.method.mesh == (2, 2, 2)
    assert step.method.aspects == {
        Aspect.PROGRAM: "GPAW",
        Aspect.FUNCTIONAL: "PBE",
        Aspect.BASIS: "Plane wave expansion 200 eV",
        Aspect.SMEARING: "Fermi-Dirac 0.1 eV",
        Aspect.SPIN: "not polarised",
        Aspect.POTENTIALS: "Si ee77bee4",
    }


def test_orbitals_charge_and_spin_are_told_of_the_run_that_stands_last() -> None:
    step = only("h2-cation-lcao")
    assert step.charge == 1
    assert step.method.aspects[Aspect.SPIN] == "collinear"
    assert step.method.aspects[Aspect.BASIS] == "LCAO H dzp, h 0.3 Å"
    assert step.method.aspects[Aspect.FUNCTIONAL] == "LDA"
    assert step.energy == 10.151438


def test_a_molecule_has_neither_periods_nor_a_mesh() -> None:
    steps, _ = read("h2")
    assert [step.pbc for step in steps] == [(False, False, False)] * 2
    assert [step.method.mesh for step in steps] == [None, None]
    assert [float(np.asarray(step.forces)[0, 2]) for step in steps] == [1.05, 0.00179]
    assert [step.stress for step in steps] == [None, None]
    assert steps[0].method.aspects[Aspect.SMEARING] == "none"


def test_a_hubbard_u_and_the_order_of_smearing_are_told() -> None:
    aspects = only("si-u").method.aspects
    assert aspects[Aspect.HUBBARD] == "{Si: :p,2}"
    assert aspects[Aspect.SMEARING] == "Methfessel-Paxton 0.2 eV, order 1"


@pytest.mark.parametrize(
    ("asked", "aspect", "told"),
    [
        ("extensions=[D3(xc='PBE')]", Aspect.DISPERSION, "D3(xc=PBE)"),
        ("extensions=[SJM(ne=0.1)]", Aspect.SOLVATION, "SJM(ne=0.1)"),
        ("external=ConstantElectricField(0.20)", Aspect.ACCURACY, "external ConstantElectricField(0.2)"),
        ("soc=True", Aspect.RELATIVITY, "spin-orbit coupling"),
    ],
)
def test_what_is_put_on_top_of_the_functional_is_told(asked: str, aspect: Aspect, told: str) -> None:
    step = only("si-strained", lambda text: text.replace("  xc=XC(", f"  {asked},\n  xc=XC("))
    assert step.method.aspects[aspect] == told
    assert step.method.aspects[Aspect.FUNCTIONAL] == "PBE"


def test_a_cycle_that_ran_out_gives_no_label() -> None:
    step = only("si-unconverged")
    assert step.convergence is Convergence.NOT_REACHED
    assert step.missing == ("energy", "forces")
    assert refusal(step, Limits()) == (Reason.NOT_CONVERGED, "")


def test_coloured_energies_are_read() -> None:
    step = only("si-strained", lambda text: text.replace("    -10.618823\n", "\x1b[32m    -10.618823\x1b[0m\n"))
    assert step.energies == {"Extrapolated": -10.618823}


def test_runs_that_follow_each_other_in_one_text_keep_their_settings() -> None:
    steps, _ = read_text(tables.steps, text_of("h2-cation-lcao") + text_of("si-strained"))
    assert [step.method.aspects[Aspect.FUNCTIONAL] for step in steps] == ["LDA", "PBE"]
    assert [step.method.aspects[Aspect.POTENTIALS] for step in steps] == ["H 4766778c", "Si ee77bee4"]
    assert [step.charge for step in steps] == [1, 0]


def test_a_text_that_is_cut_has_its_whole_steps() -> None:
    steps, closing = read("si-relax", lambda text: text[: text.index("Free energy:      -8.229843") + 24])
    assert closing.ended is Ended.CUT
    assert [published.is_usable(step) for step in steps] == [True, True, False]


@pytest.mark.parametrize("name", RUNS)
def test_damage_is_survived_and_never_gives_other_numbers(name: str) -> None:
    text = text_of(name)
    require_survival(tables.steps, text, every_bytes=61)
    require_losses_told(tables.steps, text)
