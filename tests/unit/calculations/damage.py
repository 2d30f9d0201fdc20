"""Outputs that are cut, lack lines or have numbers that overflowed: what is still read is what the whole file says."""

import io
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.calculations.lines import Lines
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.step import Closing, Step
from tests.unit.calculations.published import is_usable

NUMBER: Final = re.compile(r"-?\d+\.\d+")
N_EACH: Final = 40
ENERGY_EV: Final = 1e-6
Reads = Callable[[Lines], Steps]


def read_text(reads: Reads, text: str, path: Path = Path("output")) -> tuple[list[Step], Closing]:
    """All steps of a text, and how it ends."""
    going = reads(Lines(path, io.BytesIO(text.encode())))
    steps: list[Step] = []
    while True:
        try:
            steps.append(next(going))
        except StopIteration as end:
            closing: Closing = end.value
            return steps, closing


def require_survival(reads: Reads, text: str, *, every_bytes: int | None = None, n_each: int = N_EACH) -> None:
    """Read a text in many states of damage: never an exception, and no other usable step than the whole text has.

    Parameters
    ----------
    reads : function of lines
    text : str
    every_bytes : int or None
        Where the text is cut; None: at equal distances.
    n_each : int
        How many texts lack lines at random or have spoilt numbers, each; their stress does not count.
    """
    whole = _usable(reads, text)
    ends = range(0, len(text), every_bytes) if every_bytes else [n * len(text) // n_each for n in range(1, n_each)]
    for end in ends:
        for step in _usable(reads, text[:end]):
            _require_known(step, whole)
    for broken in damaged(text, n_each=n_each):
        for step in _usable(reads, broken):
            _require_known(replace(step, stress=None), whole)
    for broken in overwritten(text):
        read_text(reads, broken)


def require_losses_told(reads: Reads, text: str) -> None:
    """Read a text without one of its lines, each in turn: a usable step is one of those of the whole text."""
    whole = _usable(reads, text)
    lines = text.splitlines(keepends=True)
    for lost in range(len(lines)):
        for step in _usable(reads, "".join(lines[:lost] + lines[lost + 1 :])):
            try:
                _require_known(step, whole)
            except AssertionError as wrong:
                raise AssertionError(f"without line {lost + 1}, {lines[lost]!r}") from wrong


def damaged(text: str, *, n_each: int) -> Iterator[str]:
    """The text without some of its lines, and with numbers that overflowed, ran together or are none."""
    stream = random.Random(0)
    lines = text.splitlines(keepends=True)
    for _ in range(n_each):
        gone = set(stream.sample(range(len(lines)), min(len(lines), stream.choice((1, 1, 2, 20)))))
        yield "".join(line for index, line in enumerate(lines) if index not in gone)
    with_numbers = [index for index, line in enumerate(lines) if NUMBER.search(line)]
    for _ in range(n_each):
        broken = list(lines)
        for index in stream.sample(with_numbers, min(len(with_numbers), 8)):
            spoilt = stream.choice(("*********", "NaN", "-1.5-2.5"))
            broken[index] = NUMBER.sub(spoilt, broken[index], count=1)
        yield "".join(broken)


def overwritten(text: str) -> Iterator[str]:
    """The text with a line in which something else stands, from any place on: it may look like other numbers."""
    stream = random.Random(1)
    lines = text.splitlines(keepends=True)
    for _ in range(N_EACH):
        hit = stream.randrange(len(lines))
        line = lines[hit]
        start = stream.randrange(len(line))
        for other in ("*" * 10, "NaN", "-1.0-2.0"):
            replaced = line[:start] + other + line[start + len(other) :].rstrip("\n") + "\n"
            yield "".join([*lines[:hit], replaced, *lines[hit + 1 :]])


def _usable(reads: Reads, text: str) -> list[Step]:
    return [step for step in read_text(reads, text)[0] if is_usable(step)]


def _require_known(step: Step, whole: list[Step]) -> None:
    same = [one for one in whole if one.energy is not None and abs(one.energy - (step.energy or 0.0)) < ENERGY_EV]
    assert same, f"no step has the energy {step.energy}"
    assert any(_agree(step, one) for one in same), f"the step of {step.energy} eV is another"


def _agree(one: Step, other: Step) -> bool:
    pairs = ((one.numbers, other.numbers), (one.positions, other.positions), (one.cell, other.cell))
    near = all(
        mine is None or (theirs is not None and mine.shape == theirs.shape and np.allclose(mine, theirs, 1e-6, 2e-6))
        for mine, theirs in (*pairs, (one.forces, other.forces))
    )
    return near and (
        one.stress is None or (other.stress is not None and np.allclose(one.stress, other.stress, atol=1e-7))
    )
