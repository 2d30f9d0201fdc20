"""aims-pax verify --against: the dihedrals of two models, from runs of both."""

import json
from pathlib import Path

import pytest
import torch
from ase.build import molecule
from ase.io import write
from typer.testing import CliRunner, Result

import aims_pax as ap
from aims_pax.cli.program import program
from aims_pax.dataset.store import STORE_NAME, RunStore
from aims_pax.departure import Departure, Reason
from aims_pax.errors import UserError
from aims_pax.outcome.dihedrals.findings import Compared, Uncompared
from aims_pax.outcome.dihedrals.opponent import Opponent, compare_dihedrals
from aims_pax.outcome.verify import Subject, Wishes, try_dynamics
from aims_pax.settings import Project, load_project

from .projects import WATER, changed, write_project
from .test_verdict import random_models

torch.set_num_threads(1)

COLD = ("--temperatures", 1, "--runs", 4)
"""Models without forces hold a molecule together for as long as it hardly moves."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("peroxide")
    write(folder / "peroxide.xyz", molecule("H2O2"))
    changes = {"MISC": {"path_to_geometry": "peroxide.xyz"}, "MD": {"friction": 0.2}}
    write_project(folder, changed(WATER, changes))
    return load_project(folder)


@pytest.fixture(scope="module")
def models(project: Project) -> tuple[Path, ...]:
    return random_models(project, project.folder, force_ev_per_ang=0.001)


def verify(project: Project, models: tuple[Path, ...], *arguments: object) -> Result:
    words = ["verify", project.folder, "--models", *models, "--device", "cpu", *arguments]
    return CliRunner().invoke(program, [str(word) for word in words])


def test_dihedrals_of_the_product_are_compared_with_those_of_tight_binding(
    project: Project, models: tuple[Path, ...], tmp_path: Path
) -> None:
    result = verify(project, models, *COLD, "--length", 0.1, "--against", "GFN2-xTB", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "dihedrals of peroxide, compared with GFN2-xTB: H2-O0-O1-H3" in result.output
    record = json.loads((tmp_path / "verify.json").read_text(encoding="utf-8"))
    (found,) = record["dihedrals"]
    assert found["models"] == [models[0].name, "GFN2-xTB"]
    assert found["runs"] == [4, 4]
    assert found["sampled_ps"] == pytest.approx([0.34, 0.34], abs=0.05)  # 15 fs of each are three times 1 / friction
    (turning,) = found["dihedrals"]
    assert turning["atoms"] == [2, 0, 1, 3]
    assert turning["likeness"] in ("alike", "different")
    start = molecule("H2O2").get_dihedral(2, 0, 1, 3)
    (cluster,) = found["conformers"][0]["clusters"]
    assert cluster["center_degrees"][0] % 360 == pytest.approx(start, abs=15)
    assert [one["value"] for one in cluster["populations"]] == [1.0, 1.0]
    assert (tmp_path / "dihedrals_peroxide_1K.png").is_file()
    assert "dihedrals of peroxide at 1 K" in (tmp_path / "verify.txt").read_text(encoding="utf-8")


def test_a_model_is_like_itself_and_named_dihedrals_are_those_that_are_compared(
    project: Project, models: tuple[Path, ...]
) -> None:
    found = ap.verify(
        project,
        models=models,
        temperatures_k=[1.0],
        n_runs=4,
        length_ps=0.1,
        against=models[0],
        dihedrals="3-1-0-2",
        device="cpu",
    )
    (compared,) = found.as_json()["dihedrals"]
    assert compared["models"] == [models[0].name, models[0].name]
    assert compared["dihedrals"][0]["atoms"] == [3, 1, 0, 2]
    assert compared["dihedrals"][0]["likeness"] == "alike"


def test_every_step_by_the_reference_is_a_calculation_which_is_said_first_and_leaves_no_books(
    project: Project, models: tuple[Path, ...], tmp_path: Path
) -> None:
    result = verify(project, models, *COLD, "--length", 0.04, "--against", "reference", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "each step of its MD is a calculation by the reference: 320 of them" in result.output
    (found,) = json.loads((tmp_path / "verify.json").read_text(encoding="utf-8"))["dihedrals"]
    assert found["models"][1] == "the reference itself"
    assert found["runs"] == [4, 4]
    assert not list(tmp_path.rglob(STORE_NAME))


def test_steps_by_the_reference_that_were_computed_before_it_was_left_are_found_again(
    project: Project, models: tuple[Path, ...], tmp_path: Path
) -> None:
    subject, wishes = Subject.of(project, models, device="cpu"), Wishes((1.0,), n_runs=4, length_ps=0.04)
    opponent = Opponent.of(subject, wishes, against="reference", dihedrals="auto")
    first = Departure()
    verdicts = try_dynamics(
        subject, wishes, departure=first, show=lambda _words: None, measured=None, angles=opponent.dihedrals
    )

    def compared(departure: Departure, *, leave_after: int) -> tuple[Compared | Uncompared, ...]:
        told = list[str]()

        def show(words: str) -> None:
            told.append(words)
            if len(told) == leave_after:
                departure.ask(Reason.TERMINATED)

        return compare_dihedrals(subject, wishes, opponent, verdicts, folder=tmp_path, departure=departure, show=show)

    assert compared(first, leave_after=2) == ()
    (books,) = tmp_path.rglob(STORE_NAME)
    with RunStore.open_readonly(books.parent) as store:
        assert 0 < store.counts().n_received < 320
    (whole,) = compared(Departure(), leave_after=0)
    assert whole.as_json()["runs"] == [4, 4]
    assert not list(tmp_path.rglob(STORE_NAME))


def test_runs_that_break_at_once_are_told_and_compared_with_nothing(
    project: Project, models: tuple[Path, ...], tmp_path: Path
) -> None:
    hot = ("--temperatures", 30_000, "--runs", 4, "--length", 0.1)
    result = verify(project, models, *hot, "--against", "GFN2-xTB", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "ended before anything could be compared" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--dihedrals", "0-1-2-3"), "--dihedrals: is given without --against"),
        (("--against", "GFN2-xTB", "--length", 0), "--against: is given together with --length 0"),
        (("--against", "GFN9-xTB"), "--against: is 'GFN9-xTB', and there is no such driver or file"),
        (("--against", "GFN2-xTB", "--dihedrals", "0-1-2-7"), "names atom 7, and peroxide has atoms 0 to 3"),
        (("--against", "GFN2-xTB", "--length", 0.02), "--length: is 0.02 ps, of which 0.015 ps at 300 K are not used"),
    ],
)
def test_what_can_not_be_compared_is_told_before_any_md(
    project: Project, models: tuple[Path, ...], arguments: tuple[object, ...], words: str
) -> None:
    result = verify(project, models, *arguments)
    assert result.exit_code == 2, result.output
    assert words in " ".join(result.output.split())


def test_a_model_of_other_elements_is_no_opponent(project: Project, models: tuple[Path, ...], tmp_path: Path) -> None:
    write(tmp_path / "argon.xyz", molecule("H2"))
    write_project(tmp_path, changed(WATER, {"MISC": {"path_to_geometry": "argon.xyz"}}))
    other = random_models(load_project(tmp_path), tmp_path, force_ev_per_ang=0.001)
    with pytest.raises(UserError, match="elements"):
        ap.verify(project, models=models, against=other[0], length_ps=0.1, n_runs=1, device="cpu")


def test_structures_that_both_have_moved_are_compared(
    project: Project, models: tuple[Path, ...], tmp_path: Path
) -> None:
    arguments = (*COLD, "--length", 0.3, "--against", "GFN2-xTB", "--structure", "--out", tmp_path)
    result = verify(project, models, *arguments)
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "verify.json").read_text(encoding="utf-8"))
    (found,) = record["structures"]
    assert found["methods"] == [models[0].name, "GFN2-xTB"]
    assert found["runs"] == [4, 4]
    assert sorted(found["bonds"]) == ["H-O", "O-O"]
    peak = found["numbers"]["o-o_first_peak_ang"]
    assert peak["second"]["value"] == pytest.approx(1.45, abs=0.05)
    assert found["numbers"]["coordination_o_h"]["first"]["value"] == pytest.approx(1.0)
    assert {"structure_peroxide_1K.png", "structure_peroxide_1K.csv"} <= {one.name for one in tmp_path.iterdir()}
    assert "structure of peroxide at 1 K by" in (tmp_path / "verify.txt").read_text(encoding="utf-8")


def test_a_file_of_trajectories_is_compared_with(project: Project, models: tuple[Path, ...], tmp_path: Path) -> None:
    start = molecule("H2O2")
    frames = []
    for trajectory in range(3):
        for seed in range(4):
            moved = start.copy()
            moved.rattle(0.05, seed=10 * trajectory + seed)
            moved.info["trajectory"] = trajectory
            frames.append(moved)
    write(tmp_path / "aimd.extxyz", frames)
    arguments = (*COLD, "--length", 0.3, "--against", tmp_path / "aimd.extxyz", "--out", tmp_path / "out")
    refused = verify(project, models, *arguments)
    assert refused.exit_code == 2
    assert "Add --structure" in refused.output
    result = verify(project, models, *arguments, "--structure")
    assert result.exit_code == 0, result.output
    (found,) = json.loads((tmp_path / "out" / "verify.json").read_text(encoding="utf-8"))["structures"]
    assert found["methods"][1] == "aimd.extxyz"
    assert found["runs"] == [4, 3]
    named = verify(project, models, *arguments, "--structure", "--dihedrals", "2-0-1-3")
    assert "dihedrals are not compared" in " ".join(named.output.split())
    write(tmp_path / "water.extxyz", [molecule("H2O")])
    strange = verify(project, models, "--against", tmp_path / "water.extxyz", "--structure")
    assert "no system has these atoms in this order" in strange.output


def test_structure_without_an_opponent_is_refused(project: Project, models: tuple[Path, ...]) -> None:
    result = verify(project, models, "--structure")
    assert result.exit_code == 2
    assert "--structure: is given without --against" in " ".join(result.output.split())
