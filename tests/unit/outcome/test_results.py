"""Which files of structures a run leaves."""

from pathlib import Path

import numpy as np

from aims_pax.dataset.entries import Keys
from aims_pax.dataset.extxyz import read_extxyz
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Frame, Label, Split
from aims_pax.outcome.datasets import write_datasets


def fill(store: RunStore, *splits: Split) -> None:
    """A labelled structure for each of these splits; its energy says which."""
    for number, split in enumerate(splits, start=1):
        frame = Frame("h2", 0, number, 0, np.array([1, 1]), np.array([[0.0, 0, 0], [0, 0, 0.74]]))
        label_id = store.add_job(frame, "learn")
        store.add_label(label_id, Label(-float(number), np.zeros((2, 3)), None, "test", 0.1))
        store.assign(label_id, split)


def test_structures_for_testing_are_written_apart_where_there_are_any(tmp_path: Path) -> None:
    with RunStore.open(tmp_path / "run") as store:
        fill(store, Split.TRAINING, Split.VALIDATION)
        written = write_datasets(store, tmp_path / "results", Keys())
        assert {path.name: n for path, n in written.items()} == {"training.extxyz": 1, "validation.extxyz": 1}
    with RunStore.open(tmp_path / "another") as store:
        fill(store, Split.TRAINING, Split.VALIDATION, Split.TEST)
        written = write_datasets(store, tmp_path / "results", Keys())
    assert {path.name: n for path, n in written.items()} == {f"{split}.extxyz": 1 for split in Split}
    ((_, label),) = read_extxyz(tmp_path / "results" / "test.extxyz")
    assert label.energy == -3.0
