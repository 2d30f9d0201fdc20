"""Learning curves of several ways to choose labels: the table that keeps them, and how many labels one way needs."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np

from aims_pax.frame import FloatArray
from aims_pax.selection import max_atomic_error

BASELINE: Final = "random"
"""The way that others are compared to."""

ERRORS: Final = {
    "mae_mev_per_ang": "mean over components",
    "p95_mev_per_ang": "largest of any atom of a structure, 95th percentile over structures",
    "largest_mev_per_ang": "largest of any atom",
}

MOST_SEEDS: Final = 5
"""All draws of so many seeds are made; of more, some thousands."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of labels, chosen in one way; `labels` is how many."""

    system: str
    seed: int
    labels: int
    way: str


@dataclass(frozen=True, slots=True)
class Record:
    """What a cell has come to; `core_s` is processor time of the session that has finished it, MD and run included.

    `recipe` is what all cells of a system must have in common to be compared.
    """

    system: str
    seed: int
    labels: int
    way: str
    mae_mev_per_ang: float
    p95_mev_per_ang: float
    largest_mev_per_ang: float
    core_s: float
    recipe: str

    @property
    def cell(self) -> Cell:
        return Cell(self.system, self.seed, self.labels, self.way)


def record_of(
    cell: Cell, found: Sequence[FloatArray], true: Sequence[FloatArray], *, core_s: float, recipe: str
) -> Record:
    """What forces of structures (atoms, 3), in eV/Å, that a model has found are worth beside the true ones."""
    worst = [max_atomic_error(*pair) for pair in zip(found, true, strict=True)]
    mae = np.abs(np.concatenate(found) - np.concatenate(true)).mean()
    mean, tail, largest = (round(1000 * float(one), 2) for one in (mae, np.percentile(worst, 95), max(worst)))
    return Record(cell.system, cell.seed, cell.labels, cell.way, mean, tail, largest, core_s, recipe)


# -- the file -------------------------------------------------------------------------------------------------


def read_table(path: Path) -> list[Record]:
    """All finished cells, a line for each. The beginning of one that was cut off at the end of the file is none."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    found = []
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        try:
            found.append(Record(**json.loads(line)))
        except (json.JSONDecodeError, TypeError) as cause:
            raise SystemExit(f"{path}, line {number}: is no finished cell ({cause}). Remove the line.") from cause
    return found


def append(path: Path, record: Any) -> None:
    """One more line of a dataclass, on disk before this returns; it takes the place of one that was cut off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write((json.dumps(asdict(record)) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


# -- the ratio ------------------------------------------------------------------------------------------------


def falling(values: FloatArray) -> FloatArray:
    """The curve nearest to this one that never rises (pool adjacent violators)."""
    blocks: list[tuple[float, int]] = []
    for value in values.tolist():
        blocks.append((value, 1))
        while len(blocks) > 1 and blocks[-2][0] < blocks[-1][0]:
            (first, n_first), (second, n_second) = blocks.pop(-2), blocks.pop()
            blocks.append(((n_first * first + n_second * second) / (n_first + n_second), n_first + n_second))
    return np.repeat([value for value, _ in blocks], [n for _, n in blocks])


def ratio(labels: Sequence[int], errors: FloatArray, others: FloatArray) -> float | None:
    """Labels that one way needs, over those of another, at equal error; None where the two have no error in common.

    It is the mean distance of the two curves (geometric means over seeds, logarithms on both axes, straight between
    points) along the axis of labels, over the errors that both have reached.

    Parameters
    ----------
    labels : (n,)
    errors, others : (n_seeds, n), in one unit
    """
    mine, theirs = (falling(np.log(some).mean(axis=0)) for some in (errors, others))
    low, high = max(mine[-1], theirs[-1]), min(mine[0], theirs[0])
    if not low < high:
        return None
    common, logs = np.linspace(low, high, 202)[1:-1], np.log(labels)
    needed = [np.interp(-common, -curve, logs) for curve in (mine, theirs)]
    return float(np.exp((needed[0] - needed[1]).mean()))


def interval(labels: Sequence[int], errors: FloatArray, others: FloatArray) -> tuple[float, float] | None:
    """95 % of the ratios of seeds drawn with replacement, each with both of its curves.

    None with one seed, or where a twentieth of the draws has no error in common.
    """
    n_seeds = len(errors)
    if n_seeds < 2:
        return None
    draws: Iterator[tuple[int, ...]] = product(range(n_seeds), repeat=n_seeds)
    if n_seeds > MOST_SEEDS:
        draws = map(tuple, np.random.default_rng(1).integers(n_seeds, size=(4000, n_seeds)).tolist())
    found = [ratio(labels, errors[list(draw)], others[list(draw)]) for draw in draws]
    known = [one for one in found if one is not None]
    if len(known) < 0.95 * len(found):
        return None
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


# -- for a person ---------------------------------------------------------------------------------------------


def lines_of(system: str, records: Sequence[Record], *, baseline: str = BASELINE) -> Iterator[str]:
    """Errors of one system by way and number of labels, and the ratio of each way to the baseline."""
    own = [record for record in records if record.system == system]
    ways = list(dict.fromkeys(record.way for record in own))
    for error, words in ERRORS.items():
        values = {record.cell: float(getattr(record, error)) for record in own}
        yield f"\n{system}, force error, meV/Å: {words}; mean ± standard deviation (seeds)"
        yield f"{'labels':>8s}" + "".join(f"{way:>20s}" for way in ways)
        for number in sorted({cell.labels for cell in values}):
            cells = [[values[one] for one in values if one.labels == number and one.way == way] for way in ways]
            yield f"{number:8d}" + "".join(f"{_spread(some):>20s}" for some in cells)
        for way in ways:
            if way != baseline:
                found = _ratio_words(way, values, baseline)
                yield f"  labels of {way} over those of {baseline} at equal error: {found}"


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{spread} ({len(values)})"


def _ratio_words(way: str, values: Mapping[Cell, float], baseline: str) -> str:
    """The ratio with its interval, or why there is none; of the seeds that have come furthest."""
    curves = {one: _curves(values, one) for one in (way, baseline)}
    pairs = {seed: set(curves[way][seed]) & set(curves[baseline].get(seed, ())) for seed in sorted(curves[way])}
    most = max(map(len, pairs.values()), default=0)
    seeds = [seed for seed, numbers in pairs.items() if len(numbers) == most]
    labels = sorted(set.intersection(*(pairs[seed] for seed in seeds))) if seeds else []
    if len(labels) < 2:
        return "not known yet"
    mine, theirs = (
        np.array([[curves[one][seed][number] for number in labels] for seed in seeds]) for one in (way, baseline)
    )
    found, room = ratio(labels, mine, theirs), interval(labels, mine, theirs)
    if found is None:
        return "they have no error in common"
    sure = "no interval" if room is None else f"95 %: {room[0]:.2f} to {room[1]:.2f}"
    said = f"{len(seeds)} seeds" if len(seeds) > 1 else "1 seed"
    return f"{found:.2f} ({sure}; {said}, {labels[0]} to {labels[-1]} labels)"


def _curves(values: Mapping[Cell, float], way: str) -> dict[int, dict[int, float]]:
    """Errors of one way by seed, then by number of labels."""
    found: dict[int, dict[int, float]] = {}
    for cell, value in values.items():
        if cell.way == way:
            found.setdefault(cell.seed, {})[cell.labels] = value
    return found
