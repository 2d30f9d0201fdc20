"""Outputs that are cut, or from which lines are lost or overwritten: what is still read must be what stood there."""

import io
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.calculations.lines import Lines
from aims_pax.calculations.reader import Reader
from aims_pax.calculations.step import Closing, Step
from tests.unit.calculations.published import is_usable

EVERY_BYTES: Final = 500
N_LOSSES: Final = 60
ENERGY_EV: Final = 1e-6


def read_text(reader: Reader, text: str, path: Path = Path("output")) -> tuple[list[Step], Closing]:
    """All steps of a text, and how it ends."""
    going = reader.steps(Lines(path, io.BytesIO(text.encode())))
    steps: list[Step] = []
    while True:
        try:
            steps.append(next(going))
        except StopIteration as end:
            closing: Closing = end.value
            return steps, closing


def damaged(text: str, *, every_bytes: int = EVERY_BYTES, n_losses: int = N_LOSSES) -> Iterator[str]:
    """The text cut short, without some of its lines, and with numbers that are none."""
    yield from (text[:end] for end in range(0, len(text), every_bytes))
    rng = random.Random(1)
    lines = text.splitlines(keepends=True)
    for _ in range(n_losses):
        lost = rng.randrange(len(lines))
        yield "".join(lines[:lost] + lines[lost + 1 :])
        hit = lines[lost]
        start = rng.randrange(max(len(hit), 1))
        for overwritten in ("*" * 10, "NaN", "-1.0-2.0"):
            replaced = hit[:start] + overwritten + hit[start + len(overwritten) :].rstrip("\n") + "\n"
            yield "".join([*lines[:lost], replaced, *lines[lost + 1 :]])


def require_survival(reader: Reader, text: str, *, every_bytes: int = EVERY_BYTES, n_losses: int = N_LOSSES) -> None:
    """Read a text in many states of damage: never an exception, and cut text gives no other usable step than before."""
    whole, _ = read_text(reader, text)
    for short in (text[:end] for end in range(0, len(text), every_bytes)):
        for step in read_text(reader, short)[0]:
            if is_usable(step):
                _require_known(step, whole)
    for other in damaged(text, every_bytes=len(text), n_losses=n_losses):
        read_text(reader, other)


def require_losses_told(reader: Reader, text: str) -> None:
    """Read a text without one of its lines, each in turn: a usable step is one of those of the whole text."""
    whole, _ = read_text(reader, text)
    lines = text.splitlines(keepends=True)
    for lost in range(len(lines)):
        for step in read_text(reader, "".join(lines[:lost] + lines[lost + 1 :]))[0]:
            if is_usable(step):
                try:
                    _require_known(step, whole)
                except AssertionError as wrong:
                    raise AssertionError(f"without line {lost + 1}, {lines[lost]!r}") from wrong


def _require_known(step: Step, whole: list[Step]) -> None:
    same = [one for one in whole if one.energy is not None and abs(one.energy - (step.energy or 0.0)) < ENERGY_EV]
    assert same, f"no step has the energy {step.energy}"
    assert any(_agree(step, one) for one in same), f"the step of {step.energy} eV is another"


def _agree(one: Step, other: Step) -> bool:
    pairs = ((one.positions, other.positions), (one.forces, other.forces), (one.cell, other.cell))
    near = all(
        mine is None or (theirs is not None and mine.shape == theirs.shape and np.allclose(mine, theirs, atol=1e-5))
        for mine, theirs in pairs
    )
    stress = one.stress is None or (other.stress is not None and np.allclose(one.stress, other.stress, atol=1e-7))
    return near and stress and (one.numbers is None or np.array_equal(one.numbers, other.numbers))
