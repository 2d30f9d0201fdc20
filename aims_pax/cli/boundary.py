"""Where exceptions end: what a person reads, and the exit code, when a command did not succeed."""

import errno
import functools
import logging
import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, ParamSpec

import typer

from aims_pax.departure import Departed, Reason
from aims_pax.errors import AimsPaxError, Problem, UserError
from aims_pax.report.logs import close_logs, log_failure

P = ParamSpec("P")

NAMING: Final = ("--aimsPAX-settings", "--model-settings")
"""Options of v0.2 that name files of settings."""

DISK_ERRORS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES)
"""What a disk may answer in the middle of a run: full, over quota, read-only by now, broken, no longer yours."""


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """The same command, whose exceptions become messages on stderr and exit codes.

    A :class:`UserError` gives 2 and all its problems; any other :class:`AimsPaxError` gives 1 and its message; a disk
    that is full gives 1 and what to do; a command that was asked to leave gives the code of
    :class:`aims_pax.departure.Reason`, with the command that goes on with a run; anything else gives 1 and one line,
    and its traceback is kept in the run's log, or in a file of its own when there is no log yet.
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
            reason = signalled.reason if isinstance(signalled, Departed) else Reason.INTERRUPTED
            if log_failure(str(reason), level=logging.INFO) is None:
                _say(f"\nLeft because of {reason}, before anything was started.")
            else:
                folder = kwargs.get("folder")
                _say(f"\nLeft because of {reason}. {kept_words(folder if isinstance(folder, Path) else None)}")
            raise typer.Exit(reason.exit_code) from None
        except Exception as error:
            if isinstance(error, OSError) and error.errno in DISK_ERRORS:
                log_failure(str(error))
                _say(f"aims-pax stopped: {error.strerror}{f': {error.filename}' if error.filename else ''}.")
                _say(f"Make room, mend the disk, or see to its permissions. {kept_words()}")
                raise typer.Exit(1) from None
            trace = "".join(traceback.format_exception(error))
            log_file = log_failure(trace) or _write_temporary(trace)
            _say(f"aims-pax stopped at an error that it did not foresee: {type(error).__name__}: {error}")
            _say(f"This is a defect. The traceback to report is in {log_file}")
            raise typer.Exit(1) from None
        finally:
            close_logs()

    return run


def kept_words(folder: Path | None = None) -> str:
    """What to tell of a run that was left before its end.

    Parameters
    ----------
    folder : Path or None
        The project; None where it is not known, or can't be used now.
    """
    kept = f"What was committed is kept; the same command goes on from there:\n  {this_command()}"
    if folder is None:
        return kept
    words = shlex.join(["--models", str(folder), *named_words()])
    return f"{kept}\nModels, datasets and figures as they are now:\n  aims-pax export {words}"


def this_command() -> str:
    """The command that runs now, as it was typed."""
    name = Path(sys.argv[0]).name
    program = ["python", "-m", "aims_pax"] if name == "__main__.py" else [name]
    return shlex.join([*program, *sys.argv[1:]])


def named_words() -> list[str]:
    """The words of this command line that name files of settings."""
    words = sys.argv[1:]
    behind = {index + 1 for index, word in enumerate(words) if word in NAMING}
    return [word for index, word in enumerate(words) if index in behind or word.partition("=")[0] in NAMING]


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
    with suppress(OSError):  # the terminal is gone; the diary has it
        typer.echo(text, err=True)


def _write_temporary(text: str) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="aims-pax-", suffix=".log")
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    return Path(name)
