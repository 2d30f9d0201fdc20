"""All that is asked for together: counts, the table, and what is told."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from aims_pax.errors import SettingsError, StructureError

from .starts import counts, graphene, made, of, salt, silicon, water

GRAPHENE = {
    "inputs": True,
    "supercell": {"shortest_image": 24, "max_atoms": 6},
    "isolated": True,
    "distort": {"n": 8, "displacement": 0.6, "strain": [-0.3, 0.3], "vacancies": 0.2, "n_vacancies": 1},
    "clusters": {"n": 8, "max_atoms": 3, "spacing": 1.5},
    "slabs": {"miller": [111, 110, 100, 101, [0, 1, 1], [0, 0, 1], [0, 1, 0]], "min_thickness": 10, "max_atoms": 6},
    "substitute": {"structures": 0.1, "atoms": 0.2},
    "vacuum": 10,
}
"""What the script of AiiDA-TrainsPot's example sets (982e9e6)."""


def test_example_of_trainspot_has_its_counts() -> None:
    collected = made([graphene()], **GRAPHENE)
    assert counts(collected) == {
        "inputs": 1,
        "isolated": 1,
        "distort": 8,
        "clusters": 8,
        "slabs": 0,
        "substitute": 0,
    }
    assert len(collected.frames) == 18
    assert [one.n_atoms for one in of(collected, "inputs")] == [8]
    (carbon,) = of(collected, "isolated")
    assert carbon.cell == pytest.approx(10 * np.eye(3))
    assert [one.n_atoms for one in of(collected, "distort")] == [7, 7, 8, 8, 8, 8, 8, 8]
    # Theirs have 3 or 4: one more than max_atoms, and never two. The paper says up to max_atoms.
    assert {one.n_atoms for one in of(collected, "clusters")} <= {2, 3}
    told = [(remark.where, remark.found) for remark in collected.told]
    assert told == [
        (
            "augment.supercell",
            "Atoms are nearer to their images than 24 Å: 4.9 Å in graphene, whose own cell has 8 atoms.",
        ),
        ("augment.slabs", "Nothing can be made of graphene, which is not periodic in three directions."),
        ("augment.substitute", "Nothing can be made of graphene, which has one species, nor of 8 others."),
    ]


def test_table_has_a_line_for_each_source_and_one_for_all() -> None:
    text = made([silicon(), salt()], inputs=True, strain={"n_isotropic": 3, "n_anisotropic": 0}).text()
    assert [line.split() for line in text.splitlines()] == [
        ["source", "asked", "made", "rejected", "atoms"],
        ["inputs", "2", "2", "0", "8"],
        ["strain", "6", "6", "0", "8"],
        ["all", "8", "8", "0", "64", "in", "all"],
    ]


def test_frames_of_a_source_are_numbered_through() -> None:
    collected = made([silicon(), salt()], distort=3, strain=True)
    for one in collected.made:
        assert [frame.md_step for frame in one.frames] == list(range(1, len(one.frames) + 1))


def test_what_is_asked_for_and_can_not_be_is_told_where_other_sources_run() -> None:
    collected = made([water()], slabs=True, strain=True, isolated=True)
    assert counts(collected) == {"isolated": 2, "strain": 0, "slabs": 0}
    assert Counter(remark.where for remark in collected.told) == {"augment.slabs": 1, "augment.strain": 1}


@pytest.mark.parametrize(
    ("alloys", "told"),
    [
        (
            {"fractions": {"Si": 0.7, "Ge": 0.7}},
            ["fractions add up to 1.4, and are divided by that: 50 % Si, 50 % Ge."],
        ),
        ({"fixed": ["Na", "K"]}, ["fixed names K, which no structure holds."]),
        ({"fractions": {"Si": 0.333, "Ge": 0.666}, "fixed": ["Cl"]}, []),
        ({"fractions": {"Si": 3, "Ge": 1}}, []),
        ({}, []),
    ],
)
def test_fractions_and_fixed_elements_that_are_hardly_meant_are_told(alloys: dict[str, Any], told: list[str]) -> None:
    collected = made([salt()], alloys={"species": ["Si", "Ge"], "n": 2, **alloys})
    assert counts(collected) == {"alloys": 2}
    assert [one.found for one in collected.told] == told


def test_nothing_but_what_can_not_be_is_refused() -> None:
    with pytest.raises(StructureError, match="which is not periodic in three directions") as caught:
        made([water()], slabs=True, strain=True)
    assert len(caught.value.problems) == 2
    with pytest.raises(StructureError, match="Name inputs, distort or slabs, too"):
        made([salt()], substitute=True)


def test_start_whose_atoms_are_nearer_than_asked_is_told() -> None:
    collected = made([salt()], inputs=True, overlap=0.99, strain={"range": [0, 0.1], "n_anisotropic": 0}, vacancies=1)
    assert collected.told == ()
    crowded = made([water()], inputs=True, overlap=0.995)
    assert "nearer than 0.995 sums" in crowded.text()


def test_no_source_is_refused() -> None:
    with pytest.raises(SettingsError, match="No source of structures is named but supercell"):
        made([silicon()], supercell=True)
