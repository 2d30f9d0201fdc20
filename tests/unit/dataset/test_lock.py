"""Who may work in a run folder, and what the others are told."""

import errno
import fcntl
import os
import signal
import socket
from pathlib import Path

import pytest

from aims_pax.dataset.lock import LOCK_NAME, RunLock, owner_of
from aims_pax.errors import RunLocked, StoreError


def held_by_another(folder: Path, owner: str) -> int:
    """Lock a folder as a campaign elsewhere would; the descriptor that holds it."""
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, f"{owner}\n".encode())
    return descriptor


def test_what_a_dead_campaign_wrote_does_not_lock(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_text("host node03, process 4711\nand more of an older text")
    lock = RunLock(tmp_path)
    written = (tmp_path / LOCK_NAME).read_text(encoding="utf-8")
    assert written == f"host {socket.gethostname()}, process {os.getpid()}\n"
    lock.release()
    assert (tmp_path / LOCK_NAME).read_text(encoding="utf-8") == ""


def test_who_works_in_a_folder_is_known_without_locking_it(tmp_path: Path) -> None:
    assert owner_of(tmp_path) == ""
    lock = RunLock(tmp_path)
    assert owner_of(tmp_path) == f"host {socket.gethostname()}, process {os.getpid()}"
    lock.release()
    assert owner_of(tmp_path) == ""
    (tmp_path / LOCK_NAME).write_text("host node03, process 4711\n", encoding="utf-8")
    assert owner_of(tmp_path) == "host node03, process 4711"


def test_a_dead_campaign_of_this_host_works_nowhere(tmp_path: Path) -> None:
    process = os.fork()
    if process == 0:
        os._exit(0)
    os.waitpid(process, 0)
    (tmp_path / LOCK_NAME).write_text(f"host {socket.gethostname()}, process {process}\n", encoding="utf-8")
    assert owner_of(tmp_path) == ""


def test_a_campaign_on_this_host_is_told_with_how_to_stop_it(tmp_path: Path) -> None:
    lock = RunLock(tmp_path)
    with pytest.raises(RunLocked, match=rf"process {os.getpid()}\)\n.*one campaign.*\n.*kill {os.getpid()}"):
        RunLock(tmp_path)
    lock.release()


def test_a_campaign_on_another_host_is_told_with_what_to_do_if_that_has_crashed(tmp_path: Path) -> None:
    descriptor = held_by_another(tmp_path, "host node03, process 4711")
    with pytest.raises(
        RunLocked, match=r"\(host node03, process 4711\)\n(.*\n)*.*If node03 has crashed, the file server gives"
    ):
        RunLock(tmp_path)
    os.close(descriptor)


def test_a_child_that_outlives_its_campaign_is_told(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    campaign = os.fork()
    if campaign == 0:
        RunLock(tmp_path)
        child = os.fork()
        if child == 0:
            signal.pause()
        os.write(writer, str(child).encode())
        os._exit(0)
    os.waitpid(campaign, 0)
    with pytest.raises(
        RunLocked, match=rf"process {campaign}\)\n(.*\n)*.*Process {campaign} has ended, and one that it started"
    ):
        RunLock(tmp_path)
    os.kill(int(os.read(reader, 20)), signal.SIGKILL)


def test_a_text_that_is_none_of_ours_is_shown_as_it_is(tmp_path: Path) -> None:
    descriptor = held_by_another(tmp_path, "somebody")
    with pytest.raises(RunLocked, match=r"\(somebody\)\n(.*\n)*.*Wait until it has ended, stop it, or choose"):
        RunLock(tmp_path)
    os.close(descriptor)


def test_a_file_system_without_locks_is_refused_with_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(StoreError, match=r"can't lock files \(No locks available\).*NFS mount needs its lock service"):
        RunLock(tmp_path)
