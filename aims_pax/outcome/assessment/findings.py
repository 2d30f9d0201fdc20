"""An assessment: everything that is told of some predictions, as text, tables, figures and plain values."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from aims_pax.dataset.durable import replacing
from aims_pax.dataset.entries import Keys
from aims_pax.errors import Problem, ShapeError
from aims_pax.evaluation.parity import Matched, Method, Row, groupings_of, measured_rows
from aims_pax.outcome.assessment.conditions import condition_lines
from aims_pax.outcome.assessment.disagreement import (
    Disagreement,
    committee_of,
    disagreement_lines,
    disagreements,
    write_disagreement,
)
from aims_pax.outcome.assessment.figures import drawn_methods, write_figures
from aims_pax.outcome.assessment.pairing import paired
from aims_pax.outcome.assessment.tables import group_tables, quantity_table
from aims_pax.report.table import Table


@dataclass(frozen=True, eq=False)
class Assessment:
    """Errors of some methods on labelled structures.

    Parameters
    ----------
    matched : Matched
    opening : str
        What is told first.
    remarks : tuple of Problem
        What may be wrong with labels or predictions.
    besides : mapping of str to value
        What metrics.json has besides.
    """

    matched: Matched
    opening: str
    remarks: tuple[Problem, ...] = ()
    besides: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Every measure: of each method and quantity, of the whole set and by group."""
        return tuple(measured_rows(self.matched, groupings_of(self.matched)))

    @cached_property
    def disagreement(self) -> tuple[Disagreement, ...]:
        """What the members' disagreement tells of the error of their mean; empty where there is no committee."""
        return disagreements(self.matched)

    def as_committee(self) -> "Assessment":
        """The same with the mean of all methods besides, as of the members of one committee.

        Raises
        ------
        ShapeError
            There is one method alone, or their mean is there already.
        """
        methods = self.matched.methods
        if len(methods) < 2 or committee_of(self.matched) is not None:
            raise ShapeError(f"{len(methods)} methods are no members of which a mean is missing")
        mean = Method("committee mean", tuple(range(len(methods))))
        return replace(self, matched=replace(self.matched, methods=(*methods, mean)))

    def row(self, quantity: str, *, method: str | None = None, kind: str = "all", group: str = "all") -> Row:
        """One of them.

        Parameters
        ----------
        quantity : str
            ``energy_per_atom``, ``energy``, ``force_component``, ``force_length``, ``force_difference``,
            ``force_angle``, ``force_rms``, ``stress``.
        method : str or None
            The last one, which is the mean where there is one, when None.
        kind, group : str
            ``element`` and ``H``, ``composition`` and ``H2O``, ``density`` and ``2.5 g/cm³``, ``temperature`` and
            ``300 K``, ``density_and_temperature`` and ``2.5 g/cm³, 300 K``, ``config_type``, ``system``, ``file``.

        Raises
        ------
        KeyError
            There is none such.
        """
        wanted = (method or self.matched.methods[-1].name, quantity, kind, group)
        for row in self.rows:
            if (row.method, row.quantity.key, row.kind, row.group) == wanted:
                return row
        raise KeyError(wanted)

    def table(self) -> Table:
        """All of them as columns, in eV and Å."""
        return table_of([row.record() for row in self.rows])

    def text(self) -> str:
        """For a person: errors by quantity and method, and by group."""
        names = [method.name for method in self.matched.methods]
        parts = [self.opening, quantity_table(self.rows, names), group_tables(self.rows, names)]
        left = len(names) - len(drawn_methods(self.matched))
        disagreeing = disagreement_lines(self.matched, self.disagreement)
        parts += ["\n".join(condition_lines(self.matched, self.rows)), "\n".join(disagreeing)]
        parts += [f"Figures show {len(names) - left} of {len(names)} methods, tables all."] if left else []
        return "\n\n".join(part for part in parts if part)

    def record(self) -> dict[str, Any]:
        """Plain values, with the text."""
        told = {**self.besides, "text": self.text(), "measures": [row.record() for row in self.rows]}
        if committee_of(self.matched) is not None:
            told["disagreement"] = [one.record() for one in self.disagreement]
        return told

    def write(self, folder: str | Path) -> list[Path]:
        """Write metrics.json, metrics.txt, errors.csv, and each figure as PNG, PDF and CSV; the folder is made.

        Raises
        ------
        OSError
            The folder can't be written to.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / name for name in ("metrics.json", "metrics.txt", "errors.csv")]
        with replacing(paths[0]) as file:
            json.dump(self.record(), file, indent=2)
        with replacing(paths[1]) as file:
            file.write(self.text() + "\n")
        self.table().write_csv(paths[2])
        paths += write_figures(self.matched, self.rows, folder)
        return [*paths, *write_disagreement(self.disagreement, folder / "disagreement")]


def compare_files(
    data: Sequence[Path], predicted: Sequence[Path], *, keys: Keys | None = None, prefix: str | None = None
) -> Assessment:
    """Predictions that stand in files against labels of other files, see :func:`paired`; without any model.

    Raises
    ------
    StructureError
        A file can't be read, or structures do not belong together.
    """
    found = paired(data, predicted, keys=keys, prefix=prefix)
    n_structures = len(found.matched.frames)
    where = " and ".join(path.name for path in data)
    opening = [f"{n_structures} structure{'s' if n_structures != 1 else ''} of {where}", *found.found_by]
    return Assessment(
        found.matched,
        "\n".join(opening),
        found.remarks,
        {"data": [str(path) for path in data], "names": found.found_by},
    )


def table_of(records: Sequence[Mapping[str, Any]]) -> Table:
    """Records of the same fields as columns; what there is none of is empty."""
    import numpy as np

    return Table({name: np.array([one[name] for one in records], dtype=object) for name in records[0]})
