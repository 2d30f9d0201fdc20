"""Signals within a process that is not ours: a notebook's kernel stays, whatever is asked."""

import logging
import os
import signal
import threading
import time

import pytest

from aims_pax.departure import Departed, Departure, Reason
from aims_pax.face import signals
from aims_pax.face.session import heeding
from aims_pax.face.signals import GuestWatch


def send(number: signal.Signals, *, after_s: float) -> None:
    threading.Timer(after_s, lambda: os.kill(os.getpid(), number)).start()


def test_first_ctrl_c_waits_for_the_step() -> None:
    departure, steps = Departure(), []

    def work() -> None:
        with departure.cooperating():
            until = time.monotonic() + 0.6
            while time.monotonic() < until:
                time.sleep(0.01)
            steps.append(departure.reason)

    send(signal.SIGINT, after_s=0.1)
    with GuestWatch(departure), pytest.raises(Departed, match="Ctrl-C"):
        work()
    assert steps == [Reason.INTERRUPTED]


def test_second_ctrl_c_interrupts_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    departure = Departure()
    send(signal.SIGINT, after_s=0.1)
    send(signal.SIGINT, after_s=0.7)
    send(signal.SIGINT, after_s=1.2)
    since = time.monotonic()
    with caplog.at_level(logging.WARNING), GuestWatch(departure):
        with pytest.raises(Departed, match="Ctrl-C"), departure.cooperating():
            time.sleep(60)
        seconds = time.monotonic() - since
        time.sleep(0.8)  # the third one comes while all is closed, and is not answered by another exception
    assert 0.6 < seconds < 5
    assert "what runs now is interrupted where it stands" in caplog.text
    assert caplog.text.count("interrupted") == 1


def test_leaving_that_takes_long_is_interrupted_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "STEP_S", 0.2)
    monkeypatch.setattr(signals, "LEAVING_S", 0.4)
    departure = Departure()
    send(signal.SIGTERM, after_s=0.1)
    with GuestWatch(departure):
        with pytest.raises(Departed, match="SIGTERM"), departure.cooperating():
            time.sleep(60)
        time.sleep(0.5)  # beyond the time in which a program of our own would be ended


def test_handlers_are_as_before_afterwards() -> None:
    numbers = (*signals.REASONS, signals.ALARM)
    before = [signal.getsignal(number) for number in numbers]
    with GuestWatch(Departure()):
        pass
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_another_thread_keeps_to_the_clock() -> None:
    departure, said = Departure(), []
    before = signal.getsignal(signal.SIGINT)

    def session() -> None:
        departure.limit(time.time() + 0.2)
        with GuestWatch(departure):
            said.append(signal.getsignal(signal.SIGINT) is before)
            try:
                with departure.cooperating():
                    while departure.reason is None:
                        time.sleep(0.01)
            except Departed as left:
                said.append(left.reason)

    thread = threading.Thread(target=session)
    thread.start()
    thread.join(10)
    assert said == [True, Reason.WALLTIME]


def test_an_event_stops_what_runs_in_another_thread() -> None:
    departure, stop, ended = Departure(), threading.Event(), list[Departed]()

    def work() -> None:
        with GuestWatch(departure), heeding(stop, departure):
            try:
                with departure.cooperating():
                    while departure.reason is None:
                        time.sleep(0.01)
            except Departed as left:
                ended.append(left)

    thread = threading.Thread(target=work)
    thread.start()
    stop.set()
    thread.join(timeout=10)
    assert [left.reason for left in ended] == [Reason.STOPPED]


def test_an_event_that_is_never_set_keeps_nothing_waiting() -> None:
    departure, n_before = Departure(), threading.active_count()
    with heeding(threading.Event(), departure):
        assert threading.active_count() == n_before + 1
    assert threading.active_count() == n_before
    assert departure.reason is None
