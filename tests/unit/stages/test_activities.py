"""Wall time by activity and by part of a run, on a clock that is set by hand."""

import json
from pathlib import Path

import pytest

from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.stages.activities import Activity, Part, Stopwatch
from aims_pax.stages.memory import Memory
from aims_pax.testing.clock import Clock


def test_each_second_belongs_to_one_activity_and_one_part() -> None:
    clock = Clock()
    stopwatch = Stopwatch(clock)
    clock.advance(1.0)
    stopwatch.enter(Part.INITIAL)
    with stopwatch.during(Activity.SAMPLING):
        clock.advance(2.0)
    stopwatch.enter(Part.ACTIVE)
    with stopwatch.during(Activity.SAMPLING):
        clock.advance(4.0)
    by_part = stopwatch.seconds_by_part()
    assert by_part["starting"] == 1.0
    assert (by_part["initial"], by_part["active"]) == (2.0, 4.0)
    assert sum(by_part.values()) == sum(stopwatch.seconds().values()) == 7.0
    assert "not recorded" not in by_part


def test_each_stage_is_a_part_by_its_own_name_also_after_an_interruption() -> None:
    clock = Clock()
    first = Stopwatch(clock)
    first.enter("learn-2")
    clock.advance(2.0)
    again = Stopwatch(clock)
    again.add(first.to_text(), parts=first.parts_to_text())
    again.enter("learn-2")
    clock.advance(1.0)
    assert again.seconds_by_part()["learn-2"] == 3.0
    assert list(again.seconds_by_part())[-3:] == ["learn-2", "verdict", "results"]


def test_starting_is_a_part_of_its_own_in_whichever_part_it_happens() -> None:
    clock = Clock()
    stopwatch = Stopwatch(clock)
    stopwatch.enter(Part.ACTIVE)
    with stopwatch.during(Activity.STARTING):
        clock.advance(3.0)
    clock.advance(1.0)
    assert stopwatch.seconds_by_part()["starting"] == 3.0
    assert stopwatch.seconds_by_part()["active"] == 1.0


def test_part_may_change_within_an_activity() -> None:
    clock = Clock()
    stopwatch = Stopwatch(clock)
    with stopwatch.during(Activity.RECORDING):
        clock.advance(1.0)
        stopwatch.enter(Part.RESULTS)
        clock.advance(2.0)
    assert stopwatch.seconds()["recording"] == 3.0
    assert stopwatch.seconds_by_part()["results"] == 2.0


def memory_in(store: RunStore, folder: Path) -> Memory:
    return Memory(store, RunFolder(folder, folder))


def test_resumed_run_adds_to_the_parts_that_were_stored(tmp_path: Path) -> None:
    clock = Clock()
    with RunStore.open(tmp_path) as store:
        memory, first = memory_in(store, tmp_path), Stopwatch(clock)
        first.enter(Part.ACTIVE)
        clock.advance(5.0)
        with store.transaction():
            memory.keep_time(first)
        again = Stopwatch(clock)
        memory.recall_time(again)
        again.enter(Part.CONVERGENCE)
        clock.advance(2.0)
        assert again.seconds_by_part() == pytest.approx(
            dict.fromkeys((str(part) for part in Part if part is not Part.NOT_RECORDED), 0.0)
            | {"active": 5.0, "convergence": 2.0}
        )


def test_time_of_an_older_program_is_kept_and_said_to_be_without_parts(tmp_path: Path) -> None:
    clock = Clock()
    with RunStore.open(tmp_path) as store:
        memory = memory_in(store, tmp_path)
        with store.transaction():
            store.save_state("activities", json.dumps({"sampling": 30.0, "training": 12.0}).encode())
        stopwatch = Stopwatch(clock)
        memory.recall_time(stopwatch)
        stopwatch.enter(Part.ACTIVE)
        clock.advance(8.0)
        assert stopwatch.seconds_by_part()["not recorded"] == 42.0
        assert stopwatch.seconds_by_part()["active"] == 8.0
        assert sum(stopwatch.seconds_by_part().values()) == sum(stopwatch.seconds().values()) == 50.0
        with store.transaction():
            memory.keep_time(stopwatch)
        later = Stopwatch(clock)
        memory.recall_time(later)
        assert later.seconds_by_part()["not recorded"] == 42.0
        older_program = json.loads(store.load_state("activities") or b"")
        assert set(older_program) == set(Activity), "an older program reads this, and knows no other names"
