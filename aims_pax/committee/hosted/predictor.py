"""Models of one generation in processes of their own, for prediction."""

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from ase.data import chemical_symbols
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.committee.hosted.hosts import Potential, Program, hosts_of
from aims_pax.committee.mace.elements import Elements
from aims_pax.dataset.deepmd import box_of
from aims_pax.frame import FloatArray, Frame
from aims_pax.protocols import FramePrediction, Prediction

N_SHELLS: Final = 12
"""Of neighbours of each pair of elements, by which structures are told apart."""

_FRAMES_PER_BATCH: Final = 64


P = TypeVar("P", bound=Potential)


@dataclass(frozen=True, slots=True)
class HostedModel(Generic[P]):
    """What a member says of structures.

    Parameters
    ----------
    fitted_with_ev : mapping of int to float
        Energies of free atoms that the potential is the rest of, eV.
    potential : Potential or None
        The rest; None before the first training: nothing is felt.
    shift_ev_per_atom : float
        What was added since so that energies are right on average; a new fit begins without.
    """

    fitted_with_ev: Mapping[int, float]
    potential: P | None = None
    shift_ev_per_atom: float = 0.0

    @property
    def atomic_energies_ev(self) -> dict[int, float]:
        """What an atom of each element adds to all energies, whatever surrounds it."""
        return {z: energy + self.shift_ev_per_atom for z, energy in self.fitted_with_ev.items()}


@dataclass(frozen=True, slots=True, eq=False)
class _Remembered:
    generation: int
    batch: AtomBatch
    prediction: Prediction

    def holds(self, batch: AtomBatch, *, with_stress: bool) -> bool:
        if with_stress and self.prediction.stress is None:
            return False
        names = ("positions", "numbers", "n_atoms", "cells", "pbc")
        return all(torch.equal(getattr(self.batch, name), getattr(batch, name)) for name in names)


class Hosted(Generic[P]):
    """Some models that another program evaluates; what is asked and said is on the CPU, and in double precision.

    That program finds the neighbours itself: pairs in a batch are not used.

    Parameters
    ----------
    models : sequence of HostedModel
    numbers : sequence of int
        Elements that they know.
    cutoff_ang : float
        Pairs up to this distance matter.
    program : Program
        What evaluates them.
    """

    def __init__(
        self, models: Sequence[HostedModel[P]], *, numbers: Sequence[int], cutoff_ang: float, program: Program
    ) -> None:
        self._models, self._program = list(models), program
        self._elements, self._cutoff = Elements.of(numbers), cutoff_ang
        self._generation = 0
        self._remembered: _Remembered | None = None

    @property
    def n_members(self) -> int:
        return len(self._models)

    @property
    def generation(self) -> int:
        """Grows whenever a prediction would come out differently than before."""
        return self._generation

    @property
    def cutoff(self) -> float:
        """Of the potentials, Å."""
        return self._cutoff

    @property
    def numbers(self) -> tuple[int, ...]:
        """Atomic numbers of the elements that the members know."""
        return self._elements.numbers

    @property
    def device(self) -> torch.device:
        """The CPU."""
        return torch.device("cpu")

    @property
    def devices(self) -> tuple[torch.device, ...]:
        return (self.device,)

    @property
    def atomic_energies_ev(self) -> dict[int, float]:
        """What the members were given for a free atom of each element, their mean, eV."""
        return {z: float(np.mean([one.atomic_energies_ev.get(z, 0.0) for one in self._models])) for z in self.numbers}

    def evaluate(
        self, batch: AtomBatch, *, members: Sequence[int] | None = None, want_stress: bool = False
    ) -> Prediction:
        """Energies, forces and stress of a batch by some members (all of them when None), in their order.

        A structure that can't be computed gets NaN; so does one with places that are no numbers.

        Raises
        ------
        ModelError
            A structure has an element that the members do not know, or a process has ended twice.
        """
        self._elements.require(batch.numbers.tolist())
        chosen = range(self.n_members) if members is None else members
        fitted = {one: potential for one in chosen if (potential := self._models[one].potential) is not None}
        question = {**_question(batch), "want_stress": want_stress}
        answers = hosts_of(os.getpid(), self._program).computed(fitted, question) if fitted else {}
        zeros = {
            "energies": np.zeros(batch.n_structures),
            "forces": np.zeros((len(batch.numbers), 3)),
            "stress": np.zeros((batch.n_structures, 6)),
        }
        each = [answers.get(one, zeros) for one in chosen]
        energies, forces, stress = (torch.from_numpy(np.stack([one[name] for one in each])) for name in zeros)
        energies = energies + torch.stack([self._free(one, batch) for one in chosen])
        if not want_stress:
            return Prediction(energies.to(batch.device), forces.to(batch.device), None)
        has_volume = (batch.pbc.any(dim=1) & (torch.linalg.det(batch.cells).abs() > 0)).cpu()
        stress = torch.where(has_volume[None, :, None], stress, torch.nan)
        return Prediction(energies.to(batch.device), forces.to(batch.device), stress.to(batch.device))

    def opinions(self, batch: AtomBatch, *, want_stress: bool = False) -> Prediction:
        """Energies, forces and stress of a batch by all members; not computed again for the same structures."""
        last = self._remembered
        if last is None or last.generation != self._generation or not last.holds(batch, with_stress=want_stress):
            said = self.evaluate(batch, want_stress=want_stress)
            last = _Remembered(self._generation, batch.at(batch.positions.clone()), said)
            self._remembered = last
        return last.prediction

    def predict(self, frames: Sequence[Frame], *, want_stress: bool = False) -> list[FramePrediction]:
        """Predictions of all members for each of some frames, in their order."""
        return self._predict(frames, None, want_stress=want_stress)

    def descriptors(self, frames: Sequence[Frame]) -> FloatArray:
        """How many neighbours there are in shells with smooth edges up to the cutoff, by pairs of elements, per atom.

        It is what a sum of two-body terms sees, whatever else the descriptors of the potentials do.
        """
        self._elements.require(int(z) for frame in frames for z in frame.numbers)
        radii = np.linspace(0.5, self._cutoff, N_SHELLS)
        pairs = {pair: i for i, pair in enumerate(itertools.combinations_with_replacement(self.numbers, 2))}
        found = np.zeros((len(frames), len(pairs) + len(self.numbers), N_SHELLS))
        for row, frame in enumerate(frames):
            batch = AtomBatch.from_frames([frame], self._cutoff)
            lengths = batch.edge_vectors().norm(dim=1).numpy(force=True)
            kinds = np.sort(frame.numbers[batch.edges.numpy(force=True)], axis=0).T
            shells = np.exp(-np.square((lengths[:, None] - radii) / (radii[1] - radii[0])))
            for pair, index in pairs.items():
                found[row, index] = shells[(kinds == pair).all(axis=1)].sum(axis=0) / frame.n_atoms
            for index, number in enumerate(self.numbers, len(pairs)):
                found[row, index, 0] = np.mean(frame.numbers == number)
        return found.reshape(len(frames), -1)

    def _predict(
        self, frames: Sequence[Frame], members: Sequence[int] | None, *, want_stress: bool
    ) -> list[FramePrediction]:
        predictions: list[FramePrediction] = []
        for start in range(0, len(frames), _FRAMES_PER_BATCH):
            # Pairs are the other program's to find: the shortest list that there is.
            batch = AtomBatch.from_frames(frames[start : start + _FRAMES_PER_BATCH], None)
            said = self.evaluate(batch, members=members, want_stress=want_stress)
            predictions += said.by_structure(batch.n_atoms.tolist())
        return predictions

    def _free(self, member: int, batch: AtomBatch) -> Tensor:
        """Energies (B,) of the atoms by themselves, eV."""
        table = torch.zeros(119, dtype=torch.float64)
        for number, energy in self._models[member].atomic_energies_ev.items():
            table[number] = energy
        energies = table[batch.numbers.cpu()]
        return torch.zeros(batch.n_structures, dtype=torch.float64).index_add(0, batch.structure.cpu(), energies)


def _question(batch: AtomBatch) -> dict[str, npt.NDArray[Any]]:
    """A batch as arrays; ``boxes`` for programs to which all directions repeat, or none does."""
    names = ("positions", "numbers", "cells", "pbc", "n_atoms")
    arrays = {name: getattr(batch, name).numpy(force=True) for name in names}
    places = np.split(arrays["positions"], np.cumsum(arrays["n_atoms"])[:-1])
    boxes = [box_of(*one) for one in zip(places, arrays["cells"], arrays["pbc"], strict=True)]
    symbols = np.array(chemical_symbols)[arrays["numbers"]]
    return {**arrays, "boxes": np.array(boxes).reshape(-1, 3, 3), "symbols": symbols}
