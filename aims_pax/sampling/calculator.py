"""Drivers that are not a committee: ASE calculators, and the reference itself."""

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from ase.calculators.calculator import Calculator
from torch import Tensor

from aims_pax.atoms import telling_atoms
from aims_pax.batch import AtomBatch
from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.protocols import Labeller
from aims_pax.reference.ase_adapter import foreign_code
from aims_pax.reference.calculation import ENGINE_ERRORS, Observables, raised_words

logger = logging.getLogger(__name__)


def own_of_trajectory(frame: Frame) -> Hashable:
    """A calculator for each trajectory, which starts its self-consistency from its own last step."""
    return frame.trajectory


def shared_by_system(frame: Frame) -> Hashable:
    """One for all trajectories of a system: of models, which know no last step, each more is only more memory."""
    return frame.system


class CalculatorForces:
    """Forces of ASE calculators.

    What self-consistency starts from is not saved: a run that was interrupted goes on with forces that agree within
    the calculator's convergence, not to the last bit.

    Parameters
    ----------
    new_calculator : callable
        Makes one more ASE calculator, for a system that has none of its own.
    own : mapping of str to callable
        The same for systems whose calculators differ, such as by charge; by their names.
    owner : callable
        Structures of which it says the same share a calculator: :func:`own_of_trajectory`, :func:`shared_by_system`.
    n_threads : int
        How many of them compute at the same time. More than one only for calculators that leave Python's lock while
        they do, and share nothing, as tblite's do.
    """

    generation = 0
    cutoff: float | None = None

    def __init__(
        self,
        new_calculator: Callable[[], Calculator],
        *,
        own: Mapping[str, Callable[[], Calculator]] | None = None,
        owner: Callable[[Frame], Hashable] = own_of_trajectory,
        n_threads: int = 1,
    ) -> None:
        self._new_calculator, self._own, self._owner = new_calculator, own or {}, owner
        self._calculators: dict[Hashable, Calculator] = {}
        self._threads = ThreadPoolExecutor(n_threads, "aims-pax-calculator") if n_threads > 1 else None
        self._failures: dict[int, str] = {}

    def energies_forces(self, batch: AtomBatch) -> tuple[Tensor, Tensor]:
        """Energies (B,) in eV and forces (N, 3) in eV/Å; NaN for a structure whose calculation failed."""
        energies, forces, _ = self._all(batch, want_stress=False)
        return energies, forces

    def energies_forces_stress(self, batch: AtomBatch) -> tuple[Tensor, Tensor, Tensor]:
        """The same and stress (B, 6) in eV/Å³; NaN for one that is not periodic along three directions."""
        return self._all(batch, want_stress=True)

    def failure_of(self, trajectory: int) -> str | None:
        """What the calculator raised for the newest structure of a trajectory; None when it gave forces."""
        return self._failures.get(trajectory)

    def forget(self) -> None:
        """Begin the next step of every trajectory without its past, as after an interruption."""
        self._calculators.clear()

    def _all(self, batch: AtomBatch, *, want_stress: bool) -> tuple[Tensor, Tensor, Tensor]:
        one, frames = partial(self._one, want_stress=want_stress), frames_of(batch)
        each = map(one, frames) if self._threads is None else self._threads.map(one, frames)
        return tensors_of(list(each), batch.device)

    def _one(self, frame: Frame, *, want_stress: bool) -> Observables:
        self._failures.pop(frame.trajectory, None)
        owner = self._owner(frame)
        try:
            with foreign_code():
                if owner not in self._calculators:
                    self._calculators[owner] = self._own.get(frame.system, self._new_calculator)()
                atoms = telling_atoms(frame)
                atoms.calc = self._calculators[owner]
                energy, forces = float(atoms.get_potential_energy()), np.asarray(atoms.get_forces(), dtype=np.float64)
                if forces.shape != (frame.n_atoms, 3):
                    raise ValueError(f"forces have the shape {forces.shape} where ({frame.n_atoms}, 3) was expected")
                stress = None
                if want_stress and frame.pbc.all():
                    stress = np.asarray(atoms.get_stress(), dtype=np.float64)
                return Observables(energy, forces, stress)
        except ENGINE_ERRORS as error:
            logger.debug("traj %02d  its driver failed", frame.trajectory, exc_info=error)
            self._failures[frame.trajectory] = raised_words(error)
            self._calculators.pop(owner, None)  # its wave function may be the reason
            return failed(frame)


class ReferenceForces:
    """Forces of the reference method: ab initio molecular dynamics, whose every step is a label.

    Each trajectory waits for its own steps alone, which are computed wherever the labeller has them computed. A step
    knows nothing of the one before: it begins with no wave function but what the method itself makes.

    Parameters
    ----------
    labeller : Labeller
    """

    generation = 0
    cutoff: float | None = None

    def __init__(self, labeller: Labeller) -> None:
        self._labeller = labeller
        self._asked: dict[int, tuple[Frame, torch.device]] = {}
        self._failures: dict[int, LabelFailure] = {}

    def ask(self, batch: AtomBatch) -> None:
        """Have the structures of a batch labelled; returns at once."""
        for frame in frames_of(batch):
            self._asked[frame.trajectory] = frame, batch.device
            self._labeller.ask(frame)

    def answers(self) -> dict[int, tuple[Tensor, Tensor, Tensor]]:
        """Energies (1,), forces (n_atoms, 3) and stress (1, 6) of those that have come; NaN for what is not told."""
        while not (come := self._come()):
            self._labeller.wait()
        return come

    def energies_forces(self, batch: AtomBatch) -> tuple[Tensor, Tensor]:
        """Energies (B,) in eV and forces (N, 3) in eV/Å; NaN for a structure that got no label."""
        energies, forces, _ = self.energies_forces_stress(batch)
        return energies, forces

    def energies_forces_stress(self, batch: AtomBatch) -> tuple[Tensor, Tensor, Tensor]:
        """The same and stress (B, 6) in eV/Å³; NaN where the labels have none."""
        self.ask(batch)
        come: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        while len(come) < batch.n_structures:
            come |= self.answers()
        each = [come[trajectory] for trajectory in batch.trajectory.tolist()]
        energies, forces, stress = (torch.cat([one[part] for one in each]) for part in range(3))
        return energies, forces, stress

    def failure_of(self, trajectory: int) -> str | None:
        """Why the newest structure of a trajectory got no label; None when it got one."""
        failure = self._failures.get(trajectory)
        if failure is None:
            return None
        kept = "" if failure.folder is None else f"; its files are in {failure.folder}"
        return f"{failure.reason}: {failure.message}{kept}"

    def result_of(self, frame: Frame) -> Label | LabelFailure | None:
        """What the reference said of this very structure, if it was asked."""
        return self._labeller.answer(frame)

    def _come(self) -> dict[int, tuple[Tensor, Tensor, Tensor]]:
        """Forces of those asked for that are there."""
        come = {}
        for trajectory, (frame, device) in tuple(self._asked.items()):
            result = self._labeller.answer(frame)
            if result is None:
                continue
            del self._asked[trajectory]
            self._failures.pop(trajectory, None)
            if isinstance(result, LabelFailure):
                self._failures[trajectory] = result
                logger.debug("traj %02d  %s: %s", trajectory, result.reason, result.message)
            come[trajectory] = tensors_of([failed(frame) if isinstance(result, LabelFailure) else result], device)
        return come


def frames_of(batch: AtomBatch) -> list[Frame]:
    """The structures of a batch, each of its own system; the MD step is unknown here, and that of its origin."""
    ends = torch.cumsum(batch.n_atoms, dim=0)[:-1].cpu().numpy()
    # A copy: the tensor may be advanced in place by its owner while a label keeps these positions.
    positions = np.split(batch.positions.cpu().numpy().copy(), ends)
    cells = batch.cells.cpu().numpy().copy()
    return [
        replace(origin, trajectory=trajectory, positions=positions[k], cell=cells[k])
        for k, (origin, trajectory) in enumerate(zip(batch.origins, batch.trajectory.tolist(), strict=True))
    ]


def failed(frame: Frame) -> Observables:
    """NaN for the energy of a structure that could not be computed, and for each of its forces."""
    return Observables(float("nan"), np.full((frame.n_atoms, 3), np.nan))


def tensors_of(results: Sequence[Observables | Label], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Energies (B,), forces (N, 3) and stress (B, 6) of some structures; NaN for a stress that is not there."""
    stress = [np.full(6, np.nan) if one.stress is None else one.stress for one in results]
    return (
        torch.tensor([one.energy for one in results], dtype=torch.float64, device=device),
        torch.as_tensor(np.concatenate([one.forces for one in results]), device=device),
        torch.as_tensor(np.stack(stress), device=device),
    )
