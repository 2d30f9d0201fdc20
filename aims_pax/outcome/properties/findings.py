"""What was found of properties: a table, sentences, files, figures."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from aims_pax.dataset.durable import replacing
from aims_pax.evaluation.blocks import Likeness, half_width
from aims_pax.evaluation.properties import Line, Measured, Panel, Quantity, Unmeasured
from aims_pax.evaluation.properties.comparison import CROSSED, Entry, Row, percent, rows_of, sentence
from aims_pax.frame import FloatArray
from aims_pax.outcome.properties.asked import OF_THE_TABLE
from aims_pax.report.properties import DrawnLine, DrawnNumbers, DrawnPanel, Methods, draw_curves, draw_numbers

JSON_NAME = "properties.json"
TEXT_NAME = "properties.txt"
TABLE_NAME = "table.csv"

OF_TENSOR = ("c11_gpa", "c22_gpa", "c33_gpa")


@dataclass(frozen=True, eq=False, repr=False)
class PropertyFindings:
    """Properties by models, and by what they are compared with.

    Parameters
    ----------
    models : tuple of str
    reference : str or None
    entries : tuple of Entry
    titles : mapping of str to str
        Of the properties, by their names, in the order in which they are told.
    remarks : tuple of str
        On methods.
    is_complete : bool
        Whether all was done that was asked for.
    """

    models: tuple[str, ...]
    reference: str | None
    entries: tuple[Entry, ...]
    titles: Mapping[str, str]
    remarks: tuple[str, ...] = ()
    is_complete: bool = True

    def __repr__(self) -> str:
        return f"PropertyFindings of {', '.join(self.models)}: {len(self.rows)} numbers, {', '.join(self._names())}"

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """All numbers, with those of all methods beside each other."""
        return rows_of(self.entries, reference=self.reference)

    def text(self) -> str:
        """A table by property, what could not be had and why, and a sentence for each model and property."""
        parts = [part for name in self._names() if (part := self._part(name))]
        if rows := self.table():
            parts.append("\n".join(["all in one table", *(f"  {line}" for line in self._table(rows))]))
        if self.remarks:
            parts.append("\n".join(f"note: {remark}" for remark in self.remarks))
        if not self.is_complete:
            parts.append("left before its end: this is what was found until then")
        return "\n\n".join(parts)

    def sentences(self) -> list[str]:
        """One for each property and model; none without a reference."""
        return [one for name in self._names() for one in self._sentences(name)]

    def compared(self) -> dict[str, Any]:
        """Numbers beside each other, and sentences, as plain values."""
        return {
            "models": list(self.models),
            "reference": self.reference,
            "complete": self.is_complete,
            "remarks": list(self.remarks),
            "titles": dict(self.titles),
            "comparison": [self._compared(row) for row in self.rows],
            "sentences": self.sentences(),
        }

    def record(self) -> dict[str, Any]:
        """The same with what each method has computed, curves and why numbers are missing; units in the keys."""
        return {**self.compared(), "results": [_result(entry) for entry in self.entries]}

    def write(self, folder: str | Path) -> list[Path]:
        """Write properties.json, properties.txt, and a table (CSV) and a figure of each property; table.csv of all that
        one table of a paper holds, where there is all of it."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = [folder / JSON_NAME, folder / TEXT_NAME]
        with replacing(written[0]) as file:
            json.dump(self.record(), file, indent=2, allow_nan=False)
        with replacing(written[1]) as file:
            file.write(self.text() + "\n")
        for name in self._names():
            rows = [row for row in self.rows if row.property_name == name]
            if rows:
                written.append(folder / f"{name}.csv")
                with replacing(written[-1]) as file:
                    csv.writer(file, lineterminator="\n").writerows(self._csv(rows))
                if self._draw(name, rows, folder / f"{name}.png"):
                    written.append(folder / f"{name}.png")
        if rows := self.table():
            written.append(folder / TABLE_NAME)
            with replacing(written[-1]) as file:
                csv.writer(file, lineterminator="\n").writerows(self._csv(rows))
        return written

    def table(self) -> list[Row]:
        """Lattice constants, C11, C22, C33, cohesive and vacancy formation energies by structure (AtomProNet, Table 1);
        nothing where not all of these properties were asked for."""
        if not set(OF_THE_TABLE) <= set(self.titles):
            return []
        known = {key: place for place, key in enumerate(OF_THE_TABLE)}
        wanted = [row for row in self.rows if row.property_name in known and _is_of_table(row)]
        structures = list(dict.fromkeys(row.structure for row in self.rows))
        return sorted(wanted, key=lambda row: (structures.index(row.structure), known[row.property_name]))

    def _names(self) -> list[str]:
        there = {entry.property_name for entry in self.entries}
        return [name for name in self.titles if name in there]

    def _part(self, name: str) -> str:
        """All that is told of one property."""
        rows = [row for row in self.rows if row.property_name == name and not row.is_detail]
        lines = [self.titles[name], *(f"  {line}" for line in (self._table(rows) if rows else []))]
        lines += [f"  {line}" for line in self._explained(name)]
        lines += [f"  {one.partition(': ')[2]}" for one in self._sentences(name)]
        return "\n".join(lines)

    def _table(self, rows: Sequence[Row]) -> list[str]:
        reference = [] if self.reference is None else [self.reference]
        cells = [["", "", *self.models, *reference]]
        structure = ""
        for row in rows:
            if row.structure != structure:
                cells.append([structure := row.structure])
            truth = [] if self.reference is None else [_with_interval(row.reference, row.half_width(None))]
            if row.least == float("inf"):  # the difference from a curve: there is no number of the reference
                truth = [""]
            cells.append([f"  {row.words}", row.unit, *(self._cell(row, one) for one in self.models), *truth])
        widths = [max(len(row[column]) for row in cells if column < len(row)) for column in range(len(cells[0]))]
        return ["   ".join(c.ljust(w) for c, w in zip(row, widths, strict=False)).rstrip() for row in cells]

    def _cell(self, row: Row, model: str) -> str:
        deviation, half = row.deviation_percent(model), row.half_width(model)
        said = _with_interval(row.values.get(model), half)
        told = [] if deviation is None else [percent(deviation)]
        told += ["different"] if row.likeness(model) is Likeness.DIFFERENT else []
        return f"{said} ({', '.join(told)})" if told else said

    def _explained(self, name: str) -> Iterator[str]:
        """Why numbers are missing, and what is to be known of those that there are; what is alike is said once."""
        said: dict[str, list[str]] = {}
        for entry in self.entries:
            if entry.property_name != name:
                continue
            told = (str(entry.outcome),) if isinstance(entry.outcome, Unmeasured) else entry.outcome.remarks
            for one in told:
                said.setdefault(f"{entry.structure}\0{one}", []).append(entry.method)
        everyone = {*self.models, *([self.reference] if self.reference else [])}
        for key, methods in said.items():
            structure, _, words = key.partition("\0")
            who = "" if set(methods) == everyone else f", {', '.join(methods)}"
            yield f"{structure}{who}: {words}"

    def _sentences(self, name: str) -> list[str]:
        if self.reference is None:
            return []
        rows = [row for row in self.rows if row.property_name == name]
        title, reference = self.titles[name], self.reference
        return [
            sentence(rows, title=title, model=model, reference=reference)
            for model in self.models
            if any(model in row.values for row in rows)
        ]

    def _compared(self, row: Row) -> dict[str, Any]:
        deviations = {model: row.deviation_percent(model) for model in self.models}
        chance = self._chance(row)
        return {
            "property": row.property_name,
            "structure": row.structure,
            "quantity": row.key,
            "words": row.words,
            "unit": row.unit,
            "values": dict(row.values),
            "reference": row.reference,
            "deviation_percent": {model: one for model, one in deviations.items() if one is not None},
            **({"chance": chance} if chance else {}),
        }

    def _chance(self, row: Row) -> dict[str, Any]:
        """How sure numbers are: half widths of 95 % intervals; nothing where there is no chance."""
        halves = {model: one for model in self.models if (one := row.half_width(model)) is not None}
        truth = row.half_width(None)
        differences = {model: row.difference(model) for model in self.models}
        found = {model: one for model, one in differences.items() if one is not None}
        said: dict[str, Any] = {"half_widths": halves} if halves else {}
        said |= {} if truth is None else {"reference_half_width": truth}
        if found:
            said["difference_half_widths"] = {model: half_width(one) for model, one in found.items()}
            said["likeness"] = {model: str(row.likeness(model)) for model in found}
        return said

    def _csv(self, rows: Sequence[Row]) -> Iterator[list[object]]:
        deviations = [] if self.reference is None else [f"{model}: deviation_percent" for model in self.models]
        reference = [] if self.reference is None else [self.reference]
        has_chance = any(row.blocks or row.reference_blocks for row in rows)
        chance = [f"{method}: half_width_95" for method in (*self.models, *reference)] if has_chance else []
        chance += [f"{model}: likeness" for model in self.models] if has_chance and reference else []
        yield ["structure", "quantity", "unit", *self.models, *reference, *deviations, *chance]
        for row in rows:
            values = [row.values.get(model, "") for model in self.models]
            truth = [] if self.reference is None else ["" if row.reference is None else row.reference]
            told = [row.deviation_percent(model) for model in self.models] if self.reference is not None else []
            halves = [row.half_width(method) for method in (*self.models, *([None] if reference else []))]
            likeness = [row.likeness(model) for model in self.models] if reference else []
            further = [*told, *((*halves, *likeness) if has_chance else ())]
            yield [row.structure, row.key, row.unit, *values, *truth, *("" if one is None else one for one in further)]

    def _draw(self, name: str, rows: Sequence[Row], path: Path) -> bool:
        """Curves where the property has some, else how far its numbers are from the reference."""
        methods, title = Methods(self.models, self.reference), self.titles[name]
        drawn = self._panels(name)
        if drawn:
            draw_curves(drawn, path, title=title, methods=methods)
            return True
        told = [row for row in rows if not row.is_detail and not row.key.startswith(CROSSED)]
        groups = self._deviations(told) if self.reference is not None else self._by_unit(told)
        if groups:
            draw_numbers(groups, path, title=title, methods=methods)
        return bool(groups)

    def _deviations(self, rows: Sequence[Row]) -> list[DrawnNumbers]:
        """How far numbers are from the reference, all on one axis."""
        told = [row for row in rows if any(row.deviation_percent(model) is not None for model in self.models)]
        names = [f"{row.words}, {row.structure}" for row in told]
        values = {model: [row.deviation_percent(model) for row in told] for model in self.models}
        return [DrawnNumbers(f"deviation from {self.reference} (%)", names, values)] if told else []

    def _by_unit(self, rows: Sequence[Row]) -> list[DrawnNumbers]:
        """The numbers themselves, those of one unit on one axis."""
        groups = []
        for unit in dict.fromkeys(row.unit for row in rows):
            told = [row for row in rows if row.unit == unit]
            names = [f"{row.words}, {row.structure}" for row in told]
            values = {model: [row.values.get(model) for row in told] for model in self.models}
            groups.append(DrawnNumbers(unit, names, values))
        return groups

    def _panels(self, name: str) -> list[list[DrawnPanel]]:
        """By structure, each with all kinds of panels that there are."""
        found: dict[str, dict[str, list[tuple[str, Panel]]]] = {}
        for entry in self.entries:
            if entry.property_name == name and isinstance(entry.outcome, Measured):
                for panel in entry.outcome.panels:
                    found.setdefault(entry.structure, {}).setdefault(panel.key, []).append((entry.method, panel))
        return [[_drawn(structure, some) for some in kinds.values()] for structure, kinds in found.items()]


def _is_of_table(row: Row) -> bool:
    """Whether a number of a property of the table stands in it."""
    return row.key in OF_TENSOR if row.property_name == "elastic" else not row.is_detail


def _drawn(structure: str, those: Sequence[tuple[str, Panel]]) -> DrawnPanel:
    first = those[0][1]
    title = f"{structure}, {first.title}" if first.title else structure
    lines = [
        DrawnLine(method, line.x, line.y, line.marks, line.half_width)
        for method, panel in those
        for line in panel.lines
    ]
    return DrawnPanel(title, first.x_label, first.y_label, first.ticks, lines)


def _result(entry: Entry) -> dict[str, Any]:
    said: dict[str, Any] = {
        "property": entry.property_name,
        "structure": entry.structure,
        "method": entry.method,
    }
    if isinstance(entry.outcome, Unmeasured):
        return said | {"lack": str(entry.outcome.lack), "reason": entry.outcome.reason}
    return said | {
        "quantities": _plain(entry.outcome.quantities),
        "by_reference_at_this_geometry": _plain(entry.judged),
        "at_geometry_of_reference": _plain(entry.at_reference),
        "remarks": list(entry.outcome.remarks),
        "curves": [_curve(panel) for panel in entry.outcome.panels],
    }


def _plain(quantities: Sequence[Quantity]) -> dict[str, float]:
    return {one.key: one.value for one in quantities}


def _curve(panel: Panel) -> dict[str, Any]:
    return {
        "name": panel.key,
        "title": panel.title,
        "x": panel.x_label,
        "y": panel.y_label,
        "lines": [_line(line) for line in panel.lines],
        "places": [[place, name] for place, name in panel.ticks],
    }


def _line(line: Line) -> dict[str, Any]:
    said = {"x": _listed(line.x), "y": _listed(line.y), "computed": line.marks}
    return said if line.half_width is None else said | {"half_width": _listed(line.half_width)}


def _listed(values: FloatArray) -> list[Any]:
    """Numbers as JSON has them: what is none is null."""
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    listed: list[Any] = plain.tolist()
    return listed


def _with_interval(value: float | None, half: float | None) -> str:
    """With half of its 95 % interval, where it has one that is not nothing."""
    if value is None or half is None or half < 1e-9 * max(abs(value), 1.0):
        return _shown(value)
    return f"{_shown(value)} ± {half:.2g}"


def _shown(value: float | None) -> str:
    """Four digits, and no minus before a zero; a dash where there is none."""
    if value is None:
        return "-"
    text = f"{value:.4g}" if abs(value) < 10000 else f"{value:.0f}"
    return "0" if float(text) == 0 else text
