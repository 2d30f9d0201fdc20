"""How benchmarks/labels_needed.py chooses structures, and what it refuses."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from aims_pax.frame import Frame

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("labels_needed")
    for name in ("labels_needed", "curves", "ethanol"):
        sys.modules.pop(name, None)


def looks(n_looks: int, n_trajectories: int) -> list[list[Frame]]:
    numbers, positions = np.array([1]), np.zeros((1, 3))
    return [[Frame("x", one, look, 0, numbers, positions) for one in range(n_trajectories)] for look in range(n_looks)]


def places(script: ModuleType, way: str, labels: int, seed: int = 1) -> list[tuple[int, int]]:
    chosen = script.chosen_from_md(script.Cell("x", seed, labels, way), looks(20, 4))
    return [(frame.trajectory, frame.md_step) for frame in chosen]


def test_random_frames_are_nested_and_another_seed_draws_others(script: ModuleType) -> None:
    few, many = places(script, "random", 12), places(script, "random", 40)
    assert many[:12] == few
    assert len(set(many)) == 40
    assert set(places(script, "random", 12, seed=2)) != set(few)


def test_uniform_frames_are_evenly_spaced_in_every_trajectory(script: ModuleType) -> None:
    chosen = places(script, "uniform", 16)
    assert len(set(chosen)) == 16
    for trajectory in range(4):
        steps = sorted(step for one, step in chosen if one == trajectory)
        assert set(np.diff(steps)) == {5}
    assert len(set(places(script, "uniform", 80))) == 80


def test_labels_are_made_once_and_kept(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def labels_of(frames: list[Frame], method: str) -> list[object]:
        made.extend(frame.md_step for frame in frames)
        return [script.Label(float(frame.md_step), frame.positions + 1, None, method, 0.0) for frame in frames]

    monkeypatch.setattr(script, "labels_of", labels_of)
    system = script.systems_of(is_quick=True)["ethanol"]
    frames = [frame for look in looks(6, 1) for frame in look]
    script.labels_at(frames[:4], system, tmp_path / "labels.npz")
    found = script.labels_at(frames[::-1], system, tmp_path / "labels.npz")
    assert made == [0, 1, 2, 3, 5, 4]
    assert [label.energy for label in found] == [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--labels", "11"], "--labels: 11 is not from 12 to 40, which ethanol has MD of"),
        (["--show"], "is of another recipe, 'of old'"),
    ],
)
def test_what_can_not_be_measured_or_compared_is_refused(
    script: ModuleType, arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "table.jsonl"
    if "--show" in arguments:
        script.append(table, script.Record("ethanol", 1, 14, "random", 30.0, 200.0, 400.0, 60.0, "of old"))
    monkeypatch.setattr(
        sys, "argv", ["labels_needed.py", "--quick", "--work", str(tmp_path), "--table", str(table), *arguments]
    )
    with pytest.raises(SystemExit, match=words):
        script.main()


def test_every_system_has_md_for_all_its_numbers_of_labels(script: ModuleType) -> None:
    for is_quick in (False, True):
        for system in script.systems_of(is_quick=is_quick).values():
            assert max(system.labels) <= system.pool.n_trajectories * system.pool.n_looks
            assert min(system.labels) >= script.FEWEST_LABELS
