"""Structures that the suites are tried on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aims_pax.frame import FloatArray, Frame, Label, LabelledFrame, Split
from aims_pax.protocols import Predictor
from aims_pax.testing.references import SpringReference

if TYPE_CHECKING:  # light tests take structures from here
    from aims_pax.batch import AtomBatch

COPPER = 29


def rattled(frame: Frame, seed: int, *, by_ang: float = 0.05) -> Frame:
    """The same structure with its atoms moved at random; `seed` is its MD step."""
    noise = np.random.default_rng(seed).normal(0.0, by_ang, frame.positions.shape)
    return replace(frame, positions=frame.positions + noise, md_step=seed)


def cluster() -> Frame:
    """A tetrahedron of copper."""
    corners = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])
    return _copper("cluster", 0.84 * corners)


def crystal() -> Frame:
    """The cubic cell of copper, four atoms."""
    places = 3.6 * np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    return replace(_copper("crystal", places), cell=3.6 * np.eye(3), pbc=np.ones(3, dtype=np.bool_))


def dimer() -> Frame:
    """Two atoms of copper."""
    return _copper("dimer", np.array([[0.0, 0.0, 0.0], [2.3, 0.0, 0.0]]))


def fused() -> Frame:
    """Two atoms of copper at one place: there is no bond that this could be."""
    return _copper("fused", np.zeros((2, 3)))


def labelled(frames: Sequence[Frame], *, n_valid: int = 0, first_id: int = 1) -> list[LabelledFrame]:
    """Points with the labels of a :class:`SpringReference`; the last ones are for validation."""
    reference, points = SpringReference(), []
    for index, frame in enumerate(frames):
        label = reference.label(frame, folder=Path(), want_stress=True)
        assert isinstance(label, Label), label
        split = Split.VALIDATION if index >= len(frames) - n_valid else Split.TRAINING
        points.append(LabelledFrame(first_id + index, frame, label, split))
    return points


def points(n_train: int, n_valid: int = 0, *, first_id: int = 1) -> list[LabelledFrame]:
    """So many labelled clusters and crystals."""
    numbers = range(first_id, first_id + n_train + n_valid)
    frames = [rattled(crystal() if number % 3 == 0 else cluster(), number) for number in numbers]
    return labelled(frames, n_valid=n_valid, first_id=first_id)


def _copper(system: str, positions: FloatArray) -> Frame:
    return Frame(system, 0, 0, 0, np.full(len(positions), COPPER, dtype=np.int64), positions)


def batch_of(committee: Predictor, frames: Sequence[Frame]) -> "AtomBatch":
    """Structures with all pairs that a committee looks at."""
    from aims_pax.batch import AtomBatch

    return AtomBatch.from_frames(frames, committee.cutoff, device=committee.device)
