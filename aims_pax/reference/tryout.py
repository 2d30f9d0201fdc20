"""One label of a structure of the user's own: does the reference work here, and how long does it take?"""

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from aims_pax.errors import Problem, ReferenceUnavailable, SettingsError
from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.protocols import Reference
from aims_pax.reference.registry import build_reference
from aims_pax.settings.methods.reference import REFERENCE_SETTINGS, ReferenceSettings
from aims_pax.settings.reading.document import Document
from aims_pax.settings.sections import aims_pax_reading, read_settings

REPEATED_BELOW_S: Final = 10.0
"""A first label that took less is computed once more: so short, it may have been spent on starting the engine."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """What became of one label.

    Parameters
    ----------
    reference : str
        Engine, version and method.
    frame : Frame
    result : Label or LabelFailure
    first_s : float
        Wall time of the first label in this process, the start of the engine included, s.
    again_s : float or None
        Wall time of a second one, s; None when there was none.
    folder : Path or None
        Where the files of a failure were kept.
    """

    reference: str
    frame: Frame
    result: Label | LabelFailure
    first_s: float
    again_s: float | None = None
    folder: Path | None = None

    @property
    def label_s(self) -> float:
        """What a label takes once the engine runs, s."""
        return self.first_s if self.again_s is None else self.again_s

    def lines(self) -> list[str]:
        """The account of it, in words."""
        if isinstance(self.result, LabelFailure):
            kept = [f"  its files are kept in {self.folder}"] if self.folder is not None else []
            return [
                f"failed after {self.first_s:.1f} s, {self.result.reason}: {self.result.message}",
                *kept,
            ]
        largest = float(np.linalg.norm(self.result.forces, axis=1).max())
        start = f" (the first one, with the start of the engine, {_seconds(self.first_s)})"
        return [
            f"reference    {self.reference}",
            f"structure    {self.frame.system}, {self.frame.n_atoms} atoms",
            f"wall time    {_seconds(self.label_s)}{start if self.again_s is not None else ''}",
            f"energy       {self.result.energy:.6f} eV",
            f"forces       yes, largest {largest:.4f} eV/Å",
            f"stress       {self._stress()}",
        ]

    def _stress(self) -> str:
        if not self.frame.pbc.all():
            return "none: not periodic in all directions"
        if not isinstance(self.result, Label) or self.result.stress is None:
            return "no: this reference gave none"
        return f"yes, pressure {-float(np.mean(self.result.stress[:3])):.5f} eV/Å³"


def settings_of_type(kind: str) -> ReferenceSettings:
    """Settings of a reference that is named by its type alone, and has defaults for all the rest.

    Raises
    ------
    SettingsError
        There is no such type, or it needs settings that have no default: those stand in a project.
    """
    written: dict[str | int, Any] = {"REFERENCE": {"type": kind}, "MD": {"stat_ensemble": "nvt"}}
    reading = aims_pax_reading(Document(Path("--type"), written), Path.cwd())
    settings = read_settings(reading, ())
    if settings is None:
        raise SettingsError([*reading.problems, *_without_defaults(kind)])
    return settings.reference


def _without_defaults(kind: str) -> list[Problem]:
    """What to do about a type that exists, and needs settings that only a project can give."""
    if kind not in REFERENCE_SETTINGS:
        return []
    advice = "Write them into a project (aims-pax init FOLDER, then its section REFERENCE): aims-pax references FOLDER."
    return [Problem("--type", f"{kind} can't be tried with its defaults alone.", "", advice)]


def probe(settings: ReferenceSettings, frame: Frame, *, scratch: Path | None = None) -> Probe:
    """Label one structure, with stress where it is periodic, and leave nothing behind unless it fails.

    Parameters
    ----------
    scratch : Path or None
        Where the temporary folder is made; the system's place for such when None.

    Raises
    ------
    ReferenceUnavailable
        The reference says itself that it can't label this structure here.
    """
    reference = build_reference(settings)
    require(reference, frame)
    folder = Path(tempfile.mkdtemp(prefix="aims-pax-probe-", dir=scratch))
    again_s = None
    try:
        result, first_s = _timed(reference, frame, folder / "first")
        if isinstance(result, Label) and first_s < REPEATED_BELOW_S:
            result, again_s = _timed(reference, frame, folder / "again")
    except BaseException:  # Ctrl-C, for one: nobody reads half a calculation
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if isinstance(result, LabelFailure):
        return Probe(reference.name, frame, result, first_s if again_s is None else again_s, None, folder)
    shutil.rmtree(folder, ignore_errors=True)
    return Probe(reference.name, frame, result, first_s, again_s)


def require(reference: Reference, frame: Frame) -> None:
    """See that a reference can label a structure here. ReferenceUnavailable when it says that it can't."""
    numbers: Sequence[int] = [int(number) for number in frame.numbers]
    problems = reference.problems(numbers, periodic=bool(frame.pbc.any()))
    if problems:
        where = f"REFERENCE ({reference.name}) for structure {frame.system}"
        raise ReferenceUnavailable([Problem(where, problem) for problem in problems])


def _timed(reference: Reference, frame: Frame, folder: Path) -> tuple[Label | LabelFailure, float]:
    folder.mkdir()
    started = time.perf_counter()
    result = reference.label(frame, folder=folder, want_stress=bool(frame.pbc.all()))
    return result, time.perf_counter() - started


def _seconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"
