"""A run ends with a verdict on its models, and bad models are not handed over without one."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from aims_pax.committee import Committee
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.evaluation.verdict import Learned, Verdict, Word
from aims_pax.frame import Label, LabelledFrame, Split
from aims_pax.outcome.verdict import Case, give_verdict, span_of
from aims_pax.settings import Project, load_project

from .projects import copper_project, run, water_project

torch.set_num_threads(1)


def random_models(project: Project, folder: Path, *, force_ev_per_ang: float) -> tuple[Path, ...]:
    """Two members with random weights, whose scale is that of made-up labels with such forces."""
    rng = np.random.default_rng(0)
    start = project.systems[0].frame
    points = [
        LabelledFrame(
            number,
            replace(start, md_step=number, positions=start.positions + rng.normal(0, 0.05, start.positions.shape)),
            Label(0.0, rng.normal(0.0, force_ev_per_ang, start.positions.shape), None, "made up", 0.0),
            Split.TRAINING,
        )
        for number in range(1, 7)
    ]
    energies = dict.fromkeys(project.elements, 0.0)
    committee = Committee.build(project.mace, points, seeds=[1, 2], atomic_energies_ev=energies)
    return tuple(committee.export(folder, "random"))


def verdict_on(project: Project, models: tuple[Path, ...], departure: Departure | None = None) -> Verdict:
    case = Case(project, models, (), Learned(100, 300), departure=departure or Departure())
    verdict = give_verdict(case)
    assert verdict is not None
    return verdict


def test_models_with_random_weights_are_not_to_be_used_and_it_is_said_what_broke(tmp_path: Path) -> None:
    project = load_project(water_project(tmp_path, {"MISC": {"path_to_geometry": "water.xyz", "verdict_ps": 1.0}}))
    verdict = verdict_on(project, random_models(project, tmp_path, force_ev_per_ang=5.0))
    assert verdict.word is Word.DO_NOT_USE
    assert "broke; water after" in verdict.reasons[0].text
    assert all(record.failure is not None for record in verdict.records)
    assert verdict.as_json()["stable"] == 0


def test_a_finished_run_tells_its_verdict_in_the_summary_and_in_the_closing_lines(tmp_path: Path) -> None:
    folder = copper_project(tmp_path, changes={"MISC": {"path_to_geometry": "copper.xyz", "verdict_ps": 0.1}})
    summary = run(folder)
    stored = json.loads((folder / "results" / "summary.json").read_text(encoding="utf-8"))
    assert stored == summary.content
    verdict = stored["verdict"]
    assert verdict["word"] == "do not use", "a few labels of four atoms are too few"
    assert verdict["runs"] == 8
    assert any(line == "verdict: do not use" for line in summary.lines())
    n_train = stored["labels"]["training"]
    assert any(f"{n_train} structures ({4 * n_train} atoms in all) trained it" in line for line in summary.lines())
    assert stored["wall_s"]["verifying"] > 0


@pytest.mark.parametrize("length", [0, False])
def test_a_verdict_can_be_switched_off(tmp_path: Path, length: object) -> None:
    folder = copper_project(tmp_path, changes={"MISC": {"path_to_geometry": "copper.xyz", "verdict_ps": length}})
    summary = run(folder)
    assert summary.content["verdict"] is None
    assert not any(line.startswith("verdict") for line in summary.lines())


def test_a_trial_that_is_asked_to_leave_gives_no_verdict(tmp_path: Path) -> None:
    project = load_project(water_project(tmp_path, {"MISC": {"path_to_geometry": "water.xyz", "verdict_ps": 50.0}}))
    models = random_models(project, tmp_path, force_ev_per_ang=0.01)
    departure = Departure()
    case = Case(project, models, (), departure=departure)
    with pytest.raises(Departed, match="SIGTERM"):
        give_verdict(case, show=lambda _words: departure.ask(Reason.TERMINATED))


def test_its_length_is_a_tenth_of_the_run_within_bounds() -> None:
    span = span_of("auto", run_s=600.0)
    assert span is not None
    assert (span.least_ps, span.most_ps, span.budget_s, span.limit_s) == (1.0, 50.0, 60.0, 300.0)
    assert span_of(0.0, run_s=600.0) is None
