"""The processes that evaluate potentials, seen from the run."""

import functools
import os
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, Final, Protocol

import numpy as np

from aims_pax.committee.hosted.messages import Block, read_block, write_block
from aims_pax.errors import ModelError, Problem
from aims_pax.reference.process.leash import ending, leashed

LAST_WORDS: Final = 3
"""Lines of the output of a process that ended which stand in the message."""

CLOSING_S: Final = 5.0

MOST_LOADED: Final = 16
"""Potentials that a process has at a time."""


class Potential(Protocol):
    """What a process evaluates."""

    @property
    def key(self) -> str:
        """A short text that equal potentials share, and no others."""
        ...

    @property
    def content(self) -> bytes:
        """What the process reads it from."""
        ...

    @property
    def cutoff_ang(self) -> float:
        """Pairs up to this distance matter, Å."""
        ...


@dataclass(frozen=True, slots=True)
class Program:
    """What evaluates potentials.

    Parameters
    ----------
    name : str
        What it computes by, for messages.
    command : tuple of str
    defaults : tuple of (str, str)
        Variables of its environment that hold unless the run's own environment says otherwise.
    without : tuple of str
        Variables of the run's environment that it does not get.
    advice : str
        What to do where it has ended.
    """

    name: str
    command: tuple[str, ...]
    defaults: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()
    advice: str = ""

    def environment(self) -> dict[str, str]:
        """Its variables, now."""
        own = {name: value for name, value in os.environ.items() if name not in self.without}
        return {**dict(self.defaults), **own}


@functools.cache
def hosts_of(process: int, program: Program) -> "Hosts":
    """The processes that one process asks for all its committees of a family: each takes seconds to start.

    Parameters
    ----------
    process : int
        The number of the asking process: what a child by fork has inherited is not its own.
    program : Program
    """
    return Hosts(len(os.sched_getaffinity(0)), program)


class Hosts:
    """Processes of one program, each started when it is first asked.

    A process that ends is started once more for the same question.

    Parameters
    ----------
    n_hosts : int
    program : Program
    """

    def __init__(self, n_hosts: int, program: Program) -> None:
        self._hosts = [_Host(program) for _ in range(n_hosts)]
        self._turn = threading.Lock()

    def computed(self, potentials: Mapping[int, Potential], question: Mapping[str, Any]) -> dict[int, Block]:
        """Answers to a question by the potentials of some members, side by side; each a block of that member alone.

        Raises
        ------
        ModelError
            A process has ended twice, or can't use a potential.
        """
        shares: dict[int, list[int]] = {}
        for member in potentials:
            shares.setdefault(member % len(self._hosts), []).append(member)
        answers: dict[int, Block] = {}
        with self._turn:
            for index, share in shares.items():
                self._hosts[index].ask([potentials[one] for one in share], question)
            for index, share in shares.items():
                found = self._hosts[index].answer()
                answers |= {member: {name: found[name][row] for name in found} for row, member in enumerate(share)}
        return answers


class _Host:
    """One process."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._child: subprocess.Popen[bytes] | None = None
        self._loaded: tuple[str, ...] = ()
        self._asked: tuple[Sequence[Potential], dict[str, Any]] | None = None
        # Without a name, so that nothing stays behind.
        self._output = tempfile.TemporaryFile("a+b")  # noqa: SIM115

    def ask(self, potentials: Sequence[Potential], question: Mapping[str, Any]) -> None:
        """Send a question; the answer is read by :meth:`answer`."""
        keys = [one.key for one in potentials]
        self._asked = potentials, {"kind": "compute", "keys": keys, **question}
        with suppress(OSError, EOFError):  # answer() sees that it has ended
            self._send()

    def answer(self) -> Block:
        """What the process says to what it was asked.

        Raises
        ------
        ModelError
            It has ended twice, or can't use the potentials.
        """
        try:
            return self._read()
        except (OSError, EOFError, ValueError):
            self._forget()
        try:
            self._send()
            return self._read()
        except (OSError, EOFError, ValueError) as cause:
            found = f"has ended twice while it computed forces: {self._end_of_it()}"
            self._forget()
            raise ModelError(
                Problem(f"the process with {self._program.name}", found, "", self._program.advice)
            ) from cause

    def _send(self) -> None:
        assert self._asked is not None
        potentials, question = self._asked
        child = self._running()
        wanted = {one.key: one for one in potentials}
        if missing := [key for key in wanted if key not in self._loaded]:
            kept = [key for key in self._loaded if key not in wanted][-max(0, MOST_LOADED - len(wanted)) :]
            keys = (*kept, *(key for key in wanted if key not in missing), *missing)
            contents = {f"content of {key}": np.frombuffer(wanted[key].content, np.uint8) for key in missing}
            write_block(_pipe(child.stdin), {"kind": "load", "keys": keys, **contents})
            self._loaded = ()
            self._refuse(read_block(_pipe(child.stdout)))
            self._loaded = keys
        write_block(_pipe(child.stdin), question)

    def _read(self) -> Block:
        if self._child is None:
            raise EOFError
        answer = read_block(_pipe(self._child.stdout))
        self._refuse(answer)
        return answer

    def _refuse(self, answer: Block) -> None:
        if "error" in answer:
            raise ModelError(Problem(self._program.name, f"can't use a potential: {answer['error']}"))

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._output.truncate(0)
        command = leashed(self._program.command)
        # A group of its own: Ctrl-C is the run's to understand.
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._output,
            env=self._program.environment(),
            process_group=0,
        )
        self._child, self._loaded = child, ()
        self._end = weakref.finalize(self, _end, child)
        return child

    def _forget(self) -> None:
        if self._child is not None:
            self._end()
            self._child, self._loaded = None, ()

    def _end_of_it(self) -> str:
        """How it ended, and its last words."""
        code = None
        if self._child is not None:
            with suppress(subprocess.TimeoutExpired):
                code = self._child.wait(CLOSING_S)
        self._output.seek(0)
        said = [line.strip() for line in self._output.read().decode(errors="replace").splitlines() if line.strip()]
        return " | ".join(["no answer" if code is None else ending(code), *said[-LAST_WORDS:]])


def _pipe(pipe: IO[bytes] | None) -> Any:
    if pipe is None:
        raise EOFError
    return pipe


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End a process: it ends when nobody can ask any more."""
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    try:
        child.wait(CLOSING_S)
    except subprocess.TimeoutExpired:  # in the middle of a long calculation
        child.kill()
        child.wait()
