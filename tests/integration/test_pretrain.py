"""A cheap method that the committee learns first: what is kept of it, and that it is none of the run's labels."""

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import molecule
from ase.io import write
from typer.testing import CliRunner

from aims_pax.campaign import run_campaign
from aims_pax.cli.program import program
from aims_pax.committee import Committee
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.errors import CampaignStopped, ModelError
from aims_pax.frame import Split, Stage
from aims_pax.outcome import results
from aims_pax.protocols import Status
from aims_pax.sampling import CalculatorForces
from aims_pax.settings import load_project
from aims_pax.stages import pretrain
from aims_pax.stages.beginnings import prior

from .engines import PLAIN, Watched
from .projects import COPPER, Watcher, copper, in_child, labels_of, write_project
from .resuming import assert_same, outcome_of
from .springs import blank_run, springs_for_mace
from .test_stages import FIRST, INITIAL

BOTH = (Stage.INITIAL, Stage.ACTIVE)
CHEAP: dict[str, Any] = {
    "reference": {"type": "tblite", "method": "GFN1-xTB"},
    "n": 24,
    "num_trajectories": 2,
    "skip_step": 2,
    "epochs": 4,
    "valid_ratio": 0.25,
}
PRETRAIN: dict[str, Any] = {"pretrain": CHEAP}
REST: list[Any] = [{"initial": {**INITIAL, "ensemble_size": 2}}, FIRST[2], {"converge": {"max_convergence_epochs": 3}}]


def project_of(folder: Path, stages: list[Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "copper.xyz", copper())
    settings = {
        "REFERENCE": {**COPPER["REFERENCE"], "calculator": PLAIN},
        "STAGES": stages,
        "MD": COPPER["MD"],
        "MISC": {**COPPER["MISC"], "path_to_geometry": "copper.xyz"},
    }
    write_project(folder, settings)
    return folder


def run(folder: Path, *, observer: Watcher | None = None, departure: Departure | None = None) -> Mapping[str, Any]:
    project = load_project(folder, stages=BOTH)
    observer = Watcher() if observer is None else observer
    return run_campaign(project, stages=BOTH, observer=observer, departure=departure).content


def cheap_labels(folder: Path) -> list[tuple[Any, ...]]:
    """What the books of the cheap method hold, to the last bit."""
    with RunStore.open_readonly(folder / prior.FOLDER) as store:
        return [
            (one.split, one.frame.trajectory, one.frame.md_step, one.frame.positions.tobytes(), one.label.energy)
            for one in store.labelled()
        ]


def at(stage: str, words: str) -> Callable[[Status], bool]:
    return lambda now: now.stage == stage and words in now.activity


SAMPLING = at("pretrain", "20 of 24 labels by GFN1-xTB")
"""In the third chunk of all."""
LEARNING = at("pretrain", "epoch 2 of 4")


@contextmanager
def every_epoch_kept() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aims_pax.stages.convergence.COMMIT_S", 0.0)
        patch.setattr(results, "draw_run", blank_run)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on springs that nobody disturbed."""
    folder = project_of(tmp_path_factory.mktemp("whole"), [PRETRAIN, *REST])
    with springs_for_mace():
        run(folder)
    return folder


def test_labels_of_the_cheap_method_are_none_of_the_run(whole: Path, tmp_path: Path) -> None:
    project_of(tmp_path, REST)
    with springs_for_mace():
        without = run(tmp_path)
    summary = json.loads((whole / "results" / "summary.json").read_text(encoding="utf-8"))
    labels = cheap_labels(whole)
    assert [one[0] for one in labels].count(Split.VALIDATION) == 6
    assert len(labels) == 24
    assert summary["labels"]["received"] == without["labels"]["received"] == len(labels_of(whole))
    assert summary["epochs"] == without["epochs"]
    assert summary["learned_first"] == {"method": "GFN1-xTB", "labels": 24, "epochs": 4}
    assert without["learned_first"] is None
    assert {one.stage for one in labels_of(whole)} == {"initial", "active"}
    assert summary["wall_s_by_stage"]["pretrain"] > 0
    assert {path.name for path in (whole / prior.FOLDER).glob("*.model")} == {"tiny_1.model", "tiny_2.model"}


def test_models_go_on_from_what_they_have_learned(tmp_path: Path) -> None:
    """Springs can't describe copper, and would go back to their beginning if anything were validated."""
    known = []
    for name, stages in (("with", [{"pretrain": {**CHEAP, "valid_ratio": 0.01}}, *REST]), ("without", REST)):
        project_of(tmp_path / name, stages)
        with springs_for_mace():
            run(tmp_path / name)
        known.append(json.loads((tmp_path / name / "results" / "tiny.model").read_bytes())["knowledge"]["visits"])
    assert known[0] > known[1] + 24
    assert {one[0] for one in cheap_labels(tmp_path / "with")} == {Split.TRAINING}


def test_structures_are_as_many_of_each_trajectory_and_skip_step_apart(whole: Path) -> None:
    labels = cheap_labels(whole)
    for trajectory in (0, 1):
        assert [step for _, one, step, *_ in labels if one == trajectory] == list(range(2, 26, 2))


@pytest.mark.parametrize("moment", [SAMPLING, LEARNING, at("initial", "sampling")], ids=["labels", "epochs", "after"])
def test_a_kill_comes_to_the_same_bits(moment: Callable[[Status], bool], whole: Path, tmp_path: Path) -> None:
    def kill(now: Status) -> None:
        if moment(now):
            os.kill(os.getpid(), signal.SIGKILL)

    project_of(tmp_path, [PRETRAIN, *REST])
    with springs_for_mace(), every_epoch_kept():
        assert in_child(lambda: run(tmp_path, observer=Watcher(kill))) == -signal.SIGKILL
        run(tmp_path)
    assert cheap_labels(tmp_path) == cheap_labels(whole)
    assert_same(outcome_of(tmp_path), outcome_of(whole))


def test_a_campaign_that_is_asked_to_leave_goes_on_where_it_was(whole: Path, tmp_path: Path) -> None:
    project_of(tmp_path, [PRETRAIN, *REST])
    with springs_for_mace(), every_epoch_kept():
        for moment in (SAMPLING, LEARNING):
            departure = Departure()

            def leave(now: Status, moment: Callable[[Status], bool] = moment, asked: Departure = departure) -> None:
                if moment(now):
                    asked.ask(Reason.WALLTIME)

            with pytest.raises(Departed, match="walltime"):
                run(tmp_path, observer=Watcher(leave), departure=departure)
            said = CliRunner().invoke(program, ["check", str(tmp_path)], env={"COLUMNS": "400"})
            assert said.exit_code == 0, said.output
            assert "it is at pretrain" in said.output
        run(tmp_path)
    assert_same(outcome_of(tmp_path), outcome_of(whole))


def test_md_that_the_method_can_not_compute_stops_the_campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain._Learning, "_labels", lambda *_: [])
    project_of(tmp_path, [PRETRAIN, *REST])
    with springs_for_mace(), pytest.raises(CampaignStopped, match=r"GFN1-xTB gave no label in 10 steps of its own MD"):
        run(tmp_path)


def test_trajectory_that_is_wrecked_begins_anew(
    engine: type[Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two are computed in turn, at rest and then at each step: the 43rd call is for the 21st step of the first."""
    engine.manners = {43: "raise"}
    monkeypatch.setattr(pretrain, "tight_binding", lambda *_, **__: CalculatorForces(engine))
    project_of(tmp_path, [PRETRAIN, *REST])
    with springs_for_mace():
        run(tmp_path)
    labels = cheap_labels(tmp_path)
    assert [one[1:3] for one in labels[18:]] == [(0, 20), (1, 20), (1, 22), (0, 22), (1, 24), (0, 24)]
    moved = [np.abs(np.frombuffer(one[3]).reshape(-1, 3) - copper().positions).max() for one in labels]
    assert moved[21] < moved[0] + 0.01 < moved[18], "two steps from where it began, and not twenty-two"


def test_systems_have_their_share_each_by_its_own_md_and_charge(tmp_path: Path) -> None:
    for name, atoms in (("water", molecule("H2O")), ("hydroxide", molecule("OH"))):
        write(tmp_path / f"{name}.xyz", atoms)
    systems = {
        "water": {"geometry": "water.xyz", "num_trajectories": 1, "MD": {"timestep": 0.5}},
        "hydroxide": {"geometry": "hydroxide.xyz", "num_trajectories": 1, "charge": -1, "MD": {"temperature": 50}},
    }
    settings = {
        "REFERENCE": {"type": "tblite"},
        "SYSTEMS": systems,
        "STAGES": [{"pretrain": {**CHEAP, "num_trajectories": 4}}, {"initial": {**INITIAL, "ensemble_size": 2}}],
        "MD": COPPER["MD"],
        "MISC": COPPER["MISC"],
    }
    write_project(tmp_path, settings)
    with springs_for_mace():
        project = load_project(tmp_path, stages=(Stage.INITIAL,))
        run_campaign(project, stages=(Stage.INITIAL,), observer=Watcher())
    with RunStore.open_readonly(tmp_path / prior.FOLDER) as store:
        points = list(store.labelled())
    found = {name: [one.label for one in points if one.frame.system == name] for name in systems}
    assert [len(labels) for labels in found.values()] == [12, 12]
    assert {one.frame.trajectory % 2 for one in points if one.frame.system == "water"} == {0}
    assert {label.reference.rpartition("GFN1-xTB")[2] for label in found["water"]} == {""}
    assert {label.reference.rpartition("GFN1-xTB")[2] for label in found["hydroxide"]} == {
        ", charge -1, multiplicity 1"
    }


def test_what_was_learned_and_is_gone_is_told(tmp_path: Path) -> None:
    project_of(tmp_path, [PRETRAIN, *REST])

    def remove(now: Status) -> None:
        if now.stage == "initial":
            (tmp_path / prior.FOLDER / "tiny_2.model").unlink(missing_ok=True)

    with springs_for_mace(), pytest.raises(ModelError, match=r"prior/tiny_2\.model"):
        run(tmp_path, observer=Watcher(remove))


def test_models_of_mace_killed_twice_are_those_of_a_run_that_was_not(tmp_path: Path) -> None:
    """And their atomic energies are those of the reference, not of the cheap method."""
    undisturbed, killed = (project_of(tmp_path / name, [PRETRAIN, *REST]) for name in ("undisturbed", "killed"))
    with every_epoch_kept():
        run(undisturbed)
        for moment in (SAMPLING, LEARNING):

            def kill(now: Status, moment: Callable[[Status], bool] = moment) -> None:
                if moment(now):
                    os.kill(os.getpid(), signal.SIGKILL)

            assert in_child(lambda kill=kill: run(killed, observer=Watcher(kill))) == -signal.SIGKILL
        run(killed)
    assert cheap_labels(killed) == cheap_labels(undisturbed)
    assert_same(outcome_of(killed), outcome_of(undisturbed))
    with RunStore.open_readonly(undisturbed / prior.FOLDER) as store:
        cheap_ev = np.mean([one.label.energy for one in store.labelled()])
    dear_ev = [one.label.energy for one in labels_of(undisturbed)]
    (checkpoint,) = (undisturbed / "checkpoints").glob("committee_*.pt")
    predicted = Committee.load(checkpoint).predict([one.frame for one in labels_of(undisturbed)])
    said_ev = np.mean([one.energies.mean() for one in predicted])
    assert abs(said_ev - np.mean(dear_ev)) < 5.0 < abs(cheap_ev - np.mean(dear_ev))
