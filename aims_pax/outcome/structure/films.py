"""Structures of runs that are moved anyway, kept as they go by; and those of a trajectory file."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from aims_pax.atoms import frame_of
from aims_pax.errors import Problem, UserError
from aims_pax.evaluation.stability import Conditions
from aims_pax.evaluation.structure import Run
from aims_pax.frame import Frame
from aims_pax.outcome.trial import TrialRun
from aims_pax.settings.systems import structures_of

SPACING_PS: Final = 0.05
"""Between two structures that are kept: nearer ones are nearly the same."""

SUFFIXES: Final = (".xyz", ".extxyz", ".traj")
"""Of files that hold trajectories."""

OPTION: Final = "--against"


class Film:
    """Structures of one run.

    Parameters
    ----------
    conditions : Conditions
    """

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._seen: list[tuple[float, Frame]] = []
        self._length_ps = 0.0

    def see(self, time_ps: float, frame: Frame) -> None:
        """Keep a structure, if the one before is far enough."""
        self._length_ps = time_ps
        if not self._seen or time_ps >= self._seen[-1][0] + SPACING_PS - 1e-9:
            self._seen.append((time_ps, frame))

    @property
    def system(self) -> str:
        """Of which system."""
        return self._conditions.system

    @property
    def settled(self) -> list[Frame]:
        """Without those at the beginning, which remember their start."""
        from_ps = self._conditions.settling_ps(self._length_ps)
        return [frame for time_ps, frame in self._seen if time_ps > from_ps]


class Films:
    """Structures of all runs of one method, by temperature."""

    def __init__(self) -> None:
        self._films: dict[float, list[Film]] = {}

    def watching(self, temperature_k: float, runs: Iterable[TrialRun]) -> list[TrialRun]:
        """The same runs, whose structures are kept from now on."""
        films = self._films.setdefault(temperature_k, [])
        watched = []
        for run in runs:
            films.append(Film(run.conditions))
            watched.append(replace(run, sees=films[-1].see))
        return watched

    @property
    def temperatures_k(self) -> list[float]:
        """At which runs were watched, in their order."""
        return list(self._films)

    def runs(self, temperature_k: float, system: str) -> list[Run]:
        """Those of a system of which something was seen after its beginning."""
        films = [film for film in self._films.get(temperature_k, ()) if film.system == system]
        return [settled for film in films if (settled := film.settled)]


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
