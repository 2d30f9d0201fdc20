"""Molecular dynamics with finished models, watched for what models do when they are wrong."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from aims_pax.committee import CommitteeForces
from aims_pax.departure import Departure
from aims_pax.evaluation.bonds import BondGraph
from aims_pax.evaluation.stability import (
    Conditions,
    Failure,
    RunRecord,
    RunWatch,
    Trouble,
    drift_of,
)
from aims_pax.evaluation.thermostat import LOOK_FS
from aims_pax.frame import FloatArray, Frame
from aims_pax.protocols import Driver, Predictor, Sampler, Score
from aims_pax.sampling import VELOCITY_VERLET, BatchedSampler, Segment, TrajectoryStart
from aims_pax.selection import SCORES

LOOKS_PER_DEVIATION: Final = 5
"""Looks between two at the deviation: the other members are evaluated once in 50 fs, which adds a tenth to the cost of
MD by one of four members."""

TAIL_SHARE: Final = 0.2
TAIL_LEAST_PS: Final = 0.25
TAIL_MOST_PS: Final = 5.0
"""How long the energy is watched without thermostat: a fifth of the run, within these bounds."""


@dataclass(frozen=True, slots=True, eq=False)
class TrialRun:
    """How one run begins.

    Parameters
    ----------
    start : TrajectoryStart
    graph : BondGraph
        Of its starting structure.
    begun_from : str
    is_mobile : bool
        See :class:`RunWatch`.
    angles : callable or None
        Dihedrals of a structure, (D,), rad, which are noted at every look.
    sees : callable or None
        Told of every look at a sound run with thermostat: when it was, ps, and the structure.
    """

    start: TrajectoryStart
    graph: BondGraph
    begun_from: str = "start"
    is_mobile: bool = False
    angles: Callable[[Frame], FloatArray] | None = None
    sees: Callable[[float, Frame], None] | None = None

    @property
    def conditions(self) -> Conditions:
        """How it moves."""
        frame, segment = self.start.frame, self.start.program[0]
        dynamics = segment.dynamics
        return Conditions(
            system=frame.system,
            ensemble=str(dynamics.ensemble),
            temperature_k=segment.temperature_k,
            timestep_fs=segment.timestep_fs,
            relaxation_fs=dynamics.relaxation_fs,
            n_atoms=frame.n_atoms,
        )


@dataclass(frozen=True, slots=True)
class Span:
    """How long the runs are watched.

    Parameters
    ----------
    least_ps, most_ps : float
        Between these it ends when `budget_s` is used up.
    budget_s : float
    limit_s : float
        When it ends in any case, also before `least_ps`.
    """

    least_ps: float
    most_ps: float
    budget_s: float = float("inf")
    limit_s: float = float("inf")


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a trial stands, for a line of progress.

    Parameters
    ----------
    time_ps, of_ps : float
        How far the longest runs are, and how far they may go.
    n_runs, n_failed : int
    deviation_ev_per_ang : float or None
        The largest at the last look.
    words : str
        ``thermostat``, ``constant energy``
    """

    time_ps: float
    of_ps: float
    n_runs: int
    n_failed: int
    deviation_ev_per_ang: float | None
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class TrialParts:
    """What a trial is made with.

    Parameters
    ----------
    committee : Predictor
        Models of one generation.
    driver : Driver, int or None
        The member that moves the atoms, or what does in the place of all, whose deviation is then not looked at; None:
        the mean of all.
    score : Score
        How the deviation of their forces is measured, eV/Å.
    departure : Departure
        A trial that is asked to leave ends early, with what it has seen.
    show : callable
        Told of every look.
    """

    committee: Predictor
    driver: Driver | int | None = 0
    score: Score = SCORES["max_atomic_sd"]
    departure: Departure = field(default_factory=Departure)
    show: Callable[[Moment], None] = lambda _moment: None

    @property
    def forces(self) -> Driver:
        """What moves the atoms."""
        if self.driver is None or isinstance(self.driver, int):
            return CommitteeForces(self.committee, member=self.driver)
        return self.driver


class Trial:
    """Some runs of molecular dynamics in one batch; each ends by itself when something is wrong with it.

    The models run in the precision of their files, as they will for whoever uses them: phase space is float64, and what
    single precision costs, some 1e-6 eV of a total energy without its atomic energies, is far below what is looked for.
    """

    def __init__(self, runs: Sequence[TrialRun], parts: TrialParts) -> None:
        self._runs, self._parts = tuple(runs), parts
        self._watches = [RunWatch(run.graph, run.conditions, run.is_mobile) for run in runs]
        self._steps = [max(1, round(LOOK_FS / run.start.program[0].timestep_fs)) for run in runs]
        self._failures: dict[int, Failure] = {}
        self._lengths_ps = [0.0] * len(runs)
        self._newest: float | None = None
        is_moved_by_models = parts.driver is None or isinstance(parts.driver, int)
        self._judges = parts.committee.n_members > 1 and is_moved_by_models

    def carry_out(self, span: Span) -> tuple[RunRecord, ...]:
        """Move all runs for some time, then without thermostat; one record for each run, in their order.

        The length of a run is its time with thermostat. One that fails without it has failed, too, and is so much
        longer.
        """
        sampler = self._sampler([run.start for run in self._runs])
        self._move(sampler, span)
        lengths_ps = list(self._lengths_ps)
        drifts = self._drifts(sampler)
        for run in self._sound:
            self._lengths_ps[run] = lengths_ps[run]
        return self._records(drifts)

    def carry_out_with_thermostat(self, span: Span) -> tuple[RunRecord, ...]:
        """The same without the time at constant energy after it."""
        self._move(self._sampler([run.start for run in self._runs]), span)
        return self._records({})

    def _records(self, drifts: Mapping[int, float]) -> tuple[RunRecord, ...]:
        return tuple(
            watch.record(
                run.begun_from,
                length_ps=self._lengths_ps[index],
                failure=self._failures.get(index),
                drift=drifts.get(index),
            )
            for index, (run, watch) in enumerate(zip(self._runs, self._watches, strict=True))
        )

    @property
    def _sound(self) -> list[int]:
        return [run for run in range(len(self._runs)) if run not in self._failures]

    @property
    def _is_asked_to_leave(self) -> bool:
        return self._parts.departure.reason is not None

    def _move(self, sampler: Sampler, span: Span) -> None:
        """Advance, look, and drop what failed, until the time is over."""
        began, n_looks = time.monotonic(), 0
        while moving := [run for run in self._sound if self._lengths_ps[run] < span.most_ps - 1e-9]:
            reached_ps = min(self._lengths_ps[run] for run in moving)
            elapsed_s = time.monotonic() - began
            is_late = reached_ps >= span.least_ps - 1e-9 and elapsed_s > span.budget_s
            if is_late or elapsed_s > span.limit_s or self._is_asked_to_leave:
                return
            self._advance(sampler, moving)
            n_looks += 1
            sound = [run for run in moving if run not in self._failures]
            if n_looks % LOOKS_PER_DEVIATION == 0 and sound and self._judges:
                self._look_at_deviation(sampler, sound)
            self._note(sampler, sound)
            self._show(reached_ps, span.most_ps, "with thermostat")

    def _drifts(self, sampler: Sampler) -> dict[int, float]:
        """Drift of the energy of each sound run without thermostat, meV per atom and ps, from where it stands.

        With new momenta. The heat that a thermostat exchanges hides what models and time step gain or lose.
        """
        sound = self._sound
        if not sound or self._is_asked_to_leave:
            return {}
        least_ps = min(self._lengths_ps[run] for run in sound)
        length_ps = min(max(TAIL_SHARE * least_ps, TAIL_LEAST_PS), TAIL_MOST_PS)
        free = self._sampler(
            [
                replace(run.start, frame=sampler.frame(index), program=_without_thermostat(run.start))
                for index, run in enumerate(self._runs)
            ]
        )
        seen: dict[int, list[tuple[float, float]]] = {run: [] for run in sound}
        n_looks = max(2, round(1000 * length_ps / LOOK_FS))
        for look in range(n_looks):
            moving = [run for run in sound if run not in self._failures]
            if self._is_asked_to_leave:
                return {}
            self._advance(free, moving)
            for run in moving:
                seen[run].append((self._lengths_ps[run], free.total_energy(run)))
            self._show(look * LOOK_FS / 1000, length_ps, "at constant energy")
        return {
            run: drift_of(*np.array(points).T, n_atoms=self._runs[run].start.frame.n_atoms)
            for run, points in seen.items()
            if run not in self._failures
        }

    def _advance(self, sampler: Sampler, moving: Sequence[int]) -> None:
        """One look further; runs of other time steps take other numbers of steps for it."""
        for n_steps in sorted({self._steps[run] for run in moving}):
            alike = [run for run in moving if self._steps[run] == n_steps]
            before = {run: sampler.frame(run).md_step for run in alike}
            for advanced in sampler.advance(alike, n_steps):
                run = advanced.trajectory
                timestep_fs = self._runs[run].start.program[0].timestep_fs
                self._lengths_ps[run] += (advanced.md_step - before[run]) * timestep_fs / 1000
                self._look(sampler, run, advanced.problem)

    def _look(self, sampler: Sampler, run: int, problem: str | None) -> None:
        time_ps = self._lengths_ps[run]
        frame, temperature_k = sampler.frame(run), sampler.kinetic_temperature(run)
        failure = self._watches[run].look(time_ps, frame.positions, temperature_k, cell=frame.cell)
        if failure is None and problem is not None:
            failure = Failure(Trouble.WRECKED, time_ps, problem)
        if failure is not None:
            self._failures[run] = failure

    def _look_at_deviation(self, sampler: Sampler, runs: Sequence[int]) -> None:
        batch = sampler.batch(runs)
        said = self._parts.committee.opinions(batch).by_structure(batch.n_atoms.tolist())
        scores = [self._parts.score(one) for one in said]
        for run, score in zip(runs, scores, strict=True):
            self._watches[run].note_deviation(self._lengths_ps[run], score)
        self._newest = max(scores)

    def _note(self, sampler: Sampler, runs: Sequence[int]) -> None:
        for run in runs:
            time_ps, asked = self._lengths_ps[run], self._runs[run]
            if asked.angles is not None:
                self._watches[run].note_angles(time_ps, asked.angles(sampler.frame(run)))
            if asked.sees is not None:
                asked.sees(time_ps, sampler.frame(run))

    def _sampler(self, starts: Sequence[TrajectoryStart]) -> Sampler:
        return BatchedSampler(starts, self._parts.forces, device=self._parts.committee.device)

    def _show(self, time_ps: float, of_ps: float, words: str) -> None:
        n_failed = len(self._failures)
        self._parts.show(Moment(time_ps, of_ps, len(self._runs), n_failed, self._newest, words))


def _without_thermostat(start: TrajectoryStart) -> tuple[Segment, ...]:
    """The program of the same trajectory at constant energy."""
    return tuple(replace(segment, dynamics=VELOCITY_VERLET) for segment in start.program)
