"""References that fail now and then, or always."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from aims_pax.cli.program import program
from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.store import RunStore
from aims_pax.errors import CampaignStopped
from aims_pax.frame import FailureReason, FloatArray, Stage
from aims_pax.sampling import BatchedSampler, TrajectoryCheckpoint

from .engines import Watched
from .projects import active_project, copper, copper_project, jobs_of, labels_of, run

pytestmark = pytest.mark.usefixtures("springs")


@pytest.fixture
def rewound(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, FloatArray]]:
    """Trajectories that were rewound, with the positions at which they stand then, in Å."""
    seen: list[tuple[int, FloatArray]] = []
    rewind = BatchedSampler.rewind

    def noted(sampler: BatchedSampler, trajectory: int, checkpoint: TrajectoryCheckpoint) -> None:
        rewind(sampler, trajectory, checkpoint)
        seen.append((trajectory, sampler.frame(trajectory).positions))

    monkeypatch.setattr(BatchedSampler, "rewind", noted)
    return seen


@pytest.mark.parametrize("moves", [True, False])
def test_failed_labels_rewind_their_trajectories_to_the_checkpoint(
    moves: bool,
    initial_copper: Path,
    engine: type[Watched],
    rewound: list[tuple[int, FloatArray]],
    tmp_path: Path,
) -> None:
    changes = {"ACTIVE_LEARNING": {"max_train_set_size": 5, "update_md_checkpoints": moves, "c_x": -0.5}}
    folder = active_project(tmp_path, initial_copper, changes)
    engine.manners = {1: "unconverged", 4: "nan", 6: "unconverged"}
    summary = run(folder, stages=(Stage.ACTIVE,))
    jobs = jobs_of(folder, Stage.ACTIVE)
    failed = [job for job in jobs if job.status is JobStatus.FAILED]
    expected = []
    for job in failed:
        earlier = [
            one.frame.positions
            for one in jobs
            if one.status is JobStatus.DONE
            and one.frame.trajectory == job.frame.trajectory
            and one.label_id < job.label_id
        ]
        expected.append((job.frame.trajectory, earlier[-1] if moves and earlier else copper().positions))
    assert len(failed) == 3
    assert [trajectory for trajectory, _ in rewound] == [trajectory for trajectory, _ in expected]
    for (_, positions), (_, checkpoint) in zip(rewound, expected, strict=True):
        assert np.array_equal(positions, checkpoint)
    assert summary.content["labels"]["failed"] == 3
    assert summary.content["stopped_because"]["active"] == "the training set has reached max_train_set_size"
    with RunStore.open_readonly(folder) as store:
        failures = [store.failures_of(job.label_id)[0] for job in failed]
    reasons = [FailureReason.NOT_CONVERGED, FailureReason.UNPHYSICAL, FailureReason.NOT_CONVERGED]
    assert [failure.reason for failure in failures] == reasons
    assert all(failure.folder and (Path(failure.folder) / "failure.txt").is_file() for failure in failures)


def test_failed_label_never_becomes_a_point_and_its_trajectory_goes_on(
    initial_copper: Path, engine: type[Watched], tmp_path: Path
) -> None:
    folder = active_project(tmp_path, initial_copper, {"ACTIVE_LEARNING": {"max_train_set_size": 5, "c_x": -0.5}})
    engine.manners = {1: "unconverged"}
    run(folder, stages=(Stage.ACTIVE,))
    failed, *others = jobs_of(folder, Stage.ACTIVE)
    assert failed.status is JobStatus.FAILED
    assert failed.label_id not in {one.label_id for one in labels_of(folder)}
    assert any(job.frame.trajectory == failed.frame.trajectory for job in others)
    assert all(
        job.frame.md_step > failed.frame.md_step for job in others if job.frame.trajectory == failed.frame.trajectory
    )


def test_failed_labels_of_the_initial_dataset_are_replaced(engine: type[Watched], tmp_path: Path) -> None:
    folder = copper_project(tmp_path, changes={"ACTIVE_LEARNING": None})
    engine.manners = {2: "unconverged", 3: "nan", 7: "unconverged"}
    labels = run(folder).content["labels"]
    assert (labels["asked"], labels["received"], labels["failed"]) == (11, 8, 3)
    for member in (0, 1):
        assert sum(one.member == member for one in labels_of(folder)) == 4


def test_crashes_are_tried_again_and_counted_in_the_summary(engine: type[Watched], tmp_path: Path) -> None:
    folder = copper_project(tmp_path, changes={"ACTIVE_LEARNING": None})
    engine.manners = {1: "raise", 3: "nan", 7: "raise", 8: "raise"}
    summary = run(folder)
    labels = summary.content["labels"]
    assert (labels["asked"], labels["received"], labels["failed"]) == (10, 8, 2)
    assert len(engine.computed) == 12
    assert summary.content["faults"] == {
        "attempts_failed": {"crashed": 3, "unphysical": 1},
        "labels_given_up": {"unphysical": 1, "crashed": 1},
        "asked_again": 2,
        "attempts_lost_with_workers": 0,
        "slow_labels": 0,
        "pauses": 0,
        "aimd_attempts_failed": {},
    }
    assert "faults: 3 × crashed, 1 × unphysical, 2 times a label was asked for again" in summary.lines()


def test_undisturbed_run_has_no_faults_and_says_nothing_of_them(engine: type[Watched], tmp_path: Path) -> None:
    summary = run(copper_project(tmp_path, changes={"ACTIVE_LEARNING": None}))
    assert summary.content["faults"]["attempts_failed"] == {}
    assert not any("faults" in line for line in summary.lines())


def test_reference_that_always_fails_ends_the_initial_stage_with_its_reason(
    engine: type[Watched], tmp_path: Path
) -> None:
    engine.always = "unconverged"
    changes = {"ACTIVE_LEARNING": None, "INITIAL_DATASET_GENERATION": {"max_consecutive_failures": 4}}
    folder = copper_project(tmp_path, changes=changes)
    with pytest.raises(CampaignStopped, match="the reference failed for 4 structures in a row, the last time "):
        run(folder)
    assert len(engine.computed) == 4


@pytest.mark.parametrize(
    "drives",
    [
        {"initial_sampling": "aimd", "foundational_model": None},
        {
            "foundational_model": "tests.faults.faulty_engines:Faulty",
            "foundational_model_settings": {"arguments": {"manner": "raise"}},
        },
    ],
    ids=["reference", "calculator"],
)
def test_driver_that_always_fails_ends_the_initial_stage_with_its_reason(
    drives: dict[str, object], engine: type[Watched], tmp_path: Path
) -> None:
    engine.always = "raise"
    folder = copper_project(tmp_path, changes={"ACTIVE_LEARNING": None, "INITIAL_DATASET_GENERATION": drives})
    said = r"failed 10 times in a row \(starting from copper\), the last time: no forces: .*RuntimeError: .*Mend it"
    with pytest.raises(CampaignStopped, match=said):
        run(folder)


def test_reference_without_forces_ends_the_run_after_its_first_round(tmp_path: Path) -> None:
    forceless = {"type": "ase-calculator", "calculator": "tests.faults.faulty_engines:Faulty"}
    changes = {"REFERENCE": {**forceless, "arguments": {"manner": "no forces"}}}
    folder = copper_project(tmp_path, changes=changes)
    with pytest.raises(CampaignStopped, match=r"forces of the first 4 labels are zero: the reference .* computes none"):
        run(folder)
    assert len(jobs_of(folder, Stage.INITIAL)) == 4


def test_initial_stage_that_gave_up_goes_on_when_the_reference_is_mended(engine: type[Watched], tmp_path: Path) -> None:
    engine.always = "unconverged"
    changes = {"ACTIVE_LEARNING": None, "INITIAL_DATASET_GENERATION": {"max_consecutive_failures": 4}}
    folder = copper_project(tmp_path, changes=changes)
    with pytest.raises(CampaignStopped, match="in a row"):
        run(folder)
    engine.forget()
    labels = run(folder).content["labels"]
    assert (labels["received"], labels["failed"]) == (8, 4)


def test_command_ends_with_1_and_a_clear_message_when_every_label_of_active_learning_fails(
    initial_copper: Path, engine: type[Watched], tmp_path: Path
) -> None:
    engine.always = "nan"
    changes = {"ACTIVE_LEARNING": {"max_consecutive_failures": 2, "c_x": -0.5}}
    folder = active_project(tmp_path, initial_copper, changes)
    result = CliRunner().invoke(program, ["run", str(folder)])
    assert result.exit_code == 1, result.output
    assert "every trajectory has failed too often in a row" in result.stderr
    assert "Traceback" not in result.output
    log = (folder / "logs" / "aims_pax.log").read_text(encoding="utf-8")
    assert log.count("forces or stress are not finite") == 4


def test_active_learning_that_gave_up_goes_on_when_the_reference_is_mended(
    initial_copper: Path, engine: type[Watched], rewound: list[tuple[int, FloatArray]], tmp_path: Path
) -> None:
    engine.always = "unconverged"
    changes = {"ACTIVE_LEARNING": {"max_consecutive_failures": 2, "c_x": -0.5}}
    folder = active_project(tmp_path, initial_copper, changes)
    with pytest.raises(CampaignStopped, match="every trajectory has failed"):
        run(folder, stages=(Stage.ACTIVE,))
    engine.forget()
    rewound.clear()
    content = run(folder, stages=(Stage.ACTIVE,)).content
    assert content["labels"]["failed"] == 4
    assert content["stopped_because"]["active"] == "the training set has reached max_train_set_size"
    assert sorted(trajectory for trajectory, _ in rewound) == [0, 1]


def test_command_ends_with_1_when_no_initial_label_can_be_had(engine: type[Watched], tmp_path: Path) -> None:
    engine.always = "unconverged"
    folder = copper_project(tmp_path)
    result = CliRunner().invoke(program, ["run", str(folder)])
    assert result.exit_code == 1, result.output
    assert "the reference failed for 10 structures in a row" in result.stderr
    assert "Traceback" not in result.stderr
