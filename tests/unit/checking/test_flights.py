"""What check says that a stage which flies was understood to be, and what it begins with."""

from pathlib import Path

from aims_pax.checking.check import check_project
from aims_pax.checking.understood import quantities
from aims_pax.settings import Project

from ..flights import ADAPTIVE, CONVERGE, INITIAL, flight_project, fly

ALL = {
    "num_trajectories": 2,
    "num_initial_steps": 6,
    "adaptive_method_parameters": ADAPTIVE,
    "early_check": 0.15,
    "go_back": True,
}


def said(project: Project) -> list[tuple[str, str]]:
    """From the stage on, as far as it goes."""
    found = list(quantities(project, project.stages))
    first = next(index for index, (name, _) in enumerate(found) if name == "fly")
    after = next(index for index, (name, _) in enumerate(found) if index > first and not name.startswith("  "))
    return found[first:after]


def test_everything_that_is_set_is_said(tmp_path: Path) -> None:
    limits = {"ediff": 0.005, "fmax": 0.5, "frmse": 0.15}
    found = said(flight_project(tmp_path, fly(**ALL, tolerances=limits)))
    assert found == [
        ("fly", "2 trajectories of 100 steps (200 fs); the mean of the models drives"),
        ("  begins", "6 steps of each structure by the reference, then the first models"),
        ("  checks", "every 10 steps; then by 2, 5 to 40"),
        ("  early", "where the models deviate by more than 0.15 eV/Å"),
        (
            "  tolerances",
            "ediff 0.005 eV/atom, fmax 0.5 eV/Å, frmse 0.15 eV/Å; where one is broken, they learn; the trajectory goes "
            "back to its last passed check",
        ),
    ]


def test_little_is_said_of_a_stage_that_has_models_and_only_measures(tmp_path: Path) -> None:
    found = said(flight_project(tmp_path, INITIAL, CONVERGE, fly(can_update=False, check_interval=1)))
    assert found == [
        ("fly", "1 trajectory of 100 steps (200 fs); the mean of the models drives"),
        ("  checks", "every 1 step"),
        ("  tolerances", "ediff 0.02 eV/atom, frmse 0.2 eV/Å; where one is broken, nothing is learned"),
    ]


def test_labels_before_the_first_model_are_told(tmp_path: Path) -> None:
    stage = fly(num_trajectories=2, num_initial_steps=4)
    facts = facts_of(flight_project(tmp_path / "alone", stage, n_systems=2))
    assert "fly: begins with MD by the reference: 8 labels, which the first models learn" in facts
    assert "begins with MD by" not in facts_of(flight_project(tmp_path / "later", INITIAL, CONVERGE, fly()))


def facts_of(project: Project) -> str:
    return "\n".join(check_project(project, project.stages).facts)
