"""What can be asked of a database, and what is wrong with a question."""

import pytest

from aims_pax.errors import UserError
from aims_pax.structures.databases.query import Asked, Query


def spelled(name: str) -> str:
    return f"--{name}"


def test_texts_and_lists_say_the_same() -> None:
    texts = Query.of({"formula": "NaCl, Al2O3,", "elements": "Al,O,Al", "chemsys": "O-Al,Al"}, spelled=spelled)
    lists = Query.of(
        {"formula": ["NaCl", "Al2O3"], "elements": ("Al", "O"), "chemsys": ["Al-O", "Al"]}, spelled=spelled
    )
    assert texts == lists
    assert texts.systems == (("Al", "O"), ("Al",))
    assert Query.of({"ids": " mp-1,mp-2 ,mp-1"}, spelled=spelled).ids == ("mp-1", "mp-2")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "It is not said what is wanted"),
        ({"limit": 5, "max_atoms": 3}, "It is not said what is wanted"),
        ({"ids": "mp-1", "formula": "Si"}, "--ids: Entries that are named are taken as they are"),
        ({"ids": "mp-1", "above_hull_ev": 0.1}, "--ids: Entries that are named are taken as they are"),
        ({"formula": "Al2O3,nacl"}, "--formula: nacl is no formula"),
        ({"formula": "AlXx"}, "--formula: AlXx holds Xx, which is no element"),
        ({"formula": "Al2-xO3"}, "--formula: Al2-xO3 is no formula"),
        ({"formula": "Al-O"}, r"(?s)--formula: Al-O is no formula\..*Did you mean --chemsys Al-O\?"),
        ({"formula": "mp-149"}, "(?s)--formula: mp-149 is no formula.*Entries are named by --ids"),
        ({"elements": "NaCl"}, r"(?s)--elements: NaCl is no element\..*Did you mean --formula NaCl\?"),
        ({"elements": "Al-O"}, "--elements: Al-O is no element"),
        ({"elements": "Al,X"}, "--elements: X is no element"),
        ({"chemsys": "Al,O-"}, "--chemsys: .* is no element"),
        ({"elements": "Al", "limit": 0}, "--limit: 0 is asked for"),
        ({"elements": "Al", "max_atoms": -1}, "--max_atoms: -1 is asked for"),
        ({"elements": "Al", "above_hull_ev": -0.1}, "--above_hull_ev: -0.1 is asked for"),
        ({"elements": "Al", "above_hull_ev": float("nan")}, "--above_hull_ev: nan is asked for"),
    ],
)
def test_questions_that_make_no_sense_are_told(asked: Asked, words: str) -> None:
    with pytest.raises(UserError, match=words):
        Query.of(asked, spelled=spelled)


def test_all_that_is_wrong_is_told_together() -> None:
    with pytest.raises(UserError, match="nacl is no formula") as caught:
        Query.of({"formula": "nacl", "elements": "Q", "limit": 0}, spelled=spelled)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("asked", "counts", "fits"),
    [
        ({"formula": "O3Al2"}, {"Al": 4, "O": 6}, True),
        ({"formula": "Al2O3"}, {"Al": 1, "O": 1}, False),
        ({"formula": "Al2O3,AlO"}, {"Al": 1, "O": 1}, True),
        ({"formula": "Ca(OH)2"}, {"Ca": 2, "O": 4, "H": 4}, True),
        ({"elements": "Al,O"}, {"Al": 1, "O": 2, "H": 1}, True),
        ({"elements": "Al,O"}, {"Al": 1, "H": 1}, False),
        ({"chemsys": "O-Al"}, {"Al": 1, "O": 2}, True),
        ({"chemsys": "O-Al"}, {"Al": 1, "O": 2, "H": 1}, False),
        ({"chemsys": "O-Al,Al-H-O"}, {"Al": 1, "O": 2, "H": 1}, True),
        ({"chemsys": "Al-O", "formula": "AlO"}, {"Al": 2, "O": 3}, False),
        ({"filter": "nsites=2"}, {"Al": 2, "O": 3}, True),
    ],
)
def test_compositions_that_were_asked_for(asked: Asked, counts: dict[str, int], fits: bool) -> None:
    assert Query.of(asked, spelled=spelled).fits(counts) is fits
