"""Molecular dynamics of many trajectories by LAMMPS, whose forces are computed as one batch."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.errors import ShapeError, StoreError
from aims_pax.frame import FloatArray, Frame
from aims_pax.protocols import AnswersLater, Driver, ExplainsFailures
from aims_pax.sampling.asking import Asking, Question, at_once, side_by_side
from aims_pax.sampling.dynamics import Felt
from aims_pax.sampling.lammps.beginning import Plan, nearest_lines, require_plain
from aims_pax.sampling.lammps.child import Message
from aims_pax.sampling.lammps.children import Children
from aims_pax.sampling.lammps.conversation import require_lammps
from aims_pax.sampling.lammps.standing import NONE, SAVED, Standing, as_bytes, loaded, saved
from aims_pax.sampling.neighbours import NearBatch, SkinLists
from aims_pax.sampling.noise import NoiseStream
from aims_pax.sampling.soundness import Soundness
from aims_pax.settings.motion.lammps_lines import LammpsLines
from aims_pax.trajectory import (
    Advanced,
    TrajectoryCheckpoint,
    TrajectoryStart,
    pack_arrays,
    unpack_arrays,
)


def lammps_sampler(
    starts: Sequence[TrajectoryStart],
    driver: Driver,
    *,
    lines: LammpsLines | None = None,
    folder: Path | None = None,
    device: torch.device | str = "cpu",
) -> "LammpsSampler":
    """A sampler whose trajectories LAMMPS moves, all by the same lines.

    Parameters
    ----------
    starts : sequence of TrajectoryStart
        Each of one segment, whose temperature, pressure and time step lines have by their names.
    driver : Driver
    lines : LammpsLines or None
        None: those that are nearest to the dynamics of each start.
    folder : Path or None
        What lines write is written into trajectory_000 and so on there; None: it is thrown away.
    device : torch.device or str
        Of the driver's batches.

    Raises
    ------
    UserError
        LAMMPS is not installed, or the starts ask for what is written in lines: segments, ramps, held atoms, biases.
    """
    each = [nearest_lines(start) if lines is None else lines for start in starts]
    return LammpsSampler(starts, driver, lines=each, folder=folder, device=device)


class LammpsSampler:
    """Advances many trajectories side by side, each in a process of LAMMPS, by forces that are computed as one batch.

    A child is started with the first step of its trajectory, and anew after a rewind or an interruption, from LAMMPS's
    own restart file: thermostats, barostats and COLVARS go on there; noise is another one. Within a life of a child a
    trajectory does not depend on how many steps are asked for at a time.

    Parameters
    ----------
    starts : sequence of TrajectoryStart
        Trajectory k is the k-th of them; of their dynamics nothing is taken but temperature, pressure and time step.
    driver : Driver
        Where its generation changes, the half of a step that LAMMPS has made already is by the one before.
    lines : sequence of LammpsLines
        One for each start.
    folder : Path or None
        None: a temporary one.
    device, skin_ang, max_force_ev_per_ang, min_distance_factor
        As of :class:`aims_pax.sampling.BatchedSampler`.
    patience_s : float, s
        LAMMPS that says nothing for so long is ended.

    Raises
    ------
    UserError
        LAMMPS is not installed, or the starts ask for what is written in lines.
    """

    def __init__(
        self,
        starts: Sequence[TrajectoryStart],
        driver: Driver,
        *,
        lines: Sequence[LammpsLines],
        folder: Path | None = None,
        device: torch.device | str = "cpu",
        skin_ang: float = 0.5,
        max_force_ev_per_ang: float = 50.0,
        min_distance_factor: float = 0.5,
        patience_s: float = 300.0,
    ) -> None:
        require_lammps()
        require_plain(starts)
        self._plans = [Plan.of(k, *each) for k, each in enumerate(zip(starts, lines, strict=True))]
        self._driver = driver
        self._device = torch.device(device)
        self._temporary = tempfile.TemporaryDirectory(prefix="aims-pax-lammps-") if folder is None else None
        self._folder = Path(self._temporary.name) if self._temporary else Path(folder or ".")
        frames = [replace(s.frame, trajectory=k, md_step=0, generation=0) for k, s in enumerate(starts)]
        self._lists = SkinLists(
            frames, driver.cutoff, skin_ang=skin_ang, min_distance_factor=min_distance_factor, device=self._device
        )
        cells = self._lists.structures.cells
        self._soundness = Soundness(cells, max_force_ev_per_ang=max_force_ev_per_ang, explain=self._failure)
        self._streams = [NoiseStream(s.seed, k, s.frame.n_atoms) for k, s in enumerate(starts)]
        self._standings = [
            Standing(frame.positions.copy(), self._drawn(k, 0), frame.cell.copy()) for k, frame in enumerate(frames)
        ]
        self._children = Children(self._folder, patience_s=patience_s)
        self._first_steps, self._goals = [0] * len(starts), [0] * len(starts)
        self._felt = [(float("nan"), 0)] * len(starts)
        self._near: NearBatch | None = None
        self._near_of: tuple[int, ...] = ()

    @property
    def n_trajectories(self) -> int:
        return len(self._plans)

    @property
    def cutoff(self) -> float | None:
        """Pairs up to this distance are in every batch, Å; None: those of overlapping atoms alone."""
        return self._driver.cutoff

    @property
    def processes(self) -> tuple[int, ...]:
        """Numbers of the processes in which LAMMPS runs at present."""
        return tuple(self._children.processes.values())

    def advance(self, trajectories: Sequence[int], n_steps: int) -> list[Advanced]:
        """Move some trajectories on by a number of steps.

        One that fails, by its structure, its forces or an error of LAMMPS, stays at its last sound structure and says
        why; the others go on. One that has come to rest stays there, and counts steps all the same.
        """
        if n_steps < 0:
            raise ShapeError(f"trajectories can't advance by {n_steps} steps")
        problems = dict[int, str]()
        if not n_steps:
            pass
        elif isinstance(self._driver, AnswersLater):
            alone = {trajectory: self._advancing([trajectory], n_steps) for trajectory in trajectories}
            for found in side_by_side(alone, self._driver).values():
                problems |= found
        else:
            problems = at_once(self._advancing(list(trajectories), n_steps), self._driver)
        return [
            Advanced(k, self.md_step(k), problems.get(k), lacks_forces=k in problems and bool(self._failure(k)))
            for k in trajectories
        ]

    def md_step(self, trajectory: int) -> int:
        """MD steps that a trajectory has made."""
        return self._standings[trajectory].n_steps

    def frame(self, trajectory: int) -> Frame:
        """The structure where a trajectory stands, under its identity."""
        standing = self._standings[trajectory]
        return replace(
            self._plans[trajectory].start.frame,
            trajectory=trajectory,
            md_step=standing.n_steps,
            generation=self._driver.generation,
            positions=standing.positions.copy(),
            cell=standing.cell.copy(),
        )

    def batch(self, trajectories: Sequence[int]) -> AtomBatch:
        """The structures where some trajectories stand, with pairs up to the driver's cutoff and a skin."""
        standings = [self._standings[trajectory] for trajectory in trajectories]
        return self._gathered(trajectories, *self._tensors((one.positions, one.cell) for one in standings)).batch

    def kinetic_temperature(self, trajectory: int) -> float:
        """Temperature of the momenta of one trajectory, K."""
        return self._plans[trajectory].temperature_of(self._standings[trajectory].momenta)

    def total_energy(self, trajectory: int) -> float:
        """Kinetic plus potential energy of one trajectory, eV: what NVE conserves. NaN where it has no forces."""
        standing = self._standings[trajectory]
        generation = self._driver.generation
        if standing.generation != generation or np.isnan(standing.energy):
            felt, _ = at_once(self._evaluated(self.batch([trajectory]), want_stress=False), self._driver)
            standing.energy = float(felt.energies[0])
            standing.generation = generation
        return self._plans[trajectory].kinetic_energy(standing.momenta) + standing.energy

    def conserved_energy(self, trajectory: int) -> float:
        """The same plus what thermostats and barostats of LAMMPS have taken, eV; NaN where LAMMPS doesn't count it."""
        if not self._plans[trajectory].lines.conserves:
            return float("nan")
        return self.total_energy(trajectory) + self._standings[trajectory].ecouple

    def checkpoint(self, trajectory: int) -> TrajectoryCheckpoint:
        """Where a trajectory stands in phase space, with LAMMPS's restart file as what is its integrator's own."""
        return self._standings[trajectory].checkpoint()

    def rewind(self, trajectory: int, checkpoint: TrajectoryCheckpoint) -> None:
        """Put a trajectory back to a point of phase space.

        Its steps go on counting. Lines that use ${seed} get another one; for all others new momenta are drawn.
        """
        plan, standing = self._plans[trajectory], self._standings[trajectory]
        if checkpoint.positions.shape != standing.positions.shape:
            raise ShapeError(
                f"trajectory {trajectory} has {len(standing.positions)} atoms; "
                f"the checkpoint holds positions {checkpoint.positions.shape}"
            )
        self._children.close(trajectory)
        standing.n_drawn += 1
        standing.positions = checkpoint.positions.copy()
        standing.cell = (plan.start.frame.cell if checkpoint.cell is None else checkpoint.cell).copy()
        is_stochastic = plan.lines.is_stochastic
        standing.momenta = checkpoint.momenta.copy() if is_stochastic else self._drawn(trajectory, standing.n_drawn)
        standing.takes_momenta = True
        standing.restart = NONE if plan.lines.minimizes else as_bytes(checkpoint.own)
        standing.energy = standing.ecouple = float("nan")

    def save(self) -> bytes:
        """Everything that :meth:`load` needs to go on.

        Lines without noise go on as if there had been no interruption, but for rounding; others with other noise.
        """
        return pack_arrays(
            {
                "numbers": self._lists.structures.numbers.cpu().numpy(),
                **saved(self._standings),
                "built_at": self._lists.built_at,
                "built_in": self._lists.built_in,
            }
        )

    def load(self, content: bytes) -> None:
        """Go on from what :meth:`save` gave. StoreError when it is damaged, or of other structures."""
        arrays = unpack_arrays(content, ("numbers", *SAVED, "built_at", "built_in"))
        if not np.array_equal(arrays["numbers"], self._lists.structures.numbers.cpu().numpy()):
            raise StoreError("the saved sampling state belongs to other structures than those of this project")
        try:
            standings = loaded(arrays, [len(plan.masses) for plan in self._plans])
        except ValueError as cause:
            raise StoreError(f"the saved sampling state belongs to other structures: {cause}") from cause
        self._children.close_all()
        self._standings = standings
        self._near = None
        self._lists.rebuild(arrays["built_at"].astype(np.float64), arrays["built_in"].astype(np.float64))

    def close(self) -> None:
        """End all processes; a trajectory that is moved again begins anew where it stands."""
        self._children.close_all()

    def _advancing(self, trajectories: list[int], n_steps: int) -> Asking[dict[int, str]]:
        """Move trajectories on in one batch; problems by trajectory."""
        problems = dict[int, str]()
        self._begin(trajectories, problems)
        sound = [trajectory for trajectory in trajectories if trajectory not in problems]
        for trajectory in sound:
            self._goals[trajectory] = self.md_step(trajectory) + n_steps
        self._children.say({trajectory: Message("go", {"n_steps": n_steps}) for trajectory in sound}, problems)
        asking = self._heard(sound, problems)
        while asking:
            near, wrecked = self._placed(asking)
            if near is None:
                self._hold(wrecked, problems)
                asking = {k: place for k, place in asking.items() if k not in wrecked}
                continue
            wants = [self._plans[trajectory].lines.wants_stress for trajectory in asking]
            felt, generation = yield from self._evaluated(near.batch, want_stress=any(wants))
            wrecked = self._soundness.of_forces(near.batch, felt, wants)
            sound = [trajectory for trajectory in asking if trajectory not in wrecked]
            self._children.say(self._answers(sound, near, felt, generation), problems)
            self._hold(wrecked, problems)
            asking = self._heard(sound, problems)
        return problems

    def _begin(self, trajectories: Iterable[int], problems: dict[int, str]) -> None:
        """Have children for all of them, which are started side by side."""
        new = self._children.start(trajectories)
        for trajectory, scratch in new.items():
            standing = self._standings[trajectory]
            message = self._plans[trajectory].beginning(standing, scratch=scratch)
            self._children.say({trajectory: message}, problems)
            standing.n_begun += 1
            self._first_steps[trajectory] = standing.n_steps
        self._children.hear(new, problems)

    def _heard(self, trajectories: Iterable[int], problems: dict[int, str]) -> dict[int, tuple[FloatArray, FloatArray]]:
        """Positions and cells of those that ask for forces; the others stand, or are lost."""
        asking = dict[int, tuple[FloatArray, FloatArray]]()
        for trajectory, message in self._children.hear(trajectories, problems).items():
            if message.kind != "asks":
                self._stand(trajectory, message)
                continue
            orientation = self._plans[trajectory].orientation
            positions, box = message.arrays["positions"], message.arrays["cell"]
            asking[trajectory] = orientation.out_of(positions), orientation.cell_of(box)
        return asking

    def _stand(self, trajectory: int, message: Message) -> None:
        """Take over where a trajectory has ended its last whole step."""
        plan, standing, arrays = self._plans[trajectory], self._standings[trajectory], message.arrays
        if "positions" not in arrays:
            return
        standing.positions = plan.orientation.out_of(arrays["positions"])
        standing.cell = plan.orientation.cell_of(arrays["cell"])
        standing.momenta = (
            plan.momenta_of(arrays["velocities"]) if "velocities" in arrays else np.zeros_like(standing.positions)
        )
        standing.restart = arrays.get("restart", NONE)
        standing.takes_momenta = False
        standing.ecouple = message.facts.get("ecouple", float("nan"))
        made = self._first_steps[trajectory] + message.facts["n_steps"]
        standing.n_steps = self._goals[trajectory] if message.kind == "rests" else made
        standing.energy, standing.generation = self._felt[trajectory]
        if message.kind == "failed":
            standing.energy = float("nan")

    def _hold(self, wrecked: Mapping[int, str], problems: dict[int, str]) -> None:
        """Have those stand whose forces can't be used."""
        problems |= wrecked
        self._children.say({trajectory: Message("hold") for trajectory in wrecked}, problems)
        self._heard(wrecked, problems)

    def _placed(self, asking: Mapping[int, tuple[FloatArray, FloatArray]]) -> tuple[NearBatch | None, dict[int, str]]:
        """The structures that ask, or problems of those that can't be asked for."""
        positions, cells = self._tensors(asking.values())
        wrecked = self._soundness.of_cells(self._lists.structures.select(list(asking)), cells)
        if wrecked:
            return None, wrecked
        near = self._gathered(list(asking), positions, cells)
        overlaps = near.overlaps()
        return None if overlaps else near, {int(near.batch.trajectory[b]): words for b, words in overlaps.items()}

    def _evaluated(self, batch: AtomBatch, *, want_stress: bool) -> Asking[tuple[Felt, int]]:
        """What a batch feels, and by which generation."""
        generation = self._driver.generation
        answer = yield Question(batch, want_stress=want_stress)
        return answer.felt, generation

    def _answers(self, trajectories: Sequence[int], near: NearBatch, felt: Felt, generation: int) -> dict[int, Message]:
        """What each of them is told of what a batch feels."""
        found = dict[int, Message]()
        order = near.batch.trajectory.tolist()
        forces = np.split(felt.forces.cpu().numpy(), np.cumsum(near.batch.n_atoms.cpu().numpy())[:-1])
        energies, cells = felt.energies.tolist(), near.batch.cells.cpu().numpy()
        for trajectory in trajectories:
            index, plan = order.index(trajectory), self._plans[trajectory]
            arrays = {"forces": plan.orientation.into(forces[index])}
            if plan.lines.wants_stress and felt.stress is not None:
                volume = float(abs(np.linalg.det(cells[index])))
                arrays["virial"] = plan.orientation.virial_of(felt.stress[index].cpu().numpy(), volume)
            self._felt[trajectory] = energies[index], generation
            found[trajectory] = Message("felt", {"energy": energies[index]}, arrays)
        return found

    def _gathered(self, trajectories: Sequence[int], positions: Tensor, cells: Tensor) -> NearBatch:
        """Some trajectories at positions (N, 3) in cells (B, 3, 3), with lists that hold there."""
        if self._near is not None and self._near_of == tuple(trajectories):
            near = self._lists.follow(self._near, positions, cells)
        else:
            near = self._lists.gather(trajectories, positions, cells)
        self._lists.keep(near)
        self._near, self._near_of = near, tuple(trajectories)
        return near

    def _tensors(self, places: Iterable[tuple[FloatArray, FloatArray]]) -> tuple[Tensor, Tensor]:
        positions, cells = zip(*places, strict=True)
        return self._tensor(np.concatenate(positions)), self._tensor(np.stack(cells))

    def _tensor(self, array: FloatArray) -> Tensor:
        return torch.as_tensor(array, dtype=torch.float64, device=self._device)

    def _failure(self, trajectory: int) -> str | None:
        """What the driver says of a trajectory that got no forces."""
        return self._driver.failure_of(trajectory) if isinstance(self._driver, ExplainsFailures) else None

    def _drawn(self, trajectory: int, draw: int) -> FloatArray:
        return self._plans[trajectory].drawn(self._streams[trajectory].momenta(draw))
