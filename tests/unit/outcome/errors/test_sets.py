"""Where structures lie for a model, kept and read again."""

from pathlib import Path

import numpy as np
import pytest

from aims_pax.errors import StoreError
from aims_pax.frame import FloatArray, Frame, Label, LabelledFrame, Split
from aims_pax.outcome.errors.sets import FILE, MOST_STRUCTURES, places_of, read_places


class Line:
    """Sees how far the first atom is along x, and little else."""

    def descriptors(self, frames: list[Frame]) -> FloatArray:
        return np.array([[frame.positions[0, 0], 1e-3 * frame.md_step % 2, 0.0] for frame in frames])


def points(n: int) -> list[LabelledFrame]:
    found = []
    for number in range(n):
        frame = Frame("it", 0, number, 0, np.array([1]), np.array([[float(number), 0.0, 0.0]]))
        label = Label(0.0, np.zeros((1, 3)), None, "none", 1.0)
        found.append(LabelledFrame(number + 1, frame, label, Split.TRAINING, None, "active", ""))
    return found


def test_places_follow_what_differs_the_most_and_are_read_as_written(tmp_path: Path) -> None:
    found = places_of(points(20)[::-1], Line())
    assert found is not None
    assert found.label_id.tolist() == list(range(1, 21))
    np.testing.assert_allclose(np.abs(np.diff(found.places[:, 0])), 1.0, atol=1e-3)
    assert found.shares[0] > 0.99
    found.write(tmp_path)
    again = read_places(tmp_path)
    assert again is not None
    np.testing.assert_array_equal(again.places, found.places)


def test_few_structures_have_no_map_and_many_are_thinned_out() -> None:
    assert places_of(points(4), Line()) is None
    many = places_of(points(MOST_STRUCTURES + 1), Line())
    assert many is not None
    assert (len(many.label_id), many.n_structures) == (MOST_STRUCTURES // 2 + 1, MOST_STRUCTURES + 1)


def test_damaged_file_is_told(tmp_path: Path) -> None:
    assert read_places(tmp_path) is None
    (tmp_path / FILE).write_text("no arrays")
    with pytest.raises(StoreError, match="can't be read"):
        read_places(tmp_path)
