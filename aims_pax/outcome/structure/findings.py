"""What the comparison of structures has found: words, numbers, files, figures."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aims_pax.dataset.durable import replacing
from aims_pax.evaluation.intervals import half_widths
from aims_pax.evaluation.structure import Run, StructureComparison, compare
from aims_pax.outcome.structure.films import Films
from aims_pax.report.structure import DrawnFunction, draw_functions


@dataclass(frozen=True, slots=True, eq=False)
class ComparedStructure:
    """One system at one temperature.

    Parameters
    ----------
    system : str
    temperature_k : float
    comparison : StructureComparison
    """

    system: str
    temperature_k: float
    comparison: StructureComparison

    def lines(self) -> Iterator[str]:
        """For a person."""
        found, (first, second) = self.comparison, self.comparison.methods
        counts = [f"{n} structures of {m} runs" for n, m in zip(found.n_structures, found.n_runs, strict=True)]
        where = f"structure of {self.system} at {self.temperature_k:g} K"
        yield f"{where} by {first} ({counts[0]}) and by {second} ({counts[1]})"
        yield from (f"  {line}" for line in found.lines())

    def as_json(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        return {"system": self.system, "temperature_k": self.temperature_k, **self.comparison.record()}

    def write(self, folder: Path) -> list[Path]:
        """A figure of all functions, and their values (CSV)."""
        name = f"structure_{re.sub(r'[^A-Za-z0-9_.-]', '_', self.system)}_{self.temperature_k:g}K"
        written = [folder / f"{name}.png", folder / f"{name}.csv"]
        drawn = [
            DrawnFunction(
                *(one.title, one.x_label, one.y_label, one.x),
                (one.y.mean(axis=0), other.y.mean(axis=0)),
                (half_widths(one.y), half_widths(other.y)),
            )
            for one, other in self.comparison.curves
        ]
        title = f"{self.system} at {self.temperature_k:g} K"
        draw_functions(drawn, written[0], methods=self.comparison.methods, title=title)
        with replacing(written[1]) as file:
            csv.writer(file, lineterminator="\n").writerows(self._rows())
        return written

    def _rows(self) -> Iterator[list[object]]:
        names = self.comparison.methods
        yield ["function", "x", *(f"{name}{what}" for name in names for what in ("", ": sd of blocks"))]
        for first, second in self.comparison.curves:
            for place, x in enumerate(first.x.tolist()):
                values = [(one.y[:, place].mean(), one.y[:, place].std()) for one in (first, second)]
                yield [first.key, round(x, 6), *(f"{value:.6g}" for pair in values for value in pair)]


def compare_structures(
    mine: Films, theirs: Films | Mapping[str, Sequence[Run]], systems: Iterable[str], *, methods: tuple[str, str]
) -> tuple[ComparedStructure, ...]:
    """Each system at each temperature of which both methods have seen something.

    Parameters
    ----------
    theirs : Films, or mapping of str to Runs
        Runs of the other method at the same temperatures; or trajectories by system, whatever their temperature.
    """
    found = []
    for temperature_k in mine.temperatures_k:
        for system in systems:
            first = mine.runs(temperature_k, system)
            second = theirs.runs(temperature_k, system) if isinstance(theirs, Films) else theirs.get(system, ())
            if first and second:
                comparison = compare(first, second, methods=methods)
                found.append(ComparedStructure(system, temperature_k, comparison))
    return tuple(found)
