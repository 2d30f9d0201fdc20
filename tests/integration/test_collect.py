"""Structures made from the starting structures, labelled and learned as the first dataset of a campaign."""

import os
import re
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.io import read, write
from typer.testing import CliRunner

from aims_pax.campaign import run_campaign
from aims_pax.checking.check import check_project
from aims_pax.cli.program import program
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.errors import CampaignStopped, SettingsError, UserError
from aims_pax.forecast.amounts import amounts_ahead
from aims_pax.forecast.curves import underway
from aims_pax.forecast.standing import read_standing
from aims_pax.frame import Split, Stage
from aims_pax.protocols import NO_TRAJECTORY, Status
from aims_pax.settings import load_project

from .engines import WATCHED, Watched
from .projects import COPPER, Watcher, in_child, labels_of, write_project
from .resuming import assert_same, outcome_of

pytestmark = pytest.mark.usefixtures("springs")

BOTH = (Stage.INITIAL, Stage.ACTIVE)
AUGMENT = {
    "inputs": True,
    "distort": {"n": 10, "strain": [-0.05, 0.05], "displacement": 0.1, "n_vacancies": 1},
    "strain": {"range": [-0.04, 0.04], "n_isotropic": 3, "n_anisotropic": 7},
    "vacuum": 12,
}
COLLECT: dict[str, Any] = {"collect": {"augment": AUGMENT}}
CONVERGE: dict[str, Any] = {"converge": {"max_convergence_epochs": 3}}
LEARN: dict[str, Any] = {
    "learn": {key: value for key, value in COPPER["ACTIVE_LEARNING"].items() if key != "converge_al"}
    | {"max_train_set_size": 20}
}
STAGES = [COLLECT, CONVERGE, LEARN, CONVERGE]
N_MADE = 21


def project_of(folder: Path, stages: list[Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "copper.extxyz", bulk("Cu", cubic=True))
    settings = {
        "REFERENCE": {"type": "ase-calculator", "calculator": WATCHED, "max_force_ev_per_ang": 100.0},
        "STAGES": stages,
        "MD": COPPER["MD"],
        "MISC": {**COPPER["MISC"], "path_to_geometry": "copper.extxyz"},
    }
    write_project(folder, settings)
    return folder


def run(folder: Path, *, observer: Watcher | None = None, departure: Departure | None = None) -> Mapping[str, Any]:
    project = load_project(folder, stages=BOTH)
    return run_campaign(project, stages=BOTH, observer=observer or Watcher(), departure=departure).content


def test_what_is_made_is_labelled_split_and_learned(engine: type[Watched], tmp_path: Path) -> None:
    run(project_of(tmp_path, STAGES))
    points = [one for one in labels_of(tmp_path) if one.stage == "collect"]
    assert Counter(one.source for one in points) == {"inputs": 1, "distort": 10, "strain": 10}
    assert [one.frame.md_step for one in points] == list(range(1, N_MADE + 1))
    assert {(one.frame.trajectory, one.frame.system, one.member) for one in points} == {(NO_TRAJECTORY, "copper", None)}
    assert Counter(one.split for one in points) == {Split.TRAINING: 17, Split.VALIDATION: 2, Split.TEST: 2}
    for kind in ("distort", "strain"):
        assert Counter(one.split for one in points if one.source == kind) == {
            Split.TRAINING: 8,
            Split.VALIDATION: 1,
            Split.TEST: 1,
        }
    learned = [one for one in labels_of(tmp_path) if one.stage != "collect"]
    assert learned, "active learning goes on"
    assert (tmp_path / "results" / "test.extxyz").is_file()


def given_project(folder: Path, stages: list[Any], *, elements: str = "Cu", n: int = 30) -> Path:
    """Cells from elsewhere beside the starting structure: rattled, of two sizes, in two files."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = [bulk("Cu", cubic=True) * (1 + number % 2, 1, 1) for number in range(n)]
    for number, atoms in enumerate(cells):
        atoms.symbols[0] = elements
        atoms.rattle(0.05, seed=number)
    write(folder / "seen.extxyz", cells[: n // 2])
    write(folder / "more.extxyz", cells[n // 2 :])
    return project_of(folder, stages)


@pytest.mark.parametrize("augment", [None, {"inputs": True}])
def test_structures_that_are_given_are_labelled_and_split_for_life(
    augment: dict[str, Any] | None, engine: type[Watched], tmp_path: Path
) -> None:
    files = {"structures": ["seen.extxyz", "more.extxyz"], "ensemble_size": 2}
    collect = files | ({} if augment is None else {"augment": augment})
    project = load_project(given_project(tmp_path, [{"collect": collect}, CONVERGE]), stages=BOTH)
    report = check_project(project, project.stages)
    assert report.problems == ()
    assert any("structures are made or given and labelled (" in fact and "given 30)" in fact for fact in report.facts)
    summary = run(tmp_path)
    points = [one for one in labels_of(tmp_path) if one.source == "given"]
    assert Counter(one.split for one in points) == {Split.TRAINING: 24, Split.VALIDATION: 3, Split.TEST: 3}
    assert {(one.frame.config_type, one.frame.system, one.stage) for one in points} == {("given", "copper", "collect")}
    assert Counter(one.frame.n_atoms for one in points) == {4: 15, 8: 15}
    n_made = 0 if augment is None else 1
    assert [one.frame.md_step for one in points] == list(range(1 + n_made, 31 + n_made))
    given = [atoms.positions for name in ("seen", "more") for atoms in read(tmp_path / f"{name}.extxyz", ":")]
    assert all(np.allclose(one.frame.positions, places) for one, places in zip(points, given, strict=True))
    assert summary["labels"]["received"] == len(engine.computed) == 30 + n_made
    assert any("from files of structures" in one["origin"] for one in summary["errors_by_origin"])


def test_given_structures_that_have_changed_are_refused(engine: type[Watched], tmp_path: Path) -> None:
    engine.manners = {5: "die"}
    stages = [{"collect": {"structures": ["seen.extxyz", "more.extxyz"]}}, CONVERGE]
    given_project(tmp_path, stages)
    assert in_child(lambda: run(tmp_path)) == -signal.SIGKILL
    engine.manners = {}
    given_project(tmp_path, stages, n=28)
    with pytest.raises(CampaignStopped, match=r"structures that are given or the starting structures have changed"):
        run(tmp_path)


@pytest.mark.parametrize(
    ("n", "elements", "found"),
    [
        (30, "Ag", "elements (Z = 47) that no starting structure has"),
        (4, "Cu", "Of 4 structures none validates"),
    ],
)
def test_given_structures_that_can_not_be_a_dataset_are_told_by_check(
    n: int, elements: str, found: str, tmp_path: Path
) -> None:
    stages = [{"collect": {"structures": ["seen.extxyz", "more.extxyz"]}}, CONVERGE]
    project = load_project(given_project(tmp_path, stages, n=n, elements=elements), stages=BOTH)
    assert found in "\n".join(map(str, check_project(project, project.stages).problems))


@pytest.mark.parametrize("n_members", [None, 2])
def test_it_may_be_all_of_a_campaign(n_members: int | None, engine: type[Watched], tmp_path: Path) -> None:
    """Exploration is switched off, and the committee is as large as it says, or as usual."""
    collect = COLLECT["collect"] | ({} if n_members is None else {"ensemble_size": n_members})
    content = run(project_of(tmp_path, [{"collect": collect}, {"converge": {"max_convergence_epochs": 3}}]))
    assert len(content["models"]) == (n_members or 4)
    assert {one.stage for one in labels_of(tmp_path)} == {"collect"}


def test_a_campaign_that_begins_with_what_is_made_is_foretold_while_it_runs(
    engine: type[Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`collect` need not say how many members there are."""
    monkeypatch.setattr(underway, "AGAIN_S", 0.0)
    monkeypatch.setattr(underway, "MOST_SHARE", 1e9)
    folder = project_of(tmp_path, STAGES)
    done = CliRunner().invoke(program, ["run", str(folder)], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output


def test_check_says_what_is_made_and_the_forecast_counts_it(tmp_path: Path) -> None:
    project = load_project(project_of(tmp_path, STAGES), stages=BOTH)
    report = check_project(project, project.stages)
    assert report.problems == ()
    assert "collect: 21 structures are made and labelled (inputs 1, distort 10, strain 10)" in "\n".join(report.facts)
    amounts = amounts_ahead(project, project.stages)
    assert {one.part: one.labels.likely for one in amounts}["collect"] == N_MADE
    assert {one.part: one.labels.likely for one in amounts}["active"] == pytest.approx(4, abs=1)


@pytest.mark.parametrize("n_labels", [1, 12])
def test_a_kill_loses_no_label_and_comes_to_the_same(n_labels: int, engine: type[Watched], tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(project_of(whole, STAGES))
    n_needed = len(engine.computed)
    engine.forget()
    engine.log = tmp_path / "computed"

    def kill(now: Status) -> None:
        if now.stage == "collect" and now.n_labels_received == n_labels:
            os.kill(os.getpid(), signal.SIGKILL)

    project_of(killed, STAGES)
    assert in_child(lambda: run(killed, observer=Watcher(kill))) == -signal.SIGKILL
    standing = read_standing(load_project(killed, stages=BOTH))
    assert standing is not None
    assert standing.collects_left == {"collect": N_MADE - n_labels}
    run(killed)
    assert_same(outcome_of(killed), outcome_of(whole))
    assert len(engine.log.read_text(encoding="utf-8").split()) == n_needed, "none is computed twice"


def test_a_campaign_that_is_asked_to_leave_goes_on_where_it_was(engine: type[Watched], tmp_path: Path) -> None:
    project_of(tmp_path, STAGES)
    departure = Departure()

    def leave(now: Status) -> None:
        if now.stage == "collect":
            departure.ask(Reason.WALLTIME)

    with pytest.raises(Departed, match="walltime"):
        run(tmp_path, observer=Watcher(leave), departure=departure)
    assert len(engine.computed) == 1
    summary = run(tmp_path)
    assert len(engine.computed) == summary["labels"]["received"]


def test_structure_that_fails_is_left_out(engine: type[Watched], tmp_path: Path) -> None:
    engine.manners = {3: "unconverged"}
    summary = run(project_of(tmp_path, STAGES))
    assert summary["labels"]["failed"] == 1
    steps = [one.frame.md_step for one in labels_of(tmp_path) if one.stage == "collect"]
    assert steps == [1, 2, *range(4, N_MADE + 1)]


def test_reference_that_fails_again_and_again_stops_the_campaign(engine: type[Watched], tmp_path: Path) -> None:
    engine.always = "unconverged"
    collect = {"collect": {"augment": AUGMENT, "max_consecutive_failures": 3}}
    project_of(tmp_path, [collect, *STAGES[1:]])
    failed = r"the reference of collect failed for 3 structures in a row, the last time"
    with pytest.raises(CampaignStopped, match=failed):
        run(tmp_path)
    engine.always = "compute"
    assert run(tmp_path)["labels"]["failed"] == 0, "they are tried again"


def test_other_structures_than_it_was_begun_with_are_refused(engine: type[Watched], tmp_path: Path) -> None:
    engine.manners = {5: "die"}
    project_of(tmp_path, STAGES)
    assert in_child(lambda: run(tmp_path)) == -signal.SIGKILL
    engine.manners = {}
    project_of(tmp_path, [{"collect": {"augment": {**AUGMENT, "seed": 1}}}, *STAGES[1:]])
    with pytest.raises(UserError, match=r"augment"):
        run(tmp_path)
    with RunStore.open_readonly(tmp_path) as store:
        assert store.n_placed() == 0


@pytest.mark.parametrize(
    ("stages", "found"),
    [
        ([LEARN, COLLECT, CONVERGE, LEARN], "comes after another stage"),
        ([COLLECT, LEARN], "is not followed by converge, which learns its labels"),
        (
            [COLLECT, CONVERGE, {"learn": {**LEARN["learn"], "start_from": "initial_dataset"}}],
            "STAGES.2.learn.start_from is initial_dataset, and STAGES.0.collect has no MD to begin from",
        ),
        ([{"collect": {}}, CONVERGE, LEARN], "augment is missing, and no structures are given"),
        ([{"collect": {"structures": "none.xyz"}}, CONVERGE, LEARN], "STAGES.0.collect.structures"),
        ([{"collect": {"augment": {"distrot": 5}}}, CONVERGE, LEARN], "Did you mean distort"),
        ([{"collect": {"augment": AUGMENT, "test_ratio": 0.95}}, CONVERGE, LEARN], "leave nothing to train on"),
    ],
)
def test_lists_that_can_not_be_are_refused(stages: list[Any], found: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=re.escape(found)):
        load_project(project_of(tmp_path, stages), stages=BOTH)


@pytest.mark.parametrize(
    ("augment", "found"),
    [
        ({"inputs": True}, "Of 1 structures none validates"),
        ({"substitute": True}, "Name inputs, distort or slabs, too"),
        ({"alloys": {"species": ["Cu", "Au"], "n": 20}}, "elements that no starting structure has"),
    ],
)
def test_what_can_not_be_a_dataset_is_told_by_check(augment: dict[str, Any], found: str, tmp_path: Path) -> None:
    project = load_project(project_of(tmp_path, [{"collect": {"augment": augment}}, *STAGES[1:]]), stages=BOTH)
    assert found in "\n".join(map(str, check_project(project, project.stages).problems))
