"""Charge and spin as files of all programs speak of them."""

import numpy as np
import pytest

from aims_pax.spoken import spoken_of

WATER, NITROGEN_DIOXIDE, DIOXYGEN = (8, 1, 1), (7, 8, 8), (8, 8)


@pytest.mark.parametrize(
    ("facts", "numbers", "charge", "multiplicity"),
    [
        ({}, WATER, None, None),
        ({"charge": 1, "spin": 2}, WATER, 1, 2),  # 2S + 1 of a cation of nine electrons
        ({"charge": 1, "spin": 1}, WATER, 1, 2),  # 2S of the same
        ({"total_charge": np.float64(0), "total_spin": np.int64(1)}, WATER, 0, 1),
        ({"spin": 0}, WATER, None, 1),
        ({"spin": 0.5}, NITROGEN_DIOXIDE, None, 2),
        ({"spin": 3}, DIOXYGEN, None, 3),
        ({"spin": 2}, DIOXYGEN, None, 3),
        ({"multiplicity": 3, "spin": 1}, DIOXYGEN, None, 3),  # S beside it
        ({"uhf": 2}, DIOXYGEN, None, 3),
        ({"charge": True, "spin": "high"}, DIOXYGEN, None, None),
    ],
)
def test_charge_and_spin_are_what_the_electrons_can_have(
    facts: dict[str, object], numbers: tuple[int, ...], charge: int | None, multiplicity: int | None
) -> None:
    spoken = spoken_of(facts)
    assert (spoken.whole_charge(), spoken.multiplicity(numbers), spoken.conflict) == (charge, multiplicity, "")


@pytest.mark.parametrize(
    ("facts", "conflict"),
    [
        ({"charge": 1, "total_charge": 0}, "charge=1 and total_charge=0"),
        ({"multiplicity": 1, "spin": 3}, "multiplicity=1 and spin=3"),
    ],
)
def test_what_can_not_both_be_is_a_conflict(facts: dict[str, object], conflict: str) -> None:
    assert spoken_of(facts).conflict == conflict


def test_a_key_that_was_named_means_one_thing() -> None:
    spoken = spoken_of({"Q": -1, "S": 3}, charge_key="q", spin_key="s")
    assert (spoken.whole_charge(), spoken.multiplicities) == (-1, (3,))
