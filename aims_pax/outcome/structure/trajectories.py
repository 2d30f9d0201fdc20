"""Structures that something else has moved, of a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aims_pax.atoms import frame_of
from aims_pax.errors import Problem, UserError
from aims_pax.evaluation.structure import Run
from aims_pax.frame import Frame
from aims_pax.settings.systems import structures_of

SUFFIXES: Final = (".xyz", ".extxyz", ".traj")
"""Of files that hold trajectories."""

OPTION: Final = "--against"


def is_trajectory(word: str) -> bool:
    """Whether a word names a file of structures, and no model."""
    path = Path(word).expanduser()
    return path.suffix.lower() in SUFFIXES and path.is_file()


def runs_in(word: str, starts: Sequence[Frame]) -> dict[str, list[Run]]:
    """Trajectories of a file, by the system that has the same atoms in the same order.

    What stands under `trajectory` on the comment line parts trajectories of one system.

    Raises
    ------
    UserError
        The file can't be read, or holds other atoms.
    """
    path = Path(word).expanduser()
    found: dict[tuple[str, str], list[Frame]] = {}
    for number, atoms in enumerate(structures_of(path.resolve(), Path.cwd()), start=1):
        known = [one.system for one in starts if one.numbers.tolist() == atoms.numbers.tolist()]
        if not known:
            formula, names = atoms.get_chemical_formula(), ", ".join(one.system for one in starts)
            problem = f"Structure {number} is {formula}, and no system has these atoms in this order."
            raise UserError(Problem(f"{OPTION} {word}", problem, f"structures of {names}"))
        key = (known[0], str(atoms.info.get("trajectory", "")))
        found.setdefault(key, []).append(frame_of(atoms, system=known[0], trajectory=0))
    runs: dict[str, list[Run]] = {}
    for (system, _), frames in found.items():
        runs.setdefault(system, []).append(frames)
    return runs
