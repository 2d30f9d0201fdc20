"""Published outputs with established values, which lie outside of the repository: their folder is told by
AIMS_PAX_CASES, and tests of them are skipped without it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from aims_pax.calculations.lines import opened
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.registry import reader_of
from aims_pax.calculations.step import Closing, Convergence, Step

ENERGY_REL: Final = 3e-7
"""What the constants of different years differ by."""
ENERGY_EV: Final = 1e-5
POSITION_ANG: Final = 2e-6
FORCE_EV_PER_ANG: Final = 2e-6
STRESS_EV_PER_ANG3: Final = 2e-8

SAID: Final = {
    True: (Convergence.REACHED, Convergence.NOT_STATED),
    False: (Convergence.NOT_REACHED,),
    "at_limit": (Convergence.AT_LIMIT, Convergence.REACHED),
    "not_stated": (Convergence.NOT_STATED,),
}
"""What a reader may say of a step's convergence, by what is known of it."""


def published() -> dict[str, dict[str, Any]]:
    """What is known of each file, by its name; empty without the folder."""
    folder = os.environ.get("AIMS_PAX_CASES")
    expected = None if folder is None else Path(folder) / "outputs" / "expected.json"
    if expected is None or not expected.is_file():
        return {}
    return json.loads(expected.read_text())["files"]  # type: ignore[no-any-return]


def parameters(program: str) -> list[Any]:
    """One parameter for each file of a program, or one that is skipped."""
    known = [pytest.param(one, id=name) for name, one in published().items() if one["engine"] == program]
    skipped = pytest.mark.skip(reason="AIMS_PAX_CASES names no folder with published outputs")
    return known or [pytest.param(None, marks=skipped, id="none")]


def read(path: Path) -> tuple[list[Step], Closing]:
    """All steps of a file, and how it ends."""
    reader = reader_of(path)
    assert reader is not None, f"{path} is no known output"
    with opened(path) as lines:
        return _taken(reader.steps(lines))


def _taken(going: Steps) -> tuple[list[Step], Closing]:
    closings: list[Closing] = []

    def until_the_end() -> Iterator[Step]:
        closings.append((yield from going))

    return list(until_the_end()), closings[0]


def is_usable(step: Step) -> bool:
    """Whether a step can become a label."""
    return not step.missing and not step.flaws and step.convergence.is_believed


def check(expected: dict[str, Any]) -> None:
    """Compare all that is known of a file."""
    file = Path(os.environ["AIMS_PAX_CASES"]) / "outputs" / expected["file"]
    steps, closing = read(file)
    assert len(steps) == expected["frames"]
    surely = [number for number, step in enumerate(steps) if is_usable(step) and not _is_at_limit(step)]
    assert surely == expected["usable_frames"], "either answer can be defended of a step at its limit"
    assert (closing.ended == "in order") is expected["normal_end"]
    if expected.get("relaxation_converged") is not None and closing.relaxed is not None:
        assert closing.relaxed is expected["relaxation_converged"]
    for number, (step, known) in enumerate(zip(steps, expected["frame_data"], strict=True)):
        _check_step(step, known, f"step {number}")


def _is_at_limit(step: Step) -> bool:
    return step.convergence is Convergence.AT_LIMIT


def _check_step(step: Step, known: dict[str, Any], where: str) -> None:
    if known["energy_eV"] is not None and not step.flaws:
        assert step.energy == pytest.approx(known["energy_eV"], rel=ENERGY_REL, abs=ENERGY_EV), where
    if (allowed := SAID.get(known["scf_converged"])) is not None:
        assert step.convergence in allowed, where
    if known.get("pos_first") is not None and step.positions is not None:
        _close(step.positions[[0, -1]], [known["pos_first"], known["pos_last"]], POSITION_ANG, where + " positions")
    if known.get("force_first") is not None and step.forces is not None:
        _close(step.forces[[0, -1]], [known["force_first"], known["force_last"]], FORCE_EV_PER_ANG, where + " forces")
    if known.get("max_force") is not None and step.forces is not None:
        assert abs(step.forces).max() == pytest.approx(known["max_force"], rel=1e-6, abs=FORCE_EV_PER_ANG), where
    if known.get("stress") is not None and is_usable(step):
        assert step.stress is not None, where + " stress"
        _close(step.stress, known["stress"], STRESS_EV_PER_ANG3, where + " stress")
    if known["stress"] is None:
        assert step.stress is None, where + " has no stress"
    if known.get("cell") is not None and step.cell is not None:
        _close(step.cell, known["cell"], POSITION_ANG, where + " cell")


def _close(found: Any, known: Any, tolerance: float, where: str) -> None:
    np.testing.assert_allclose(found, known, rtol=1e-6, atol=tolerance, err_msg=where)
