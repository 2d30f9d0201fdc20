"""The biases of the trajectories of one batch, at work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.frame import FloatArray, IntArray
from aims_pax.phase import Felt
from aims_pax.protocols import Bias, BiasPotential, LearningBias, LearningPotential
from aims_pax.sampling.bias.measurement import Measurement, Reading


@dataclass(slots=True)
class Memory:
    """What all biases that learn have learned.

    Parameters
    ----------
    rows : list of (n_rows, n_columns) array
    n_steps : (n_memories,) int
        Steps that trajectories have made under them.
    every_steps : (n_memories,) int
        After how many steps each learns.
    """

    rows: list[FloatArray] = field(default_factory=list)
    n_steps: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    every_steps: IntArray = field(default_factory=lambda: np.ones(0, dtype=np.int64))

    def add(self, bias: LearningBias) -> int:
        """Room for one more bias; its index."""
        self.rows.append(np.empty((0, bias.n_columns)))
        self.n_steps = np.append(self.n_steps, 0)
        self.every_steps = np.append(self.every_steps, bias.every_steps)
        return len(self.rows) - 1


@dataclass(frozen=True, slots=True)
class Laid:
    """One bias of one structure.

    Parameters
    ----------
    structure : int
        Index into the batch.
    bias : Bias
    memory : int or None
        Index of what it has learned; None: it does not learn.
    """

    structure: int
    bias: Bias
    memory: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The biases of one kind among all.

    Parameters
    ----------
    each : list of K Laid
    potential : BiasPotential
    structures : (K,) int64
    values : slice
        Which of the values of variables are theirs.
    """

    each: list[Laid]
    potential: BiasPotential
    structures: Tensor
    values: slice


class Overlay:
    """What biases add to what a driver says of the structures of a batch, and what they learn from the steps.

    Parameters
    ----------
    under : mapping of int to tuple of Bias
        The biases of each trajectory, in the order of the structures.
    places : sequence of mapping of Bias to int
        By trajectory, which memory those that learn have.
    memory : Memory
        It is read, and grows.
    n_atoms : sequence of B int
    pbc : (B, 3) bool
    """

    def __init__(
        self,
        under: Mapping[int, tuple[Bias, ...]],
        places: Sequence[Mapping[Bias, int]],
        memory: Memory,
        *,
        n_atoms: Sequence[int],
        pbc: Tensor,
    ) -> None:
        self.under = under
        self._memory, self._device = memory, pbc.device
        each = [
            Laid(structure, bias, places[trajectory].get(bias))
            for structure, (trajectory, biases) in enumerate(under.items())
            for bias in biases
        ]
        kinds = dict[type[Bias], list[Laid]]()
        # By name, so that what one structure has comes in the same order whoever else is there.
        for one in sorted(each, key=lambda one: type(one.bias).__name__):
            kinds.setdefault(type(one.bias), []).append(one)
        variables = [(one.structure, own) for laid in kinds.values() for one in laid for own in one.bias.variables]
        self._measurement = Measurement.of(variables, n_atoms=n_atoms, pbc=pbc) if variables else None
        self._parts, end = list[Part](), 0
        for laid in kinds.values():
            structures = torch.tensor([one.structure for one in laid], device=self._device)
            begin, end = end, end + sum(len(one.bias.variables) for one in laid)
            self._parts.append(Part(laid, self._potential(laid), structures, slice(begin, end)))
        self._learning = np.array([one.memory for one in each if one.memory is not None], dtype=np.int64)

    def laid_over(self, felt: Felt, batch: AtomBatch) -> Felt:
        """What structures feel with their biases, by what they feel of the driver alone."""
        if self._measurement is None:
            return felt
        reading = self._measurement.read(batch)
        energies, slopes = felt.energies, list[Tensor]()
        for part in self._parts:
            found, slope = part.potential.felt(reading.values[part.values])
            energies = energies.index_add(0, part.structures, found)
            slopes.append(slope)
        pulls = reading.pulls(torch.cat(slopes))
        stress = None if felt.stress is None else felt.stress + _stress(reading.virials(pulls, batch), batch)
        return Felt(energies, felt.forces + reading.forces(pulls, batch), stress)

    def after_step(self, felt: Felt, batch: AtomBatch) -> Felt:
        """What structures feel after a step that all of them have made: what biases learn by it changes energies."""
        if not len(self._learning):
            return felt
        memory, own = self._memory, self._learning
        memory.n_steps[own] += 1
        due = own[memory.n_steps[own] % memory.every_steps[own] == 0]
        if not len(due):
            return felt
        assert self._measurement is not None
        return self._learn(felt, self._measurement.read(batch), frozenset(due.tolist()))

    def _learn(self, felt: Felt, reading: Reading, due: frozenset[int]) -> Felt:
        energies = felt.energies
        for number, part in enumerate(self._parts):
            learning = [index for index, one in enumerate(part.each) if one.memory in due]
            if not learning or not isinstance(part.potential, LearningPotential):
                continue
            values = reading.values[part.values]
            lessons = part.potential.lesson(values).cpu().numpy()
            for index in learning:
                at = part.each[index].memory
                assert at is not None
                rows = self._memory.rows[at]
                self._memory.rows[at] = np.concatenate((rows, lessons[index : index + 1, : rows.shape[1]]))
            grown = self._potential(part.each)
            gain = torch.zeros(len(part.each), dtype=energies.dtype, device=self._device)
            gain[learning] = (grown.felt(values)[0] - part.potential.felt(values)[0])[learning]
            energies = energies.index_add(0, part.structures, gain)
            self._parts[number] = replace(part, potential=grown)
        return Felt(energies, felt.forces, felt.stress)

    def _potential(self, laid: list[Laid]) -> BiasPotential:
        nothing = np.empty((0, 0))
        memories = [nothing if one.memory is None else self._memory.rows[one.memory] for one in laid]
        return type(laid[0].bias).together([one.bias for one in laid], memories, self._device)


def _stress(virials: Tensor, batch: AtomBatch) -> Tensor:
    """By virials (B, 3, 3), eV: eV/Å³; zeros where there is no volume."""
    volumes = torch.linalg.det(batch.cells).abs()
    defined = (batch.pbc.any(dim=1) & (volumes > 0))[:, None, None]
    return torch.where(defined, virials / torch.where(defined, volumes[:, None, None], 1.0), 0.0)
