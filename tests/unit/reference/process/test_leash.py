"""Programs on the leash end with the process that started them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aims_pax.reference.process.leash import NOT_FOUND, SCRATCH, SIGNALLED, ending, kept, leashed, missing_program

from ....processes import is_alive, within

STARTER = """
import subprocess, sys, time
from aims_pax.reference.process.leash import leashed
child = subprocess.Popen(leashed(["sleep", "600"]))
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel of Linux holds the leash")
def test_a_program_ends_when_its_starter_is_killed() -> None:
    starter = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    program = int(starter.stdout.readline())
    assert within(10, lambda: b"sleep" in Path(f"/proc/{program}/cmdline").read_bytes().split(b"\0")[0])
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    assert within(5, lambda: not is_alive(program))


def test_a_program_gets_its_arguments_and_its_exit_code_comes_back() -> None:
    done = subprocess.run(leashed(["sh", "-c", "echo $1; exit 3", "sh", "a b"]), capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("a b\n", 3)


def test_a_program_whose_starter_has_ended_already_does_not_start() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    command = leashed(["echo", "started"])
    command[command.index(str(os.getpid()))] = str(gone.pid)
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 1)


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-engine was not found on this machine"):
        leashed(["no-such-engine"])
    assert missing_program(["sh"]) is None


def test_a_program_that_vanished_meanwhile_gives_the_exit_code_of_shells(tmp_path: Path) -> None:
    command = leashed(["sh"])
    command[-1] = str(tmp_path / "vanished")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == NOT_FOUND
    assert "vanished" in done.stderr


KEEPER = """
import subprocess, sys, time
from aims_pax.reference.process.leash import kept
command = ["sh", "-c", "trap '' TERM; sleep 600 & echo $! ${SCRATCH}; wait; sleep 600"]
child = subprocess.Popen(kept(command))
time.sleep(600)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel of Linux holds the leash")
def test_what_is_kept_ends_with_all_its_children_and_its_scratch_when_its_starter_is_killed() -> None:
    code = KEEPER.replace("{SCRATCH}", SCRATCH)
    starter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    grandchild, scratch = starter.stdout.readline().split()
    assert Path(scratch).is_dir()
    starter.kill()
    starter.wait()
    starter.stdout.close()
    assert within(8, lambda: not is_alive(int(grandchild)) and not Path(scratch).exists())


def test_a_keeper_passes_on_how_its_program_ended_and_ends_what_it_left() -> None:
    done = subprocess.run(kept(["sh", "-c", "sleep 600 & echo $!; exit 3"]), capture_output=True, text=True, timeout=8)
    assert done.returncode == 3
    assert not is_alive(int(done.stdout))
    assert subprocess.run(kept(["sh", "-c", "kill -SEGV $$"])).returncode == SIGNALLED + signal.SIGSEGV


def test_a_keeper_that_is_asked_to_end_ends_its_program() -> None:
    keeper = subprocess.Popen(kept(["sh", "-c", "echo $$; sleep 600"]), stdout=subprocess.PIPE, text=True)
    assert keeper.stdout is not None
    program = int(keeper.stdout.readline())
    keeper.terminate()
    assert keeper.wait(8) == SIGNALLED + signal.SIGTERM
    keeper.stdout.close()
    assert not is_alive(program)


def test_a_keeper_that_was_started_under_nohup_outlives_the_terminal() -> None:
    command = ["nohup", *kept(["sh", "-c", "echo begun; read line; exit 3"])]
    keeper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert keeper.stdout is not None
    assert keeper.stdout.readline() == "begun\n"
    keeper.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired, match="timed out"):
        keeper.wait(1.0)
    keeper.communicate("go on\n", timeout=8)
    assert keeper.returncode == 3


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (3, "ended with exit code 3"),
        (-9, "ended by SIGKILL"),
        (137, "ended by SIGKILL"),
        (-60, "ended with exit code -60"),  # a signal without a name
        (128, "ended with exit code 128"),
    ],
)
def test_the_end_of_a_program_is_told_in_words(code: int, words: str) -> None:
    assert ending(code) == words
