"""What is learned of a cheap method first: how much, what it can't be, and what is foretold of it."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ase import Atoms
from ase.build import bulk, molecule

from aims_pax.campaign.course import Position, course_problems
from aims_pax.checking.check import check_project
from aims_pax.forecast.amounts import Outset, Sizes, amounts_ahead, forecaster_of
from aims_pax.forecast.standing import Standing
from aims_pax.settings import Project
from aims_pax.settings.project import BOTH_STAGES
from aims_pax.settings.reading.arguments import initial, learn, pretrain
from aims_pax.settings.stages.pretrain import CheapReference, PretrainSettings
from aims_pax.stages import assembly
from aims_pax.stages.stage import stage_of

CHEAP = {"type": "tblite"}
DEAR = {"type": "tblite", "method": "GFN1-xTB"}
REST = (
    initial(n_points_per_sampling_step_idg=2, max_initial_set_size=4, ensemble_size=2),
    learn(num_trajectories=2, max_train_set_size=9, ensemble_size=2),
)


def project_of(atoms: Any, folder: Path, *, reference: Any = DEAR, **arguments: Any) -> Project:
    stages = [pretrain(CHEAP, n=100, num_trajectories=3, skip_step=4, epochs=30), *REST]
    mace = {"MISC": {"device": "cpu"}}
    return Project.of(atoms, reference=reference, stages=stages, folder=folder, mace=mace, **arguments)


def problems_of(project: Project) -> list[str]:
    return [str(problem) for problem in stage_of(project.settings.stages[0]).problems(project)]


def settings_of(**keys: Any) -> PretrainSettings:
    return PretrainSettings(REFERENCE=CheapReference(type="tblite"), **keys)


@pytest.mark.parametrize(
    ("n", "batch_size", "n_epochs"), [(2000, 5, 53), (100, 5, 500), (20_000, 5, 20), (2000, 50, 500)]
)
def test_epochs_make_as_many_steps_within_their_bounds(n: int, batch_size: int, n_epochs: int) -> None:
    assert settings_of(n=n).n_epochs(batch_size) == n_epochs
    assert settings_of(n=n, epochs=7).n_epochs(batch_size) == 7


@pytest.mark.parametrize(("n", "share", "n_valid"), [(2000, 0.05, 100), (100, 0.3, 30), (12, 0.05, 0)])
def test_labels_that_validate_lie_evenly_among_all(n: int, share: float, n_valid: int) -> None:
    settings = settings_of(n=n, valid_ratio=share)
    chosen = [index for index in range(n) if settings.validates(index)]
    assert len(chosen) == settings.n_valid == n_valid
    gaps = [later - earlier for earlier, later in pairwise(chosen)]
    assert max(gaps, default=0) - min(gaps, default=0) <= 1


def test_check_says_what_is_learned_first_and_where_it_is_kept(tmp_path: Path) -> None:
    facts = check_project(project_of(molecule("H2O"), tmp_path), BOTH_STAGES).facts
    (fact,) = [one for one in facts if "before its first labels" in one]
    assert fact == (
        "pretrain: before its first labels the committee learns 100 of GFN2-xTB, every 4 steps of MD that it drives, "
        f"3 trajectories, for 30 epochs; they belong to no set of the run, and are kept in {tmp_path / 'prior'}"
    )
    assert "pretrain: 400 MD steps, 30 epochs" in facts


def test_elements_and_cells_that_tight_binding_does_not_know_are_told(tmp_path: Path) -> None:
    springs = {"type": "ase-calculator", "calculator": "aims_pax.testing.references:SpringCalculator"}
    radium = Atoms("Ra2", positions=[[0, 0, 0], [0, 0, 4]])
    (problem,) = problems_of(project_of(radium, tmp_path, reference=springs))
    assert "stages[0]: STAGES.0.pretrain.REFERENCE" in problem
    assert (
        "GFN2-xTB can't label the starting structures: GFN2-xTB knows the elements up to Z = 86, not Z = 88" in problem
    )
    assert "Leave pretrain out" in problem
    (problem,) = problems_of(project_of(bulk("Cu", cubic=True), tmp_path, reference=springs))
    assert "a cell of 4 atoms is too small" in problem


def test_charge_is_that_of_the_reference_and_must_be_whole(tmp_path: Path) -> None:
    cation = {"type": "pyscf", "charge": 1, "multiplicity": 2}
    assert problems_of(project_of(molecule("H2O"), tmp_path, reference=cation)) == []
    control = tmp_path / "control.in"
    control.write_text("xc pbe\ncharge 0.5\nspin none\n", encoding="utf-8")
    species = Path(__file__).parents[2] / "aims" / "species"
    aims = {"type": "fhi-aims", "command": "aims.x", "control": str(control), "species_dir": str(species)}
    (problem,) = problems_of(project_of(molecule("H2O"), tmp_path, reference=aims))
    assert "H2O has the charge 0.5, and tight binding knows whole ones alone" in problem


def test_the_method_of_the_reference_is_no_cheap_one(tmp_path: Path) -> None:
    (problem,) = problems_of(project_of(molecule("H2O"), tmp_path, reference={**CHEAP, "accuracy": 0.1}))
    assert "H2O is labelled by GFN2-xTB itself: what comes first costs as much" in problem
    assert "Leave pretrain out, or choose another method for one" in problem


def test_a_foundation_model_is_not_taught_beforehand(tmp_path: Path) -> None:
    training = {"perform_finetuning": True, "pretrained_model": "no.model", "lr": 0.001}
    stages = [pretrain(CHEAP, n=100), *REST]
    mace = {"TRAINING": training}
    project = Project.of(molecule("H2O"), reference=DEAR, stages=stages, folder=tmp_path, mace=mace)
    (problem,) = problems_of(project)
    assert "TRAINING.perform_finetuning is true, and members that learn by STAGES.0.pretrain begin anew" in problem


def test_what_is_left_of_it_is_foretold(tmp_path: Path) -> None:
    project = project_of(molecule("H2O"), tmp_path)
    plan = project.settings.stages[0]
    (_, first, *_) = amounts_ahead(project, BOTH_STAGES)
    assert (first.part, first.labels.likely, first.md_steps.likely, first.epochs.likely) == ("pretrain", 0, 400, 30)
    standing = Standing(Position("pretrain", (), True), priors={"pretrain": {"labels": 60, "epochs": 0}})
    left = forecaster_of(plan).amounts(Outset(project, plan, standing, Sizes(0, 0)))
    assert (left.md_steps.likely, left.epochs.likely) == (160, 30)


def test_a_run_that_has_begun_without_it_does_not_take_it_in(tmp_path: Path) -> None:
    project = project_of(molecule("H2O"), tmp_path)
    (problem,) = course_problems(project, Position("initial", (), True))
    assert "has gone through initial, and the campaign is now pretrain, initial, active" in str(problem)
    assert list(course_problems(project, Position("initial", ("pretrain",), True))) == []


def test_seeds_are_those_of_the_initial_dataset(tmp_path: Path) -> None:
    assert len(assembly.seeds_of(project_of(molecule("H2O"), tmp_path))) == 2
