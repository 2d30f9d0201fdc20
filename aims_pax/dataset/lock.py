"""One run folder, one campaign."""

import errno
import fcntl
import os
import re
import socket
from pathlib import Path

from aims_pax.errors import Problem, RunLocked, StoreError

LOCK_NAME = "run.lock"


class RunLock:
    """The right to write into a run folder, until released or until this process ends, however it ends.

    The kernel's lock on the file is what counts; the text in it only says who holds it. The file itself stays:
    removing it would let two campaigns lock two different files of the same name.
    """

    def __init__(self, folder: Path) -> None:
        """Take the lock at once.

        Raises
        ------
        RunLocked
            Another campaign holds it.
        StoreError
            The file system knows no locks.
        OSError
            The lock file can't be created.
        """
        path = folder / LOCK_NAME
        self._descriptor: int | None = None
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            os.close(descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise _locked(folder, owner) from None
            raise StoreError(
                f"{path}: this file system can't lock files ({error.strerror}), and without a lock two campaigns could "
                "write into one run. Put the run folder (MISC.output_dir) on a disk that can; an NFS mount needs its "
                "lock service (not nolock), Lustre the mount option flock"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"host {socket.gethostname()}, process {os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the folder free. May be called twice."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def owner_of(folder: Path) -> str:
    """Who works in a run folder, in words; empty when nobody does, as far as this machine can tell.

    The file is read and not locked: a campaign that starts at this moment would be refused.
    """
    try:
        owner = (folder / LOCK_NAME).read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    except OSError:
        return ""
    said = re.fullmatch(r"host (.+), process (\d+)", owner)
    is_gone = said is not None and said[1] == socket.gethostname() and not _is_alive(int(said[2]))
    return "" if is_gone else owner


def _locked(folder: Path, owner: str) -> RunLocked:
    return RunLocked(
        Problem(
            where=str(folder),
            found=f"another campaign is working in this folder ({owner or 'it has just started'})",
            allowed="one campaign per run folder",
            advice=_advice(owner),
        )
    )


def _advice(owner: str) -> str:
    said = re.fullmatch(r"host (.+), process (\d+)", owner)
    if said is None:
        return "Wait until it has ended, stop it, or choose another folder."
    host, process = said[1], int(said[2])
    if host != socket.gethostname():
        return (
            f"Wait until it has ended, stop it on {host}, or choose another folder. If {host} has crashed, the file "
            "server gives the lock free once it has noticed, within minutes."
        )
    if not _is_alive(process):
        return (
            f"Process {process} has ended, and one that it started still holds the folder: wait some seconds, or find "
            f"and end it (fuser -v {LOCK_NAME})."
        )
    return f"Wait until it has ended, stop it (kill {process}), or choose another folder."


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True
