"""Names of folders: those of the structures, all different, of letters that every shell takes."""

import numpy as np
import pytest

from aims_pax.dataset.given import Given
from aims_pax.face.decks.folders import folders_of
from aims_pax.frame import Frame


def given(system: str, **facts: str) -> Given:
    frame = Frame(system, 0, 0, 0, np.array([14]), np.zeros((1, 3)))
    return Given(0, frame, None, facts, None, False)


STRAINED = "strain_XX_0.0100/strain_YY_0.0100/strain_ZZ_0.0100"


@pytest.mark.parametrize(
    ("structures", "folders"),
    [
        ([given("salt", name=STRAINED)], [STRAINED]),
        ([given("salt", name=STRAINED), given("rust", name=STRAINED)], [f"salt/{STRAINED}", f"rust/{STRAINED}"]),
        ([given("salt", name="a"), given("salt", name="a"), given("salt", name="A")], ["a", "a_2", "A_3"]),
        ([given("salt"), given("rust")], ["salt", "rust"]),
        ([given("salt"), given("salt")], ["salt/1", "salt/2"]),
        ([given("a b", source="distort", number="3")] * 2, ["a_b/distort_3", "a_b/distort_3_2"]),
        ([given("salt", name="../../etc/x y")], ["etc/x_y"]),
        ([given("salt", name="/"), given("rust", name="..")], ["salt", "rust"]),
    ],
)
def test_folders(structures: list[Given], folders: list[str]) -> None:
    assert folders_of(structures) == folders
