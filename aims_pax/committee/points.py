"""The points that the members of a committee are trained on and measured by, on the devices of their members."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch

from aims_pax.committee.footprint import Footprint
from aims_pax.committee.mace.graph import LabelledGraph, ModelFrame
from aims_pax.committee.member import Member
from aims_pax.committee.placement import Placement
from aims_pax.frame import FloatArray, LabelledFrame, Split
from aims_pax.protocols import Molecules
from aims_pax.settings.committee.losses import weight_of


class Points:
    """What members have to learn, as graphs; each device has a copy of those of its members.

    Parameters
    ----------
    members : sequence of Member
        Who hold their graphs.
    placement : Placement
    weights : mapping of str to float
        Of structures in the loss, by name, see :func:`~aims_pax.settings.committee.losses.weight_of`.
    """

    def __init__(
        self, members: Sequence[Member], placement: Placement, *, weights: Mapping[str, float] | None = None
    ) -> None:
        self._members, self._placement, self._weights = members, placement, weights or {}
        self._neighbour_counts: dict[int, tuple[int, int]] = {}
        self._molecules: Molecules = {}
        self.largest_graph_bytes = 0.0
        """Of the graphs that were ever added."""

    def add(
        self,
        labelled: Sequence[LabelledFrame],
        for_model: ModelFrame,
        *,
        atomic_energies_ev: FloatArray,
        footprint: Footprint,
    ) -> None:
        """Give points to their member, or to all members; see :meth:`Committee.add`.

        Parameters
        ----------
        for_model : ModelFrame
        atomic_energies_ev : (n_elements,), eV
            E0 as the models hold them.
        footprint : Footprint
            What graphs take of the memory.
        """
        for point in labelled:
            if point.split is Split.TEST or point.label_id in self._neighbour_counts:
                continue
            named = {"config_type": point.frame.config_type, "system": point.frame.system, "stage": point.stage}
            weight = weight_of(self._weights, **named)
            built = LabelledGraph.build(point, for_model, atomic_energies_ev=atomic_energies_ev, weight=weight)
            graph = self._told_apart(built)
            owners = range(len(self._members)) if point.member is None else (point.member,)
            copies = {self._placement.devices[0]: graph}
            for index in owners:
                home, owner = self._placement.home(index), self._members[index]
                copy_there = copies.setdefault(home, graph if home in copies else graph.on(home))
                (owner.train_graphs if point.split is Split.TRAINING else owner.valid_graphs).append(copy_there)
            n_edges, n_bonded = graph.edges.shape[1], len(torch.unique(graph.edges[1]))
            graph_bytes = footprint.per_atom * graph.n_atoms + footprint.per_edge * n_edges
            self.largest_graph_bytes = max(self.largest_graph_bytes, graph_bytes)
            is_training = point.split is Split.TRAINING
            self._neighbour_counts[point.label_id] = (n_edges, n_bonded) if is_training else (0, 0)

    def tell_apart(self, molecules: Molecules) -> None:
        """Let all points, and those that come, have the molecules of their systems."""
        self._molecules = molecules
        for member in self._members:
            member.train_graphs = [self._told_apart(graph) for graph in member.train_graphs]
            member.valid_graphs = [self._told_apart(graph) for graph in member.valid_graphs]

    def _told_apart(self, graph: LabelledGraph) -> LabelledGraph:
        groups = self._molecules.get(graph.system)
        if not groups or max(map(max, groups)) >= graph.n_atoms:  # another structure of the same name, as of a dataset
            return graph
        return replace(graph, targets=graph.targets.with_molecules(groups))

    def share(self, *, validation_trains: bool) -> None:
        """Give every member all points; see :meth:`Committee.share_points`."""
        train = _by_label(graph for member in self._members for graph in member.train_graphs)
        valid = _by_label(graph for member in self._members for graph in member.valid_graphs)
        if validation_trains:
            train, valid = _by_label([*train, *valid]), []
        copies = {
            home: ([graph.on(home) for graph in train], [graph.on(home) for graph in valid])
            for home in self._placement.devices
        }
        for index, member in enumerate(self._members):
            train_there, valid_there = copies[self._placement.home(index)]
            member.train_graphs, member.valid_graphs = list(train_there), list(valid_there)

    @property
    def mean_neighbours(self) -> float | None:
        """Of the atoms of training points that have any; None where none has."""
        n_edges = sum(edges for edges, _ in self._neighbour_counts.values())
        n_bonded = sum(bonded for _, bonded in self._neighbour_counts.values())
        return n_edges / n_bonded if n_bonded else None


def _by_label(graphs: Iterable[LabelledGraph]) -> list[LabelledGraph]:
    """The graphs of distinct labels, in the order of the labels."""
    distinct = {graph.label_id: graph for graph in graphs}
    return [distinct[label_id] for label_id in sorted(distinct)]
