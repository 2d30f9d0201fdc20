"""What a call of a model takes in memory, measured, and how a batch is cut so that its calls fit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.committee.mace.backend import MaceModel
from aims_pax.committee.mace.graph import ModelFrame, ModelInput
from aims_pax.committee.mace.model import default_head, run_model

_CPU_BYTES = 24 * 2**20
_GPU_SHARE = 1 / 12
_LEAST_BYTES = 2 * 2**20
_LEAST_GPU_BYTES = 256 * 2**20  # an estimate: below, launching takes longer than computing


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one call of a model keeps for its backward pass.

    Parameters
    ----------
    per_atom, per_edge : float, bytes
    """

    per_atom: float
    per_edge: float

    @classmethod
    def measure(cls, model: MaceModel, for_model: ModelFrame) -> "Footprint":
        """Found from three small calls, which depend on the model's design alone.

        So two committees of one design cut their batches at the same places, and a resumed run comes to the same
        numbers as an uninterrupted one.
        """
        few, more, larger = (
            _kept_bytes(model, _probe(for_model, model, n_atoms=n_atoms, n_edges=n_edges))
            for n_atoms, n_edges in ((16, 120), (16, 240), (32, 240))
        )
        return cls(per_atom=max(1.0, (larger - more) / 16), per_edge=max(1.0, (more - few) / 120))

    def of(self, batch: AtomBatch) -> Tensor:
        """Bytes that each structure of a batch takes, (B,), by its atoms and all its edges."""
        marks = torch.searchsorted(batch.edges[0].contiguous(), batch.n_atoms.cumsum(0))
        n_edges = torch.diff(marks, prepend=marks.new_zeros(1))
        return self.per_atom * batch.n_atoms + self.per_edge * n_edges


@dataclass(frozen=True, slots=True)
class Budget:
    """How large the calls may and should be.

    Parameters
    ----------
    footprint : Footprint
    largest_bytes, least_bytes : float
        Kept for the backward pass: a call should not take more, and is not worth its fixed cost below the other.
    runs_side_by_side : bool
        Whether calls are made by as many threads as PyTorch has.
    n_devices : int
        That calls are spread over; with several, each makes its calls one after the other.

    Notes
    -----
    On a CPU the smaller call is the faster one, as long as it is not so small that its fixed cost counts: what it
    keeps stays in the cache. One core of a Xeon with 2 MiB of level-2 cache, milliseconds per structure in calls of
    1, 4, 8 and 32 structures. 16 channels, max_L 0: ethanol 10.9, 3.4, 2.6, 2.3; 42 atoms 22, 14, 14, 17; 64 atoms
    of silicon 34, 31, 33, 42. 32 channels, max_L 1: ethanol 23, 10, 9.2, 10.7; 42 atoms 64, 51, 51, 74. The best
    calls keep 15 to 50 MB. On a GPU the largest is the best, and a share of the memory is the limit: besides what
    is kept, a call needs about as much again for its backward pass, and training needs room, too.
    """

    footprint: Footprint
    largest_bytes: float
    least_bytes: float
    runs_side_by_side: bool
    n_devices: int = 1

    @classmethod
    def of(cls, devices: Sequence[torch.device], footprint: Footprint) -> "Budget":
        """The budget of calls on some devices of one kind."""
        n_devices = len(devices)
        if devices[0].type == "cuda":
            memory = min(torch.cuda.get_device_properties(device).total_memory for device in devices)
            return cls(footprint, _GPU_SHARE * memory, _LEAST_GPU_BYTES, runs_side_by_side=False, n_devices=n_devices)
        return cls(footprint, _CPU_BYTES, _LEAST_BYTES, runs_side_by_side=True, n_devices=n_devices)

    def ends(self, batch: AtomBatch, n_members: int) -> list[int]:
        """Where to cut a batch for its calls by some members, as :meth:`AtomBatch.runs` takes it.

        A structure is never divided.
        """
        sizes = self.footprint.of(batch).cpu().numpy()
        filled = np.cumsum(sizes)
        n_workers = torch.get_num_threads() if self.runs_side_by_side and self.n_devices == 1 else self.n_devices
        n_runs = math.ceil(filled[-1] / self.largest_bytes)
        even = _next_multiple(n_runs, n_workers // math.gcd(n_workers, n_members))
        if filled[-1] >= even * self.least_bytes:
            n_runs = even  # so that no core or device is left without a call at the end
        targets = filled[-1] * np.arange(1, n_runs) / n_runs
        # The structure that a target falls into goes to the side where more of it lies.
        cuts = np.searchsorted(filled - sizes / 2, targets)
        return sorted({*cuts.tolist(), len(filled)} - {0})

    def threads_of(self, parts: Sequence[AtomBatch]) -> int | None:
        """Threads that the operations of a call may have; more than one pays for a single large structure only.

        Threads inside operations wait for each other some hundred times in a call. If another process has one of
        the cores, a call on 9 atoms then takes 300 ms instead of 30.
        """
        alone = [part for part in parts if part.n_structures == 1]
        is_large = any(float(self.footprint.of(part)) > self.largest_bytes for part in alone)
        return None if is_large else 1


def _next_multiple(number: int, base: int) -> int:
    return base * math.ceil(number / base)


def made_up_input(for_model: ModelFrame, *, n_structures: int, n_atoms: int, n_edges: int) -> ModelInput:
    """Atoms in a ball as wide as the cutoff, each with pairs to those that follow it; sizes are those of the batch."""
    rng = np.random.default_rng(0)
    edges = np.arange(n_edges)
    senders = edges % n_atoms
    owners = np.arange(n_atoms) * n_structures // n_atoms

    def floats(array: object) -> Tensor:
        return torch.as_tensor(array, dtype=for_model.dtype, device=for_model.device)

    def integers(array: object) -> Tensor:
        return torch.as_tensor(array, dtype=torch.int64, device=for_model.device)

    return {
        "node_attrs": floats(np.eye(len(for_model.elements))[np.arange(n_atoms) % len(for_model.elements)]),
        "positions": floats(rng.uniform(-0.25, 0.25, (n_atoms, 3)) * for_model.cutoff_ang),
        "edge_index": integers(np.stack((senders, (senders + 1 + edges // n_atoms) % n_atoms))),
        "shifts": floats(np.zeros((n_edges, 3))),
        "unit_shifts": floats(np.zeros((n_edges, 3))),
        "cell": floats(np.zeros((3 * n_structures, 3))),
        "batch": integers(owners),
        "ptr": integers(np.searchsorted(owners, np.arange(n_structures + 1))),
        **{name: floats(1.0 + np.arange(n_structures) % 2) for name in for_model.embeds},
    }


def _probe(for_model: ModelFrame, model: MaceModel, *, n_atoms: int, n_edges: int) -> ModelInput:
    head = torch.tensor([default_head(model, source="a model")], device=for_model.device)
    return {**made_up_input(for_model, n_structures=1, n_atoms=n_atoms, n_edges=n_edges), "head": head}


def _kept_bytes(model: MaceModel, data: ModelInput) -> int:
    """Storage that one call keeps for its backward pass, bytes."""
    kept: dict[int, Tensor] = {}  # holds the tensors, so that no address is used twice

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        run_model(model, data, training=False, want_virials=False)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
