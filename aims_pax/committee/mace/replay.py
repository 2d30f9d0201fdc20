"""Which of its points a member trains on in an epoch."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch

from aims_pax.committee.mace.graph import LabelledGraph
from aims_pax.protocols import RandomSubset

Item = TypeVar("Item")


def drawn(items: Sequence[Item], n_items: int, generator: torch.Generator) -> list[Item]:
    """So many of the items, or all where there are fewer, in a random order and none twice."""
    return [items[index] for index in torch.randperm(len(items), generator=generator)[:n_items].tolist()]


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

    Notes
    -----
    With a subset the time does not grow with the dataset, but for the drawing of indices (1 ms for 10^5 points).
    """
    if replay is None:
        return drawn(graphs, len(graphs), generator)
    # A point that came earlier has been part of every epoch that a later one was: what is fresh stands at the end.
    first_fresh = len(graphs)
    while first_fresh and visits.get(graphs[first_fresh - 1].label_id, 0) < replay.fresh_epochs:
        first_fresh -= 1
    fresh = graphs[first_fresh:]
    known = drawn(range(first_fresh), max(0, replay.n_train - len(fresh)), generator)
    points = [*(graphs[index] for index in known), *fresh]
    return drawn(points, len(points), generator)
