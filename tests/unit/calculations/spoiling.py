"""Outputs that are cut, lack lines or have numbers that overflowed: what is still read is what the whole file says."""

import random
import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.calculations.lines import Lines
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.step import Closing, Step
from tests.unit.calculations.published import is_usable

NUMBER: Final = re.compile(r"-?\d+\.\d+")


def read_text(text: str, steps: Callable[[Lines], Steps]) -> tuple[list[Step], Closing]:
    """All steps of a text, and how it ends."""
    going = steps(Lines(Path("text"), BytesIO(text.encode())))
    found: list[Step] = []
    while True:
        try:
            found.append(next(going))
        except StopIteration as end:
            return found, end.value


def damaged(text: str, *, seed: int, n_each: int) -> Iterator[str]:
    """The text cut at many places, without some of its lines, and with numbers overflowed, run together or NaN."""
    stream = random.Random(seed)
    lines = text.splitlines(keepends=True)
    for number in range(1, n_each):
        yield text[: number * len(text) // n_each]
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


def check_damaged(text: str, steps: Callable[[Lines], Steps], *, seed: int = 0, n_each: int = 40) -> None:
    """No text makes the reader fail, and each step that it calls usable is one of the whole file's."""
    whole = [_facts(step) for step in read_text(text, steps)[0] if is_usable(step)]
    for broken in damaged(text, seed=seed, n_each=n_each):
        for step in read_text(broken, steps)[0]:
            if is_usable(step):
                assert any(_are_same(_facts(step), one) for one in whole), "a step that the file does not hold"


def work_ev(before: Step, after: Step) -> float:
    """Energy that the mean forces and the mean stress account for between two steps, eV."""
    assert before.cell is not None
    assert after.cell is not None
    assert before.positions is not None
    assert after.positions is not None
    assert before.forces is not None
    assert after.forces is not None
    cell = (before.cell + after.cell) / 2
    moved = (after.positions @ np.linalg.inv(after.cell) - before.positions @ np.linalg.inv(before.cell)) @ cell
    work = -float(np.sum((before.forces + after.forces) / 2 * moved))
    if before.stress is not None and after.stress is not None:
        strain = np.linalg.solve(cell, after.cell - before.cell)
        mean = (before.stress + after.stress) / 2
        matrix = mean[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
        work += float(abs(np.linalg.det(cell)) * np.sum(matrix * (strain + strain.T) / 2))
    return work


def _facts(step: Step) -> tuple[np.ndarray, ...]:
    parts = (step.numbers, step.positions, step.cell, np.array([step.energy]), step.forces)
    assert all(part is not None for part in parts)
    return tuple(np.asarray(part, dtype=float) for part in parts)


def _are_same(found: tuple[np.ndarray, ...], known: tuple[np.ndarray, ...]) -> bool:
    return all(
        one.shape == other.shape and np.allclose(one, other, rtol=1e-6, atol=2e-6)
        for one, other in zip(found, known, strict=True)
    )
