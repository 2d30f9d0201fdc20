"""What the committee's deviation is worth: statistics of scores and true errors."""

from pathlib import Path

import numpy as np
import pytest

from aims_pax.dataset.store import RunStore
from aims_pax.frame import CommitteePrediction, Frame, Label
from aims_pax.outcome.errors.analysis import FIGURE, analysed, write_analysis


def filled(folder: Path, scores: list[float], errors: list[float], sources: list[str]) -> None:
    """A run whose committee deviated by so much on one atom, and was wrong by so much there."""
    with RunStore.open(folder) as store, store.transaction():
        for number, (score, error, source) in enumerate(zip(scores, errors, sources, strict=True)):
            frame = Frame("hydrogen", 0, number, 1, np.array([1, 1]), np.zeros((2, 3)))
            label_id = store.add_job(frame, "active", source=source)
            deviation = np.zeros((2, 3))
            deviation[1] = score
            store.add_prediction(
                label_id, CommitteePrediction(1, -1.0, 0.1, forces=np.zeros((2, 3)), forces_deviation=deviation)
            )
            forces = np.zeros((2, 3))
            forces[1] = error
            store.add_label(label_id, Label(-1.0, forces, None, "none", 1.0))


def test_scores_and_errors_are_those_of_the_worst_atom(tmp_path: Path) -> None:
    scores, errors = [0.1, 0.2, 0.3, 0.2, 0.1], [0.2, 0.4, 0.6, 0.4, 0.2]
    filled(tmp_path, scores, errors, ["analysis"] * 5)
    with RunStore.open_readonly(tmp_path) as store:
        found = analysed(store)
    assert found is not None
    np.testing.assert_allclose(found.score, scores, rtol=1e-12)
    np.testing.assert_allclose(found.error, errors, rtol=1e-12)
    assert found.correlation == pytest.approx(1.0)
    assert found.ratio == pytest.approx(2.0)


def test_picked_structures_do_not_count_for_the_correlation(tmp_path: Path) -> None:
    scores = [0.1, 0.2, 0.3, 0.4, 0.5, 9.0, 9.0]
    errors = [0.5, 0.4, 0.3, 0.2, 0.1, 9.0, 9.0]
    filled(tmp_path, scores, errors, ["random share"] * 5 + ["moving threshold"] * 2)
    with RunStore.open_readonly(tmp_path) as store:
        found = analysed(store)
    assert found is not None
    assert found.correlation == pytest.approx(-1.0)
    assert found.record()["n_unbiased"] == 5
    assert found.record()["n_labels"] == 7


def test_nothing_is_said_of_a_few(tmp_path: Path) -> None:
    filled(tmp_path, [0.1] * 6, [0.2] * 6, ["analysis"] * 4 + ["moving threshold"] * 2)
    with RunStore.open_readonly(tmp_path) as store:
        assert write_analysis(store, tmp_path / "results") is None
    assert not (tmp_path / "results" / FIGURE).exists()


def test_correlation_is_told_for_successive_parts_of_the_run(tmp_path: Path) -> None:
    up = np.linspace(0.1, 1.0, 15)
    scores, errors = [*up, *up], [*up, *(1.1 - up)]
    filled(tmp_path, scores, errors, ["analysis"] * 30)
    with RunStore.open_readonly(tmp_path) as store:
        record = write_analysis(store, tmp_path / "results")
    assert record is not None
    assert record["pearson_by_window"][0] == pytest.approx(1.0)
    assert record["pearson_by_window"][-1] == pytest.approx(-1.0)
    assert (tmp_path / "results" / FIGURE).stat().st_size > 10_000
