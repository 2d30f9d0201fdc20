import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.image import imread
from typer.testing import CliRunner, Result

from aims_pax.campaign.progress import FINISHED
from aims_pax.cli.program import program
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Stage
from aims_pax.learner.quota import SplitCounts
from aims_pax.learner.transition import begin
from aims_pax.settings import load_project
from aims_pax.stages import assembly
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import keep_state

KNOWN = (
    "--label-s",
    "1200",
    "--md-steps-per-s",
    "500",
    "--epoch-s",
    "5",
    "--pick-rate",
    "0.1",
    "--driver-step-s",
    "0.05",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project as `aims-pax init` writes it."""
    folder = tmp_path / "project"
    assert CliRunner().invoke(program, ["init", str(folder)]).exit_code == 0
    return folder


def plan(*arguments: str) -> Result:
    return CliRunner().invoke(program, ["plan", *arguments])


def test_plan_recommends_a_number_of_workers_and_writes_nothing(project: Path) -> None:
    before = sorted(path.name for path in project.rglob("*"))
    result = plan(str(project), *KNOWN, "--trajectories", "8", "--labels", "80")
    assert result.exit_code == 0, result.output
    assert "labels: 1200 s each (given)" in result.stdout
    assert "worth having" in result.stdout
    rows = [line.split() for line in result.stdout.splitlines() if line.strip()[:1].isdigit()]
    assert [row[0] for row in rows[:4]] == ["1", "2", "4", "8"]
    assert sorted(path.name for path in project.rglob("*")) == before


def test_plan_looks_at_the_workers_that_are_asked_for(project: Path) -> None:
    result = plan(str(project), *KNOWN, "--trajectories", "8", "--labels", "40", "--workers", "3, 6")
    rows = [line.split() for line in result.stdout.splitlines() if line.strip()[:1].isdigit()]
    assert [row[0] for row in rows if len(row) > 5][:2] == ["3", "6"]
    assert re.search("The whole run, with [36] workers:", result.stdout)


def test_plan_draws_its_figure(project: Path, tmp_path: Path) -> None:
    figure = tmp_path / "plan.png"
    result = plan(str(project), *KNOWN, "--trajectories", "8", "--labels", "40", "--figure", str(figure))
    assert result.exit_code == 0, result.output
    assert imread(figure).shape[1] > 500


def test_plan_foretells_every_stage(project: Path, tmp_path: Path) -> None:
    file = tmp_path / "forecast.json"
    result = plan(str(project), *KNOWN, "--trajectories", "8", "--labels", "40", "--json", str(file))
    assert result.exit_code == 0, result.output
    names = ("starting", "initial dataset", "active learning", "final convergence", "verdict", "results", "total")
    lines = result.stdout.splitlines()
    told = [line for line in lines if line.startswith(names)]
    assert [line[:20].strip() for line in told] == list(names)
    assert max(len(line) for line in lines if not line.startswith("wrote ")) <= 80
    record = json.loads(file.read_text(encoding="utf-8"))
    assert list(record["stages"]) == ["starting", "initial", "active", "convergence", "verdict", "results"]
    assert record["stages"]["initial"]["labels"]["likely"] > 0
    total = sum(stage["time_s"]["likely"] for stage in record["stages"].values())
    assert record["time_s"]["likely"] == pytest.approx(total, abs=0.1)
    assert "labels: 1200 s each (given)" in record["facts"]


def test_plan_for_the_initial_dataset_alone(project: Path) -> None:
    result = plan(str(project), *KNOWN, "--for", "idg")
    assert result.exit_code == 0, result.output
    assert "initial dataset" in result.stdout
    assert "active learning" not in result.stdout.lower()


def stands_at(folder: Path, progress: str, *, n_train: int = 0) -> None:
    """Leave a run in a project's folder that has come so far."""
    project = load_project(folder)
    with RunStore.open(project.run_folder) as store, store.transaction():
        memory = Memory(store, assembly.run_folder(project))
        memory.keep_json("progress", progress)
        order = ["initial", "active", "convergence", FINISHED]
        memory.keep_json("stages", order[: order.index(progress)])
        if n_train:
            state = begin(
                assembly.active_rules(project, project.settings.learning[0]), n_trajectories=8, n_initial_train=7
            )
            keep_state(store, Stage.ACTIVE, replace(state, counts=(SplitCounts(n_train, n_train // 9),)))


def test_plan_of_a_run_that_has_begun_says_what_is_left(project: Path) -> None:
    goal = int(load_project(project).active.max_train_set_size)
    stands_at(project, "active", n_train=goal - 7 - 2)
    result = plan(str(project), *KNOWN)
    assert result.exit_code == 0, result.output
    assert "What is left of the run here, which has 0 labels:" in result.stdout
    assert "initial dataset" not in result.stdout
    (row,) = [line for line in result.stdout.splitlines() if line.startswith("active learning ")]
    assert 2 <= int(row.split()[2]) <= 2 + 8


def test_plan_of_a_finished_run_measures_nothing(project: Path) -> None:
    stands_at(project, FINISHED)
    result = plan(str(project))
    assert result.exit_code == 0, result.output
    assert result.stdout.rstrip().endswith("is finished: nothing is left to do.")


def test_labels_that_take_no_time_need_no_workers(project: Path) -> None:
    result = plan(str(project), *KNOWN, "--label-s", "0.001", "--labels", "20")
    assert "Labels take 0.0% of the time of active learning" in result.stdout.replace("\n", " ")
    assert "worth having" not in result.stdout


def test_check_of_a_run_that_has_begun_says_what_is_left(project: Path) -> None:
    stands_at(project, "convergence")
    result = CliRunner().invoke(program, ["check", str(project)])
    assert result.exit_code == 0, result.output
    assert "- left of it: final convergence: " in result.stdout


def test_plan_refuses_what_can_not_be_in_one_message() -> None:
    result = plan("--label-s", "0", "--pick-rate", "1.5")
    assert result.exit_code == 2
    assert "--label-s: is 0\n  Allowed: a number above 0" in result.stderr
    assert "--pick-rate: is 1.5\n  Allowed: 0 < fraction <= 1" in result.stderr


@pytest.mark.parametrize("workers", ["zero", "0", "4;8", "-1"])
def test_plan_refuses_workers_that_are_no_numbers(workers: str) -> None:
    result = plan("--workers", workers)
    assert result.exit_code == 2
    assert "numbers from 1 to 100 000" in result.stderr


def test_plan_outside_a_project_says_so(tmp_path: Path) -> None:
    result = plan(str(tmp_path))
    assert result.exit_code == 2
    assert "holds no project" in result.stderr
