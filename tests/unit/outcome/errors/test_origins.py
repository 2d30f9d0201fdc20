"""Errors told by where structures come from."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from aims_pax.evaluation.metrics import MemberPrediction
from aims_pax.frame import Frame, Label, LabelledFrame, Split
from aims_pax.outcome.errors.origins import (
    errors_by_origin,
    errors_by_system,
    labels_by_system,
    origin_lines,
    origin_of,
)


class Said:
    """A prediction of two members, each off by a constant on every component."""

    def __init__(self, label: Label, offsets: tuple[float, float]) -> None:
        self.energies = np.array([label.energy, label.energy])
        self.forces = np.stack([label.forces + offset for offset in offsets])
        self.stress = None


def point(label_id: int, *, stage: str, source: str, split: Split) -> LabelledFrame:
    frame = Frame("hydrogen", label_id % 3, label_id, 1, np.array([1, 1]), np.zeros((2, 3)))
    label = Label(-1.0, np.full((2, 3), 0.5), None, "none", 1.0)
    return LabelledFrame(label_id, frame, label, split, None, stage, source)


POINTS = [
    point(1, stage="initial", source="", split=Split.VALIDATION),
    point(2, stage="active", source="moving threshold", split=Split.VALIDATION),
    point(3, stage="active", source="", split=Split.VALIDATION),
    point(4, stage="active", source="random share", split=Split.VALIDATION),
    point(5, stage="active", source="random share", split=Split.TEST),
]


def test_every_structure_has_an_origin_those_of_older_runs_included() -> None:
    assert [origin_of(one) for one in POINTS] == [
        "from the initial MD",
        "picked where the committee was unsure",
        "picked where the committee was unsure",
        "from the MD at random",
        "from the MD at random",
    ]


def test_errors_are_those_of_the_member_on_each_group() -> None:
    offsets = [0.1, 0.2, 0.4, 0.8, 1.6]
    said: list[MemberPrediction] = [Said(one.label, (9.0, offset)) for one, offset in zip(POINTS, offsets, strict=True)]
    found = errors_by_origin(POINTS, said, member=1)
    assert [(one.origin, one.split, one.n_structures) for one in found] == [
        ("from the MD at random", "validation", 1),
        ("from the MD at random", "test", 1),
        ("picked where the committee was unsure", "validation", 2),
        ("from the initial MD", "validation", 1),
    ]
    assert [one.force_mae_ev_per_ang.value for one in found] == pytest.approx([0.8, 1.6, 0.3, 0.1])


def test_errors_and_labels_are_told_by_system() -> None:
    points = [replace(one, frame=replace(one.frame, system=name)) for one, name in zip(POINTS, "aabba", strict=True)]
    said: list[MemberPrediction] = [Said(one.label, (0.1, 0.2)) for one in points]
    found = errors_by_system(points, said, member=0)
    assert {(one.origin, one.split): one.n_structures for one in found} == dict(
        Counter((f"of {one.frame.system}", str(one.split)) for one in points)
    )
    assert {system: sum(used.values()) for system, used in labels_by_system(points).items()} == {"a": 3, "b": 2}


def test_lines_give_the_interval_where_there_is_one() -> None:
    said: list[MemberPrediction] = [Said(one.label, (0.0, 0.1 * one.label_id)) for one in POINTS]
    lines = origin_lines([one.record() for one in errors_by_origin(POINTS, said, member=1)])
    assert lines[1] == "   500.0 meV/Å on 1 test structure from the MD at random"
    assert "(" in lines[2], "two structures of two trajectories"
    assert lines[2].endswith("meV/Å on 2 validation structures picked where the committee was unsure")
