"""Labels that take too long, labels that can't finish in time, and waiting that is said and ended."""

import logging
import time
from pathlib import Path

import numpy as np
import pytest

from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure, Reason
from aims_pax.errors import PoolDead
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure, Stage
from aims_pax.labelling.desk import SLOW_LABEL, WORKERS_LOST, LabelDesk
from aims_pax.labelling.in_flight import InFlight
from aims_pax.labelling.patience import Patience
from aims_pax.protocols import LabelJob, PoolOutlook
from aims_pax.testing.clock import Clock
from aims_pax.testing.pools import ScriptedPool
from aims_pax.times import about


def patient_pool(outlook: PoolOutlook | None = None) -> ScriptedPool:
    """Keeps what it is given; answers only what it is told to."""
    outlook = outlook or PoolOutlook("2 blocks run", is_dead=False)
    return ScriptedPool(delay=lambda job: None, outlook=outlook)


def frame(md_step: int, system: str = "hydrogen") -> Frame:
    return Frame(system, 0, md_step, 0, np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.74]]))


def label(wall_s: float) -> Label:
    return Label(-1.0, np.zeros((2, 3)), None, "scripted", wall_s)


def desk_of(store: RunStore, pool: ScriptedPool, folder: Path, departure: Departure | None = None) -> LabelDesk:
    run = RunFolder(folder, folder / "calculations")
    return LabelDesk(
        store, pool, run, Stage.ACTIVE, keeps_folders=False, departure=departure or Departure(), no_progress_s=0.05
    )


def begin(job: LabelJob, clock: float, *, host: str = "node-03", process: int = 4711) -> Path:
    """The folder of an attempt, as a worker makes it."""
    attempt = job.folder / f"attempt-{host}-{process}-{int(clock * 1e9)}"
    attempt.mkdir(parents=True)
    return attempt


def test_label_far_slower_than_its_peers_is_reported_once(tmp_path: Path) -> None:
    clock = Clock()
    in_flight = InFlight(lambda system, n: [180.0] * 7, clock=clock)
    job = LabelJob(17, frame(1), tmp_path / "17")
    in_flight.sent(job)
    begin(job, clock.now)
    clock.now += 5 * 180.0 - 1
    assert list(in_flight.newly_slow()) == []
    clock.now += 42 * 60.0 - 5 * 180.0 + 1
    (slow,) = in_flight.newly_slow()
    assert str(slow) == ("17 has been computing for 42 min on node-03 (process 4711); the median of 7 others was 3 min")
    assert list(in_flight.newly_slow()) == []


@pytest.mark.parametrize(("peers_s", "elapsed_s"), [([10.0] * 4, 1e5), ([2.0] * 20, 55.0)])
def test_few_peers_or_less_than_a_minute_make_no_label_slow(
    peers_s: list[float], elapsed_s: float, tmp_path: Path
) -> None:
    clock = Clock()
    in_flight = InFlight(lambda system, n: peers_s, clock=clock)
    job = LabelJob(1, frame(1), tmp_path / "1")
    in_flight.sent(job)
    begin(job, clock.now)
    clock.now += elapsed_s
    assert list(in_flight.newly_slow()) == []


def test_attempts_that_were_over_before_are_not_under_way(tmp_path: Path) -> None:
    clock = Clock()
    in_flight = InFlight(lambda system, n: [1.0] * 9, clock=clock)
    job = LabelJob(1, frame(1), tmp_path / "1")
    begin(job, clock.now - 9000.0)
    in_flight.sent(job)
    assert in_flight.states() == ["label 1 (hydrogen) has not begun"]
    assert list(in_flight.newly_slow()) == []
    begin(job, clock.now, process=5)
    clock.now += 90.0
    assert in_flight.states() == ["label 1 (hydrogen) has been computing for 90 s on node-03 (process 5)"]
    in_flight.ended(1)
    assert in_flight.states() == []


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1.0, "0 s"), (45.2, "45 s"), (180.0, "3 min"), (7199.0, "120 min"), (12600.0, "3.5 h")]
)
def test_durations_are_said_for_people(seconds: float, words: str) -> None:
    assert about(seconds) == words


def test_slow_labels_and_lost_workers_are_written_into_the_journal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pool = patient_pool()
    with RunStore.open(tmp_path) as store, caplog.at_level(logging.WARNING):
        for md_step in range(1, 7):
            store.add_label(store.add_job(frame(md_step), Stage.ACTIVE), label(2.0))
        desk = desk_of(store, pool, tmp_path)
        desk.send(desk.request(frame(9)))
        begin(pool.in_flight[7], time.time() - 3600.0)
        pool.n_lost = 2
        time.sleep(0.06)
        assert desk.collect(timeout_s=0.0) == []
        assert desk.collect(timeout_s=0.0) == []
        journal = [(entry.kind, entry.payload) for entry in store.journal()]
    assert [kind for kind, _ in journal] == [WORKERS_LOST, SLOW_LABEL]
    assert journal[0][1] == {"n": 2}
    assert journal[1][1]["label_id"] == 7
    assert "label 7 has been computing for 60 min on node-03 (process 4711); the median of 6 others was 2 s" in (
        caplog.text
    )


def test_times_of_an_earlier_session_are_known(tmp_path: Path) -> None:
    with RunStore.open(tmp_path) as store:
        for md_step in range(1, 31):
            store.add_label(store.add_job(frame(md_step), Stage.ACTIVE), label(float(md_step)))
        store.add_label(store.add_job(frame(99, "water"), Stage.ACTIVE), label(1e6))
        in_flight = InFlight(store.recent_wall_s)
        assert in_flight.longest_s("hydrogen") == 30.0
        in_flight.labelled("hydrogen", 77.0)
        assert in_flight.longest_s("hydrogen") == 77.0
        assert in_flight.longest_s("ice") is None


def test_label_that_could_not_finish_in_time_is_held_for_the_next_session(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    departure, pool = Departure(), patient_pool()
    departure.ends_at = time.time() + 100.0
    with RunStore.open(tmp_path) as store, caplog.at_level(logging.INFO):
        desk = desk_of(store, pool, tmp_path, departure)
        desk.send(desk.request(frame(1)))
        assert pool.in_flight[1].start_before is None  # nobody knows how long a label takes
        pool.answer(1, label(40.0))
        (done,) = desk.collect(timeout_s=None)
        desk.record(done)
        desk.send(desk.request(frame(2)))
        assert departure.ends_at is not None
        assert pool.in_flight[2].start_before == pytest.approx(departure.ends_at - 40.0)
        departure.ends_at = time.time() + 30.0
        desk.send(desk.request(frame(3)))
        assert 3 not in pool.in_flight
        assert not desk.only_held
        pool.answer(2, LabelFailure(FailureReason.NOT_STARTED, "too late"))
        assert desk.collect(timeout_s=None) == []
        assert desk.only_held
        assert desk.collect(timeout_s=None) == []
        assert (store.counts().n_in_flight, store.counts().n_failures) == (2, 0)
    assert "label 3  waits for the next session: it may take 40 s" in caplog.text
    with RunStore.open(tmp_path) as store:
        desk = desk_of(store, again := patient_pool(), tmp_path)
        assert desk.resume() == []
        assert list(again.in_flight) == [2, 3]


def test_nothing_is_waited_for_when_the_campaign_is_asked_to_leave(tmp_path: Path) -> None:
    departure, pool = Departure(), patient_pool()
    with RunStore.open(tmp_path) as store:
        desk = desk_of(store, pool, tmp_path, departure)
        desk.send(desk.request(frame(1)))
        departure.ask(Reason.TERMINATED)
        assert desk.collect(timeout_s=None) == []


def patience_of(pool: ScriptedPool, folder: Path, clock: Clock, *, n_labels: int = 2) -> Patience:
    in_flight = InFlight(lambda system, n: [], clock=clock)
    for label_id in range(1, n_labels + 1):
        job = LabelJob(label_id, frame(label_id), folder / str(label_id))
        in_flight.sent(job)
        pool.submit(job)
    begin(pool.in_flight[1], clock.now)
    return Patience(pool, in_flight, patience_s=3600.0, clock=clock)


def test_watchdog_says_what_is_waited_for_again_and_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    patience = patience_of(patient_pool(), tmp_path, clock)
    with caplog.at_level(logging.WARNING):
        clock.now += 3599.0
        patience.look()
        assert caplog.messages == []
        clock.now += 1.0
        patience.look()
        patience.look()
        assert caplog.messages == [
            "nothing has come for 60 min (MISC.no_progress_s); 2 labels are waited for. 2 blocks run",
            "  label 1 (hydrogen) has been computing for 60 min on node-03 (process 4711)",
            "  label 2 (hydrogen) has not begun",
        ]
        clock.now += 3600.0
        patience.look()
        assert "nothing has come for 2.0 h" in caplog.text
        patience.calm()
        caplog.clear()
        clock.now += 3599.0
        patience.look()
        assert caplog.messages == []


def test_those_who_look_on_hear_it_after_a_minute_and_then_ever_more_seldom(tmp_path: Path) -> None:
    clock, heard = Clock(), list[tuple[float, str]]()
    began, in_flight = clock.now, InFlight(lambda system, n: [], clock=clock)

    def told(words: str) -> None:
        heard.append((clock.now - began, words))

    patience = Patience(patient_pool(), in_flight, patience_s=1e9, told=told, clock=clock)
    for _ in range(40):
        clock.now += 30.0
        patience.look()
    assert heard == [(seconds, "2 blocks run") for seconds in (60.0, 120.0, 240.0, 480.0, 960.0)]


def test_watchdog_names_some_of_many_labels(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    patience = patience_of(patient_pool(), tmp_path, clock, n_labels=25)
    clock.now += 3600.0
    with caplog.at_level(logging.WARNING):
        patience.look()
    assert len(caplog.messages) == 22
    assert caplog.messages[-1] == "  and 5 more"


def test_campaign_that_would_wait_for_ever_ends(tmp_path: Path) -> None:
    pool = patient_pool(
        PoolOutlook("executor labels: 0 blocks run, 0 are pending, and none is asked for", is_dead=True)
    )
    with RunStore.open(tmp_path) as store:
        desk = desk_of(store, pool, tmp_path)
        desk.send(desk.request(frame(1)))
        with pytest.raises(PoolDead, match=r"0 blocks run, 0 are pending, and none is asked for\. No label is lost"):
            desk.collect(timeout_s=None)
        assert store.counts().n_in_flight == 1
