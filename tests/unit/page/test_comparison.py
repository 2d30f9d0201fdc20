"""Predictions beside labels, and how sure their errors are."""

from pathlib import Path

import numpy as np
import pytest

from aims_pax.evaluation.blocks import blocked_errors
from aims_pax.frame import Frame
from aims_pax.outcome.predictions import read_predictions
from aims_pax.page.comparison import blocked_correlation, pairs
from aims_pax.page.material import read_material

from .runs import N_LABELS, write_run


def frames(n: int, n_trajectories: int) -> list[Frame]:
    return [Frame("h", i % n_trajectories, i, 0, np.array([1]), np.zeros((1, 3))) for i in range(n)]


def test_the_product_is_compared_with_test_structures_alone_where_there_are_any(tmp_path: Path) -> None:
    material = read_material(write_run(tmp_path / "run"), name="run")
    final, saved = material.final, read_predictions(tmp_path / "run" / "results")
    assert final is not None
    assert saved is not None
    tested = [point for point in material.labelled if str(point.split) == "test"]
    assert [row.label_id for row in final.rows] == [point.label_id for point in tested]
    assert final.of == "tiny.model on 4 test structures, of which it has learned nothing"
    assert all(row.force_error == pytest.approx(0.04) for row in final.rows)  # the second member's offset
    expected = blocked_errors(
        [point.frame for point in tested],
        [point.label for point in tested],
        [saved.by_label[point.label_id] for point in tested],
        member=saved.product,
    )
    interval = final.interval(range(len(final.rows)), lambda row: float(np.abs(row.force_error).mean()))
    assert interval == expected.force_mae_ev_per_ang


def test_what_was_said_before_learning_is_compared_with_every_label_of_active_learning(tmp_path: Path) -> None:
    material = read_material(write_run(tmp_path / "run", finished=False), name="run")
    assert material.final is None
    assert material.before is not None
    assert material.comparison is material.before
    assert len(material.before.rows) == N_LABELS
    ids, reference, predicted = pairs(material.before.rows)["stress"]
    assert len(ids) == len(reference) == 6 * N_LABELS
    assert predicted == pytest.approx(reference)


def test_correlation_is_pearsons_and_surer_with_more_trajectories() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    y = x + rng.normal(size=400)
    found = blocked_correlation(frames(400, 40), x, y)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.value == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert found.low < 0.7071 < found.high  # of the distribution: 1 / sqrt(2)
    assert found.high - found.low < 0.15


def test_nothing_is_said_of_a_correlation_of_few_or_equal_numbers() -> None:
    assert blocked_correlation(frames(4, 2), np.arange(4.0), np.arange(4.0)) is None
    assert blocked_correlation(frames(9, 3), np.ones(9), np.arange(9.0)) is None
