"""Molecular dynamics of many trajectories as one batch of tensors."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from ase.data import atomic_masses
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.errors import ShapeError, StoreError
from aims_pax.frame import Frame
from aims_pax.protocols import AnswersLater, Driver, ExplainsFailures, Integrator
from aims_pax.sampling.asking import Asking, at_once, side_by_side
from aims_pax.sampling.dynamics import Langevin, maxwell_boltzmann
from aims_pax.sampling.neighbours import NearBatch, SkinLists, symbol
from aims_pax.sampling.noise import NoiseStream
from aims_pax.trajectory import (
    Advanced,
    StatisticalEnsemble,
    TrajectoryCheckpoint,
    TrajectoryStart,
    pack_arrays,
    unpack_arrays,
)
from aims_pax.units import AMU_ANG2_PER_FS2_EV, BOLTZMANN_EV_PER_K

_STALE = -1
_NOISE_STEPS_AT_ONCE = 64


class BatchedSampler:
    """Advances many trajectories at once; each can be checkpointed and rewound on its own.

    Phase space is float64 on one device. What one trajectory does depends neither on the others in the batch nor on
    how many steps are asked for at a time, but for rounding inside the driver.

    Parameters
    ----------
    starts : sequence of TrajectoryStart
        Trajectory k is the k-th of them.
    driver : Driver
        When its generation changes, forces are computed anew before the next step.
    device : torch.device or str
    skin_ang : float, Å
        How much further than the cutoff the neighbour lists reach.
    max_force_ev_per_ang : float, eV/Å
        A force beyond this stops its trajectory.
    min_distance_factor : float
        Atoms closer than this times the sum of their covalent radii stop their trajectory. 0.5 is 0.31 Å for H-H
        and 0.54 Å for C-H: far beyond any vibration, and before most models go astray.
    """

    def __init__(
        self,
        starts: Sequence[TrajectoryStart],
        driver: Driver,
        *,
        device: torch.device | str = "cpu",
        skin_ang: float = 0.5,
        max_force_ev_per_ang: float = 50.0,
        min_distance_factor: float = 0.5,
    ) -> None:
        self._starts = tuple(starts)
        self._driver = driver
        self._device = torch.device(device)
        self._max_force = max_force_ev_per_ang
        frames = [start.frame for start in starts]
        self._lists = SkinLists(
            [_renumbered(frame, trajectory) for trajectory, frame in enumerate(frames)],
            driver.cutoff,
            skin_ang=skin_ang,
            min_distance_factor=min_distance_factor,
            device=self._device,
        )
        self._streams = [NoiseStream(s.seed, k, s.frame.n_atoms) for k, s in enumerate(starts)]
        ends = np.cumsum([frame.n_atoms for frame in frames]).tolist()
        self._atoms = [slice(end - frame.n_atoms, end) for end, frame in zip(ends, frames, strict=True)]
        self._masses = self._tensor(atomic_masses * AMU_ANG2_PER_FS2_EV)[self._lists.structures.numbers]
        self._integrator = self._thermostats()
        self._positions = self._lists.structures.positions.clone()
        self._momenta = torch.cat([self._drawn_momenta(k, draw=0) for k in range(len(starts))])
        self._forces = torch.zeros_like(self._positions)
        self._energies = torch.zeros(len(starts), dtype=torch.float64, device=self._device)
        self._generations = np.full(len(starts), _STALE, dtype=np.int64)
        self._md_steps = np.zeros(len(starts), dtype=np.int64)
        self._noise_steps = np.zeros(len(starts), dtype=np.int64)
        self._rewinds = np.zeros(len(starts), dtype=np.int64)

    @property
    def n_trajectories(self) -> int:
        return len(self._starts)

    def advance(self, trajectories: Sequence[int], n_steps: int) -> list[Advanced]:
        """Move some trajectories on by a number of steps.

        A trajectory whose atoms overlap, or whose forces are not finite or too large, stays at its last sound
        structure and says why; the others go on.
        """
        if n_steps < 0:
            raise ShapeError(f"trajectories can't advance by {n_steps} steps")
        problems = dict[int, str]()
        if isinstance(self._driver, AnswersLater):
            alone = {trajectory: self._advancing([trajectory], n_steps) for trajectory in trajectories}
            for found in side_by_side(alone, self._driver).values():
                problems |= found
        else:
            problems = at_once(self._advancing(list(trajectories), n_steps), self._driver)
        return [
            Advanced(k, int(self._md_steps[k]), problems.get(k), lacks_forces=k in problems and bool(self._failure(k)))
            for k in trajectories
        ]

    def md_step(self, trajectory: int) -> int:
        """MD steps that a trajectory has made."""
        return int(self._md_steps[trajectory])

    def frame(self, trajectory: int) -> Frame:
        """The structure where a trajectory stands, under its identity."""
        start = self._starts[trajectory].frame
        return Frame(
            system=start.system,
            trajectory=trajectory,
            md_step=int(self._md_steps[trajectory]),
            generation=self._driver.generation,
            numbers=start.numbers,
            positions=self._positions[self._atoms[trajectory]].cpu().numpy().copy(),
            cell=start.cell,
            pbc=start.pbc,
            charge=start.charge,
            spin=start.spin,
        )

    def batch(self, trajectories: Sequence[int]) -> AtomBatch:
        """The structures where some trajectories stand, with pairs up to the driver's cutoff and a skin."""
        return self._gather(trajectories).batch

    def kinetic_temperature(self, trajectory: int) -> float:
        """Temperature of the momenta of one trajectory, K. In NVE its centre of mass doesn't count."""
        start = self._starts[trajectory]
        fixed = 3 if start.ensemble == StatisticalEnsemble.NVE and start.frame.n_atoms > 1 else 0
        return 2 * self._kinetic_energy(trajectory) / ((3 * start.frame.n_atoms - fixed) * BOLTZMANN_EV_PER_K)

    def total_energy(self, trajectory: int) -> float:
        """Kinetic plus potential energy of one trajectory, eV: what NVE conserves."""
        if at_once(self._refresh_forces([trajectory]), self._driver):
            return float("nan")
        return self._kinetic_energy(trajectory) + float(self._energies[trajectory])

    def checkpoint(self, trajectory: int) -> TrajectoryCheckpoint:
        """Where a trajectory stands in phase space."""
        atoms = self._atoms[trajectory]
        return TrajectoryCheckpoint(
            md_step=int(self._md_steps[trajectory]),
            positions=self._positions[atoms].cpu().numpy().copy(),
            momenta=self._momenta[atoms].cpu().numpy().copy(),
        )

    def rewind(self, trajectory: int, checkpoint: TrajectoryCheckpoint) -> None:
        """Put a trajectory back to a point of phase space.

        Its steps go on counting and its noise goes on, for with the same noise it would fail in the same way again;
        for this reason NVE, which has no noise, draws new momenta at its temperature.
        """
        atoms, start = self._atoms[trajectory], self._starts[trajectory]
        if checkpoint.positions.shape != (start.frame.n_atoms, 3):
            raise ShapeError(
                f"trajectory {trajectory} has {start.frame.n_atoms} atoms; "
                f"the checkpoint holds positions {checkpoint.positions.shape}"
            )
        self._rewinds[trajectory] += 1
        self._positions[atoms] = self._tensor(checkpoint.positions)
        self._momenta[atoms] = (
            self._drawn_momenta(trajectory, draw=int(self._rewinds[trajectory]))
            if start.ensemble == StatisticalEnsemble.NVE
            else self._tensor(checkpoint.momenta)
        )
        self._generations[trajectory] = _STALE

    def save(self) -> bytes:
        """Everything that :meth:`load` needs to go on exactly as if there had been no interruption."""
        return pack_arrays(
            {
                "numbers": self._lists.structures.numbers.cpu().numpy(),
                "positions": self._positions.cpu().numpy(),
                "momenta": self._momenta.cpu().numpy(),
                "forces": self._forces.cpu().numpy(),
                "energies": self._energies.cpu().numpy(),
                "generations": self._generations,
                "md_steps": self._md_steps,
                "noise_steps": self._noise_steps,
                "rewinds": self._rewinds,
                "built_at": self._lists.built_at,
            }
        )

    def load(self, content: bytes) -> None:
        """Go on from what :meth:`save` gave. StoreError when it is damaged, or of other structures."""
        tensors = ("positions", "momenta", "forces", "energies")
        counters = ("generations", "md_steps", "noise_steps", "rewinds")
        arrays = unpack_arrays(content, ("numbers", "built_at", *tensors, *counters))
        if not np.array_equal(arrays["numbers"], self._lists.structures.numbers.cpu().numpy()):
            raise StoreError("the saved sampling state belongs to other structures than those of this project")
        self._positions, self._momenta, self._forces, self._energies = (self._tensor(arrays[n]) for n in tensors)
        self._generations, self._md_steps, self._noise_steps, self._rewinds = (
            arrays[name].astype(np.int64) for name in counters
        )
        self._lists.rebuild(arrays["built_at"].astype(np.float64))

    def _advancing(self, trajectories: list[int], n_steps: int) -> Asking[dict[int, str]]:
        """Move trajectories on in one batch; problems by trajectory."""
        moving, problems, left = trajectories, dict[int, str](), n_steps
        while moving and left:
            found = yield from self._refresh_forces(moving)
            sound = [trajectory for trajectory in moving if trajectory not in found]
            made, wrecked = (yield from self._stretch(sound, min(left, _NOISE_STEPS_AT_ONCE))) if sound else (0, {})
            left -= made
            problems |= found | wrecked
            moving = [trajectory for trajectory in sound if trajectory not in wrecked]
        return problems

    def _stretch(self, trajectories: list[int], n_steps: int) -> Asking[tuple[int, dict[int, str]]]:
        """Advance with fresh forces until something goes wrong; steps made, and problems by trajectory.

        The step that went wrong is not made by anyone: those who are sound repeat it in the next stretch, which
        leads them to the same point, since noise and neighbour lists are theirs alone.
        """
        atoms = self._atom_indices(trajectories)
        near = self._gather(trajectories)
        momenta, forces, energies = self._momenta[atoms], self._forces[atoms], self._energies[trajectories]
        integrator = self._integrator.select(atoms)
        made, problems = 0, dict[int, str]()
        for noise in self._noise(trajectories, n_steps):
            positions, kicked = integrator.before_forces(near.batch.positions, momenta, forces, noise)
            ahead = self._lists.follow(near, positions)
            new_energies, new_forces, problems = yield from self._evaluate(ahead)
            if problems:
                break
            near, energies, forces = ahead, new_energies, new_forces
            momenta = integrator.after_forces(kicked, forces)
            made += 1
        self._lists.keep(near)
        self._positions[atoms], self._momenta[atoms], self._forces[atoms] = near.batch.positions, momenta, forces
        self._energies[trajectories] = energies
        self._md_steps[trajectories] += made
        self._noise_steps[trajectories] += made
        # A failed attempt has used up its noise: the next one must be another, even if a rewind leads back here.
        self._noise_steps[list(problems)] += 1
        return made, problems

    def _refresh_forces(self, trajectories: Sequence[int]) -> Asking[dict[int, str]]:
        """Compute the forces that are missing or of an older generation; problems by trajectory."""
        generation = self._driver.generation
        stale = [k for k in trajectories if self._generations[k] != generation]
        if not stale:
            return {}
        near = self._gather(stale)
        energies, forces, problems = yield from self._evaluate(near)
        if problems:
            sound = [k for k in stale if k not in problems]
            return problems | (yield from self._refresh_forces(sound))
        self._forces[self._atom_indices(stale)] = forces
        self._energies[stale] = energies
        self._generations[stale] = generation
        return {}

    def _evaluate(self, near: NearBatch) -> Asking[tuple[Tensor, Tensor, dict[int, str]]]:
        """Energies (B,), forces (N, 3) and problems by trajectory. Overlapping atoms never reach the driver."""
        batch = near.batch
        overlaps = near.overlaps()
        if overlaps:
            problems = {int(batch.trajectory[structure]): words for structure, words in overlaps.items()}
            return self._energies[:0], self._forces[:0], problems
        energies, forces = yield batch
        energies, forces = energies.to(torch.float64), forces.to(torch.float64)
        # Strictly less, so that an infinite limit still stops infinite forces; NaN compares false.
        tame = (forces.square().sum(dim=1) < self._max_force**2) & energies.isfinite()[batch.structure]
        if bool(tame.all()):
            return energies, forces, {}
        wrecked = sorted(set(batch.structure[~tame].tolist()))
        return energies, forces, {int(batch.trajectory[b]): self._force_message(batch, forces, b) for b in wrecked}

    def _force_message(self, batch: AtomBatch, forces: Tensor, structure: int) -> str:
        failure = self._failure(int(batch.trajectory[structure]))
        if failure is not None:
            return f"no forces: {failure}"
        atoms = (batch.structure == structure).nonzero().flatten()
        size = forces[atoms].norm(dim=1)
        if not bool(size.isfinite().all()):
            return f"forces on {int((~size.isfinite()).sum())} of {len(atoms)} atoms are not finite"
        worst = int(size.argmax())
        if float(size[worst]) < self._max_force:
            return "the energy is not finite"
        name = f"atom {worst} ({symbol(batch, int(atoms[worst]))})"
        return f"the force on {name} is {float(size[worst]):.1f} eV/Å; the limit is {self._max_force:g} eV/Å"

    def _failure(self, trajectory: int) -> str | None:
        """What the driver says of a trajectory that got no forces."""
        return self._driver.failure_of(trajectory) if isinstance(self._driver, ExplainsFailures) else None

    def _gather(self, trajectories: Sequence[int]) -> NearBatch:
        near = self._lists.gather(trajectories, self._positions[self._atom_indices(trajectories)])
        self._lists.keep(near)
        return near

    def _noise(self, trajectories: Sequence[int], n_steps: int) -> Tensor:
        """Standard normal numbers of the next steps, (n_steps, N, 3); those of NVE are multiplied by zero."""
        drawn = [self._streams[k].steps(int(self._noise_steps[k]), n_steps) for k in trajectories]
        return self._tensor(np.concatenate(drawn, axis=1))

    def _drawn_momenta(self, trajectory: int, *, draw: int) -> Tensor:
        noise = self._tensor(self._streams[trajectory].momenta(draw))
        temperature = self._starts[trajectory].temperature_k
        return maxwell_boltzmann(noise, self._masses[self._atoms[trajectory]], temperature_k=temperature)

    def _thermostats(self) -> Integrator:
        """What moves all atoms, from the settings of their trajectories."""

        def per_atom(values: list[float]) -> Tensor:
            return self._tensor(values)[self._lists.structures.structure]

        return Langevin.of(
            self._masses,
            timestep_fs=per_atom([start.timestep_fs for start in self._starts]),
            temperature_k=per_atom([start.temperature_k for start in self._starts]),
            friction_per_fs=per_atom(
                [start.friction_per_fs if start.ensemble == StatisticalEnsemble.NVT else 0.0 for start in self._starts]
            ),
        )

    def _kinetic_energy(self, trajectory: int) -> float:
        atoms = self._atoms[trajectory]
        return float((self._momenta[atoms].square().sum(dim=1) / (2 * self._masses[atoms])).sum())

    def _atom_indices(self, trajectories: Sequence[int]) -> Tensor:
        return self._lists.structures.atoms_of(torch.as_tensor(trajectories, dtype=torch.int64, device=self._device))

    def _tensor(self, array: object) -> Tensor:
        return torch.as_tensor(array, dtype=torch.float64, device=self._device)


def _renumbered(frame: Frame, trajectory: int) -> Frame:
    """The same structure under the number that its trajectory has in the sampler."""
    return replace(frame, trajectory=trajectory, md_step=0, generation=0)
