"""Structures with their labels and what some methods say of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aims_pax.errors import ShapeError
from aims_pax.evaluation.metrics import MemberPrediction
from aims_pax.evaluation.parity.condition import Condition, density_groups, temperature_groups
from aims_pax.frame import FloatArray, Frame, Label

PER_BLOCK: Final = 256
"""Structures that are laid side by side at a time: arrays over all of them would be the whole set once more."""


@dataclass(frozen=True, slots=True)
class Method:
    """One of those that are compared.

    Parameters
    ----------
    name : str
    members : tuple of int
        Rows of the predictions whose mean it is.
    """

    name: str
    members: tuple[int, ...]

    def said(self, values: FloatArray) -> FloatArray:
        """Its part (...) of what all members say (M, ...)."""
        if len(self.members) == 1:
            one: FloatArray = values[self.members[0]]
            return one
        mean: FloatArray = values[list(self.members)].mean(axis=0)
        return mean


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some successive structures, and what one method says of them.

    Parameters
    ----------
    first : int
        The place of the first of them in the whole set.
    frames, labels, predictions : sequences
    method : Method
    """

    first: int
    frames: Sequence[Frame]
    labels: Sequence[Label]
    predictions: Sequence[MemberPrediction]
    method: Method


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """Structures, labels and predictions, place by place.

    Numbers that a label or a method does not tell are NaN.

    Parameters
    ----------
    methods : tuple of Method
    frames, labels, predictions : sequences
    files : tuple of str and int
        Where the structures come from, in their order: name of a file, and how many of it.
    temperatures_k : sequence of float or None, K
        Of what the structures come from; empty where none is told.
    """

    methods: tuple[Method, ...]
    frames: Sequence[Frame]
    labels: Sequence[Label]
    predictions: Sequence[MemberPrediction]
    files: tuple[tuple[str, int], ...] = ()
    temperatures_k: Sequence[float | None] = ()

    def __post_init__(self) -> None:
        lengths = {len(self.frames), len(self.labels), len(self.predictions)}
        if len(lengths) > 1 or 0 in lengths:
            raise ShapeError(f"{sorted(lengths)} frames, labels and predictions do not belong together")
        if self.temperatures_k and len(self.temperatures_k) != len(self.frames):
            raise ShapeError(f"{len(self.temperatures_k)} temperatures do not belong to {len(self.frames)} frames")

    @property
    def density(self) -> Condition:
        """How dense the structures are."""
        return density_groups(self.frames)

    @property
    def temperature(self) -> Condition:
        """How hot they were."""
        return temperature_groups(self.temperatures_k or [None] * len(self.frames))

    def blocks(self, method: Method) -> Iterator[Block]:
        """All of them, some at a time."""
        for first in range(0, len(self.frames), PER_BLOCK):
            chosen = slice(first, first + PER_BLOCK)
            yield Block(first, self.frames[chosen], self.labels[chosen], self.predictions[chosen], method)
