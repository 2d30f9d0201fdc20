from pathlib import Path

import pytest
from matplotlib.image import imread
from typer.testing import CliRunner, Result

from aims_pax.cli.commands import program

KNOWN = ("--label-s", "1200", "--md-steps-per-s", "500", "--epoch-s", "5", "--pick-rate", "0.1")


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


def test_plan_draws_its_figure(project: Path, tmp_path: Path) -> None:
    figure = tmp_path / "plan.png"
    result = plan(str(project), *KNOWN, "--trajectories", "8", "--labels", "40", "--figure", str(figure))
    assert result.exit_code == 0, result.output
    assert imread(figure).shape[1] > 500


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
