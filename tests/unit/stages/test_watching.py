import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aims_pax.dataset.records import EpochRow
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.errors import StoreError
from aims_pax.protocols import ErrorAhead, MemberErrors, StageState, Status
from aims_pax.stages.activities import Stopwatch
from aims_pax.stages.memory import Memory
from aims_pax.stages.watching import KEPT_S, SHOWN, Ahead, Watching, kept_status

STATUS = Status(
    stage="active",
    n_running=1,
    n_waiting=0,
    n_training=0,
    n_finished=0,
    n_labels_requested=0,
    n_labels_received=0,
    n_labels_failed=0,
    n_train=4,
    n_valid=1,
    train_goal=10,
    md_steps=0,
    epochs=0,
    threshold=float("inf"),
    last_score=None,
    force_mae_ev_per_ang=None,
    activity="sampling, step 1",
    phases="r",
)

ERROR_AHEAD = ErrorAhead(10, (0.04, 0.05, 0.07), wanted=0.03, n_wanted=(12.0, 15.5, 20.0))


class Clock:
    def __init__(self) -> None:
        self.now_s = 5000.0

    def __call__(self) -> float:
        return self.now_s


class Onlooker:
    def __init__(self) -> None:
        self.seen: list[Status] = []

    def show(self, status: Status) -> None:
        self.seen.append(status)

    def close(self) -> None:
        pass


class Looked:
    """A run that is watched."""

    def __init__(self, store: RunStore, folder: Path) -> None:
        self.store, self.memory = store, Memory(store, RunFolder(folder, folder))
        self.clock, self.onlooker, self.stopwatch = Clock(), Onlooker(), Stopwatch()
        self.watching = self.again()

    def again(self) -> Watching:
        watching = Watching(
            self.onlooker, self.store, self.memory, stopwatch=self.stopwatch, n_workers=2, clock=self.clock
        )
        watching.parts = ("initial", "active", "convergence")
        return watching

    def kept(self) -> Status:
        status = kept_status(self.memory)
        assert status is not None
        return status


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Looked]:
    with RunStore.open(tmp_path) as store:
        yield Looked(store, tmp_path)


def said(activity: str, **changes: Any) -> Status:
    return replace(STATUS, activity=activity, **changes)


def test_what_is_told_is_kept_to_the_last_bit(run: Looked) -> None:
    run.watching.show(STATUS)
    assert run.kept() == run.onlooker.seen[-1]
    assert run.kept().threshold == float("inf")
    assert run.kept().at == 5000.0


def test_numbers_alone_are_kept_every_ten_seconds(run: Looked) -> None:
    for _ in range(25):
        run.clock.now_s += 1.0
        run.watching.show(said(f"sampling, step {run.clock.now_s:.0f}"))
    assert run.onlooker.seen[-1].at == 5025.0
    assert run.kept().at == 5023.0, "the first, and the first after ten seconds, twice"
    assert KEPT_S == 10.0


def test_another_activity_is_kept_at_once(run: Looked) -> None:
    run.watching.show(STATUS)
    run.watching.show(said("waiting for labels"))
    assert run.kept().activity == "waiting for labels"


def test_keeping_waits_for_no_disk_and_is_part_of_what_is_committed(run: Looked) -> None:
    run.watching.show(STATUS)
    run.watching.show(said("sampling, step 2"))
    with suppress(KeyboardInterrupt), run.store.transaction():
        run.watching.keep()
        raise KeyboardInterrupt
    assert run.kept().activity == "sampling, step 1"


def test_what_is_waited_for_is_told_and_kept_with_the_time_since_when(run: Looked) -> None:
    run.watching.tell_what_is_waited_for("nothing is shown yet")
    run.watching.show(said("waiting for labels", is_waiting=True))
    run.clock.now_s += 90.0
    run.watching.tell_what_is_waited_for("2 jobs are pending")
    assert run.onlooker.seen[-1].waits_for == "2 jobs are pending"
    assert run.kept() == run.onlooker.seen[-1]
    assert run.kept().at == 5000.0
    run.watching.show(said("sampling"))
    assert run.kept().waits_for == ""


def test_parts_before_the_present_one_are_over(run: Looked) -> None:
    def states() -> list[StageState]:
        run.watching.show(STATUS)
        return [one.state for one in run.onlooker.seen[-1].stages]

    assert states() == [StageState.AHEAD] * 3, "nothing has begun"
    run.stopwatch.enter("active")
    assert states() == [StageState.OVER, StageState.PRESENT, StageState.AHEAD]
    assert run.onlooker.seen[-1].present == "active"


def test_time_left_is_told_of_parts_that_are_not_over(run: Looked) -> None:
    heard: list[Status] = []

    def outlook(status: Status, _store: RunStore, _memory: Memory) -> Ahead:
        heard.append(status)
        return Ahead({"initial": (1.0, 1.0, 1.0), "convergence": (1.0, 2.0, 3.0)}, ERROR_AHEAD)

    run.watching.outlook = outlook
    run.stopwatch.enter("active")
    run.watching.show(STATUS)
    assert [one.left_s for one in run.onlooker.seen[-1].stages] == [(), (), (1.0, 2.0, 3.0)]
    assert heard[0].present == "active"
    assert run.onlooker.seen[-1].error_ahead == ERROR_AHEAD
    assert run.kept() == run.onlooker.seen[-1], "and is read back from the store"


def test_trend_of_the_error_goes_on_from_earlier_sessions(run: Looked) -> None:
    errors = [MemberErrors(1.0, 0.01, mae, None) for mae in (0.3, 0.2)]
    run.store.add_epochs([EpochRow(n, n, 0, 1.0, one, 4, 1) for n, one in enumerate(errors, start=1)])
    watching = run.again()
    watching.show(said("training", force_mae_ev_per_ang=0.1))
    watching.show(said("training", force_mae_ev_per_ang=0.1))
    assert run.onlooker.seen[-1].force_maes == (0.3, 0.2, 0.1)


def test_what_a_later_program_tells_besides_is_left_out(run: Looked) -> None:
    run.watching.show(STATUS)
    content = json.loads(run.memory.recall_bytes(SHOWN) or b"") | {"mood": "fine"}
    run.memory.keep_json(SHOWN, content)
    assert run.kept() == run.onlooker.seen[-1]


def test_what_can_not_be_read_is_damage(run: Looked) -> None:
    run.memory.keep_bytes(SHOWN, b"{")
    with pytest.raises(StoreError, match="damaged"):
        run.kept()


def test_a_run_that_has_told_nothing_has_kept_nothing(run: Looked) -> None:
    assert kept_status(run.memory) is None
