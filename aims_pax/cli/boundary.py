"""Where exceptions end: what a person reads, and the exit code, when a command did not succeed."""

import errno
import functools
import logging
import os
import shlex
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn, ParamSpec

import typer

from aims_pax.errors import AimsPaxError, Problem, UserError
from aims_pax.report.logs import close_logs, log_failure

P = ParamSpec("P")

INTERRUPTED: Final = 128 + signal.SIGINT
"""Exit code of a command that was stopped by Ctrl-C, as shells report it."""

TERMINATED: Final = 128 + signal.SIGTERM
"""Exit code of a command that was stopped by a batch system or by ``kill``."""

DISK_ERRORS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""What a disk may answer in the middle of a run: full, over quota, read-only by now, broken."""


class Terminated(KeyboardInterrupt):
    """The process was asked to end, and unwinds as it does for Ctrl-C."""


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """The same command, whose exceptions become messages on stderr and exit codes.

    A :class:`UserError` gives 2 and all its problems; any other :class:`AimsPaxError` gives 1 and its message; a disk
    that is full gives 1 and what to do; Ctrl-C gives 130 and SIGTERM 143, both with the command that goes on with a
    run; anything else gives 1 and one line, and its traceback is kept in the run's log, or in a file of its own when
    there is no log yet.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except UserError as error:
            log_failure(str(error))
            _say_problems(error.problems)
            raise typer.Exit(error.exit_code) from None
        except AimsPaxError as error:
            log_failure(str(error))
            _say(f"aims-pax stopped: {error}")
            raise typer.Exit(error.exit_code) from None
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise  # typer's own ways to end, among them a reader that closed the pipe
        except KeyboardInterrupt as signalled:
            terminated = isinstance(signalled, Terminated)
            word = "Terminated" if terminated else "Interrupted"
            if log_failure(word.lower(), level=logging.INFO) is None:
                _say(f"\n{word} before anything was started.")
            else:
                _say(f"\n{word}. What was committed is kept; the same command goes on from there:\n  {_own_command()}")
            raise typer.Exit(TERMINATED if terminated else INTERRUPTED) from None
        except Exception as error:
            if isinstance(error, OSError) and error.errno in DISK_ERRORS:
                log_failure(str(error))
                _say(f"aims-pax stopped: {error.strerror}{f': {error.filename}' if error.filename else ''}.")
                _say(f"Make room, or mend the disk. What was committed is kept; then go on by:\n  {_own_command()}")
                raise typer.Exit(1) from None
            trace = "".join(traceback.format_exception(error))
            log_file = log_failure(trace) or _write_temporary(trace)
            _say(f"aims-pax stopped at an error that it did not foresee: {type(error).__name__}: {error}")
            _say(f"This is a defect. The traceback to report is in {log_file}")
            raise typer.Exit(1) from None
        finally:
            close_logs()

    return run


@contextmanager
def sigterm_unwinds() -> Iterator[None]:
    """Within this context SIGTERM ends the program as Ctrl-C does: workers are released, the store is closed."""

    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise Terminated

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _say_problems(problems: Sequence[Problem]) -> None:
    _say(
        "One problem; nothing was started." if len(problems) == 1 else f"{len(problems)} problems; nothing was started."
    )
    for problem in problems:
        first, *rest = str(problem).splitlines()
        typer.secho(f"\n{first}", err=True, bold=True)
        if rest:
            _say("\n".join(rest))


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _own_command() -> str:
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _write_temporary(text: str) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="aims-pax-", suffix=".log")
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    return Path(name)
