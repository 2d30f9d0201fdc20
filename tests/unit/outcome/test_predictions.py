"""What is kept of the finished models' predictions is what they said."""

from pathlib import Path

import numpy as np
import pytest

from aims_pax.errors import StoreError
from aims_pax.outcome.predictions import FILE, SavedPredictions, read_predictions
from aims_pax.protocols import FramePrediction


def said(n_atoms: int, *, with_stress: bool) -> FramePrediction:
    rng = np.random.default_rng(n_atoms)
    stress = rng.normal(size=(2, 6)) if with_stress else None
    return FramePrediction(rng.normal(size=2), rng.normal(size=(2, n_atoms, 3)), stress)


def test_predictions_come_back_bit_for_bit_of_molecules_and_crystals(tmp_path: Path) -> None:
    by_label = {7: said(3, with_stress=False), 4: said(8, with_stress=True), 9: said(2, with_stress=True)}
    SavedPredictions(("a_1", "a_2"), 1, by_label).write(tmp_path)
    found = read_predictions(tmp_path)
    assert found is not None
    assert (found.members, found.product, list(found.by_label)) == (("a_1", "a_2"), 1, [7, 4, 9])
    for label_id, one in by_label.items():
        other = found.by_label[label_id]
        np.testing.assert_array_equal(other.energies, one.energies)
        np.testing.assert_array_equal(other.forces, one.forces)
        assert (other.stress is None) == (one.stress is None)
        if one.stress is not None and other.stress is not None:
            np.testing.assert_array_equal(other.stress, one.stress)


def test_a_run_that_kept_nothing_aside_has_none(tmp_path: Path) -> None:
    assert read_predictions(tmp_path) is None
    SavedPredictions(("a_1",), 0, {}).write(tmp_path)
    found = read_predictions(tmp_path)
    assert found is not None
    assert not found.by_label


def test_damage_is_told_with_what_mends_it(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(StoreError, match="Remove it: figures do without"):
        read_predictions(tmp_path)
