"""The second model of a comparison: it moves the same molecules as long as the first, from the same places."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.dataset.run_folder import RunFolder
from aims_pax.departure import Departed, Departure
from aims_pax.errors import Problem, UserError
from aims_pax.evaluation.stability import RunRecord, settled_angles
from aims_pax.evaluation.turning import map_of, turning
from aims_pax.evaluation.verdict import Verdict
from aims_pax.outcome.conditions import SEEDS_APART, Grounds
from aims_pax.outcome.dihedrals.angles import Dihedrals, dihedrals_of
from aims_pax.outcome.dihedrals.findings import Compared, Uncompared
from aims_pax.outcome.drivers import driver_forces, driver_name, is_reference, reference_forces
from aims_pax.outcome.structure.films import Films
from aims_pax.outcome.trial import Moment, Span, Trial, TrialParts, TrialRun
from aims_pax.outcome.verdict import said
from aims_pax.outcome.verify import Drive, Subject, Wishes, runs_at
from aims_pax.protocols import Driver

OPTION: Final = "--against"


@dataclass(frozen=True, slots=True, eq=False)
class Opponent:
    """What models are compared to, and by which dihedrals.

    Parameters
    ----------
    name : str
        As a person is told of it.
    driver : Driver or None
        None: the reference, whose steps are computed by its workers.
    dihedrals : mapping of str to Dihedrals
        By system.
    films : Films or None
        Which keep the structures that it moves, of all systems.
    """

    name: str
    driver: Driver | None
    dihedrals: Mapping[str, Dihedrals]
    films: Films | None = None

    @classmethod
    def of(
        cls, subject: Subject, wishes: Wishes, *, against: str, dihedrals: str, films: Films | None = None
    ) -> "Opponent":
        """What was asked for.

        Parameters
        ----------
        against : str
            As for :func:`~aims_pax.outcome.drivers.driver_forces`, `reference` besides.
        dihedrals : str
            ``auto``, or those that are named. Where structures are kept, nothing need turn.
        films : Films or None

        Raises
        ------
        UserError
            It can't be had, nothing turns, or the runs are too short for anything to be compared.
        """
        project = subject.project
        graphs = Grounds.of(project.systems, ()).graphs
        found = dihedrals_of(graphs, dihedrals, may_lack=films is not None)
        for temperature_k, runs in runs_at(subject, wishes):
            conditions = [run.conditions for run in runs if films is not None or run.conditions.system in found]
            least_ps = max((one.settling_ps(wishes.length_ps) for one in conditions), default=0.0)
            if wishes.length_ps <= 2 * least_ps:
                found_words = (
                    f"is {wishes.length_ps:g} ps, of which {least_ps:g} ps at {temperature_k:g} K are not used."
                )
                advice = (
                    "The structure at the start is forgotten in a tenth of a run, and in three times its thermostat's."
                )
                raise UserError(
                    Problem("--length", found_words, f"more than {2 * least_ps:g} ps with {OPTION}", advice)
                )
        driver = None
        if not is_reference(against, project):
            driver = driver_forces(against, project, subject.ensemble, key=OPTION)
        name = Path(against).name if Path(against).expanduser().is_file() else driver_name(against, project)
        return cls(name, driver, found, films)

    def n_calculations(self, subject: Subject, wishes: Wishes) -> int:
        """Calculations by the reference that its MD takes; 0 where another one drives it."""
        if self.driver is not None:
            return 0
        timesteps_fs = [
            run.conditions.timestep_fs
            for _, runs in runs_at(subject, wishes)
            for run in runs
            if self.films is not None or run.conditions.system in self.dihedrals
        ]
        return sum(round(1000 * wishes.length_ps / timestep_fs) for timestep_fs in timesteps_fs)


def compare_dihedrals(
    subject: Subject,
    wishes: Wishes,
    opponent: Opponent,
    verdicts: Mapping[float, Verdict],
    *,
    folder: Path,
    departure: Departure,
    show: Callable[[str], None],
) -> tuple[Compared | Uncompared, ...]:
    """Move the same runs by the other model, at every temperature that was tried, and compare.

    The runs begin at the same structures, with velocities and noise of their own.

    Parameters
    ----------
    verdicts : mapping of float to Verdict
        Of runs in which dihedrals were noted.
    folder : Path
        For the books of what the reference computes.
    """
    found: list[Compared | Uncompared] = []
    for temperature_k, runs in runs_at(subject, wishes):
        verdict = verdicts.get(temperature_k)
        if verdict is None or departure.reason is not None:
            break
        watched = [
            _other_noise(run, opponent.dihedrals.get(run.conditions.system)) for run in runs if _has(opponent, run)
        ]
        watched = watched if opponent.films is None else opponent.films.watching(temperature_k, watched)
        told = partial(_show, show, f"{temperature_k:g} K, {opponent.name}")
        records = _moved(opponent, subject, watched, wishes, folder / f"against-{temperature_k:g}K", departure, told)
        pair = (driving_name(subject, wishes), opponent.name)
        for system, dihedrals in opponent.dihedrals.items():
            compared = _compared(system, temperature_k, dihedrals, verdict.records, records, models=pair)
            if departure.reason is None or isinstance(compared, Compared):
                found.append(compared)
    return tuple(found)


def driving_name(subject: Subject, wishes: Wishes) -> str:
    """What moves the atoms of the models that are tried, as a person is told of it."""
    names = {Drive.FIRST: subject.names[0], Drive.MEAN: "the mean of all", Drive.EACH: "each of the models"}
    return names[wishes.drive]


def _moved(
    opponent: Opponent,
    subject: Subject,
    runs: Sequence[TrialRun],
    wishes: Wishes,
    folder: Path,
    departure: Departure,
    show: Callable[[str | Moment], None],
) -> tuple[RunRecord, ...]:
    """What became of these runs, or of what there was of them when it was asked to leave."""
    records: tuple[RunRecord, ...] = ()
    with suppress(Departed), _driving(opponent, subject, runs, folder, departure, show) as driver:
        parts = TrialParts(subject.ensemble, driver=driver, departure=departure, show=show)
        records = Trial(runs, parts).carry_out_with_thermostat(Span(wishes.length_ps, wishes.length_ps))
        if departure.reason is not None:
            departure.leave()  # else the books of the reference would go, as of MD that has come to its end
    return records


@contextmanager
def _driving(
    opponent: Opponent,
    subject: Subject,
    runs: Sequence[TrialRun],
    folder: Path,
    departure: Departure,
    show: Callable[[str], None],
) -> Iterator[Driver]:
    """What moves the atoms of these runs."""
    if opponent.driver is not None:
        yield opponent.driver
        return
    moves_cells = any(segment.dynamics.wants_stress for run in runs for segment in run.start.program)
    places = RunFolder(folder, subject.project.label_folder / folder.name)
    with reference_forces(subject.project, places, moves_cells=moves_cells, departure=departure, show=show) as driver:
        yield driver


def _has(opponent: Opponent, run: TrialRun) -> bool:
    return opponent.films is not None or run.conditions.system in opponent.dihedrals


def _other_noise(run: TrialRun, dihedrals: Dihedrals | None) -> TrialRun:
    start = replace(run.start, seed=run.start.seed + 2 * SEEDS_APART)
    return replace(run, start=start, angles=dihedrals)


def _show(show: Callable[[str], None], where: str, what: str | Moment) -> None:
    show(f"{where}: {what if isinstance(what, str) else said(what)}")


def _compared(
    system: str,
    temperature_k: float,
    dihedrals: Dihedrals,
    mine: Sequence[RunRecord],
    theirs: Sequence[RunRecord],
    *,
    models: tuple[str, str],
) -> Compared | Uncompared:
    every = [[one for one in some if one.conditions.system == system] for some in (mine, theirs)]
    sides = [[one for one in some if len(settled_angles(one))] for some in every]
    if not all(sides):
        return Uncompared(system, temperature_k, models[0] if not sides[0] else models[1])
    first, second = ([settled_angles(one) for one in some] for some in sides)
    n_dihedrals = range(len(dihedrals.quads))
    return Compared(
        system=system,
        temperature_k=temperature_k,
        models=models,
        dihedrals=dihedrals,
        n_runs=(len(first), len(second)),
        n_failed=(_n_failed(every[0]), _n_failed(every[1])),
        sampled_ps=(_sampled_ps(sides[0]), _sampled_ps(sides[1])),
        turnings=tuple(turning(first, second, dihedral=number) for number in n_dihedrals),
        maps=tuple(map_of(first, second, dihedrals=places) for places in dihedrals.maps),
        angles=(np.concatenate(first), np.concatenate(second)),
    )


def _n_failed(records: Sequence[RunRecord]) -> int:
    return sum(one.failure is not None for one in records)


def _sampled_ps(records: Sequence[RunRecord]) -> float:
    return sum(one.length_ps - one.conditions.settling_ps(one.length_ps) for one in records)
