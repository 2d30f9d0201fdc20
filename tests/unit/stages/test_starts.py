"""Where the trajectories of active learning begin."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase.io import write

from aims_pax.dataset.store import RunStore
from aims_pax.frame import Label, Split, Stage
from aims_pax.settings import Project, load_project
from aims_pax.stages.beginnings.starts import starting_frames

from ...integration.projects import copper, copper_project


def project(folder: Path, **keys: object) -> Project:
    """Two systems, a and b, and five trajectories."""
    changes = {"ACTIVE_LEARNING": {"num_trajectories": 5, **keys}, "MISC": None}
    copper_project(folder, changes=changes)
    (folder / "geometry").mkdir()
    for name in ("a", "b"):
        write(folder / "geometry" / f"{name}.xyz", copper())
    return load_project(folder)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.open(tmp_path / "run") as opened:
        yield opened


def label(store: RunStore, chosen: Project, system: int, shift: float, *, split: Split, stage: Stage) -> None:
    """A labelled structure of a system, recognised by its shift."""
    frame = chosen.systems[system].frame
    moved = replace(frame, positions=frame.positions + shift, md_step=int(100 * shift), trajectory=system)
    label_id = store.add_job(moved, stage)
    store.add_label(label_id, Label(-1.0, np.zeros((4, 3)), None, "test", 0.1))
    store.assign(label_id, split)


def shifts(chosen: Project, store: RunStore) -> list[float]:
    frames = starting_frames(chosen, chosen.active, store)
    assert [frame.md_step for frame in frames] == [0] * 5
    assert [frame.trajectory for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.system for frame in frames] == ["a", "b", "a", "b", "a"]
    return [
        round(float((frame.positions - chosen.system_for(k).frame.positions).mean()), 6)
        for k, frame in enumerate(frames)
    ]


def fill(store: RunStore, chosen: Project) -> None:
    for k in range(6):
        label(store, chosen, 0, 0.1 * k, split=Split.TRAINING, stage=Stage.INITIAL)
    label(store, chosen, 0, 9.0, split=Split.VALIDATION, stage=Stage.INITIAL)
    label(store, chosen, 0, 8.0, split=Split.TRAINING, stage=Stage.ACTIVE)


def test_trajectories_begin_at_the_starting_structures_unless_asked_otherwise(store: RunStore, tmp_path: Path) -> None:
    chosen = project(tmp_path / "project")
    fill(store, chosen)
    assert shifts(chosen, store) == [0.0] * 5


def test_trajectories_begin_at_different_training_structures_of_their_own_system(
    store: RunStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = project(tmp_path / "project", start_from="initial_dataset")
    fill(store, chosen)
    with caplog.at_level(logging.WARNING):
        assert shifts(chosen, store) == [0.5, 0.0, 0.3, 0.0, 0.1]
    assert caplog.messages == ["system b has no training structure of the initial dataset, and begins as it was given"]
    label(store, chosen, 1, 0.7, split=Split.TRAINING, stage=Stage.INITIAL)
    assert shifts(chosen, store) == [0.5, 0.7, 0.3, 0.7, 0.1]


def test_trajectories_of_systems_that_say_their_number_begin_apart_as_well(store: RunStore, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    project(folder, start_from="initial_dataset")
    settings = yaml.safe_load((folder / "aims_PAX.yaml").read_text(encoding="utf-8"))
    settings["ACTIVE_LEARNING"]["num_trajectories"] = 5
    settings["SYSTEMS"] = {
        name: {"geometry": f"geometry/{name}.xyz", "num_trajectories": number} for name, number in (("a", 4), ("b", 1))
    }
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    chosen = load_project(folder)
    fill(store, chosen)
    label(store, chosen, 1, 0.7, split=Split.TRAINING, stage=Stage.INITIAL)
    frames = starting_frames(chosen, chosen.active, store)
    assert [frame.system for frame in frames] == ["a", "a", "a", "a", "b"]
    moved = [float((frame.positions - chosen.system_for(k).frame.positions).mean()) for k, frame in enumerate(frames)]
    assert moved == pytest.approx([0.5, 0.4, 0.2, 0.1, 0.7])
