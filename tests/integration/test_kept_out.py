"""Labels beyond the largest force: stored, learned by nobody, and learned when the limit is raised."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from aims_pax.checking.check import check_project
from aims_pax.dataset.records import OWN_REFERENCE
from aims_pax.dataset.store import RunStore
from aims_pax.errors import CampaignStopped
from aims_pax.face.status import read_status
from aims_pax.frame import FailureReason, LabelledFrame, Split, Stage
from aims_pax.protocols import Status
from aims_pax.settings import load_project
from aims_pax.stages.states import recall_state

from .engines import STRONG_EV_PER_ANG, WATCHED, Watched
from .projects import Watcher, active_project, changed, copper_project, in_child, labels_of, run
from .resuming import assert_same, outcome_of
from .test_collect import AUGMENT, N_MADE, STAGES, project_of
from .test_collect import run as run_collect
from .test_relabel import CONVERGE, LABELS, RELABEL
from .test_relabel import project_of as relabelled_project
from .test_relabel import run as run_relabelled

pytestmark = pytest.mark.usefixtures("springs")

ACTIVE = {"max_train_set_size": 5, "c_x": -0.5, "converge_al": True, "max_convergence_epochs": 3}


def limited(folder: Path, limit: float, **sections: dict[str, Any]) -> Path:
    """The same project with another limit."""
    path = folder / "aims_PAX.yaml"
    changes = {"REFERENCE": {"max_force_ev_per_ang": limit}, **sections}
    path.write_text(yaml.safe_dump(changed(yaml.safe_load(path.read_text(encoding="utf-8")), changes)), "utf-8")
    return folder


def strong_of(points: list[LabelledFrame]) -> list[LabelledFrame]:
    return [one for one in points if one.label.max_force_ev_per_ang >= STRONG_EV_PER_ANG]


@pytest.fixture
def ended(initial_copper: Path, engine: type[Watched], tmp_path: Path) -> Path:
    """A run that has ended with two labels kept out."""
    folder = active_project(tmp_path / "ended", initial_copper, {"ACTIVE_LEARNING": ACTIVE})
    engine.manners = {1: "strong", 4: "strong"}
    run(folder, stages=(Stage.ACTIVE,))
    return folder


def test_label_that_is_kept_out_is_counted_and_told_and_learned_by_nobody(ended: Path) -> None:
    assert strong_of(labels_of(ended)) == []
    with RunStore.open_readonly(ended) as store:
        found = store.kept_out()
        kept = [store.kept_out_label(one.label_id) for one in found]
        assert [failure.reason for one in found for failure in store.failures_of(one.label_id)] == [
            FailureReason.KEPT_OUT,
            FailureReason.KEPT_OUT,
        ]
    assert [one is not None and one.max_force_ev_per_ang for one in kept] == [STRONG_EV_PER_ANG] * 2
    status = read_status(ended)
    assert status.record()["labels"]["kept_out"] == 2
    assert "2 failed (2 kept out)" in str(status)
    summary = run(ended, stages=(Stage.ACTIVE,))
    assert summary.content["labels"]["kept_out"] == 2
    assert summary.content["faults"]["labels_given_up"] == {"kept out": 2}
    assert "(2 failed, 2 of them kept out for their forces)" in "\n".join(summary.lines())


def test_raised_limit_has_a_run_that_had_ended_learn_what_was_kept_out(
    ended: Path, engine: type[Watched], caplog: pytest.LogCaptureFixture
) -> None:
    before, n_computed = labels_of(ended), len(engine.computed)
    limited(ended, 200.0)
    project = load_project(ended, stages=(Stage.ACTIVE,))
    facts = "\n".join(check_project(project, (Stage.ACTIVE,)).facts)
    assert "its models are converged again: 2 labels that were kept out are let in now" in facts
    caplog.set_level("INFO")
    summary = run(ended, stages=(Stage.ACTIVE,))
    assert "2 labels return that were kept out (forces up to 150.0 eV/Å): 2 train" in caplog.text
    points = labels_of(ended)
    assert [one.label_id for one in points[: len(before)]] == [one.label_id for one in before]
    assert [one.split for one in strong_of(points)] == [Split.TRAINING] * 2
    assert summary.content["labels"]["kept_out"] == summary.content["labels"]["failed"] == 0
    assert set(summary.content["training_structures_of_each_member"]) == {
        sum(one.split is Split.TRAINING for one in points)
    }
    assert len(engine.computed) == n_computed, "nothing is computed again"
    assert (ended / "results.1" / "summary.json").is_file()


def test_lowered_limit_takes_nothing_away(ended: Path, engine: type[Watched]) -> None:
    before = labels_of(ended)
    limited(ended, 0.001, ACTIVE_LEARNING={**ACTIVE, "max_train_set_size": 9, "max_consecutive_failures": 2})
    with pytest.raises(CampaignStopped, match=r"fall apart|failed too often"):
        run(ended, stages=(Stage.ACTIVE,))
    assert [one.label_id for one in labels_of(ended)] == [one.label_id for one in before]


def test_labels_return_in_the_middle_of_a_loop_and_it_comes_to_the_same_after_a_kill(
    initial_copper: Path, engine: type[Watched], tmp_path: Path
) -> None:
    left, whole = tmp_path / "left", tmp_path / "whole"
    active_project(left, initial_copper, {"ACTIVE_LEARNING": {**ACTIVE, "max_train_set_size": 8}})
    engine.manners = {1: "strong", 3: "strong", 5: "die"}
    assert in_child(lambda: run(left, stages=(Stage.ACTIVE,))) == -signal.SIGKILL
    engine.forget()
    limited(left, 200.0)
    shutil.copytree(left, whole)
    run(whole, stages=(Stage.ACTIVE,))
    assert [one.split for one in strong_of(labels_of(whole))] == [Split.TRAINING] * 2
    with RunStore.open_readonly(whole) as store:
        state = recall_state(store, "active")
        counts = store.counts()
    assert state is not None
    assert state.train_size == 8, "they are among those that were asked for"
    assert (state.n_failed, counts.n_failed) == (0, 0)

    def kill(now: Status) -> None:
        if now.stage == "active" and now.epochs > 6:
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(lambda: run(left, stages=(Stage.ACTIVE,), observer=Watcher(kill))) == -signal.SIGKILL
    run(left, stages=(Stage.ACTIVE,))
    assert_same(outcome_of(left), outcome_of(whole))


def test_initial_dataset_that_was_stopped_by_a_limit_goes_on_with_its_labels(
    engine: type[Watched], tmp_path: Path
) -> None:
    changes = {"ACTIVE_LEARNING": None, "INITIAL_DATASET_GENERATION": {"max_consecutive_failures": 2}}
    folder = copper_project(tmp_path, changes=changes)
    engine.manners = dict.fromkeys((1, 2), "strong")
    advice = r"last time kept out.* 2 of the labels are stored and kept out .* raise REFERENCE\.max_force_ev_per_ang"
    with pytest.raises(CampaignStopped, match=advice):
        run(folder)
    summary = run(limited(folder, 200.0))
    assert (summary.content["labels"]["received"], summary.content["labels"]["failed"]) == (8, 0)
    assert len(engine.computed) == 8
    assert sorted(one.label_id for one in strong_of(labels_of(folder))) == [1, 2]


def test_collect_has_a_limit_of_its_own(engine: type[Watched], tmp_path: Path) -> None:
    engine.manners = {3: "strong", 5: "strong"}
    stages = [{"collect": {"augment": AUGMENT, "max_force_ev_per_ang": 160.0}}, *STAGES[1:]]
    run_collect(project_of(tmp_path, stages))
    collected = [one for one in labels_of(tmp_path) if one.stage == "collect"]
    assert len(strong_of(collected)) == 2
    assert len(collected) == N_MADE


def test_what_collect_has_kept_out_returns_to_the_places_that_were_drawn(engine: type[Watched], tmp_path: Path) -> None:
    whole, late = tmp_path / "whole", tmp_path / "late"
    run_collect(project_of(whole, STAGES))
    drawn = {one.frame.md_step: one.split for one in labels_of(whole) if one.stage == "collect"}
    tested = next(step for step, split in drawn.items() if split is Split.TEST)
    engine.forget()
    engine.manners = dict.fromkeys((2, tested), "strong")
    run_collect(project_of(late, STAGES))
    assert not {2, tested} & {one.frame.md_step for one in labels_of(late) if one.stage == "collect"}
    raised = [{"collect": {"augment": AUGMENT, "max_force_ev_per_ang": 160.0}}, *STAGES[1:]]
    summary = run_collect(project_of(late, raised))
    assert {one.frame.md_step: one.split for one in labels_of(late) if one.stage == "collect"} == drawn
    assert summary["labels"]["kept_out"] == 0


def test_what_a_second_reference_has_kept_out_returns_to_its_place(engine: type[Watched], tmp_path: Path) -> None:
    engine.manners = {2: "strong"}
    run_relabelled(relabelled_project(tmp_path, [*LABELS, RELABEL, CONVERGE]))
    with RunStore.open_readonly(tmp_path) as store:
        (kept,) = store.kept_out()
        place = store.place_of(kept.structure_id)
        first = [one.frame.positions.tobytes() for one in store.labelled(reference=OWN_REFERENCE)]
    assert kept.reference == "relabel"
    assert place is not None
    assert len(labels_of(tmp_path)) == len(first) - 1
    raised = {"relabel": {"REFERENCE": {"calculator": WATCHED, "max_force_ev_per_ang": 200.0}}}
    summary = run_relabelled(relabelled_project(tmp_path, [*LABELS, raised, CONVERGE]))
    points = labels_of(tmp_path)
    assert [one.frame.positions.tobytes() for one in points] == first
    assert [(one.split, one.member) for one in strong_of(points)] == [place]
    assert summary["labels"]["kept_out"] == 0
    assert len(engine.computed) == len(first), "each once"
