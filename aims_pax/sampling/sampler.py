"""Molecular dynamics of many trajectories as one batch of tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from ase.data import atomic_masses
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.errors import ShapeError, StoreError
from aims_pax.frame import FloatArray, Frame
from aims_pax.protocols import AnswersLater, Bias, Driver, ExplainsFailures
from aims_pax.sampling.asking import Asking, Question, at_once, side_by_side
from aims_pax.sampling.bias import SAVED_BIASES, Biases, Overlay
from aims_pax.sampling.course import Course
from aims_pax.sampling.dynamics import Felt
from aims_pax.sampling.movers import Movers
from aims_pax.sampling.neighbours import NearBatch, SkinLists
from aims_pax.sampling.noise import NoiseStream, noise_ahead
from aims_pax.sampling.phase_space import SAVED, SAVED_LATER, PhaseSpace
from aims_pax.sampling.soundness import Soundness
from aims_pax.trajectory import (
    Advanced,
    Segment,
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
    how many steps are asked for at a time, but for rounding inside the driver. Each follows a program of its own, in
    any ensemble; a cell moves where the ensemble says so.

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
        frames = [start.frame for start in starts]
        self._lists = SkinLists(
            [_renumbered(frame, trajectory) for trajectory, frame in enumerate(frames)],
            driver.cutoff,
            skin_ang=skin_ang,
            min_distance_factor=min_distance_factor,
            device=self._device,
        )
        self._streams = [
            NoiseStream(s.seed, k if s.stream is None else s.stream, s.frame.n_atoms) for k, s in enumerate(starts)
        ]
        ends = np.cumsum([frame.n_atoms for frame in frames]).tolist()
        self._atoms = [slice(end - frame.n_atoms, end) for end, frame in zip(ends, frames, strict=True)]
        structures = self._lists.structures
        self._course = Course(starts)
        masses = self._tensor(atomic_masses * AMU_ANG2_PER_FS2_EV)[structures.numbers]
        self._movers = Movers(structures, masses, self._course)
        self._biases = Biases(starts, self._course, device=self._device)
        self._soundness = Soundness(structures.cells, max_force_ev_per_ang=max_force_ev_per_ang, explain=self._failure)
        self._generations = np.full(len(starts), _STALE, dtype=np.int64)
        self._draws = np.zeros(len(starts), dtype=np.int64)
        momenta = torch.cat([self._drawn_momenta(k) for k in range(len(starts))])
        n_own = max(segment.dynamics.n_own for start in starts for segment in start.program)
        self._space = PhaseSpace(structures.positions, momenta, structures.cells, n_own=n_own)
        self._begin_segments(range(len(starts)))
        self._md_steps = np.zeros(len(starts), dtype=np.int64)
        self._noise_steps = np.zeros(len(starts), dtype=np.int64)

    @property
    def n_trajectories(self) -> int:
        return len(self._starts)

    @property
    def cutoff(self) -> float | None:
        """Pairs up to this distance are in every batch, Å; None: those of overlapping atoms alone."""
        return self._driver.cutoff

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

    def segment(self, trajectory: int) -> int:
        """Which segment of its program a trajectory is in."""
        return self._course.place(trajectory)[0]

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
            positions=self._space.positions[self._atoms[trajectory]].cpu().numpy().copy(),
            cell=self._space.cells[trajectory].cpu().numpy().copy(),
            pbc=start.pbc,
            charge=start.charge,
            spin=start.spin,
        )

    def batch(self, trajectories: Sequence[int]) -> AtomBatch:
        """The structures where some trajectories stand, with pairs up to the driver's cutoff and a skin."""
        return self._gather(trajectories).batch

    def kinetic_temperature(self, trajectory: int) -> float:
        """Temperature of the momenta of one trajectory, K. What is held, or a whole that never moves, doesn't count."""
        crowd = self._movers.crowd([trajectory])
        keeps = self._course.segment(trajectory).dynamics.keeps_momentum
        n_degrees = int(crowd.n_degrees[0] if keeps else crowd.n_moving[0])
        return 2 * self._kinetic_energy(trajectory) / (n_degrees * BOLTZMANN_EV_PER_K)

    def total_energy(self, trajectory: int) -> float:
        """Kinetic plus potential energy of one trajectory, eV: what NVE conserves."""
        if at_once(self._refresh_forces([trajectory]), self._driver):
            return float("nan")
        return self._kinetic_energy(trajectory) + float(self._space.energies[trajectory])

    def conserved_energy(self, trajectory: int) -> float:
        """What the dynamics of one trajectory conserves, eV; NaN where there is no such quantity, or no forces."""
        if at_once(self._refresh_forces([trajectory]), self._driver):
            return float("nan")
        rows, integrator = self._movers.rows([trajectory]), self._movers.integrator([trajectory])
        phase = self._space.phase(rows, n_own=integrator.n_own)
        return float(integrator.conserved(phase, self._space.felt(rows))[0])

    def learned(self, trajectory: int) -> dict[Bias, FloatArray]:
        """What the biases of a trajectory have learned, such as the hills of metadynamics. A rewind takes none back."""
        return self._biases.learned(trajectory)

    def checkpoint(self, trajectory: int) -> TrajectoryCheckpoint:
        """Where a trajectory stands in phase space, and in its program."""
        atoms, space = self._atoms[trajectory], self._space
        segment, segment_step = self._course.place(trajectory)
        return TrajectoryCheckpoint(
            md_step=int(self._md_steps[trajectory]),
            positions=space.positions[atoms].cpu().numpy().copy(),
            momenta=space.momenta[atoms].cpu().numpy().copy(),
            cell=space.cells[trajectory].cpu().numpy().copy(),
            own=space.own[trajectory].cpu().numpy().copy(),
            segment=segment,
            segment_step=segment_step,
        )

    def rewind(self, trajectory: int, checkpoint: TrajectoryCheckpoint) -> None:
        """Put a trajectory back to a point of phase space.

        Its steps go on counting and its noise goes on, for with the same noise it would fail in the same way again;
        for this reason an ensemble without noise draws new momenta at its temperature.
        """
        atoms, start, space = self._atoms[trajectory], self._starts[trajectory], self._space
        if checkpoint.positions.shape != (start.frame.n_atoms, 3):
            raise ShapeError(
                f"trajectory {trajectory} has {start.frame.n_atoms} atoms; "
                f"the checkpoint holds positions {checkpoint.positions.shape}"
            )
        self._draws[trajectory] += 1
        self._course.put(trajectory, (checkpoint.segment, checkpoint.segment_step))
        space.positions[atoms] = self._tensor(checkpoint.positions)
        space.cells[trajectory] = self._tensor(start.frame.cell if checkpoint.cell is None else checkpoint.cell)
        if checkpoint.own is None or len(checkpoint.own) != space.own.shape[1]:
            self._begin_segments([trajectory])
        else:
            space.own[trajectory] = self._tensor(checkpoint.own)
        space.momenta[atoms] = (
            self._tensor(checkpoint.momenta)
            if self._course.segment(trajectory).dynamics.is_stochastic
            else self._drawn_momenta(trajectory)
        )
        self._generations[trajectory] = _STALE

    def save(self) -> bytes:
        """Everything that :meth:`load` needs to go on exactly as if there had been no interruption."""
        return pack_arrays(
            {
                "numbers": self._lists.structures.numbers.cpu().numpy(),
                **self._space.save(),
                **self._biases.save(),
                "course": self._course.save(),
                "generations": self._generations,
                "md_steps": self._md_steps,
                "noise_steps": self._noise_steps,
                "rewinds": self._draws,
                "built_at": self._lists.built_at,
                "built_in": self._lists.built_in,
            }
        )

    def load(self, content: bytes) -> None:
        """Go on from what :meth:`save` gave. StoreError when it is damaged, or of other structures."""
        counters = ("generations", "md_steps", "noise_steps", "rewinds")
        further = ("built_in", "course", *SAVED_LATER, *SAVED_BIASES)
        arrays = unpack_arrays(content, ("numbers", "built_at", *SAVED, *counters), further=further)
        if not np.array_equal(arrays["numbers"], self._lists.structures.numbers.cpu().numpy()):
            raise StoreError("the saved sampling state belongs to other structures than those of this project")
        self._space.load(arrays)
        self._biases.load(arrays)
        self._generations, self._md_steps, self._noise_steps, self._draws = (
            arrays[name].astype(np.int64) for name in counters
        )
        if "course" in arrays:
            self._course.load(arrays["course"])
        self._lists.rebuild(arrays["built_at"].astype(np.float64), arrays.get("built_in", self._lists.built_in))

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
        leads them to the same point, since noise and neighbour lists are theirs alone. A stretch ends where one of
        them comes to the end of a segment.
        """
        rows, integrator = self._movers.rows(trajectories), self._movers.integrator(trajectories)
        near = self._gather(trajectories)
        felt, phase = self._space.felt(rows), self._space.phase(rows, n_own=integrator.n_own)
        phase = replace(phase, cells=near.batch.cells)
        ramps = any(self._course.segment(k).ramps for k in trajectories)
        moves_cell, overlay = self._moves_cell(trajectories), self._biases.over(trajectories)
        n_steps = self._course.steps_left(trajectories, at_most=n_steps)
        made, problems, rest = 0, dict[int, str](), None
        places = [(self._streams[k], int(self._noise_steps[k])) for k in trajectories]
        for noise in noise_ahead(places, n_steps, with_cells=integrator.wants_cell_noise, device=self._device):
            if ramps:
                integrator = integrator.at(*map(self._tensor, self._course.conditions(trajectories, ahead=made)))
            kicked = integrator.before_forces(phase, felt, noise)
            problems = self._soundness.of_cells(near.batch, kicked.cells)
            if problems:
                break
            ahead = self._lists.follow(near, kicked.positions, kicked.cells)
            new, problems = yield from self._evaluate(ahead, moves_cell, overlay)
            if problems:
                break
            near, felt = ahead, new
            phase = integrator.after_forces(replace(kicked, cells=near.batch.cells), felt)
            felt = overlay.after_step(felt, near.batch)
            made += 1
            rest = integrator.at_rest(phase, felt)
            if rest is not None and bool(rest.any()):
                break
        self._lists.keep(near)
        self._space.put(rows, phase)
        self._space.feel(rows, felt)
        self._md_steps[trajectories] += made
        self._noise_steps[trajectories] += made
        # A failed attempt has used up its noise: the next one must be another, even if a rewind leads back here.
        self._noise_steps[list(problems)] += 1
        at_rest = [] if rest is None else [k for k, rests in zip(trajectories, rest.tolist(), strict=True) if rests]
        self._enter(self._course.go_on(trajectories, made, at_rest=at_rest))
        self._generations[self._biases.changed_since(overlay)] = _STALE
        return made, problems

    def _enter(self, before: Mapping[int, Segment]) -> None:
        """Go on in other segments than before: after a relaxation with momenta of the temperature that comes."""
        self._begin_segments(list(before))
        for trajectory, segment in before.items():
            atoms, momenta = self._atoms[trajectory], self._space.momenta
            if segment.dynamics.ensemble is StatisticalEnsemble.RELAXATION:
                self._draws[trajectory] += 1
                momenta[atoms] = self._drawn_momenta(trajectory)
            elif self._course.segment(trajectory).held:
                momenta[atoms] = self._movers.led(trajectory, momenta[atoms])

    def _begin_segments(self, trajectories: Sequence[int]) -> None:
        """Let integrators begin with the dynamics that some trajectories have come to."""
        for trajectory in trajectories:
            fresh = self._movers.integrator([trajectory]).fresh()[0]
            self._space.own[trajectory] = 0
            self._space.own[trajectory, : len(fresh)] = fresh
            if self._course.segment(trajectory).dynamics.wants_stress:
                self._generations[trajectory] = _STALE

    def _refresh_forces(self, trajectories: Sequence[int]) -> Asking[dict[int, str]]:
        """Compute the forces that are missing or of an older generation; problems by trajectory."""
        generation = self._driver.generation
        stale = [k for k in trajectories if self._generations[k] != generation]
        if not stale:
            return {}
        near = self._gather(stale)
        felt, problems = yield from self._evaluate(near, self._moves_cell(stale), self._biases.over(stale))
        if problems:
            sound = [k for k in stale if k not in problems]
            return problems | (yield from self._refresh_forces(sound))
        self._space.feel(self._movers.rows(stale), felt)
        self._generations[stale] = generation
        return {}

    def _evaluate(
        self, near: NearBatch, moves_cell: Sequence[bool], overlay: Overlay
    ) -> Asking[tuple[Felt, dict[int, str]]]:
        """What a batch feels, and problems by trajectory. Overlapping atoms never reach the driver."""
        batch = near.batch
        overlaps = near.overlaps()
        if overlaps:
            nothing = Felt(self._space.energies[:0], self._space.forces[:0], None)
            return nothing, {int(batch.trajectory[structure]): words for structure, words in overlaps.items()}
        answer = yield Question(batch, want_stress=any(moves_cell))
        felt = overlay.laid_over(answer.felt, batch)
        return felt, self._soundness.of_forces(batch, felt, moves_cell)

    def _moves_cell(self, trajectories: Sequence[int]) -> list[bool]:
        """Whether each of them needs stress."""
        return [self._course.segment(trajectory).dynamics.wants_stress for trajectory in trajectories]

    def _failure(self, trajectory: int) -> str | None:
        """What the driver says of a trajectory that got no forces."""
        return self._driver.failure_of(trajectory) if isinstance(self._driver, ExplainsFailures) else None

    def _gather(self, trajectories: Sequence[int]) -> NearBatch:
        rows = self._movers.rows(trajectories)
        positions, cells = self._space.positions[rows.atoms], self._space.cells[rows.structures]
        near = self._lists.gather(trajectories, positions, cells)
        self._lists.keep(near)
        return near

    def _drawn_momenta(self, trajectory: int) -> Tensor:
        noise = self._streams[trajectory].momenta(int(self._draws[trajectory]))
        return self._movers.drawn(trajectory, self._tensor(noise))

    def _kinetic_energy(self, trajectory: int) -> float:
        momenta = self._space.momenta[self._atoms[trajectory]]
        return float(self._movers.crowd([trajectory]).kinetic_energies(momenta)[0])

    def _tensor(self, array: object) -> Tensor:
        return torch.as_tensor(array, dtype=torch.float64, device=self._device)


def _renumbered(frame: Frame, trajectory: int) -> Frame:
    """The same structure under the number that its trajectory has in the sampler."""
    return replace(frame, trajectory=trajectory, md_step=0, generation=0)
