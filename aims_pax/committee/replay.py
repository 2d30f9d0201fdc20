"""Which of its points a member trains on in an epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from aims_pax.committee.graph import LabelledGraph

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class RandomSubset:
    """Train on a random part of the data, always including what is new.

    Parameters
    ----------
    n_train : int
        Points of one epoch, drawn anew each time without repetition.
    n_valid : int
        Points that errors are measured on, drawn anew each time.
    fresh_epochs : int
        A point is part of every epoch until it has been trained on this often.
    """

    n_train: int
    n_valid: int
    fresh_epochs: int = 1


def shuffled(items: Sequence[Item], generator: torch.Generator) -> list[Item]:
    """The items in a random order."""
    return [items[index] for index in torch.randperm(len(items), generator=generator).tolist()]


def points_of_epoch(
    graphs: Sequence[LabelledGraph],
    replay: RandomSubset | None,
    generator: torch.Generator,
    *,
    visits: Mapping[int, int],
) -> list[LabelledGraph]:
    """The points of one training epoch, in random order.

    Parameters
    ----------
    replay : RandomSubset or None
        All points when None.
    visits : mapping of label_id to int
        Epochs that each point has been part of.
    """
    order = shuffled(graphs, generator)
    if replay is None:
        return order
    fresh = [graph for graph in order if visits.get(graph.label_id, 0) < replay.fresh_epochs]
    known = [graph for graph in order if visits.get(graph.label_id, 0) >= replay.fresh_epochs]
    return shuffled(fresh + known[: max(0, replay.n_train - len(fresh))], generator)
