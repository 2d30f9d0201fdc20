"""Files of trajectories, which a person reads when the run is over, however often it was killed."""

from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
import pytest

from aims_pax.frame import Frame
from aims_pax.sampling import Advanced
from aims_pax.stages.loop.moving import advance
from aims_pax.stages.loop.recording import TrajectoryRecorder


class Walker:
    """A sampler of one trajectory that only counts its steps."""

    def __init__(self, md_step: int = 0) -> None:
        self._md_step = md_step

    def advance(self, trajectories: Sequence[int], n_steps: int) -> list[Advanced]:
        self._md_step += n_steps
        return [Advanced(trajectory, self._md_step, None) for trajectory in trajectories]

    def md_step(self, trajectory: int) -> int:
        return self._md_step

    def frame(self, trajectory: int) -> Frame:
        positions = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.7 + 0.001 * self._md_step]])
        return Frame("hydrogen", trajectory, self._md_step, 0, np.array([1, 1]), positions)


def record(folder: Path, *, since: int, n_steps: int) -> Path:
    """Let a campaign that stands at a step make some more."""
    recorder = TrajectoryRecorder(folder, "active", interval_steps=2)
    advance(Walker(since), [0], n_steps, recorder=recorder)  # type: ignore[arg-type]
    return folder / "active_000.extxyz"


def steps_in(path: Path) -> list[int]:
    return [atoms.info["md_step"] for atoms in ase.io.read(path, index=":")]


def test_frames_at_multiples_of_the_interval_are_saved(tmp_path: Path) -> None:
    assert steps_in(record(tmp_path, since=0, n_steps=5)) == [2, 4]
    assert steps_in(record(tmp_path, since=5, n_steps=4)) == [2, 4, 6, 8]


@pytest.mark.parametrize("n_lost", [1, 5, 70, 120])
def test_a_frame_that_a_kill_has_cut_off_spoils_no_others(n_lost: int, tmp_path: Path) -> None:
    path = record(tmp_path, since=0, n_steps=4)
    content = path.read_bytes()
    path.write_bytes(content[:-n_lost])
    record(tmp_path, since=4, n_steps=4)
    assert steps_in(path) == [2, 6, 8]


def test_a_file_that_is_spoiled_elsewhere_is_left_to_its_owner(tmp_path: Path) -> None:
    path = record(tmp_path, since=0, n_steps=4)
    content = b"a remark\n" + path.read_bytes()
    path.write_bytes(content)
    record(tmp_path, since=4, n_steps=2)
    assert path.read_bytes().startswith(content)


def test_a_frame_whose_number_of_atoms_was_cut_off_is_dropped(tmp_path: Path) -> None:
    path = record(tmp_path, since=0, n_steps=4)
    path.write_bytes(path.read_bytes() + b"2")
    record(tmp_path, since=4, n_steps=2)
    assert steps_in(path) == [2, 4, 6]
