"""What programs print: how their own words tell a calculation that converged from one that did not, or that failed."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from aims_pax.frame import FailureReason
from aims_pax.reference.calculation import ENGINE_ERRORS, EngineFailed, NotConverged, reason_said
from aims_pax.reference.process.leash import ending
from aims_pax.reference.programs.engine_table import ENGINES, STDERR, Engine
from aims_pax.settings.methods.engines import GpawSettings

READING_ERRORS: Final = (AttributeError, EOFError, NameError, StopIteration, SyntaxError, TypeError)
"""What ASE's readers raise for an output that breaks off or is none, besides the errors of any engine."""

COMPLAINT: Final = re.compile(
    r"\b(error|abort|fatal|fail|not found|no such|killed|cannot|can't|attempt to run as root|not enough slots)",
    re.IGNORECASE,
)
"""How programs, and their launchers, speak of what made them end."""

LAST_WORDS: Final = 3
"""Lines of a program's complaint that stand in the message; its files are kept."""


@contextmanager
def judged(engine: Engine, folder: Path) -> Iterator[None]:
    """Tell by the program's own output what an error means, and whether a success is one.

    Raises
    ------
    NotConverged
    EngineFailed
    """
    failures: tuple[type[BaseException], ...] = (*ENGINE_ERRORS, *READING_ERRORS, *_ase_errors())
    try:
        yield
    except _convergence_errors(engine) as error:
        raise NotConverged(f"{engine.title} did not converge; its last words: {_last_words(engine, folder)}") from error
    except failures as error:
        _require_one_copy(engine, folder)
        line = _unconverged_line(engine, folder)
        if line is not None:
            raise NotConverged(f"{engine.title}: {line}") from error
        if isinstance(error, NotConverged | ImportError):
            raise
        said, told = _last_words(engine, folder), _ending(error)
        account = f"{engine.title}: {said} ({told})" if said else f"{engine.title}: {told}"
        raise EngineFailed(_reason(engine, folder, error, account), account) from error
    _require_one_copy(engine, folder)
    line = _unconverged_line(engine, folder)
    if line is not None:
        raise NotConverged(f"{engine.title}: {line}")


def require_whole(engine: Engine, folder: Path, *, n_atoms: int) -> None:
    """Do nothing when the output is whole, as far as can be seen.

    Raises
    ------
    EngineFailed
        A row or a number of a table is missing, or stands there twice.
    """
    if engine.require_whole is not None:
        engine.require_whole("\n".join(_printed(engine, folder)), n_atoms)


def version_printed(engine: Engine, folder: Path) -> str | None:
    """The program's version, out of what it printed."""
    pattern = re.compile(engine.version)
    return next((match.group(1) for line in _printed(engine, folder) if (match := pattern.search(line))), None)


def _require_one_copy(engine: Engine, folder: Path) -> None:
    """Do nothing when the program was started once, on however many ranks.

    The launcher of another MPI starts so many copies of it, each on one rank, which write into the same files.
    """
    if engine.beginning is None:
        return
    pattern = re.compile(engine.beginning)
    n_copies = sum(pattern.search(line) is not None for line in _printed(engine, folder))
    if n_copies > 1:
        found = f"{n_copies} copies of it ran side by side, each on one rank and in the same files"
        advice = "the launcher in REFERENCE.command is of another MPI: give the whole path of the program's own"
        raise EngineFailed(FailureReason.CRASHED, f"{engine.title}: {found}; {advice}")


def _ase_errors() -> tuple[type[Exception], ...]:
    """Errors of ASE's readers that derive from no common one."""
    from ase.io import ParseError
    from ase.io.formats import UnknownFileTypeError

    return ParseError, UnknownFileTypeError


def _convergence_errors(engine: Engine) -> tuple[type[Exception], ...]:
    """What engines within Python raise when they do not converge, where it derives from no common error."""
    if engine is not ENGINES[GpawSettings]:
        return ()
    try:
        from gpaw import ConvergenceError
    except ImportError:
        return ()
    return (ConvergenceError,)


def _unconverged_line(engine: Engine, folder: Path) -> str | None:
    """The line in which the program says that it did not converge."""
    pattern = re.compile(engine.unconverged)
    return next((line.strip(" *!\t") for line in _printed(engine, folder) if pattern.search(line)), None)


def _reason(engine: Engine, folder: Path, error: BaseException, account: str) -> FailureReason:
    """Why a program gave no numbers, although it does not say that it did not converge."""
    if (said := reason_said(account)) is not None:
        return said
    could_not_read = isinstance(error, (*READING_ERRORS, *_ase_errors(), LookupError, ValueError))
    printed = "\n".join(_printed(engine, folder))
    in_order = bool(printed.strip()) and not COMPLAINT.search(printed)
    return FailureReason.CUT_SHORT if could_not_read and in_order else FailureReason.CRASHED


def _ending(error: BaseException) -> str:
    """How a program ended, in words."""
    cause = error if isinstance(error, subprocess.CalledProcessError) else error.__cause__
    if not isinstance(cause, subprocess.CalledProcessError):
        return f"{type(error).__name__}: {error}"
    return ending(cause.returncode)


def _last_words(engine: Engine, folder: Path) -> str:
    """The first lines that speak of an error, with what follows them; else the last line."""
    lines = [line.strip(" *!|%\t") for line in _printed(engine, folder)]
    spoken = [line for line in lines if any(character.isalnum() for character in line)]
    for index, line in enumerate(spoken):
        if COMPLAINT.search(line):
            return " ".join(spoken[index : index + LAST_WORDS])
    return next(iter(spoken[-1:]), "")


def _printed(engine: Engine, folder: Path) -> Iterator[str]:
    """Lines of all that the program printed."""
    for pattern in (*engine.outputs, STDERR):
        for file in sorted(folder.glob(pattern)):
            with file.open(encoding="utf-8", errors="replace") as lines:
                yield from (line.rstrip("\n") for line in lines)
