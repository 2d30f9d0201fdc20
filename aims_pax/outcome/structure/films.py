"""Structures of runs that are moved anyway, kept as they go by."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from aims_pax.evaluation.stability import Conditions
from aims_pax.evaluation.structure import Run
from aims_pax.frame import Frame
from aims_pax.outcome.trial import TrialRun

SPACING_PS: Final = 0.05
"""Between two structures that are kept: nearer ones are nearly the same."""


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
