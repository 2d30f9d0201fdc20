"""Labels that judge the committee: at random and on fixed steps, through whole campaigns."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aims_pax.campaign import run_campaign
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.frame import LabelledFrame, Split
from aims_pax.learner.selectors import FixedSteps, MovingThreshold, RandomShare
from aims_pax.settings.stage import ACTIVE

from .engines import Watched
from .projects import Watcher, copper_project, labels_of, loaded, run, stages_of

pytestmark = pytest.mark.usefixtures("springs")


CHANGES: dict[str, dict[str, Any]] = {
    "ACTIVE_LEARNING": {
        "random_label_share": 0.4,
        "analysis": True,
        "analysis_skip": 10,
        "max_train_set_size": 6,
        "converge_al": True,
        "converge_best": False,
        "max_convergence_epochs": 4,
    }
}


def active(folder: Path) -> list[LabelledFrame]:
    return [one for one in labels_of(folder) if one.stage == ACTIVE]


def of(points: list[LabelledFrame], source: str) -> list[LabelledFrame]:
    return [one for one in points if one.source == source]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    Watched.forget()
    folder = copper_project(tmp_path_factory.mktemp("judging"), changes=CHANGES)
    run(folder)
    return folder


def test_labels_at_random_validate_and_test_and_never_train(finished: Path) -> None:
    at_random = of(active(finished), RandomShare.NAME)
    assert len(at_random) >= 2
    assert [one.split for one in at_random] == [Split.VALIDATION, Split.TEST] * (len(at_random) // 2) + [
        Split.VALIDATION
    ] * (len(at_random) % 2)


def test_labels_of_analysis_train_the_final_models_only(finished: Path) -> None:
    analysed = of(active(finished), FixedSteps.NAME)
    assert analysed
    assert {one.split for one in analysed} == {Split.TRAINING}
    picked = of(active(finished), MovingThreshold.NAME)
    with RunStore.open_readonly(finished) as store:
        before_convergence = store.epochs()["n_train"].tolist()
    n_initial = 2
    assert max(before_convergence[:-8]) <= n_initial + sum(one.split is Split.TRAINING for one in picked)
    content = json.loads((finished / "results" / "summary.json").read_text(encoding="utf-8"))
    n_training = sum(one.split is Split.TRAINING for one in labels_of(finished))
    assert content["training_structures_of_each_member"] == [n_training] * 2
    assert content["labels"]["test"] == sum(one.split is Split.TEST for one in labels_of(finished))


def test_every_label_of_active_learning_was_predicted_before_it_was_learned(finished: Path) -> None:
    with RunStore.open_readonly(finished) as store:
        predicted = {one.label_id: one for one in store.predicted() if one.stage == ACTIVE}
        scores = {(int(row["trajectory"]), int(row["md_step"])): float(row["score"]) for row in store.scores()}
    assert set(predicted) == {one.label_id for one in active(finished)}
    for one in predicted.values():
        score = scores[one.frame.trajectory, one.frame.md_step]
        deviation = np.sqrt(np.square(one.prediction.forces_deviation).sum(axis=1) / 3).max()
        assert deviation == pytest.approx(score, rel=1e-12), "the prediction is the one that it was judged by"
        assert one.prediction.generation == one.frame.generation


def test_a_score_counts_as_picked_only_where_its_threshold_picked_it(finished: Path) -> None:
    with RunStore.open_readonly(finished) as store:
        scores = store.scores()
    assert len(of(active(finished), RandomShare.NAME)) + len(of(active(finished), FixedSteps.NAME)) > 0
    picked = {(int(row["trajectory"]), int(row["md_step"])) for row in scores[scores["picked"]]}
    labelled = of(active(finished), MovingThreshold.NAME)
    assert picked == {(one.frame.trajectory, one.frame.md_step) for one in labelled}


def test_stated_errors_are_those_on_test_structures_and_told_by_origin(finished: Path) -> None:
    content = json.loads((finished / "results" / "summary.json").read_text(encoding="utf-8"))
    at_random = of(active(finished), RandomShare.NAME)
    n_test = sum(one.split is Split.TEST for one in at_random)
    assert content["errors_on_test_set"]["mean"]["n_structures"] == n_test
    metrics = json.loads((finished / "results" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["data"].endswith("test.extxyz")
    groups = {(one["origin"], one["split"]): one["n_structures"] for one in content["errors_by_origin"]}
    assert groups["from the MD at random", "test"] == n_test
    assert sum(groups.values()) == content["labels"]["validation"] + n_test


def test_analysis_says_what_the_deviation_is_worth(finished: Path) -> None:
    content = json.loads((finished / "results" / "summary.json").read_text(encoding="utf-8"))
    found = content["analysis"]
    assert found["n_labels"] == len(active(finished))
    assert -1 <= found["pearson"] <= 1
    assert (finished / "results" / "analysis.png").stat().st_size > 10_000


def test_analysis_that_is_not_to_train_has_no_place_in_the_dataset(tmp_path: Path) -> None:
    changes = {"ACTIVE_LEARNING": {**CHANGES["ACTIVE_LEARNING"], "train_on_analysis": False}}
    folder = copper_project(tmp_path, changes=changes)
    run(folder)
    with RunStore.open_readonly(folder) as store:
        assert store.unassigned(ACTIVE)
        assert not of(list(store.labelled()), FixedSteps.NAME)


def test_campaign_that_is_interrupted_again_and_again_judges_by_the_same_labels(finished: Path, tmp_path: Path) -> None:
    folder = copper_project(tmp_path, changes=CHANGES)
    for _ in range(200):
        departure = Departure()
        seen: list[object] = []

        def act(status: object, seen: list[object] = seen, departure: Departure = departure) -> None:
            seen.append(status)
            if len(seen) > 9:
                departure.ask(Reason.INTERRUPTED)

        try:
            run_campaign(loaded(folder), stages=stages_of(folder), observer=Watcher(act), departure=departure)
            break
        except Departed:
            continue
    expected = [(one.label_id, one.source, one.split, one.frame.positions.tobytes()) for one in labels_of(finished)]
    assert [
        (one.label_id, one.source, one.split, one.frame.positions.tobytes()) for one in labels_of(folder)
    ] == expected


def test_share_that_is_switched_on_in_a_run_that_goes_on_is_taken_from_there(tmp_path: Path) -> None:
    folder = copper_project(tmp_path, changes={"ACTIVE_LEARNING": {"max_train_set_size": 4}})
    run(folder)
    before = [one.label_id for one in active(folder)]
    copper_project(folder, changes={"ACTIVE_LEARNING": {"max_train_set_size": 9, "random_label_share": 0.5}})
    run(folder)
    at_random = of(active(folder), RandomShare.NAME)
    assert at_random
    assert min(one.label_id for one in at_random) > max(before)
