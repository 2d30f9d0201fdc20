"""Outputs of VASP that are cut, or lack lines or numbers: whatever is still usable is right."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from aims_pax.calculations.numerals import table, values
from aims_pax.calculations.registry import reader_of
from aims_pax.calculations.step import Step

from .published import is_usable, read
from .written_vasp import Moment, Outcar, Vasprun, is_same, moments, stretched


@pytest.mark.parametrize(("name", "version"), [("OUTCAR", "4.6.35"), ("OUTCAR", "6.3.0"), ("vasprun.xml", "6.3.0")])
def test_a_file_that_is_cut_anywhere_gives_right_steps_or_none(tmp_path: Path, name: str, version: str) -> None:
    told = [stretched(moment, 1 + 0.01 * number) for number, moment in enumerate(moments(2))]
    writer = Outcar(version=version, settings={"ISIF": "3"}) if name == "OUTCAR" else Vasprun(settings={"ISIF": "3"})
    text = writer.text(told)
    for end in range(200, len(text), 97):
        if reader_of(_written(tmp_path / name, text[:end])) is not None:
            _all_usable_are_right(read(tmp_path / name)[0], told)


@pytest.mark.parametrize(("name", "version"), [("OUTCAR", "4.6.35"), ("OUTCAR", "6.3.0"), ("vasprun.xml", "6.3.0")])
def test_a_file_that_lacks_any_line_gives_right_steps_or_none(tmp_path: Path, name: str, version: str) -> None:
    told = [stretched(moment, 1 + 0.01 * number) for number, moment in enumerate(moments(2))]
    writer = Outcar(version=version, settings={"ISIF": "3"}) if name == "OUTCAR" else Vasprun(settings={"ISIF": "3"})
    lines = writer.text(told).splitlines()
    for number in range(len(lines)):
        text = "\n".join(lines[:number] + lines[number + 1 :])
        if reader_of(_written(tmp_path / name, text)) is not None:
            _all_usable_are_right(read(tmp_path / name)[0], told)


@pytest.mark.parametrize("name", ["OUTCAR", "vasprun.xml"])
def test_stars_and_words_in_the_place_of_numbers_are_never_believed(tmp_path: Path, name: str) -> None:
    told = moments(2)
    text = (Outcar() if name == "OUTCAR" else Vasprun()).text(told)
    noise = random.Random(3)
    for _ in range(150):
        words = text.split(" ")
        for at in noise.sample([n for n, word in enumerate(words) if "." in word], 5):
            words[at] = noise.choice(["*" * len(words[at]), "NaN", "-Infinity", "x1.2", ""])
        if reader_of(_written(tmp_path / name, " ".join(words))) is not None:
            _all_usable_are_right(read(tmp_path / name)[0], told)


def _written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


def _all_usable_are_right(steps: Sequence[Step], told: Sequence[Moment]) -> None:
    for step in steps:
        assert not is_usable(step) or any(is_same(step, moment) for moment in told), step


def test_columns_that_touch_are_parted_by_their_decimals() -> None:
    assert values("12.345678901-3.210987654100.000000000", (9,)) == [12.345678901, -3.210987654, 100.0]
    assert table([" 1.00000 2.00000-3.00000-1000.000000-2000.000000 3.000000"], (1, 6), (5, 5, 5, 6)) is not None
    assert table(["1.0 2.0 *****"], (1, 3), (1,)) is None
    assert table(["1.0 2.0"], (1, 3), (1,)) is None
    assert table(["1.0 2.0 3.0"], (2, 3), (1,)) is None
