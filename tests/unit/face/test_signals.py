"""The thread that reads signals, in processes of their own: some of these end as they are."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from aims_pax.departure import Departed, Departure, Reason, leaving_time

PROGRAM = """
import os, signal, sys, threading, time
from aims_pax.face import signals
from aims_pax.cli.boundary import guarded, kept_words
from aims_pax.cli.main import _left_without_delay
from aims_pax.face.signals import SignalWatch
from aims_pax.departure import Departure, Reason

def tell(word):
    print(word, flush=True)
"""

DEAF = "import ctypes; lock = (ctypes.c_char * 64)(); c = ctypes.CDLL(None)\n" + (
    "c.pthread_mutex_lock(lock); tell('ready'); c.pthread_mutex_lock(lock)"
)
"""A computation in C that no signal brings back: the second lock waits for ever, and other threads go on."""


def started(body: str, *, limits: str = "", is_measured: bool = True) -> "subprocess.Popen[str]":
    """A program that watches signals around `body`, which says ``ready``; returns when it has.

    One that is not measured is left alone by `make coverage`, whose own os._exit waits for the main thread.
    """
    program = f"""{PROGRAM}
{limits}
@guarded
def command():
    departure = Departure()
    with SignalWatch(departure) as watch:
        watch.kept_words = kept_words
{textwrap.indent(textwrap.dedent(body), "        ")}

import typer
app = typer.Typer()
app.command()(command)
with _left_without_delay():
    app([])
"""
    pipe = subprocess.PIPE
    env = {key: value for key, value in os.environ.items() if is_measured or not key.startswith("COVERAGE_")}
    process = subprocess.Popen([sys.executable, "-c", program], stdout=pipe, stderr=pipe, text=True, env=env)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line == "ready\n", process.communicate()
    return process


def ending(process: "subprocess.Popen[str]") -> tuple[int, str, str, float]:
    """Exit code, standard output, standard error, and the seconds until then."""
    since = time.monotonic()
    try:
        out, err = process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out, err, time.monotonic() - since


@pytest.mark.parametrize(
    ("number", "reason", "code"),
    [
        (signal.SIGINT, "Ctrl-C", 130),
        (signal.SIGTERM, "SIGTERM", 143),
        (signal.SIGUSR1, "SIGUSR1", 75),
        (signal.SIGHUP, "SIGHUP (its terminal was closed)", 129),
    ],
)
def test_signal_interrupts_what_does_not_cooperate_at_once(number: signal.Signals, reason: str, code: int) -> None:
    process = started(
        """
        try:
            tell("ready"); time.sleep(600)
        finally:
            tell("closed")
        """
    )
    process.send_signal(number)
    exit_code, out, err, seconds = ending(process)
    assert (exit_code, out) == (code, "closed\n")
    assert f"Left because of {reason}, before anything was started." in err
    assert "Traceback" not in err
    assert seconds < 3


def test_loop_that_cooperates_ends_its_step() -> None:
    process = started(
        """
        with departure.cooperating():
            tell("ready")
            for step in range(1000):
                until = time.monotonic() + 1.0
                while time.monotonic() < until:
                    time.sleep(0.01)
                tell(f"step {step} done")
                if departure.reason is not None:
                    departure.leave()
        """
    )
    process.send_signal(signal.SIGTERM)
    exit_code, out, _, _ = ending(process)
    assert (exit_code, out) == (143, "step 0 done\n")


def test_end_of_the_terminal_is_no_second_signal() -> None:
    process = started(
        """
        with departure.cooperating():
            tell("ready"); time.sleep(3); tell("step done"); departure.leave()
        """
    )
    process.send_signal(signal.SIGTERM)
    time.sleep(1.0)
    process.send_signal(signal.SIGHUP)
    exit_code, out, err, _ = ending(process)
    assert (exit_code, out) == (143, "step done\n")
    assert "Left because of SIGTERM" in err


def test_step_that_takes_too_long_is_interrupted() -> None:
    process = started(
        """
        with departure.cooperating():
            tell("ready"); time.sleep(600)
        """,
        limits="signals.STEP_S = 1.0",
    )
    process.send_signal(signal.SIGTERM)
    exit_code, _, err, seconds = ending(process)
    assert exit_code == 143
    assert "Left because of SIGTERM" in err
    assert 0.9 < seconds < 4


@pytest.mark.parametrize("cooperating", ["departure.cooperating()", "open(os.devnull)"])
def test_process_that_no_signal_brings_back_is_ended_in_time(cooperating: str) -> None:
    body = f"with {cooperating}:\n" + textwrap.indent(DEAF, "    ")
    process = started(body, limits="signals.STEP_S, signals.LEAVING_S = 0.5, 1.5", is_measured=False)
    time.sleep(1.0)  # it says that it is ready before it can't be brought back
    process.send_signal(signal.SIGUSR1)
    exit_code, _, err, seconds = ending(process)
    assert exit_code == 75
    assert "Left at once: SIGUSR1, and leaving in good order would take longer than 1.5 s" in err
    assert "the same command goes on" in err
    assert 1.4 < seconds < 5


def test_cleanup_that_hangs_is_ended_in_time() -> None:
    process = started(
        """
        try:
            tell("ready"); time.sleep(600)
        finally:
            time.sleep(600)
        """,
        limits="signals.STEP_S, signals.LEAVING_S = 0.5, 1.5",
    )
    process.send_signal(signal.SIGTERM)
    exit_code, _, err, _ = ending(process)
    assert exit_code == 143
    assert "Left at once: SIGTERM" in err


def test_second_signal_ends_the_process_at_once_and_restores_the_terminal() -> None:
    process = started(
        """
        watch.restore_terminal = lambda: tell("restored")
        with departure.cooperating():
            tell("ready"); time.sleep(600)
        """
    )
    process.send_signal(signal.SIGINT)
    time.sleep(0.6)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    exit_code, out, err, seconds = ending(process)
    assert (exit_code, out) == (130, "restored\n")
    assert "Left at once: Ctrl-C while it was leaving because of Ctrl-C. What was committed is kept" in err
    assert seconds < 2


def test_second_ctrl_c_leaves_a_terminal_with_its_cursor() -> None:
    process = started(
        """
        os.environ["TERM"] = "xterm"
        from rich.console import Console
        from aims_pax.protocols import Status
        from aims_pax.report.live import LiveView
        counts = dict.fromkeys([name for name in Status.__annotations__ if name.startswith("n_")], 1)
        rest = dict(md_steps=1, epochs=1, threshold=1.0, last_score=None, force_mae_ev_per_ang=None)
        status = Status(stage="active", train_goal=9, activity="sampling", **counts, **rest)
        with LiveView(Console(force_terminal=True), title="copper") as view, departure.cooperating():
            watch.restore_terminal = view.close
            tell("ready")
            time.sleep(0.5)  # what came together with that line would be read with it
            view.show(status)
            time.sleep(600)
        """
    )
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    time.sleep(0.6)
    process.send_signal(signal.SIGINT)
    exit_code, out, _, _ = ending(process)
    assert exit_code == 130
    assert "\x1b[?25l" in out, "the live view hides the cursor"
    assert out.rindex("\x1b[?25h") > out.rindex("\x1b[?25l")
    assert "active learning | train 1/9" in out, "the last status stays"


def test_terminal_that_hangs_does_not_hold_up_the_second_ctrl_c() -> None:
    process = started(
        """
        watch.restore_terminal = lambda: time.sleep(600)
        with departure.cooperating():
            tell("ready"); time.sleep(600)
        """
    )
    process.send_signal(signal.SIGINT)
    time.sleep(0.6)
    process.send_signal(signal.SIGINT)
    exit_code, _, err, seconds = ending(process)
    assert exit_code == 130
    assert "Left at once" in err
    assert seconds < 4


def test_signal_that_is_sent_twice_at_once_counts_once() -> None:
    process = started(
        """
        with departure.cooperating():
            tell("ready")
            while departure.reason is None:
                time.sleep(0.01)
            time.sleep(0.5)
            tell("step done")
            departure.leave()
        """
    )
    process.send_signal(signal.SIGTERM)
    time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    exit_code, out, _, _ = ending(process)
    assert (exit_code, out) == (143, "step done\n")


def test_signal_that_was_ignored_from_the_start_stays_ignored() -> None:
    process = started(
        """
        signal.raise_signal(signal.SIGINT)
        tell("ready")
        time.sleep(0.5)
        tell("not asked" if departure.reason is None else "asked")
        """,
        limits="signal.signal(signal.SIGINT, signal.SIG_IGN)",
    )
    process.send_signal(signal.SIGINT)
    assert ending(process)[:2] == (0, "not asked\n")


def test_signal_to_a_forked_child_is_its_own() -> None:
    process = started(
        """
        tell("ready")
        child = os.fork()
        if child == 0:
            time.sleep(600)
        time.sleep(0.2)
        os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)
        time.sleep(0.2)
        tell(f"{os.waitstatus_to_exitcode(status)} {departure.reason}")
        """
    )
    assert ending(process)[:2] == (0, f"{-signal.SIGTERM} None\n")


def test_walltime_asks_to_leave_as_a_signal_does() -> None:
    process = started(
        """
        tell("ready")
        with departure.cooperating():
            departure.limit(time.time() + 1.0)
            while departure.reason is None:
                time.sleep(0.01)
            departure.leave()
        """
    )
    exit_code, _, err, seconds = ending(process)
    assert exit_code == 75
    assert "Left because of the end of the walltime" in err
    assert 0.8 < seconds < 4


def test_campaign_that_asks_itself_has_the_same_deadlines() -> None:
    process = started(
        """
        with departure.cooperating():
            departure.ask(Reason.WALLTIME)
            tell("ready"); time.sleep(600)
        """,
        limits="signals.STEP_S = 0.5",
    )
    exit_code, _, _, seconds = ending(process)
    assert exit_code == 75
    assert seconds < 4


def test_handlers_are_as_before_afterwards() -> None:
    from aims_pax.face.signals import ALARM, REASONS, SignalWatch

    before = [signal.getsignal(number) for number in (*REASONS, ALARM)]
    departure = Departure()
    with SignalWatch(departure):
        assert [signal.getsignal(number) for number in (*REASONS, ALARM)] != before
    assert [signal.getsignal(number) for number in (*REASONS, ALARM)] == before
    assert departure.listeners == []
    assert signal.set_wakeup_fd(-1) == -1


def test_first_reason_counts_and_wakes_whoever_listens() -> None:
    departure, woken = Departure(), []
    departure.listeners.append(lambda: woken.append(departure.reason))
    departure.ask(Reason.WARNED)
    departure.ask(Reason.TERMINATED)
    assert departure.reason is Reason.WARNED
    assert woken == [Reason.WARNED]


def test_asked_before_the_first_step_no_step_is_made() -> None:
    departure = Departure()
    departure.ask(Reason.TERMINATED)
    with pytest.raises(Departed, match="SIGTERM") as left, departure.cooperating():
        pytest.fail("a step was made")
    assert left.value.reason is Reason.TERMINATED


def test_asked_during_the_last_step_the_campaign_leaves_after_it() -> None:
    departure = Departure()

    def last_step() -> None:
        with departure.cooperating():
            departure.ask(Reason.TERMINATED)
            departure.interrupt()
            steps.append("done")

    steps: list[str] = []
    with pytest.raises(Departed, match="SIGTERM"):
        last_step()
    assert steps == ["done"], "a loop that looks by itself is left alone"
    departure.interrupt()  # and so is what is closed on the way out


@pytest.mark.parametrize(
    ("walltime_s", "job_ends_at", "expected"),
    [
        (None, None, None),
        (3600.0, None, 1000.0 + 3540.0),
        (100.0, None, 1000.0 + 90.0),
        (None, 1000.0 + 7200.0, 1000.0 + 7140.0),
        (3600.0, 1000.0 + 7200.0, 1000.0 + 3540.0),
        (9000.0, 1000.0 + 200.0, 1000.0 + 180.0),
    ],
)
def test_leaving_time_keeps_the_earlier_end_with_a_margin(
    walltime_s: float | None, job_ends_at: float | None, expected: float | None
) -> None:
    assert leaving_time(started_at=1000.0, walltime_s=walltime_s, job_ends_at=job_ends_at) == expected
