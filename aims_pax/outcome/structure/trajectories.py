"""Structures that something else has moved, of a file."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from aims_pax.atoms import frame_of
from aims_pax.errors import Problem, UserError
from aims_pax.evaluation.structure import Run
from aims_pax.frame import Frame
from aims_pax.settings.systems import structures_of
from aims_pax.structures.composition import formula

SUFFIXES: Final = (".xyz", ".extxyz", ".traj")
"""Of files that hold trajectories."""

OPTION: Final = "--against"


def is_trajectory(word: str) -> bool:
    """Whether a word names a file of structures, and no model."""
    path = Path(word).expanduser()
    return path.suffix.lower() in SUFFIXES and path.is_file()


def runs_in(word: str, starts: Sequence[Frame], *, advice: str = "") -> dict[str, list[Run]]:
    """Trajectories of a file, by the system that has the same atoms in the same order.

    What stands under `trajectory` on the comment line parts trajectories of one system.

    Parameters
    ----------
    word : str
    starts : sequence of Frame
        One of each system.
    advice : str
        What to do where the file holds other atoms.

    Raises
    ------
    UserError
        The file can't be read, holds other atoms, or leaves open which system it is of.
    """
    path = Path(word).expanduser()
    found: dict[tuple[str, str], list[Frame]] = {}
    for number, atoms in enumerate(structures_of(path.resolve(), Path.cwd()), start=1):
        frame = frame_of(atoms, system="")
        known = [one for one in starts if one.numbers.tolist() == frame.numbers.tolist()]
        if wrong := _wrong(frame, known, starts):
            allowed = f"structures of {', '.join(map(_named, starts))}"
            found_words = f"Structure {number} {wrong}."
            raise UserError(Problem(f"{OPTION} {word}", found_words, allowed, "" if known else advice))
        key = (known[0].system, str(atoms.info.get("trajectory", "")))
        found.setdefault(key, []).append(replace(frame, system=known[0].system))
    runs: dict[str, list[Run]] = {}
    for (system, _), frames in found.items():
        runs.setdefault(system, []).append(frames)
    return runs


def _wrong(frame: Frame, known: Sequence[Frame], starts: Sequence[Frame]) -> str:
    """Why a structure is of none of some systems, after its name; empty where it is of one."""
    if not known:
        is_other = all(sorted(one.numbers) != sorted(frame.numbers) for one in starts)
        order = "" if is_other else ": the order is another one"
        return f"is {formula(frame.numbers)}, and no system has these atoms in this order{order}"
    if len(known) > 1:
        return f"may be of {' or of '.join(one.system for one in known)}, which have the same atoms"
    if frame.pbc.tolist() != known[0].pbc.tolist():
        here, there = ("is periodic" if one.pbc.any() else "has no cell" for one in (frame, known[0]))
        here += "" if here != there else " in other directions"
        return f"{here}, and {known[0].system} {there}"
    return ""


def _named(start: Frame) -> str:
    return f"{start.system} ({formula(start.numbers)})"
