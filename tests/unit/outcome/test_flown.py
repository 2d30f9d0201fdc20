"""Checks of a flight as its store has them: what they say, their record, a line, and a figure."""

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aims_pax.dataset.store import RunStore
from aims_pax.frame import CommitteePrediction, FailureReason, Label, LabelFailure
from aims_pax.learner.checks import Differences
from aims_pax.outcome.flown import checks_in, checks_of, lines_of, record_of, write_flights
from aims_pax.page.charts.stages.flights import errors_at_checks
from aims_pax.page.material import read_material
from aims_pax.report.flight import draw_flight
from aims_pax.settings import Project
from aims_pax.stages.fly.comparison import Check

from ..flights import ADAPTIVE, flight_project, fly, flying

HOLDS, BREAKS = 0.001, 0.05
"""Errors of energies in eV/atom; the tolerance is 0.02."""


class Flown:
    """A store that a flight of two copper atoms has left, written check by check."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.project: Project = flight_project(folder, fly(num_trajectories=2, **changes))
        self.store = RunStore.open(self.project.run_folder)

    def check(self, trajectory: int, step: int, ediff: float | None, *, stress: bool = False) -> int:
        """A check of which the models are wrong by so much; None: it has no label."""
        label_id = self.asked(trajectory, step)
        if ediff is None:
            self.store.add_failure(label_id, LabelFailure(FailureReason.NOT_CONVERGED, "", wall_s=1.0))
            return label_id
        off = np.zeros((2, 3))
        off[0, 2] = -0.06
        voigt = np.full(6, 0.001) if stress else None
        said = CommitteePrediction(
            *(3, -7.0 + 2 * ediff, 0.1, off, np.zeros((2, 3))),
            *(None if voigt is None else 3 * voigt, None if voigt is None else 0 * voigt),
        )
        self.store.add_prediction(label_id, said)
        self.store.add_label(label_id, Label(-7.0, np.zeros((2, 3)), voigt, "EMT", 1.0))
        return label_id

    def asked(self, trajectory: int, step: int, *, stage: str = "fly", source: str = "check") -> int:
        frame = replace(self.project.systems[0].frame, trajectory=trajectory, md_step=step)
        frame = replace(frame, cell=np.diag([2.0, 3.0, 4.0]), pbc=np.ones(3, dtype=bool))
        return self.store.add_job(frame, stage, source=source)

    def checks(self) -> list[Check]:
        return list(checks_of(self.store, flying(self.project)))


@pytest.fixture
def flown(tmp_path: Path) -> Flown:
    """Three checks of one trajectory, two of another, one of which has no label, and one that is under way."""
    made = Flown(tmp_path, adaptive_method_parameters=ADAPTIVE, early_check=0.4)
    made.asked(0, 0, stage="initial", source="every structure")
    for trajectory, step, ediff in ((0, 10, HOLDS), (1, 10, BREAKS), (1, 15, None), (0, 17, HOLDS), (1, 20, HOLDS)):
        made.check(trajectory, step, ediff)
    made.check(0, 57, BREAKS)
    made.asked(1, 30)
    return made


def test_checks_are_those_that_have_labels_each_with_the_interval_of_its_trajectory(flown: Flown) -> None:
    found = flown.checks()
    assert [(one.trajectory, one.step, one.passed, one.interval) for one in found] == [
        (0, 10, True, 20),
        (1, 10, False, 5),
        (0, 17, True, 40),
        (1, 20, True, 10),
        (0, 57, False, 20),
    ]
    assert [one.broken for one in found] == [(), ("ediff",), (), (), ("ediff",)]
    assert [one.learned for one in found] == [False, True, False, False, True]


def test_a_check_before_its_time_was_called_by_the_deviation(flown: Flown) -> None:
    """Seven steps after the one before it, where twenty were due; one that follows a failed label is on time."""
    assert [(one.trajectory, one.step) for one in flown.checks() if one.is_early] == [(0, 17)]


def test_differences_are_those_of_the_mean_in_the_measures_of_hybrid_md(tmp_path: Path) -> None:
    made = Flown(tmp_path)
    made.check(0, 10, BREAKS, stress=True)
    (only,) = made.checks()
    found = only.differences
    assert (found.ediff, found.fmax) == pytest.approx((BREAKS, 0.06))
    assert found.frmse == pytest.approx(0.06 / np.sqrt(6)), "six components, one of which is wrong"
    assert found.vmax == pytest.approx(0.002 * 24.0 / 2), "in a volume of 24 Å³, by atom"


def test_a_label_that_is_kept_out_is_no_check(tmp_path: Path) -> None:
    made = Flown(tmp_path, adaptive_method_parameters=ADAPTIVE)
    label_id = made.asked(0, 10)
    made.store.add_prediction(label_id, CommitteePrediction(0, -7.0, 0.1, np.zeros((2, 3)), np.zeros((2, 3))))
    strong = Label(-7.0, np.full((2, 3), 500.0), None, "EMT", 1.0)
    made.store.add_failure(label_id, LabelFailure(FailureReason.KEPT_OUT, "too strong", label=strong, wall_s=1.0))
    made.check(0, 20, HOLDS)
    assert [(one.step, one.interval) for one in made.checks()] == [(20, 20)]


@pytest.mark.parametrize(
    ("changes", "learned"),
    [({"can_update": False}, [False, False]), ({"refit": {"at_each_check": True}}, [True, True])],
)
def test_what_is_learned_is_what_the_settings_say(changes: dict[str, Any], learned: list[bool], tmp_path: Path) -> None:
    made = Flown(tmp_path, **changes)
    made.check(0, 10, HOLDS)
    made.check(0, 20, BREAKS)
    assert [one.learned for one in made.checks()] == learned
    assert [one.interval for one in made.checks()] == [10, 10]


def test_a_record_gives_its_checks_back(flown: Flown) -> None:
    checks = flown.checks()
    record = json.loads(json.dumps(record_of(flying(flown.project), checks)))
    assert checks_in(record) == checks
    assert (record["stage"], record["n_trajectories"], record["n_checks"]) == ("fly", 2, 5)
    assert (record["n_failed"], record["n_early"]) == (2, 1)
    assert record["tolerances"] == {"ediff": 0.02, "fmax": None, "frmse": 0.2, "vmax": None}
    usual = [HOLDS, HOLDS, BREAKS, BREAKS]
    assert record["observed"]["ediff"]["value"] == pytest.approx(np.mean(usual)), "without the early one"


def test_the_end_of_a_run_says_how_it_has_flown(flown: Flown) -> None:
    lines = lines_of([record_of(flying(flown.project), flown.checks())])
    assert lines[0] == "fly: 5 checks, 1 called by the deviation; 2 beyond a tolerance"
    assert lines[1] == "  at checks, energy: 25.5 meV/atom; tolerance 20"
    assert any(line == "  at checks, largest force component: 60 meV/Å" for line in lines)


def test_many_checks_have_an_interval_around_their_mean(tmp_path: Path) -> None:
    made = Flown(tmp_path)
    for number in range(1, 11):
        made.check(0, 10 * number, HOLDS * number)
    record = record_of(flying(made.project), made.checks())
    mean = record["observed"]["ediff"]
    assert mean["low"] < mean["value"] < mean["high"]
    assert f"({1000 * mean['low']:.3g} to {1000 * mean['high']:.3g})" in lines_of([record])[1]


def test_what_is_written_is_a_record_a_figure_and_what_the_summary_says(flown: Flown, tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir(exist_ok=True)
    (said,) = write_flights(flown.project, flown.store, results)
    assert "checks" not in said
    assert len(checks_in(json.loads((results / "fly.json").read_text("utf-8")))) == 5
    assert (results / "fly.png").stat().st_size > 10_000


def test_a_flight_without_a_check_leaves_nothing(tmp_path: Path) -> None:
    made = Flown(tmp_path)
    made.check(0, 10, None)
    results = tmp_path / "results"
    results.mkdir()
    assert write_flights(made.project, made.store, results) == []
    assert list(results.iterdir()) == []
    assert lines_of([]) == []


def test_the_page_shows_errors_with_a_tolerance_and_the_intervals(flown: Flown, tmp_path: Path) -> None:
    results = flown.project.run_folder / "results"
    results.mkdir(exist_ok=True)
    said = write_flights(flown.project, flown.store, results)
    (results / "summary.json").write_text(json.dumps({"flights": said}), encoding="utf-8")
    flown.store.save_state("progress", json.dumps("finished").encode())
    flown.store.close()
    figure = errors_at_checks(read_material(flown.project.run_folder, name="run"))
    assert figure is not None
    assert len(figure.panels) == 3, "ediff, frmse, intervals"
    assert figure.table["trajectory"].tolist() == [0, 1, 0, 1, 0]
    assert figure.table["md_step"].tolist() == [10, 10, 17, 20, 57]
    assert figure.table["next_in_steps"].tolist() == [20, 5, 40, 10, 20]
    assert figure.table["energy_ev_per_atom"] == pytest.approx([HOLDS, BREAKS, HOLDS, HOLDS, BREAKS])
    assert np.isnan(figure.table["virial_ev_per_atom"]).all()
    assert figure.note.startswith("Of fly: 5 checks on 2 trajectories, 2 beyond.")
    assert figure.png().startswith(b"\x89PNG")


def test_a_run_without_a_flight_has_no_such_figure(tmp_path: Path) -> None:
    RunStore.open(tmp_path).close()
    assert errors_at_checks(read_material(tmp_path, name="new")) is None


@pytest.mark.parametrize("trajectories", [(0,), (1, 2)], ids=["one", "none of the first"])
def test_a_figure_is_drawn_whatever_its_checks_say(trajectories: tuple[int, ...], tmp_path: Path) -> None:
    """Also where models say nothing that is a number, and the first trajectory has no check."""
    checks = [
        Check(10 * k, Differences(np.nan if k == 1 else 0.01 * k, 0.2, 0.1), (), 10, k == 2, False, index)
        for index in trajectories
        for k in range(1, 4)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_flight(tmp_path / "flight.png", checks, {"ediff": 0.02, "fmax": None, "frmse": 0.2})
    assert (tmp_path / "flight.png").stat().st_size > 10_000
