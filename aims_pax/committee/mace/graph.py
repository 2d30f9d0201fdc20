"""Structures as MACE wants them: built once for each label, joined into batches at next to no cost."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self, TypeAlias

import numpy as np
import torch
from torch import Tensor

from aims_pax.batch import AtomBatch, neighbour_list
from aims_pax.committee.mace.elements import Elements
from aims_pax.committee.mace.embedding import told
from aims_pax.frame import FloatArray, Frame, LabelledFrame

ModelInput: TypeAlias = dict[str, Tensor]
"""The arguments of a MACE model by name; floats in the model's precision."""

VOIGT = ((0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1))
"""Rows and columns of xx, yy, zz, yz, xz, xy: ASE's order."""


@dataclass(frozen=True, slots=True)
class ModelFrame:
    """What a model asks of a structure.

    Parameters
    ----------
    elements : Elements
    cutoff_ang : float
        Edges of this length and longer are dropped: not every MACE block gives them weight zero by itself.
    dtype : torch.dtype
        Precision of the model.
    device : torch.device
    embeds : tuple of str
        What it takes besides atoms, of total_charge and total_spin.
    """

    elements: Elements
    cutoff_ang: float
    dtype: torch.dtype
    device: torch.device
    embeds: tuple[str, ...] = ()

    def told(self, frames: Sequence[Frame]) -> dict[str, Tensor]:
        """That of some structures, (B,) each, by name; empty for a model that takes nothing."""
        return told(frames, self.embeds, dtype=self.dtype, device=self.device) if self.embeds else {}


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Labels of B structures with N atoms, in the precision and on the device of the model.

    Parameters
    ----------
    energy : (B,), eV
        Without the atomic energies, subtracted in float64: in float32 a total energy resolves no meV.
    forces : (N, 3), eV/Å
    stress : (B, 3, 3), eV/Å³
        Zeros where it is not known.
    stress_is_known : (B,) bool
    volume : (B,), Å³
        1 where there is no cell.
    n_atoms : (B,) int64
    weight : (B,)
        What the errors of each structure count in the loss.
    has_stress : bool
        Whether any stress is known.
    has_weights : bool
        Whether any weight is not 1.
    molecule : (N,) int64, or None
        The molecule of each atom, counted through all structures; -1 for atoms of none. None: there are none.
    n_molecules : int
    """

    energy: Tensor
    forces: Tensor
    stress: Tensor
    stress_is_known: Tensor
    volume: Tensor
    n_atoms: Tensor
    weight: Tensor
    has_stress: bool
    has_weights: bool
    molecule: Tensor | None = None
    n_molecules: int = 0

    def on(self, device: torch.device) -> Self:
        """The same labels on a device."""
        return replace(self, **_tensors_on(self, device))

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Several sets of labels as one, in order."""
        return cls(
            energy=torch.cat([part.energy for part in parts]),
            forces=torch.cat([part.forces for part in parts]),
            stress=torch.cat([part.stress for part in parts]),
            stress_is_known=torch.cat([part.stress_is_known for part in parts]),
            volume=torch.cat([part.volume for part in parts]),
            n_atoms=torch.cat([part.n_atoms for part in parts]),
            weight=torch.cat([part.weight for part in parts]),
            has_stress=any(part.has_stress for part in parts),
            has_weights=any(part.has_weights for part in parts),
            molecule=_counted_through(parts) if any(part.n_molecules for part in parts) else None,
            n_molecules=sum(part.n_molecules for part in parts),
        )

    def with_molecules(self, molecules: Sequence[Sequence[int]]) -> Self:
        """The same labels of one structure with these molecules, by their atoms."""
        molecule = torch.full((len(self.forces),), -1, dtype=torch.int64)
        for number, atoms in enumerate(molecules):
            molecule[list(atoms)] = number
        return replace(self, molecule=molecule.to(self.forces.device), n_molecules=len(molecules))


@dataclass(frozen=True, slots=True, eq=False)
class LabelledGraph:
    """One labelled structure, ready to be joined into batches.

    Parameters
    ----------
    label_id : int
        The run's number of the label.
    node_attrs : (n_atoms, n_elements)
        One-hot.
    positions : (n_atoms, 3), Å
    edges : (2, n_edges) int64
    shifts : (n_edges, 3), Å
        Displacement of each receiver by its periodic image.
    unit_shifts : (n_edges, 3)
        The same in lattice vectors.
    cell : (3, 3), Å
    targets : Targets
        Of this one structure.
    told : mapping of str to (1,)
        Its charge and spin, where the model takes them.
    system : str
        The starting structure that it descends from.
    """

    label_id: int
    node_attrs: Tensor
    positions: Tensor
    edges: Tensor
    shifts: Tensor
    unit_shifts: Tensor
    cell: Tensor
    targets: Targets
    told: dict[str, Tensor] = field(default_factory=dict)
    system: str = ""

    @property
    def n_atoms(self) -> int:
        return len(self.positions)

    def on(self, device: torch.device) -> Self:
        """The same structure on a device."""
        moved = {name: value.to(device) for name, value in self.told.items()}
        return replace(self, targets=self.targets.on(device), told=moved, **_tensors_on(self, device))

    @classmethod
    def build(
        cls, point: LabelledFrame, for_model: ModelFrame, *, atomic_energies_ev: FloatArray, weight: float = 1.0
    ) -> Self:
        """Graph and labels of one point.

        Parameters
        ----------
        atomic_energies_ev : (n_elements,), eV
            E0 as the model holds them.
        weight : float
            Of the structure in the loss.
        """
        frame = point.frame
        for_model.elements.require(frame.numbers)
        edges, images = neighbour_list(frame.positions, frame.cell, frame.pbc, cutoff=for_model.cutoff_ang)
        places = for_model.elements.places(torch.device("cpu"))[torch.as_tensor(frame.numbers)]
        baseline_ev = float(atomic_energies_ev[places.numpy()].sum())

        def tensor(array: object) -> Tensor:
            return torch.as_tensor(array, dtype=for_model.dtype, device=for_model.device)

        return cls(
            label_id=point.label_id,
            node_attrs=tensor(torch.nn.functional.one_hot(places, len(for_model.elements))),
            positions=tensor(frame.positions - frame.positions.mean(axis=0)),
            edges=torch.as_tensor(edges, device=for_model.device),
            shifts=tensor(images @ frame.cell),
            unit_shifts=tensor(images),
            cell=tensor(frame.cell),
            targets=_targets(point, for_model, baseline_ev=baseline_ev, weight=weight),
            told=for_model.told([frame]),
            system=frame.system,
        )


def _counted_through(parts: Sequence[Targets]) -> Tensor:
    """The molecule of each atom of several structures."""
    found, n_before = [], 0
    for part in parts:
        own = part.molecule
        if own is None:
            own = torch.full((len(part.forces),), -1, dtype=torch.int64, device=part.forces.device)
        found.append(torch.where(own < 0, own, own + n_before))
        n_before += part.n_molecules
    return torch.cat(found)


def _tensors_on(value: Targets | LabelledGraph, device: torch.device) -> dict[str, Any]:
    named = ((one.name, getattr(value, one.name)) for one in fields(value))
    return {name: content.to(device) for name, content in named if isinstance(content, Tensor)}


def _targets(point: LabelledFrame, for_model: ModelFrame, *, baseline_ev: float, weight: float) -> Targets:
    label, frame = point.label, point.frame
    volume = abs(float(np.linalg.det(frame.cell)))
    known = label.stress is not None and bool(frame.pbc.any()) and volume > 0
    stress = np.zeros((3, 3))
    if label.stress is not None and known:
        stress[VOIGT] = label.stress
        stress.T[VOIGT] = label.stress

    def tensor(array: object) -> Tensor:
        return torch.as_tensor(array, dtype=for_model.dtype, device=for_model.device)

    return Targets(
        energy=tensor([label.energy - baseline_ev]),
        forces=tensor(label.forces),
        stress=tensor(stress[None]),
        stress_is_known=torch.tensor([known], device=for_model.device),
        volume=tensor([volume if known else 1.0]),
        n_atoms=torch.tensor([frame.n_atoms], device=for_model.device),
        weight=tensor([weight]),
        has_stress=known,
        has_weights=weight != 1,
    )


def join_graphs(graphs: Sequence[LabelledGraph]) -> tuple[ModelInput, Targets]:
    """Some labelled graphs as one model input and its targets."""
    device = graphs[0].positions.device
    n_atoms = [graph.n_atoms for graph in graphs]
    first = np.concatenate(([0], np.cumsum(n_atoms)))
    edges = [graph.edges + int(start) for graph, start in zip(graphs, first[:-1], strict=True)]
    data = {
        "node_attrs": torch.cat([graph.node_attrs for graph in graphs]),
        "positions": torch.cat([graph.positions for graph in graphs]),
        "edge_index": torch.cat(edges, dim=1),
        "shifts": torch.cat([graph.shifts for graph in graphs]),
        "unit_shifts": torch.cat([graph.unit_shifts for graph in graphs]),
        "cell": torch.cat([graph.cell for graph in graphs]),
        "batch": torch.as_tensor(np.repeat(np.arange(len(graphs)), n_atoms), device=device),
        "ptr": torch.as_tensor(first, device=device),
        **{name: torch.cat([graph.told[name] for graph in graphs]) for name in graphs[0].told},
    }
    return data, Targets.join([graph.targets for graph in graphs])


def model_input(batch: AtomBatch, for_model: ModelFrame) -> ModelInput:
    """A batch as model input, without the edges beyond the model's cutoff."""
    places = for_model.elements.places(batch.device)[batch.numbers]
    if bool((places < 0).any()):
        for_model.elements.require(batch.numbers.tolist())
    near = (batch.edge_vectors().square().sum(dim=1) < for_model.cutoff_ang**2).nonzero().squeeze(1)
    dtype = for_model.dtype
    return {
        "node_attrs": torch.nn.functional.one_hot(places, len(for_model.elements)).to(dtype),
        "positions": _centred(batch).to(dtype),
        "edge_index": batch.edges[:, near],
        "shifts": batch.shifts[near].to(dtype),
        "unit_shifts": batch.images[near].to(dtype),
        "cell": batch.cells.reshape(-1, 3).to(dtype),
        "batch": batch.structure,
        "ptr": torch.nn.functional.pad(batch.n_atoms.cumsum(0), (1, 0)),
        **{name: values.to(batch.device) for name, values in for_model.told(batch.origins).items()},
    }


def _centred(batch: AtomBatch) -> Tensor:
    """Positions relative to the mean position of their structure, (N, 3), Å.

    A molecule under a thermostat wanders: 200 Å from the origin single precision keeps 1e-5 Å of its bonds, which
    costs 6e-4 eV/Å in the forces.
    """
    sums = torch.zeros_like(batch.cells[:, 0]).index_add_(0, batch.structure, batch.positions)
    return batch.positions - (sums / batch.n_atoms[:, None])[batch.structure]
