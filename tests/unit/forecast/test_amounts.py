"""What parts of a run have still to do: what can be counted on fingers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ase import Atoms
from ase.io import write

from aims_pax.campaign.course import Position
from aims_pax.campaign.progress import FINISHED
from aims_pax.forecast.amounts import (
    Amounts,
    Sizes,
    Span,
    amount_facts,
    amounts_ahead,
    outsets_ahead,
    parts_ahead,
)
from aims_pax.forecast.stages.training import convergence_epochs
from aims_pax.forecast.standing import Standing
from aims_pax.frame import Stage
from aims_pax.learner.quota import SplitCounts
from aims_pax.learner.transition import begin
from aims_pax.settings import MDSettings, Project, load_project
from aims_pax.stages import assembly
from aims_pax.stages.activities import Part

INITIAL = {"n_points_per_sampling_step_idg": 4, "ensemble_size": 2, "max_initial_set_size": 6, "skip_step_initial": 10}
ACTIVE = {"num_trajectories": 3, "ensemble_size": 2, "skip_step_mlff": 4, "max_train_set_size": 30}
BROUGHT = {"initial_train_dataset": "copper.extxyz", "initial_valid_dataset": "copper.extxyz"}
AT_LEARNING = Position("active", ("initial",))
RUN, AL, IDG = (Stage.INITIAL, Stage.ACTIVE), (Stage.ACTIVE,), (Stage.INITIAL,)


def project_in(folder: Path, *, systems: int = 1, initial: Any = None, active: Any = None, misc: Any = None) -> Project:
    structures = [Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.4 + 0.1 * k]]) for k in range(systems)]
    folder.mkdir(exist_ok=True)
    write(folder / "copper.extxyz", structures)
    settings = {
        "REFERENCE": {"type": "ase-calculator", "calculator": "ase.calculators.emt:EMT"},
        "INITIAL_DATASET_GENERATION": INITIAL | (initial or {}),
        "ACTIVE_LEARNING": ACTIVE | (active or {}),
        "MD": {"stat_ensemble": "nvt"},
        "MISC": {"path_to_geometry": "copper.extxyz", "probe": False} | (misc or {}),
    }
    for section in settings.values():
        for key in [key for key, value in section.items() if value is None]:
            del section[key]  # type: ignore[attr-defined]
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (folder / "mace.yaml").write_text(yaml.safe_dump({"GENERAL": {"name_exp": "tiny", "seed": 1}}), encoding="utf-8")
    return load_project(folder)


def ahead(project: Project, stages: tuple[Stage, ...] = RUN, **options: Any) -> dict[str, Amounts]:
    return {one.part: one for one in amounts_ahead(project, stages, **options)}


def train_sizes(project: Project) -> dict[str, int]:
    return {one.plan.name: one.sizes.of_all for one in outsets_ahead(project, RUN)}


def test_initial_rounds_are_counted_by_the_state_machine_itself(tmp_path: Path) -> None:
    initial = ahead(project_in(tmp_path))[Part.INITIAL]
    # Two members, four structures each in a round; three, then seven of them train: two rounds.
    assert initial.labels == Span.exactly(16)
    assert initial.md_steps == Span.exactly(2 * 8 * 10)
    assert initial.epochs == Span.exactly(2 * 5)
    assert outsets_ahead(project_in(tmp_path), RUN)[1].sizes == Sizes(7, 2 * 7)


def test_systems_move_all_and_share_the_labels_of_a_round(tmp_path: Path) -> None:
    initial = ahead(project_in(tmp_path, systems=3, initial={"n_points_per_sampling_step_idg": 2}))[Part.INITIAL]
    # Six structures for each member: five train, so that another round is needed.
    assert initial.labels == Span.exactly(2 * 2 * 6)
    assert initial.md_steps == Span.exactly(2 * 4 * 3 * 10)


def test_goal_of_the_error_alone_leaves_the_end_open(tmp_path: Path) -> None:
    initial = ahead(project_in(tmp_path, initial={"max_initial_set_size": None, "desired_acc": 0.01}))[Part.INITIAL]
    assert (initial.labels.low, initial.labels.likely) == (8, 24)
    assert initial.labels.high == float("inf")


def test_error_may_end_the_initial_stage_before_its_size_does(tmp_path: Path) -> None:
    initial = ahead(project_in(tmp_path, initial={"desired_acc": 0.01}))[Part.INITIAL]
    assert initial.labels == Span(8, 16, 16)


def test_active_learning_makes_the_labels_that_its_goal_lacks(tmp_path: Path) -> None:
    active = ahead(project_in(tmp_path))[Part.ACTIVE]
    assert active.labels == Span(26, 26, 28)  # 23 train of 26; two more trajectories may wait for labels then
    assert active.md_steps.likely == 26 * 4 / 0.08
    assert active.epochs.high == 28 * 2


def test_steps_of_trajectories_limit_the_labels(tmp_path: Path) -> None:
    project = project_in(tmp_path, active={"max_MD_steps": 400, "max_train_set_size": None})
    active = ahead(project)[Part.ACTIVE]
    assert active.labels.likely == pytest.approx(300 * 0.08)
    assert (active.labels.low, active.labels.high) == pytest.approx((12, 48))
    assert active.md_steps.high == 1200


def test_convergence_ends_between_its_patience_and_its_cap(tmp_path: Path) -> None:
    settings = project_in(tmp_path, active={"max_convergence_epochs": 60}).active
    assert convergence_epochs(settings) == Span.exactly(60)
    assert convergence_epochs(settings, done=40) == Span.exactly(20)
    assert convergence_epochs(settings, done=60) == Span.exactly(0)
    long = project_in(tmp_path, active={"max_convergence_epochs": 500}).active
    assert convergence_epochs(long) == Span(100, 300, 500)


def test_stage_two_of_the_final_convergence_has_its_epochs(tmp_path: Path) -> None:
    project = project_in(tmp_path, active={"max_convergence_epochs": 500, "converge_al": True})
    mace = tmp_path / "mace.yaml"
    for training, span in (("{swa: true}", (175, 275, 500)), ("{swa: true, start_swa: 480}", (70, 170, 500))):
        mace.write_text(f"GENERAL: {{name_exp: m}}\nTRAINING: {training}\n")
        assert ahead(load_project(project.folder))[Part.CONVERGENCE].epochs == Span(*span)


def test_final_convergence_trains_on_what_belonged_to_one_member_alone(tmp_path: Path) -> None:
    assert train_sizes(project_in(tmp_path)) == {"initial": 0, "active": 2 * 7, "convergence": 2 * 7 + 23}
    shared = project_in(tmp_path, initial={"distinct_model_sets": False, "max_initial_set_size": 7})
    assert train_sizes(shared)["convergence"] == 7 + 23


def test_parts_of_each_command(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    assert parts_ahead(project, RUN, None) == (
        Part.STARTING,
        Part.INITIAL,
        Part.ACTIVE,
        Part.CONVERGENCE,
        Part.RESULTS,
    )
    assert parts_ahead(project, IDG, None) == (Part.STARTING, Part.INITIAL, Part.RESULTS)
    # A dataset that is brought along is converged on first, whatever converge_initial says.
    assert parts_ahead(project_in(tmp_path, active=BROUGHT), AL, None)[1:3] == (Part.INITIAL_CONVERGENCE, Part.ACTIVE)
    converging = project_in(tmp_path, initial={"converge_initial": True}, active={"converge_al": False})
    assert parts_ahead(converging, RUN, None)[1:-1] == (Part.INITIAL, Part.INITIAL_CONVERGENCE, Part.ACTIVE)


def test_resumed_initial_stage_has_the_rest_of_its_rounds(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    state = begin(assembly.initial_rules(project), n_trajectories=1, n_owners=2)
    state = replace(state, counts=(SplitCounts(3, 1),) * 2, n_received=11, n_round=1, n_in_round=3, n_epochs=5)
    initial = ahead(project, standing=Standing(Position("initial"), {"initial": state}))[Part.INITIAL]
    assert initial.labels == Span.exactly(5)
    assert initial.epochs == Span.exactly(5)


def test_resumed_active_learning_has_what_its_goal_still_lacks(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    state = begin(assembly.active_rules(project, project.settings.learning[0]), n_trajectories=3, n_initial_train=7)
    state = replace(state, counts=(SplitCounts(20, 2),), n_received=22)
    found = ahead(project, standing=Standing(AT_LEARNING, {"active": state}, n_labels=38))
    assert set(found) == {Part.STARTING, Part.ACTIVE, Part.CONVERGENCE, Part.VERDICT, Part.RESULTS}
    assert found[Part.ACTIVE].labels == Span(4, 4, 6)  # three more train


def test_finished_run_has_nothing_to_do(tmp_path: Path) -> None:
    assert (
        ahead(project_in(tmp_path), standing=Standing(Position(FINISHED, ("initial", "active", "convergence")))) == {}
    )


def test_verdict_is_md_after_the_convergence(tmp_path: Path) -> None:
    found = ahead(project_in(tmp_path, misc={"verdict_ps": 0.5, "verdict_runs": 4}))
    assert found[Part.VERDICT].md_steps == Span.exactly(4 * 500 / MDSettings(stat_ensemble="nvt").timestep)
    assert list(found)[-3:] == [Part.CONVERGENCE, Part.VERDICT, Part.RESULTS]
    assert Part.VERDICT not in ahead(project_in(tmp_path, misc={"verdict_ps": 0}))
    early = ahead(project_in(tmp_path), IDG)
    assert Part.VERDICT not in early, "a dataset has no product to be judged"


def test_a_probe_adds_two_labels_of_each_structure_that_train_every_member(tmp_path: Path) -> None:
    plain, probed = (project_in(tmp_path / name, misc={"probe": name == "yes"}) for name in ("no", "yes"))
    assert [ahead(one)[Part.STARTING].labels for one in (plain, probed)] == [Span.exactly(0), Span.exactly(2)]
    assert [outsets_ahead(one, RUN)[1].sizes for one in (plain, probed)] == [Sizes(7, 14), Sizes(9, 16)]
    begun = ahead(probed, standing=Standing(AT_LEARNING, n_labels=18))
    assert begun[Part.STARTING].labels == Span.exactly(0)


def test_amounts_are_said_in_words(tmp_path: Path) -> None:
    said = dict(amount_facts(project_in(tmp_path, active={"max_convergence_epochs": 60}), RUN))
    assert said[Part.INITIAL] == "initial dataset: 16 labels, 160 MD steps, 10 epochs"
    assert said[Part.ACTIVE] == "active learning: 26 to 28 labels, 650 to 2 800 MD steps, 17 to 56 epochs"
    assert said[Part.CONVERGENCE] == "final convergence: 60 epochs"
    assert Part.STARTING not in said


def test_labels_at_random_that_test_are_asked_for_besides_those_that_train(tmp_path: Path) -> None:
    plain = ahead(project_in(tmp_path / "plain"))[Part.ACTIVE].labels
    shared = ahead(project_in(tmp_path / "shared", active={"random_label_share": 0.4}))[Part.ACTIVE].labels
    # Of ten labels four are random: two test, two validate, more than a tenth; six train instead of nine.
    assert shared.likely == pytest.approx(plain.likely * 0.9 / 0.6, abs=1)


def test_labels_of_analysis_are_counted_by_their_md_steps(tmp_path: Path) -> None:
    plain = ahead(project_in(tmp_path / "plain"))[Part.ACTIVE]
    analysed = ahead(project_in(tmp_path / "analysed", active={"analysis": True, "analysis_skip": 100}))[Part.ACTIVE]
    assert analysed.labels.likely == pytest.approx(plain.labels.likely + plain.md_steps.likely / 100)
