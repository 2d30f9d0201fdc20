"""Errors by density and temperature, and what disagreement tells, of models from elsewhere."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from aims_pax.errors import ShapeError
from aims_pax.evaluation.parity import Matched, Method
from aims_pax.frame import FloatArray, Frame, Label
from aims_pax.outcome.assessment.conditions import write_matrices
from aims_pax.outcome.assessment.disagreement import write_disagreement
from aims_pax.outcome.assessment.findings import Assessment
from aims_pax.protocols import FramePrediction
from aims_pax.report.paper.sheet import PAPER_LOOK
from aims_pax.selection.calibration import Quantity

SIDES_ANG, KELVIN = (4.0, 5.0), (300.0, 900.0)
OFF_EV_PER_ANG = {(4.0, 300.0): 0.1, (4.0, 900.0): 0.2, (5.0, 300.0): 0.3, (5.0, 900.0): 0.5}
N_EACH = 5


@pytest.fixture(autouse=True)
def coarse() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PAPER_LOOK, "savefig.dpi", 60)
        yield


@dataclass(frozen=True)
class One:
    """A structure of the set."""

    side_ang: float
    kelvin: float | None


def matched(ones: list[One], *, n_members: int = 2) -> Matched:
    """Predictions whose mean is off by what is laid down, and whose members are half of that from their mean."""
    frames, labels, said = [], [], []
    for step, one in enumerate(ones):
        off = OFF_EV_PER_ANG[one.side_ang, one.kelvin or 300.0] * (1 + 0.01 * step)
        forces = np.full((2, 3), 1.0)
        signs: FloatArray = np.array([(-1.0) ** member for member in range(n_members)])
        each = signs if n_members > 1 else np.zeros(1)
        own = forces + off + 0.5 * off * each[:, None, None] * np.ones((2, 3))
        frames.append(
            Frame(
                "NaCl", 0, step, 0, np.array([11, 17]), np.zeros((2, 3)), one.side_ang * np.eye(3), np.ones(3, np.bool_)
            )
        )
        labels.append(Label(-8.0, forces, None, "made up", 0.0))
        said.append(FramePrediction(-8.0 + off + 0.5 * off * each, own, None))
    methods = tuple(Method(f"model_{number}", (number,)) for number in range(n_members))
    return Matched(methods, frames, labels, said, (), [one.kelvin for one in ones])


EVERY = [One(side, kelvin) for side in SIDES_ANG for kelvin in KELVIN for _ in range(N_EACH)]


def test_errors_are_told_by_density_and_temperature_and_both(tmp_path: Path) -> None:
    found = Assessment(matched(EVERY, n_members=1), "")
    densities = found.matched.density.known
    assert found.matched.temperature.known == ("300 K", "900 K")
    assert [float(name.removesuffix(" g/cm³")) for name in densities] == pytest.approx([0.776, 1.516], abs=2e-3)
    loose_hot = found.row("force_component", kind="density_and_temperature", group=f"{densities[0]}, 900 K").measure
    assert loose_hot.mae == pytest.approx(0.5 * 1.17), "the middle of the last five"
    assert f"largest at {densities[0]}" in found.text()
    assert "Errors by temperature: the force RMSE of model_0 is largest at 900 K" in found.text()
    written = write_matrices(found.matched, found.matched.methods, found.rows, tmp_path / "cells")
    assert [path.suffix for path in written if path.stat().st_size > 200] == [".png", ".pdf", ".csv"]
    with (tmp_path / "cells.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["quantity"] == "force_component"]
    assert [(row["temperature"], row["n_structures"]) for row in rows] == [
        (f"{kelvin:g} K", "5") for kelvin in KELVIN for _ in densities
    ]
    assert float(rows[-2]["rmse"]) == pytest.approx(1000 * loose_hot.rmse)


def test_what_the_data_do_not_tell_is_said(tmp_path: Path) -> None:
    found = Assessment(matched([One(4.0, None)] * 12, n_members=1), "")
    assert "Errors by density: all structures that tell it are of 1.516 g/cm³." in found.text()
    assert "Errors by temperature: the files tell none." in found.text()
    assert write_matrices(found.matched, found.matched.methods, found.rows, tmp_path / "cells") == []


def test_structures_without_a_temperature_stand_apart() -> None:
    found = Assessment(matched([*EVERY, One(4.0, None)], n_members=1), "")
    assert found.row("energy_per_atom", kind="temperature", group="unknown").measure.n_values == 1


def test_disagreement_of_a_committee_is_judged_by_its_errors(tmp_path: Path) -> None:
    apart = Assessment(matched(EVERY), "")
    assert apart.disagreement == ()
    found = apart.as_committee()
    energy, forces = found.disagreement
    assert (energy.quantity, forces.quantity) == (Quantity.ENERGY, Quantity.FORCES)
    assert forces.score == pytest.approx(0.5 * forces.error), "members are half the error from their mean"
    assert forces.tau == pytest.approx(0.5 * forces.detection.tolerance)
    assert forces.at_tau.true_positive_rate()[0, 0] == forces.at_tau.predictive_value()[0, 0] == 1.0
    assert forces.rank_correlation == pytest.approx(1.0)
    assert "Disagreement of the 2 members, and errors of their mean" in found.text()
    assert "Rank correlation 1.00." in found.text()
    written = write_disagreement(found.disagreement, tmp_path / "disagreement")
    assert [path.suffix for path in written if path.stat().st_size > 200] == [".png", ".pdf", ".csv"]
    with (tmp_path / "disagreement.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["quantity"] for row in rows} == {"energy", "forces"}
    assert float(rows[-1]["tolerance"]) == pytest.approx(1000 * forces.detection.tolerance)
    assert json.loads(json.dumps(found.record()))["disagreement"][1]["true_positive_rate"]["value"] == 1.0
    with pytest.raises(ShapeError, match="3 methods are no members of which a mean is missing"):
        found.as_committee()


@pytest.mark.parametrize(
    ("ones", "why"),
    [(EVERY[:9], "9 structures are fewer than 10"), (EVERY, "all members say the same")],
)
def test_why_nothing_is_told_of_disagreement_is_said(ones: list[One], why: str) -> None:
    one = matched(ones)
    same = [FramePrediction(said.energies[[0, 0]], said.forces[[0, 0]], None) for said in one.predictions]
    of_same = Matched(one.methods, one.frames, one.labels, same if len(ones) > 9 else one.predictions)
    found = Assessment(of_same, "").as_committee()
    assert f"Nothing is told of what disagreement says of errors: {why}." in found.text()
