"""One calculation of any engine: what it may raise, what its numbers must satisfy, and what it leaves behind."""

import errno
import os
import re
import shutil
import socket
import subprocess
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.errors import AimsPaxError, ReferenceUnavailable
from aims_pax.frame import FailureReason, FloatArray, Frame, Label, LabelFailure
from aims_pax.reference.force_limit import ForceLimit

ENGINE_ERRORS: Final = (
    ArithmeticError,
    AssertionError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    ValueError,
    subprocess.SubprocessError,
    AimsPaxError,
)
"""What engines raise for reasons of their own. Anything else is a defect of ours, and the worker's entry says so."""

NOT_CONVERGED_WORDS: Final = re.compile(
    r"(not|n't|no|fail\w*|without|never)\W+(\w+\W+){0,4}converg|unconverged|converg\w+ (fail|error|problem)",
    re.IGNORECASE,
)
"""How engines say that self-consistency was not reached (tblite: "SCF not converged in 250 cycles")."""

OUT_OF_MEMORY_WORDS: Final = re.compile(
    r"MemoryError|out.of.memory|bad_alloc|oom.kill|cannot allocate|(insufficient|not enough) memory", re.IGNORECASE
)
"""How systems and languages say that memory was refused (Slurm: "oom_kill event", C++: "std::bad_alloc")."""

SCRATCH_WORDS: Final = re.compile(
    r"no space left on device|disk quota exceeded|read-only file system|stale file handle", re.IGNORECASE
)
"""How systems say, in the C library's words, that files can't be written."""

SCRATCH_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ESTALE, errno.EIO})

FULL_BYTES: Final = 64 * 1024
"""A disk with less room than this has cut short what was written last."""

BY_SYSTEM: Final = "ended by SIGKILL"
"""As :func:`aims_pax.reference.process.leash.ending` tells of it: nobody here does so, systems without memory do."""


class NotConverged(AimsPaxError):
    """An adapter of ours saw that its engine returned numbers without reaching self-consistency."""


class EngineFailed(AimsPaxError):
    """An adapter of ours has read in the engine's output why it failed."""

    def __init__(self, reason: FailureReason, message: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True, slots=True, eq=False)
class Observables:
    """The bare numbers of one calculation, before anybody has looked at them.

    Parameters
    ----------
    energy : float, eV
        The energy that the forces are the derivative of (with smearing: the free energy).
    forces : (n_atoms, 3), eV/Å
    stress : (6,), eV/Å³, or None
        ASE's sign and Voigt order.
    extras : mapping of str to array
        As in :class:`aims_pax.frame.Label`.
    """

    energy: float
    forces: FloatArray
    stress: FloatArray | None = None
    extras: Mapping[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Calculation:
    """One frame on its way through an engine.

    Parameters
    ----------
    frame : Frame
    folder : Path
        Where the files of a failure are kept; stays untouched when the calculation succeeds.
    reference : str
        Name of the reference, stored with the label.
    max_force_ev_per_ang : float
        A label with forces beyond this is kept out.
    """

    frame: Frame
    folder: Path
    reference: str
    max_force_ev_per_ang: float

    def outcome(self, compute: Callable[[], Observables]) -> Label | LabelFailure:
        """Run the engine and judge its numbers; whatever the engine raises becomes a value."""
        started, had_folder = time.perf_counter(), self.folder.is_dir()
        if not np.isfinite(self.frame.positions).all():
            return self._failure(FailureReason.UNPHYSICAL, "the positions of the atoms are not finite", started)
        try:
            seen = compute()
        except ENGINE_ERRORS as error:
            details = "".join(traceback.format_exception(error))
            message = raised_words(error)
            if had_folder and not self.folder.is_dir():
                gone = f"the folder {self.folder} went away on {socket.gethostname()} meanwhile ({message})"
                return LabelFailure(FailureReason.SCRATCH, gone, None, time.perf_counter() - started)
            return self._failure(failure_reason(error, folder=self.folder), message, started, details=details)
        complaint = self._complaint(seen)
        if complaint is not None:
            return self._failure(FailureReason.UNPHYSICAL, complaint, started)
        label = Label(
            energy=float(seen.energy),
            forces=np.array(seen.forces, dtype=np.float64),
            stress=None if seen.stress is None else np.array(seen.stress, dtype=np.float64),
            reference=self.reference,
            wall_s=time.perf_counter() - started,
            extras={
                name: np.array(value, dtype=np.float64)
                for name, value in seen.extras.items()
                if np.isfinite(value).all()  # no label is refused for what is not learnt
            },
        )
        beyond = ForceLimit(self.max_force_ev_per_ang).complaint(label, self.frame)
        if beyond is None:
            return label
        return replace(self._failure(FailureReason.KEPT_OUT, beyond, started), label=label)

    def _complaint(self, seen: Observables) -> str | None:
        """What is wrong with the numbers, in words; None when they may become a label."""
        expected = (self.frame.n_atoms, 3)
        if np.shape(seen.forces) != expected:
            return f"forces have the shape {np.shape(seen.forces)} where {expected} was expected"
        if seen.stress is not None and np.shape(seen.stress) != (6,):
            return f"stress has the shape {np.shape(seen.stress)} where (6,) was expected"
        if not np.isfinite(seen.energy):
            return f"the energy is {seen.energy} eV"
        if not np.isfinite(seen.forces).all() or (seen.stress is not None and not np.isfinite(seen.stress).all()):
            return "forces or stress are not finite"
        return None

    def _failure(self, reason: FailureReason, message: str, started: float, *, details: str = "") -> LabelFailure:
        wall_s = time.perf_counter() - started
        if reason in (FailureReason.CRASHED, FailureReason.CUT_SHORT) and _is_full(self.folder):
            reason, message = FailureReason.SCRATCH, f"the disk is full ({message})"
        if reason is FailureReason.SCRATCH:
            message = f"{self.folder} on {socket.gethostname()}: {message}"
        try:
            keep_failure(self.folder, self.frame, f"{self.reference}\n{reason}: {message}\n\n{details}")
        except OSError as error:  # a full disk, most likely: what was to be said matters more
            return LabelFailure(reason, f"{message} (its account could not be written: {error})", None, wall_s)
        return LabelFailure(reason, message, str(self.folder), wall_s)


@cache
def engine(distribution: str, name: str) -> str:
    """An engine's name with its installed version, as it stands in labels; the bare name when it is not installed."""
    try:
        return f"{name} {version(distribution)}"
    except PackageNotFoundError:
        return name


def raised_words(error: BaseException) -> str:
    """What an engine raised, in one line's words: its type, unless the words are ours, and its message."""
    return str(error) if isinstance(error, EngineFailed) else f"{type(error).__name__}: {error}"


def keep_failure(folder: Path, frame: Frame, account: str) -> None:
    """Write ``failure.txt`` and ``structure.extxyz``, so that a person can repeat what went wrong."""
    from ase.io import write

    from aims_pax.atoms import atoms_of

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "failure.txt").write_text(account.rstrip() + "\n", encoding="utf-8")
    # Not by rank 0 alone, which would then tell the other ranks of it: this one may be the only one that failed.
    write(folder / "structure.extxyz", atoms_of(frame), format="extxyz", parallel=False)


def failure_reason(error: BaseException, *, folder: Path | None = None) -> FailureReason:
    """Sort an engine's exception by the taxonomy of :class:`aims_pax.frame.FailureReason`.

    Parameters
    ----------
    error : BaseException
    folder : Path or None
        Where the calculation writes: a file that is missing there is no missing program.
    """
    if isinstance(error, EngineFailed):
        return error.reason
    if isinstance(error, subprocess.TimeoutExpired | TimeoutError):
        return FailureReason.WALLTIME
    if isinstance(error, NotConverged) or NOT_CONVERGED_WORDS.search(str(error)):
        return FailureReason.NOT_CONVERGED
    if isinstance(error, OSError) and error.errno in SCRATCH_ERRORS:
        return FailureReason.SCRATCH
    if isinstance(error, FileNotFoundError) and folder is not None and _lies_in(error.filename, folder):
        return FailureReason.CUT_SHORT if folder.is_dir() else FailureReason.SCRATCH
    if isinstance(error, FileNotFoundError | ImportError | ReferenceUnavailable):
        return FailureReason.MISSING_EXECUTABLE
    if isinstance(error, MemoryError):
        return FailureReason.OUT_OF_MEMORY
    return reason_said(f"{type(error).__name__}: {error}") or FailureReason.CRASHED


def reason_said(text: str) -> FailureReason | None:
    """The reason that an engine's or a system's own words give, if it is memory or disk; None when they don't."""
    if SCRATCH_WORDS.search(text):
        return FailureReason.SCRATCH
    if OUT_OF_MEMORY_WORDS.search(text) or BY_SYSTEM in text:
        return FailureReason.OUT_OF_MEMORY
    return None


def _is_full(folder: Path) -> bool:
    """Whether files can't grow there, which not every engine notices or says."""
    try:
        return shutil.disk_usage(folder).free < FULL_BYTES
    except OSError:  # no such folder: a disk that is full is not the trouble
        return False


def _lies_in(name: object, folder: Path) -> bool:
    return isinstance(name, str | os.PathLike) and Path(os.path.abspath(name)).is_relative_to(folder.absolute())
