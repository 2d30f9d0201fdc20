"""What is said of the state that the models of a moment are of."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule

from aims_pax.atoms import frame_of
from aims_pax.campaign.snapshot import _state
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Label, Split


@pytest.mark.parametrize(
    ("n_test", "words"),
    [(0, "5 labels: 3 train, 2 validate."), (2, "7 labels: 3 train, 2 validate, 2 test.")],
)
def test_all_labels_are_accounted_for(tmp_path: Path, n_test: int, words: str) -> None:
    splits = [*[Split.TRAINING] * 3, *[Split.VALIDATION] * 2, *[Split.TEST] * n_test]
    with RunStore.open(tmp_path) as store:
        for number, split in enumerate(splits):
            label_id = store.add_job(frame_of(molecule("H2O"), system="water", trajectory=number), "collect")
            store.add_label(label_id, Label(0.0, np.zeros((3, 3)), None, "", 0.0))
            store.assign(label_id, split)
        assert _state(store, None, None) == [f"No models yet: nothing has been done yet. {words}"]
