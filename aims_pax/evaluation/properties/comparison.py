"""Numbers of several methods side by side, and how far they are from those of a reference."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import gcd
from typing import Final

import numpy as np

from aims_pax.evaluation.blocks import Interval, Likeness, difference_of, half_width, likeness_by, mean_of
from aims_pax.evaluation.properties.property import Measured, Panel, Quantity, Unmeasured

BY_REFERENCE: Final = "reference at the model's geometry"
AT_REFERENCE: Final = "at the reference's geometry"

CROSSED: Final = ("by_reference_", "at_reference_")
"""What the names of numbers begin with for which one method has relaxed and another one computes the energy."""

AGREEING_PERCENT: Final = 0.1
"""What is nearer to the reference is as near as relaxations are converged."""

LEAST_FOR_CHANCE: Final = 20
"""Numbers from which on it is worth saying that some differ by chance."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """What one method says of one property of one structure.

    Parameters
    ----------
    property_name : str
    structure : str
    formula : mapping of str to int
        Atoms of each element, by which phases of one compound are known.
    method : str
    outcome : Measured or Unmeasured
    judged : tuple of Quantity
        What the reference says of the geometries that this method has relaxed.
    at_reference : tuple of Quantity
        What this method says of those that the reference has relaxed.
    """

    property_name: str
    structure: str
    formula: Mapping[str, int]
    method: str
    outcome: Measured | Unmeasured
    judged: tuple[Quantity, ...] = ()
    at_reference: tuple[Quantity, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One number by all methods.

    Parameters
    ----------
    property_name, structure : str
    key, words, unit : str
        As in :class:`~aims_pax.evaluation.properties.property.Quantity`.
    values : mapping of str to float
        By model, of those that came to one.
    reference : float or None
    least : float
        Below this size of the reference a deviation is not told in percent.
    is_detail : bool
    blocks : mapping of str to tuple of float
        By model, as in :class:`~aims_pax.evaluation.properties.property.Quantity`; nothing where there is no chance.
    reference_blocks : tuple of float
        The same of the reference.
    is_paired : bool
        Whether pieces of both at the same times had the same noise.
    """

    property_name: str
    structure: str
    key: str
    words: str
    unit: str
    values: Mapping[str, float]
    reference: float | None
    least: float = 0.0
    is_detail: bool = False
    blocks: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    reference_blocks: tuple[float, ...] = ()
    is_paired: bool = True

    def half_width(self, model: str | None) -> float | None:
        """Half of the 95 % interval of a model's number, or of that of the reference (None); None without one."""
        blocks = self.reference_blocks if model is None else self.blocks.get(model, ())
        return half_width(mean_of(np.array(blocks))) if blocks else None

    def difference(self, model: str) -> Interval | None:
        """A model's number less that of the reference, with its 95 % interval; None where nothing of it is chance.

        Pieces of two runs that were made with the same noise are pairs: the intervals of their differences are right
        whether it has kept the runs alike or not.
        """
        blocks = self.blocks.get(model, ())
        if not blocks or not self.reference_blocks:
            return None
        first, second = np.array(blocks), np.array(self.reference_blocks)
        is_paired = self.is_paired and len(first) == len(second)
        return mean_of(first - second) if is_paired else difference_of(first, second)

    def likeness(self, model: str) -> Likeness | None:
        """Whether a model differs from the reference by more than chance; None where nothing of it is chance.

        What is nearer than a thousandth is alike, however sure the difference is: the same noise makes it very sure.
        """
        difference, deviation = self.difference(model), self.deviation_percent(model)
        if difference is None:
            return None
        is_small = deviation is not None and abs(deviation) < AGREEING_PERCENT and difference.low is not None
        return Likeness.ALIKE if is_small else likeness_by(difference)

    def deviation_percent(self, model: str) -> float | None:
        """How far a model is from the reference, relative to the reference; None where that can't be told."""
        if self.reference is None or model not in self.values or abs(self.reference) <= self.least:
            return None
        return 100 * (self.values[model] - self.reference) / abs(self.reference)


def rows_of(entries: Sequence[Entry], *, reference: str | None) -> tuple[Row, ...]:
    """All numbers, in the order in which they were found.

    Parameters
    ----------
    entries : sequence of Entry
    reference : str or None
        The method that is the reference.
    """
    found: list[Row] = []
    for name, structure in dict.fromkeys((one.property_name, one.structure) for one in entries):
        those = [one for one in entries if (one.property_name, one.structure) == (name, structure)]
        own = {one.method: _quantities(one, entries) for one in those if isinstance(one.outcome, Measured)}
        some = _rows(name, structure, own, reference=reference)
        is_paired = not any(isinstance(one.outcome, Measured) and one.outcome.has_own_noise for one in those)
        found += some if is_paired else [replace(row, is_paired=False) for row in some]
        found += _rows_crossed(name, structure, those, own.get(reference or "", {}))
        if reference is not None:
            found += _rows_of_curves(name, structure, those, reference)
    return tuple(found)


def _rows(
    name: str, structure: str, own: Mapping[str, Mapping[str, Quantity]], *, reference: str | None
) -> Iterator[Row]:
    known = {key: quantity for some in own.values() for key, quantity in some.items()}
    for key, quantity in known.items():
        values = {method: some[key].value for method, some in own.items() if key in some}
        truth = values.pop(reference, None) if reference is not None else None
        yield Row(
            name,
            structure,
            key,
            quantity.words,
            quantity.unit,
            values,
            truth,
            least=quantity.least,
            is_detail=quantity.is_detail,
            blocks={
                method: some[key].blocks
                for method, some in own.items()
                if key in some and some[key].blocks and method != reference
            },
            reference_blocks=own[reference][key].blocks if truth is not None and reference is not None else (),
        )


def _rows_crossed(name: str, structure: str, those: Sequence[Entry], truth: Mapping[str, Quantity]) -> Iterator[Row]:
    """Energies by the reference where a model has relaxed, then by models where the reference has."""
    by_reference = {entry.method: entry.judged for entry in those}
    at_reference = {entry.method: entry.at_reference for entry in those}
    for prefix, where, said in zip(CROSSED, (BY_REFERENCE, AT_REFERENCE), (by_reference, at_reference), strict=True):
        for key, quantity in {one.key: one for some in said.values() for one in some}.items():
            own = truth.get(key)
            yield Row(
                name,
                structure,
                f"{prefix}{key}",
                f"{quantity.words}, {where}",
                quantity.unit,
                {method: one.value for method, some in said.items() for one in some if one.key == key},
                None if own is None else own.value,
                least=quantity.least,
            )


def _rows_of_curves(name: str, structure: str, those: Sequence[Entry], reference: str) -> Iterator[Row]:
    """How far curves are from those of the reference, where all have the same places."""
    panels = {
        (one.method, panel.key): panel
        for one in those
        if isinstance(one.outcome, Measured)
        for panel in one.outcome.panels
        if panel.difference_unit
    }
    for key in dict.fromkeys(key for _, key in panels):
        truth = panels.get((reference, key))
        values = {
            method: difference
            for (method, other), panel in panels.items()
            if other == key and method != reference and truth is not None
            if (difference := _difference(panel, truth)) is not None
        }
        if truth is not None and values:
            unit, words = truth.difference_unit, f"{key}, RMS difference"
            key_name = f"{key}_rms_difference_{unit.lower()}"
            yield Row(name, structure, key_name, words, unit, values, 0.0, least=float("inf"))


def _difference(panel: Panel, truth: Panel) -> float | None:
    """Root of the mean square of what two panels differ by; None where they do not have the same points."""
    pairs = list(zip(panel.lines, truth.lines, strict=False))
    if len(panel.lines) != len(truth.lines) or any(one.y.shape != other.y.shape for one, other in pairs):
        return None
    squares = np.concatenate([((one.y - other.y) ** 2).ravel() for one, other in pairs])
    return float(np.sqrt(np.nanmean(squares)))


def _quantities(entry: Entry, entries: Sequence[Entry]) -> dict[str, Quantity]:
    """Its numbers; those whose zero is a convention against the first phase of its composition."""
    assert isinstance(entry.outcome, Measured), "an entry without numbers has none"
    found = {one.key: one for one in entry.outcome.quantities if not one.is_of_phase}
    first = _first_phase(entry, entries)
    if first is None:
        return found
    zeros = {one.key: one.value for one in _of_phase(first)}
    for one in _of_phase(entry):
        if one.key in zeros:
            key, words = f"above_{first.structure}_{one.key}", f"{one.words} above {first.structure}"
            found[key] = Quantity(key, words, one.unit, one.value - zeros[one.key], least=one.least)
    return found


def _of_phase(entry: Entry) -> list[Quantity]:
    return [one for one in entry.outcome.quantities if one.is_of_phase] if isinstance(entry.outcome, Measured) else []


def _first_phase(entry: Entry, entries: Sequence[Entry]) -> Entry | None:
    """The first structure of the same composition by the same method and property; None for this structure itself."""
    for other in entries:
        is_alike = (other.property_name, other.method) == (entry.property_name, entry.method)
        if is_alike and _composition(other.formula) == _composition(entry.formula):
            return None if other.structure == entry.structure else other
    return None


def _composition(formula: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    common = gcd(*formula.values())
    return tuple(sorted((symbol, n // common) for symbol, n in formula.items()))


def percent(value: float) -> str:
    """With a sign, unless it is zero to the digit that is told."""
    text = f"{value:+.1f} %"
    return text[1:] if float(text[:-2]) == 0 else text


def sentence(rows: Sequence[Row], *, title: str, model: str, reference: str) -> str:
    """How far a model is from the reference in the numbers of one property, in one sentence.

    Parameters
    ----------
    rows : sequence of Row
        Of one property.
    """
    by_chance = [row for row in rows if row.difference(model) is not None]
    if by_chance:
        return _sentence_of_chance(by_chance, title=title, model=model, reference=reference)
    those = [
        (row, deviation)
        for row in rows
        if not row.is_detail and not row.key.startswith(CROSSED)
        if (deviation := row.deviation_percent(model)) is not None
    ]
    if not those:
        return f"{title}: {model} has no number that can be compared with {reference} in percent."
    worst, deviation = max(those, key=lambda pair: abs(pair[1]))
    if abs(deviation) < AGREEING_PERCENT:
        n_numbers = "one number" if len(those) == 1 else f"all {len(those)} numbers"
        return f"{title}: {model} agrees with {reference} to {AGREEING_PERCENT} % in {n_numbers}."
    place = f"{worst.words} of {worst.structure}"
    if len(those) == 1:
        return f"{title}: {model} deviates from {reference} by {percent(deviation)} in {place}."
    median = float(np.median([abs(one) for _, one in those]))
    most = f"most by {percent(deviation)} in {place}"
    return f"{title}: {model} deviates from {reference} by {median:.1f} % (median of {len(those)} numbers), {most}."


def _sentence_of_chance(rows: Sequence[Row], *, title: str, model: str, reference: str) -> str:
    """Of numbers with intervals: in how many they differ by more than these, and where most clearly."""
    told = [(row, row.difference(model)) for row in rows if not row.is_detail]
    known = [(row, difference) for row, difference in told if difference is not None and difference.low is not None]
    if not known:
        return f"{title}: {model} and {reference} have too few structures to tell a difference from chance."
    different = [row for row, _ in known if row.likeness(model) is Likeness.DIFFERENT]
    if not different:
        n_numbers = "the only number" if len(known) == 1 else f"all {len(known)} numbers"
        return f"{title}: {model} and {reference} are alike in {n_numbers}, within 95 % intervals."
    worst = max(different, key=lambda row: abs(row.deviation_percent(model) or 0.0))
    deviation = worst.deviation_percent(model)
    unit = f" {worst.unit}" if worst.unit else ""
    by = f"by {percent(deviation)}" if deviation is not None else f"with {worst.values[model]:.4g}{unit}"
    chance = "; one in twenty does by chance" if len(known) >= LEAST_FOR_CHANCE else ""
    return (
        f"{title}: {model} differs from {reference} in {len(different)} of {len(known)} numbers by more than their "
        f"intervals, most {by} in {worst.words} of {worst.structure}{chance}."
    )
