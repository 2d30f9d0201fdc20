"""Calibrations of runs and files: what they are fitted to, where they stand, and whose they are."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aims_pax.dataset.store import RunStore
from aims_pax.errors import UserError
from aims_pax.frame import Frame, Label, LabelledFrame, Split
from aims_pax.outcome.calibrated.fitted import evidence_of, fit
from aims_pax.outcome.calibrated.kept import FILE, beside, read, read_for, write
from aims_pax.outcome.calibrated.of_run import ALONE, SINGLE, aside_of, calibrate_run
from aims_pax.outcome.predictions import SavedPredictions
from aims_pax.protocols import FramePrediction
from aims_pax.selection.calibration import Evidence

NAMES = ("pax_1", "pax_2", "pax_3")


def frame(number: int) -> Frame:
    return Frame("h2", number % 4, number, 0, np.array([1, 1]), np.array([[0.0, 0, 0], [0, 0, 0.74 + 0.001 * number]]))


def said_and_label(number: int) -> tuple[FramePrediction, Label]:
    """Members around a mean whose error is of the size of their spread, times a size of the structure."""
    rng = np.random.default_rng(number)
    size = np.exp(rng.normal(0.0, 0.5))
    said = FramePrediction(0.1 * size * rng.normal(size=3), size * rng.normal(size=(3, 2, 3)), None)
    return said, Label(0.1 * size * rng.normal(), size * rng.normal(size=(2, 3)), None, "test", 0.1)


def filled(folder: Path, splits: Sequence[Split], *, source: str = "random share") -> tuple[RunStore, SavedPredictions]:
    """A run that is over: a labelled structure for each split, and what its models say of those kept aside."""
    store, said = RunStore.open(folder), {}
    for number, split in enumerate(splits):
        label_id = store.add_job(frame(number), "learn", source=source)
        said[label_id], label = said_and_label(number)
        store.add_label(label_id, label)
        store.assign(label_id, split)
    return store, SavedPredictions(NAMES, 0, said)


def models(results: Path, names: Sequence[str] = NAMES) -> list[Path]:
    """Files that stand for models; nothing looks into them."""
    paths = [results / "committee" / f"{name}.model" for name in names]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    for path in paths:
        path.write_text(path.name)
    return paths


def test_a_run_leaves_a_calibration_beside_its_models(tmp_path: Path) -> None:
    store, saved = filled(tmp_path, [Split.TEST] * 30)
    with store:
        files = models(tmp_path / "results")
        told = calibrate_run(store, files, [], saved)
    assert told["file"] == FILE
    assert "30 test structures" in told["text"]
    assert told["caution"] == ""
    kept = beside(files)
    assert kept is not None
    assert kept.path == tmp_path / "results" / FILE
    assert kept.content["evidence"] == {
        **{"structures": "30 test structures", "caution": "", "n_structures": 30, "n_blocks": 8, "n_atoms": [2, 2]}
    }
    assert set(kept.content["quantities"]) == {"energy", "forces"}
    assert set(kept.content["quantities"]["forces"]["coverage"]) == {"50", "80", "90"}


def test_validation_structures_help_where_test_structures_are_few_and_it_is_said(tmp_path: Path) -> None:
    store, saved = filled(
        tmp_path, [Split.TEST, Split.VALIDATION] * 12 + [Split.TRAINING] * 5, source="moving threshold"
    )
    with store:
        found = aside_of(list(store.labelled()))
        assert found is not None
        told = calibrate_run(store, models(tmp_path / "results"), [], saved)
    assert len(found.points) == 24
    assert "12 of these structures validated" in told["caution"]
    assert "24 were picked because" in told["caution"]


def test_too_few_structures_leave_no_calibration_and_it_is_said_why(tmp_path: Path) -> None:
    store, saved = filled(tmp_path, [Split.TEST] * 19)
    results = tmp_path / "results"
    files = models(results)
    (results / FILE).write_text("that of other models")
    with store:
        told = calibrate_run(store, files, [], saved)
        assert told == {
            "file": None,
            "text": "none: it needs 20 structures for test or validation, and there are 19",
        }
        assert not (results / FILE).exists()
        assert calibrate_run(store, files, ["pax_2"], saved)["text"] == ALONE
        assert calibrate_run(store, files[:1], [], saved)["text"] == SINGLE
        assert "there are 0" in calibrate_run(store, files, [], None)["text"]


def test_members_that_were_not_trained_to_the_end_have_no_part_in_it(tmp_path: Path) -> None:
    store, saved = filled(tmp_path, [Split.TEST] * 24)
    with store:
        files = models(tmp_path / "results")
        calibrate_run(store, files, ["pax_1", "pax_3"], saved)
    assert beside(files) is None
    kept = beside([files[2], files[0]])
    assert kept is not None
    assert [one["file"] for one in kept.content["models"]] == ["pax_1.model", "pax_3.model"]


def evidence_of_some(n: int) -> Evidence:
    pairs = [said_and_label(number) for number in range(n)]
    return evidence_of([frame(number) for number in range(n)], [one for _, one in pairs], [one for one, _ in pairs])


def fitted_and_files(folder: Path, n: int = 40) -> tuple[list[Path], Path]:
    fitted = fit(evidence_of_some(n), on=f"{n} structures of later.xyz")
    assert fitted is not None
    files = models(folder)
    return files, write(fitted, files, folder)


def test_a_calibration_is_that_of_its_files_and_no_others(tmp_path: Path) -> None:
    files, path = fitted_and_files(tmp_path)
    assert read_for(path, files[::-1]).path == path
    with pytest.raises(UserError, match=r"calibration of the mean of other models \(pax_1\.model, pax_2\.model"):
        read_for(path, files[:2])
    files[1].write_text("trained once more")
    assert beside(files) is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"version": 1}', '{"version": 1, "models": [], "quantities": {"mass": {}}}']
)
def test_a_file_that_is_none_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(UserError, match=r"calibration.json: can't be read as a calibration"):
        read(tmp_path / FILE)


def test_a_file_of_a_newer_version_is_told(tmp_path: Path) -> None:
    _, path = fitted_and_files(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 2}))
    with pytest.raises(UserError, match="newer version"):
        read(path)


def test_what_is_told_says_which_estimate_and_why() -> None:
    fitted = fit(evidence_of_some(40), on="40 structures", caution="They are old.")
    assert fitted is not None
    text = fitted.text()
    assert text.count("chosen: ") == 2
    assert text.count("slope through zero") == 3, "energies are told by forces, too"
    assert text.endswith("They are old.")
    assert "intervals for 90 % held" in fitted.sentence()


def test_trajectories_are_never_on_both_sides() -> None:
    frames = [replace(frame(number), trajectory=number // 10) for number in range(80)]
    pairs = [said_and_label(number) for number in range(80)]
    evidence = evidence_of(frames, [one for _, one in pairs], [one for one, _ in pairs])
    assert len(set(evidence.block)) == 8
    assert all(len(set(evidence.block[start : start + 10])) == 1 for start in range(0, 80, 10))


def test_points_that_train_are_no_evidence() -> None:
    point = LabelledFrame(1, frame(0), said_and_label(0)[1], Split.TRAINING)
    assert aside_of([point] * 30) is None
