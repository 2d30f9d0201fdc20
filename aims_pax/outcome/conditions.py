"""The runs that finished models are tried with: where they begin, and how they move."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Any, Final

import numpy as np

from aims_pax.evaluation.bonds import BondGraph, graphs_of
from aims_pax.evaluation.covalent import BONDED
from aims_pax.evaluation.stability import DISORDERED
from aims_pax.frame import Frame, LabelledFrame
from aims_pax.outcome.heldout.heldout_plan import HeldoutPlan
from aims_pax.outcome.trial import TrialRun
from aims_pax.sampling import Langevin, Segment, TrajectoryStart, program_of
from aims_pax.settings import ActiveLearningSettings, MDSettings, Project
from aims_pax.settings.systems import System

SEEDS_APART: Final = 2**40
"""Added to the seed of the MD section, so that these runs share no noise with those that gave the labels."""

MOBILE_SHARE: Final = 0.05
"""Share of a system's labels without the order of its start from which on its atoms are taken to wander by nature."""

TAME_EV_PER_ANG: Final = 15.0
"""A label with a larger force than this is no place to begin from: it was taken from a run about to break."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A structure to begin from.

    Parameters
    ----------
    frame : Frame
        Under the name of its system.
    words : str
        ``start``, or ``label 17``.
    """

    frame: Frame
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class Grounds:
    """What runs can begin from.

    Parameters
    ----------
    systems : mapping of str to System
        By name.
    graphs : mapping of str to BondGraph
        By system.
    places : mapping of str to tuple of Place
        By system; the starting structure first.
    mobile : frozenset of str
        Systems whose atoms wander in the labelled structures.
    """

    systems: Mapping[str, System]
    graphs: Mapping[str, BondGraph]
    places: Mapping[str, tuple[Place, ...]]
    mobile: frozenset[str]

    @classmethod
    def of(cls, systems: Sequence[System], labelled: Sequence[LabelledFrame]) -> "Grounds":
        """The starting structures, and those of the labels that are whole."""
        starts = [system.frame for system in systems]
        graphs = graphs_of(starts)
        places = {start.system: [Place(start, "start")] for start in starts}
        wandered: dict[str, list[bool]] = {start.system: [] for start in starts}
        for point in labelled:
            graph = graphs.get(point.frame.system)
            if graph is None or not np.array_equal(graph.start.numbers, point.frame.numbers):
                continue
            graph = graph.in_cell(point.frame.cell)
            wandered[point.frame.system].append(graph.displacement(point.frame.positions) > DISORDERED)
            is_tame = float(np.linalg.norm(point.label.forces, axis=1).max()) < TAME_EV_PER_ANG
            if is_tame and graph.is_whole(point.frame.positions, most=BONDED):
                places[point.frame.system].append(Place(point.frame, f"label {point.label_id}"))
        mobile = frozenset(name for name, seen in wandered.items() if seen and np.mean(seen) > MOBILE_SHARE)
        return cls(
            {one.name: one for one in systems}, graphs, {name: tuple(some) for name, some in places.items()}, mobile
        )


def conditions_of(project: Project) -> list[tuple[str, MDSettings]]:
    """The distinct pairs of system and MD that active learning had, each once, in the order of its trajectories."""
    stages = [plan.read_as(ActiveLearningSettings) for plan in project.settings.learning]
    moving = [(system.name, project.md_of(system)) for system in project.systems]
    if stages:
        moving = [
            (project.system_for(index).name, project.md_for(index, one))
            for one in stages
            for index in range(one.num_trajectories)
        ]
    found: dict[tuple[str, str], tuple[str, MDSettings]] = {}
    for name, md in moving:
        alike = md.held.model_copy(update={"seed": 0, "uncertainty_bias": 0.0})  # finished models are not biased
        found.setdefault((name, alike.identity), (name, alike))
    return list(found.values())


def motions_of(project: Project, starts: Sequence[Frame]) -> list[MDSettings]:
    """How structures move that the run did not necessarily have: as the system of their name did.

    A structure of another name moves as the first system of the same atoms, or else as the first trajectory.
    """
    first = project.md_for(0) if project.settings.active is not None else project.md_of(project.systems[0])
    by_name: dict[str, MDSettings] = {}
    if project.settings.active is not None:
        for index in range(project.settings.n_trajectories):
            by_name.setdefault(project.system_for(index).name, project.md_for(index))
    by_name = {system.name: by_name.get(system.name) or project.md_of(system) for system in project.systems}
    by_atoms = {_atoms(system.frame): by_name[system.name] for system in reversed(project.systems)}
    return [by_name.get(start.system) or by_atoms.get(_atoms(start)) or first for start in starts]


def noted_motion(md: MDSettings) -> dict[str, Any]:
    """What of it moves a held-out set, as plain values; without defaults, so that a new key makes no set another."""
    of_learning = {"propagate_with", "uncertainty_bias"}
    return md.held.model_dump(mode="json", exclude_defaults=True, exclude=of_learning)


def heldout_starts(plan: HeldoutPlan, project: Project, starts: Sequence[Frame]) -> list[TrajectoryStart]:
    """How each run begins: at the structures in turn, each of which moves as its system does."""
    motions = motions_of(project, starts)
    return [
        TrajectoryStart(
            frame=replace(starts[run % len(starts)], trajectory=run, md_step=0, generation=0),
            program=held_program(md, _system_of(project, starts[run % len(starts)]), plan.temperature_k),
            seed=md.seed + 2 * SEEDS_APART,
        )
        for run, md in ((run, motions[run % len(starts)]) for run in range(plan.n_runs))
    ]


def held_program(md: MDSettings, system: System, temperature_k: float | None) -> tuple[Segment, ...]:
    """What MD ends with, at a temperature: where that has no thermostat, by Langevin's with its friction."""
    (last,) = program_of(md.held, system)
    held = Langevin(md.friction) if last.dynamics.relaxation_fs is None else last.dynamics
    return (replace(last, dynamics=held, temperature_k=last.temperature_k if temperature_k is None else temperature_k),)


def trial_runs(
    grounds: Grounds, conditions: Sequence[tuple[str, MDSettings]], *, n_runs: int, seed: int
) -> list[TrialRun]:
    """Runs of these conditions in turn, of each at least one: every other from the starting structure.

    Those between begin from labelled structures drawn at random, none of them twice while there are others.

    Parameters
    ----------
    n_runs : int
        Raised to the number of conditions where it is less.
    seed : int
        Of the drawing, the velocities and the noise.
    """
    rng = np.random.default_rng(seed)
    drawn = {name: _shuffled(places, rng) for name, places in grounds.places.items()}
    n_runs = max(n_runs, len(conditions))
    runs = []
    for index, (system, md) in enumerate(islice(cycle(conditions), n_runs)):
        n_before = index // len(conditions)
        place = grounds.places[system][0] if n_before % 2 == 0 else next(drawn[system])
        start = _start(place.frame, program_of(md, grounds.systems[system]), seed + SEEDS_APART)
        runs.append(TrialRun(start, grounds.graphs[system], place.words, is_mobile=system in grounds.mobile))
    return runs


def at_temperature(md: MDSettings, temperature_k: float | None) -> MDSettings:
    """The same MD at another temperature."""
    return md if temperature_k is None else md.model_copy(update={"temperature": temperature_k})


def common_temperature(project: Project) -> float | None:
    """The temperature at which all systems moved in the end, K; None where they had several."""
    temperatures = {md.held.temperature for md in motions_of(project, [system.frame for system in project.systems])}
    return temperatures.pop() if len(temperatures) == 1 else None


def _system_of(project: Project, start: Frame) -> System:
    """The system that a structure is one of, whose atoms it has in this order; another one is a system of its own."""
    alike = [one for one in project.systems if np.array_equal(one.frame.numbers, start.numbers)]
    return next((one for one in alike if one.name == start.system), next(iter(alike), System(start.system, start)))


def _atoms(frame: Frame) -> bytes:
    return np.sort(frame.numbers).tobytes()


def _shuffled(places: Sequence[Place], rng: np.random.Generator) -> "cycle[Place]":
    others = list(places[1:]) or list(places)
    return cycle([others[index] for index in rng.permutation(len(others))])


def _start(frame: Frame, program: tuple[Segment, ...], seed: int) -> TrajectoryStart:
    return TrajectoryStart(replace(frame, trajectory=0, md_step=0, generation=0), program, seed)
