"""What the comparison of two models by their dihedrals has found: words, numbers, figures."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aims_pax.evaluation.blocks import Interval
from aims_pax.evaluation.turning import FEW_PASSAGES, LEAST_RUNS, Likeness, Map, Turning
from aims_pax.frame import FloatArray
from aims_pax.outcome.dihedrals.angles import Dihedrals
from aims_pax.report.dihedrals import DrawnMap, DrawnTurning, draw_maps, draw_turnings


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One system at one temperature.

    Parameters
    ----------
    system : str
    temperature_k : float
    models : tuple of two str
        What moved the atoms: what is tried, and what it is compared to.
    dihedrals : Dihedrals
    n_runs : tuple of two int
        Runs of each that are compared.
    n_failed : tuple of two int
        Those that broke, and count until then: not at all, when that was at once.
    sampled_ps : tuple of two float
        Of all these runs together, without their beginnings.
    turnings : tuple of Turning
        One for each dihedral.
    maps : tuple of Map
        One for each of ``dihedrals.maps``.
    angles : tuple of two (n, D) arrays, rad
        What was seen in all runs.
    """

    system: str
    temperature_k: float
    models: tuple[str, str]
    dihedrals: Dihedrals
    n_runs: tuple[int, int]
    n_failed: tuple[int, int]
    sampled_ps: tuple[float, float]
    turnings: tuple[Turning, ...]
    maps: tuple[Map, ...]
    angles: tuple[FloatArray, FloatArray]

    @property
    def is_short_of_runs(self) -> bool:
        """Whether there are too few runs to tell a difference of models from one of runs."""
        return min(self.n_runs) < LEAST_RUNS

    def lines(self) -> Iterator[str]:
        """For a person."""
        first, second = self.models
        sampled = " and ".join(
            f"{time_ps:.4g} ps in {n} runs" for time_ps, n in zip(self.sampled_ps, self.n_runs, strict=True)
        )
        yield f"dihedrals of {self.system} at {self.temperature_k:g} K by {first} and by {second} ({sampled})"
        yield from self._doubts()
        for name, one in zip(self.dihedrals.names, self.turnings, strict=True):
            noise = "" if one.noise is None else f"; runs of one model: up to {one.noise:.4f}"
            yield f"  {name}: {one.likeness}; Jensen-Shannon divergence {_with_bounds(one.divergence, 4)} bit{noise}"
        for places, chart in zip(self.dihedrals.maps, self.maps, strict=True):
            yield f"  conformers of {self._named(places)}, populations by {first} | by {second} (95 %)"
            for number, (center, both) in enumerate(
                zip(chart.conformers.centers, chart.populations, strict=True), start=1
            ):
                at = ", ".join(f"{angle:.0f}°" for angle in np.degrees(center))
                yield f"    {number}  at {at:12s}  " + "  |  ".join(_percent(share) for share in both)
            yield "    in one of them: " + " | ".join(f"{100 * share:.0f} %" for share in chart.assigned)
            if chart.is_too_short:
                counts = " and ".join(map(str, chart.passages))
                yield (
                    f"    too short: {counts} passages from one to another ({FEW_PASSAGES} are the least); populations "
                    "are those that the runs began with. Longer runs or a higher temperature tell more."
                )

    def as_json(self) -> dict[str, Any]:
        """Plain values, units in the keys; pairs are in the order of `models`."""
        return {
            "system": self.system,
            "temperature_k": self.temperature_k,
            "models": list(self.models),
            "runs": list(self.n_runs),
            "runs_that_broke": list(self.n_failed),
            "sampled_ps": [round(one, 4) for one in self.sampled_ps],
            "too_few_runs": self.is_short_of_runs,
            "dihedrals": [
                {"atoms": list(quad), "name": name, **one.as_json()}
                for quad, name, one in zip(self.dihedrals.quads, self.dihedrals.names, self.turnings, strict=True)
            ],
            "conformers": [
                {"dihedrals": [self.dihedrals.names[place] for place in places], **one.as_json()}
                for places, one in zip(self.dihedrals.maps, self.maps, strict=True)
            ],
        }

    def write(self, folder: Path) -> list[Path]:
        """Draw the distributions and, where two dihedrals make a map, the maps."""
        name = f"{re.sub(r'[^A-Za-z0-9_.-]', '_', self.system)}_{self.temperature_k:g}K.png"
        written = [folder / f"dihedrals_{name}"]
        title = f"{self.system} at {self.temperature_k:g} K"
        drawn = [
            DrawnTurning(name, one.shares, one.low, one.high, str(one.likeness))
            for name, one in zip(self.dihedrals.names, self.turnings, strict=True)
        ]
        draw_turnings(drawn, written[0], models=self.models, title=title)
        maps = [
            DrawnMap(
                names=(self.dihedrals.names[places[0]], self.dihedrals.names[places[1]]),
                angles=(self.angles[0][:, list(places)], self.angles[1][:, list(places)]),
                clusters=(
                    one.conformers.of_each(self.angles[0][:, list(places)]),
                    one.conformers.of_each(self.angles[1][:, list(places)]),
                ),
                centers=one.conformers.centers,
                populations=tuple((mine.value, theirs.value) for mine, theirs in one.populations),
                assigned=one.assigned,
            )
            for places, one in zip(self.dihedrals.maps, self.maps, strict=True)
            if len(places) == 2
        ]
        if maps:
            written.append(folder / f"conformers_{name}")
            draw_maps(maps, written[1], models=self.models, title=title)
        return written

    def _named(self, places: tuple[int, ...]) -> str:
        return " and ".join(self.dihedrals.names[place] for place in places)

    def _doubts(self) -> Iterator[str]:
        if self.dihedrals.n_left_out:
            n = self.dihedrals.n_left_out
            yield f"  ? {n} further bonds turn and were not looked at: name dihedrals by --dihedrals"
        if any(self.n_failed):
            counts = " and ".join(map(str, self.n_failed))
            yield f"  ? {counts} runs broke; what was seen until then counts"
        if self.is_short_of_runs:
            yield f"  ? fewer than {LEAST_RUNS} runs of each: a difference of models can't be told from one of runs"
        if any(one.likeness is Likeness.UNKNOWN for one in self.turnings) and not self.is_short_of_runs:
            yield "  ? some turned over too rarely for a statement: make the runs longer"


@dataclass(frozen=True, slots=True)
class Uncompared:
    """A system at a temperature of which nothing was seen.

    Parameters
    ----------
    system : str
    temperature_k : float
    model : str
        Whose runs all broke before they had forgotten their start.
    """

    system: str
    temperature_k: float
    model: str

    def lines(self) -> Iterator[str]:
        """For a person."""
        yield f"dihedrals of {self.system} at {self.temperature_k:g} K: none"
        yield f"  ! all runs by {self.model} ended before anything could be compared"

    def as_json(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        return {"system": self.system, "temperature_k": self.temperature_k, "ended_at_once": self.model}

    def write(self, folder: Path) -> list[Path]:
        """Nothing is to be drawn."""
        return []


def _with_bounds(interval: Interval, digits: int) -> str:
    if interval.low is None or interval.high is None:
        return f"{interval.value:.{digits}f}"
    return f"{interval.value:.{digits}f} (95 %: {interval.low:.{digits}f} to {interval.high:.{digits}f})"


def _percent(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return f"{100 * interval.value:5.1f} %"
    return f"{100 * interval.value:5.1f} % ({100 * interval.low:.0f} to {100 * interval.high:.0f})"
