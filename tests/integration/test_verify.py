"""aims-pax verify: models from files tried by MD and on held-out structures that are made, left and gone on with."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.io import write
from typer.testing import CliRunner, Result

from aims_pax.cli.program import program
from aims_pax.committee import load_models
from aims_pax.dataset.extxyz import read_extxyz
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.errors import UserError
from aims_pax.frame import Frame, Label, LabelledFrame, Split
from aims_pax.outcome.conditions import Grounds, conditions_of, trial_runs
from aims_pax.outcome.heldout.heldout_plan import HeldoutPlan
from aims_pax.outcome.heldout.heldout_set import HeldoutParts, HeldoutSet
from aims_pax.settings import Project, load_project

from .projects import WATER, changed, water_project, write_project
from .test_verdict import random_models

torch.set_num_threads(1)

SMALL = ("--heldout-runs", 2, "--equilibrate", 0.02, "--spacing", 0.01)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return load_project(water_project(tmp_path_factory.mktemp("water")))


@pytest.fixture(scope="module")
def models(project: Project) -> tuple[Path, ...]:
    """Two members whose forces are next to nothing, so that water falls apart slowly."""
    return random_models(project, project.folder, force_ev_per_ang=0.01)


def verify(project: Project, models: tuple[Path, ...], *arguments: object) -> Result:
    named = ["--models", *models] if models else []
    return CliRunner().invoke(program, ["verify", *map(str, [project.folder, *named, "--device", "cpu", *arguments])])


def plan(**changes: object) -> HeldoutPlan:
    values = {"n_frames": 6, "by": "GFN2-xTB", "n_runs": 2, "equilibration_ps": 0.02, "spacing_ps": 0.01}
    return HeldoutPlan(**(values | changes))  # type: ignore[arg-type]


def parts(
    project: Project,
    models: tuple[Path, ...],
    folder: Path,
    departure: Departure | None = None,
    show: Callable[[str], None] = lambda _words: None,
) -> HeldoutParts:
    starts = tuple(system.frame for system in project.systems)
    ensemble = load_models(models, device="cpu")
    return HeldoutParts(project, folder, starts, models, ensemble, departure=departure or Departure(), show=show)


def test_a_held_out_set_says_its_cost_first_and_comes_with_intervals(
    project: Project, models: tuple[Path, ...], tmp_path: Path
) -> None:
    result = verify(project, models, "--length", 0, "--heldout", 6, *SMALL, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert result.stdout.index("held-out set: 6 labels by the reference") < result.stdout.index("labels: 6 of 6")
    assert "MD by GFN2-xTB at 300 K: 2 runs of 0.05 ps, the first 0.02 ps of each not used" in result.stdout
    pairs = read_extxyz(tmp_path / "heldout" / "heldout.extxyz")
    assert [(frame.trajectory, frame.md_step) for frame, _ in pairs] == [
        (run, step) for run in (0, 1) for step in (60, 80, 100)
    ]
    record = json.loads((tmp_path / "verify.json").read_text(encoding="utf-8"))
    errors = record["heldout"]["errors"]
    assert set(errors) == {*(path.name for path in models), "mean of all"}
    mae = errors["mean of all"]["force_mae_ev_per_ang"]
    assert mae["low"] < mae["value"] < mae["high"]
    again = verify(project, models, "--length", 0, "--heldout", 6, *SMALL, "--out", tmp_path)
    assert "held-out set: complete" in again.stdout
    assert json.loads((tmp_path / "verify.json").read_text(encoding="utf-8")) == record


@pytest.mark.parametrize("by", ["GFN1-xTB", "reference"])
def test_structures_of_a_held_out_set_in_npt_have_the_cells_of_their_moments(by: str, tmp_path: Path) -> None:
    write(tmp_path / "silicon.xyz", bulk("Si", a=5.6), format="extxyz")
    md = {"stat_ensemble": "npt", "barostat": "isomtk", "pdamp": 20.0, "friction": None}
    changes = {"MD": md, "REFERENCE": {"method": "GFN1-xTB"}, "MISC": {"path_to_geometry": "silicon.xyz"}}
    write_project(tmp_path, changed(WATER, changes))
    crystal = load_project(tmp_path)
    models = random_models(crystal, tmp_path, force_ev_per_ang=0.01)
    short = plan(by=by, n_frames=4, equilibration_ps=0.005, spacing_ps=0.005)
    with closing(HeldoutSet(short, parts(crystal, models, tmp_path / "set"))) as heldout:
        frames = [frame for frame, _ in read_extxyz(heldout.make())]
    volumes = [abs(np.linalg.det(frame.cell)) for frame in frames]
    assert len(set(volumes)) == len(frames) == 4
    start = crystal.systems[0].frame
    for frame in frames:
        fractional = frame.positions @ np.linalg.inv(frame.cell) - start.positions @ np.linalg.inv(start.cell)
        # The centre of mass stays where it is in a cell that is scaled about the origin.
        assert np.abs(fractional.mean(axis=0)).max() < 1e-6


def test_a_held_out_set_by_the_reference_is_that_of_the_same_method_and_is_left_and_gone_on_with(
    project: Project, models: tuple[Path, ...], tmp_path: Path
) -> None:
    short = {"n_frames": 4, "equilibration_ps": 0.01}
    sets = {by: tmp_path / by for by in ("GFN2-xTB", "reference")}
    departure, told = Departure(), list[str]()

    def show(words: str) -> None:
        told.append(words)
        if words.startswith("MD by the reference itself"):
            departure.ask(Reason.TERMINATED)

    begun = HeldoutSet(plan(by="reference", **short), parts(project, models, sets["reference"], departure, show))
    assert begun.cost().by_reference
    with closing(begun), pytest.raises(Departed, match="SIGTERM"):
        begun.make()
    assert told[0] == "starting what computes labels"
    assert list(sets["reference"].glob("aimd-*/run.db"))
    pairs = []
    for by, folder in sets.items():
        with closing(HeldoutSet(plan(by=by, **short), parts(project, models, folder))) as heldout:
            pairs.append(read_extxyz(heldout.make()))
    for (driven, _), (expected, _) in zip(*pairs, strict=True):
        # The embedded driver begins each step with the wave function of the last one, the reference with none.
        np.testing.assert_allclose(driven.positions, expected.positions, atol=1e-5)
    assert not list(sets["reference"].glob("aimd-*"))


def test_runs_of_systems_with_steps_of_their_own_are_taken_at_the_same_times(
    project: Project, models: tuple[Path, ...], tmp_path: Path
) -> None:
    folder = water_project(tmp_path)
    one = {"geometry": "water.xyz", "num_trajectories": 1}
    systems = {"slow": one, "fast": {**one, "MD": {"timestep": 0.25}}}
    without = {"MISC": {"path_to_geometry": None}, "ACTIVE_LEARNING": {"num_trajectories": None}}
    write_project(folder, {**changed(WATER, without), "SYSTEMS": systems})
    with closing(HeldoutSet(plan(n_frames=4), parts(load_project(folder), models, tmp_path / "set"))) as heldout:
        assert heldout.cost().n_steps == 80 + 160
        pairs = read_extxyz(heldout.make())
    assert [(frame.trajectory, frame.md_step) for frame, _ in pairs] == [(0, 60), (0, 80), (1, 120), (1, 160)]


def test_another_plan_in_the_same_folder_is_refused_with_what_is_there(
    project: Project, models: tuple[Path, ...], tmp_path: Path
) -> None:
    HeldoutSet(plan(), parts(project, models, tmp_path / "heldout")).close()
    result = verify(project, models, "--length", 0, "--heldout", 9, "--out", tmp_path)
    assert result.exit_code == 2
    assert "begun otherwise (n_frames 6, by GFN2-xTB" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_held_out_set_does_not_go_on_by_another_md(models: tuple[Path, ...], tmp_path: Path) -> None:
    def opened(**md: object) -> HeldoutSet:
        changed_md = {"MD": md, "ACTIVE_LEARNING": {"num_trajectories": 1}}
        return HeldoutSet(
            plan(), parts(load_project(water_project(tmp_path, changed_md)), models, tmp_path / "heldout")
        )

    opened().close()
    with pytest.raises(UserError, match=r"begun otherwise \(n_frames 6, .*, by another MD\)"):
        opened(timestep=0.25)
    opened(propagate_with="member", seed=42).close()  # the one says nothing of it, the other is the default
    store = RunStore.open(tmp_path / "heldout")
    noted = json.loads(store.get_meta("heldout_plan") or "")
    store.set_meta("heldout_plan", json.dumps({key: noted[key] for key in noted if key not in ("cells", "motions")}))
    store.close()
    opened(timestep=0.25).close()  # noted by an earlier version
    with pytest.raises(UserError, match="by another MD"):
        opened(timestep=0.5)


def test_what_was_sampled_and_labelled_survives_an_interruption(
    project: Project, models: tuple[Path, ...], tmp_path: Path
) -> None:
    whole = HeldoutSet(plan(), parts(project, models, tmp_path / "whole"))
    whole.make()
    whole.close()
    departure = Departure()

    def leave_at_second_label(words: str) -> None:
        if words.startswith("labels: 2"):
            departure.ask(Reason.TERMINATED)

    left = HeldoutSet(plan(), parts(project, models, tmp_path / "left", departure, leave_at_second_label))
    with pytest.raises(Departed, match="SIGTERM"):
        left.make()
    left.close()
    later = HeldoutSet(plan(), parts(project, models, tmp_path / "left"))
    cost = later.cost()
    assert (cost.n_labels, cost.n_steps) == (4, 0)
    later.make()
    later.close()
    first, second = (read_extxyz(tmp_path / name / "heldout.extxyz") for name in ("whole", "left"))
    for (frame, label), (other, other_label) in zip(first, second, strict=True):
        np.testing.assert_array_equal(frame.positions, other.positions)
        assert label.energy == pytest.approx(other_label.energy, abs=1e-9)


def test_the_models_themselves_can_drive_and_the_farthest_structures_are_taken(
    project: Project, models: tuple[Path, ...], tmp_path: Path
) -> None:
    heldout = HeldoutSet(plan(by="product", select="fps"), parts(project, models, tmp_path))
    heldout.make()
    heldout.close()
    steps = [frame.md_step for frame, _ in read_extxyz(tmp_path / "heldout.extxyz")]
    assert len(steps) == 6
    assert len(set(steps)) > 1


def test_stability_is_counted_at_each_temperature_and_drawn(
    project: Project, models: tuple[Path, ...], tmp_path: Path
) -> None:
    result = verify(project, models, "--length", 0.4, "--runs", 2, "--temperatures", "300,3000", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "verify.json").read_text(encoding="utf-8"))
    hot = record["stability"]["3000"]
    assert (hot["word"], hot["runs"], hot["stable"]) == ("do not use", 2, 0), "nothing holds this water together"
    assert all(one["failure"]["kind"] in ("torn", "wrecked") for one in hot["each_run"])
    assert "3000 K  2     0       0 to 66 %" in result.stdout
    assert (tmp_path / "stability_300K.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--temperatures", "300,warm"), "--temperatures: is '300,warm'"),
        (("--temperatures", "-3"), "temperatures in K above 0"),
        (("--length", 0), "There is nothing to do"),
        (("--heldout", 3, "--data", "x.extxyz"), "given together with --heldout"),
        (("--heldout", 3, "--by", "GFN7-xTB"), "there is no such driver or file"),
        (("--heldout", 3, "--spacing", 0), "--spacing: is 0"),
    ],
)
def test_mistakes_are_explained_without_a_traceback(
    project: Project, models: tuple[Path, ...], tmp_path: Path, arguments: tuple[object, ...], said: str
) -> None:
    result = verify(project, models, "--out", tmp_path / "out", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_project_without_models_is_told_what_to_do(tmp_path: Path) -> None:
    result = verify(load_project(water_project(tmp_path)), ())
    assert result.exit_code == 2
    assert "There are no models of a run here" in result.stderr


def test_descriptors_do_not_see_turns_and_exchanged_atoms(project: Project, models: tuple[Path, ...]) -> None:
    start = project.systems[0].frame
    bent = start.positions + np.random.default_rng(0).normal(0, 0.1, start.positions.shape)
    turn = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
    alike = [bent, bent @ turn + 4.0, bent[[0, 2, 1]], start.positions]
    frames = [Frame("water", 0, step, 0, start.numbers, positions) for step, positions in enumerate(alike)]
    found = load_models(models[:1], device="cpu").descriptors(frames)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-9)
    assert np.abs(found[3] - found[0]).max() > 1e-6


def test_runs_begin_at_the_start_and_at_whole_labels_in_turn(project: Project) -> None:
    start = project.systems[0].frame
    whole, torn = start.positions.copy(), start.positions.copy()
    whole[1] += 0.05
    torn[1] *= 4.0
    points = [
        LabelledFrame(number, Frame(start.system, 0, number, 0, start.numbers, positions), label, Split.TRAINING)
        for number, positions, label in (
            (1, whole, Label(0.0, np.zeros((3, 3)), None, "x", 0.0)),
            (2, torn, Label(0.0, np.zeros((3, 3)), None, "x", 0.0)),
            (3, whole, Label(0.0, np.full((3, 3), 30.0), None, "x", 0.0)),
        )
    ]
    grounds = Grounds.of(project.systems, points)
    runs = trial_runs(grounds, conditions_of(project), n_runs=4, seed=1)
    assert [run.begun_from for run in runs] == ["start", "label 1", "start", "label 1"]
