"""The work along a path tells whether energies and forces belong together."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aims_pax.calculations.method import Method
from aims_pax.calculations.registry import reader_of
from aims_pax.calculations.step import Convergence, Step
from aims_pax.calculations.work import work_of
from aims_pax.frame import FloatArray

from .published import published, read

SPRING = 2.0
CELL = np.array([[4.0, 0.0, 0.0], [1.0, 5.0, 0.0], [0.5, -0.5, 6.0]])
NUMBERS = np.array([8, 1, 1])


def step_at(positions: FloatArray, **changes: Any) -> Step:
    """Of three atoms on springs to the origin, eV and Å."""
    step = Step(
        method=Method("made up"),
        numbers=NUMBERS,
        positions=positions,
        cell=CELL,
        pbc=(True, True, True),
        energy=0.5 * SPRING * float((positions**2).sum()),
        forces=-SPRING * positions,
        convergence=Convergence.REACHED,
    )
    return replace(step, **changes)


def path(n_steps: int = 8) -> list[Step]:
    noise = np.random.default_rng(1)
    moves = np.cumsum(noise.normal(scale=0.03, size=(n_steps, 3, 3)), axis=0)
    return [step_at(0.5 + move) for move in moves]


def test_the_trapezoidal_rule_is_exact_for_springs() -> None:
    work = work_of(path())
    assert work.n_pairs == 7
    assert work.residual_ev < 1e-12
    assert work.change_ev > 0.01


def test_forces_of_the_step_before_show() -> None:
    steps = path()
    shifted = [replace(one, forces=before.forces) for one, before in zip(steps[1:], steps[:-1], strict=True)]
    assert work_of(shifted).residual_ev > 1e-3


def test_forces_in_another_unit_show() -> None:
    steps = [replace(one, forces=None if one.forces is None else one.forces / 51.4) for one in path()]
    work = work_of(steps)
    assert work.residual_ev == pytest.approx(work.change_ev, rel=0.05)


@pytest.mark.parametrize("n_cells", [(1, 0, 0), (0, -2, 1)])
def test_an_atom_that_leaves_the_cell_and_returns_on_the_other_side_has_moved_little(n_cells: Sequence[int]) -> None:
    steps = path(2)
    assert steps[1].positions is not None
    wrapped = steps[1].positions.copy()
    wrapped[1] += np.array(n_cells) @ CELL
    work = work_of([steps[0], replace(steps[1], positions=wrapped)])
    assert work.n_pairs == 1
    assert work.residual_ev < 1e-12


def test_molecules_have_no_images() -> None:
    steps = [replace(one, cell=np.zeros((3, 3)), pbc=(False,) * 3) for one in path()]
    assert work_of(steps) == work_of(path())
    slab = [replace(one, pbc=(True, True, False)) for one in path(2)]
    assert slab[1].positions is not None
    away = replace(slab[1], positions=slab[1].positions + CELL[2])
    assert work_of([slab[0], away]).n_pairs == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"energy": None},
        {"forces": None},
        {"positions": None},
        {"numbers": None},
        {"cell": None},
        {"cell": 1.01 * CELL},
        {"numbers": np.array([1, 8, 1])},
        {"method": Method("another")},
        {"flaws": ("it is of a machine-learned force field",)},
        {"convergence": Convergence.NOT_REACHED},
    ],
)
def test_steps_that_can_not_be_compared_are_no_pair(changes: dict[str, Any]) -> None:
    first, middle, last = path(3)
    assert work_of([first, replace(middle, **changes), last]).n_pairs == 0


def test_steps_that_are_far_or_have_not_moved_are_no_pair() -> None:
    one = path(1)[0]
    assert one.positions is not None
    assert work_of([one, one]).n_pairs == 0
    assert work_of([one, step_at(one.positions + 0.3)]).n_pairs == 0
    assert np.isnan(work_of([]).residual_ev)


def checked() -> list[Any]:
    known = [pytest.param(one, id=name) for name, one in published().items() if "work_integral_check" in one]
    skipped = pytest.mark.skip(reason="AIMS_PAX_CASES names no folder with published outputs")
    return known or [pytest.param(None, marks=skipped, id="none")]


@pytest.mark.parametrize("expected", checked())
def test_published_paths_close_as_is_known(expected: dict[str, Any]) -> None:
    file = Path(os.environ["AIMS_PAX_CASES"]) / "outputs" / expected["file"]
    if reader_of(file) is None:
        pytest.skip(f"no reader of {expected['engine']}")
    work = work_of(read(file)[0])
    known = expected["work_integral_check"]
    if expected["file"].startswith("qe/Mn-multirun"):
        assert work.n_pairs == 2, "one pair crosses the border of the cell, which the established check left out"
        assert work.residual_ev < known["median_abs_residual_eV"]
        return
    assert work.n_pairs == known["pairs"]
    assert work.residual_ev == pytest.approx(known["median_abs_residual_eV"], rel=1e-3, abs=1e-7)
    assert work.change_ev == pytest.approx(known["median_abs_dE_eV"], rel=1e-4, abs=1e-7)
