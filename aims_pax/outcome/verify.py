"""Finished models tried later and longer: stability at several temperatures, and errors on held-out structures."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from aims_pax.committee import devices_of, load_models
from aims_pax.dataset.durable import replacing
from aims_pax.dataset.extxyz import read_extxyz
from aims_pax.dataset.store import STORE_NAME, RunStore
from aims_pax.departure import Departure
from aims_pax.errors import Problem, UserError
from aims_pax.evaluation.blocks import BlockedErrors, blocked_errors, blocked_table
from aims_pax.evaluation.intervals import rate_interval, wilson
from aims_pax.evaluation.stability import RunRecord, watched_ps
from aims_pax.evaluation.verdict import Evidence, Learned, Measured, Verdict, judge, run_json
from aims_pax.frame import LabelledFrame
from aims_pax.outcome.conditions import Grounds, at_temperature, conditions_of, trial_runs
from aims_pax.outcome.dihedrals.angles import Dihedrals
from aims_pax.outcome.dihedrals.findings import Compared, Uncompared
from aims_pax.outcome.provenance import deviation_of, learned_of, product_of
from aims_pax.outcome.stability import Stability, trace_of
from aims_pax.outcome.structure.films import Films
from aims_pax.outcome.structure.findings import ComparedStructure
from aims_pax.outcome.trial import Span, TrialRun
from aims_pax.outcome.verdict import measured_on, said
from aims_pax.protocols import Predictor
from aims_pax.report.stability import draw_stability
from aims_pax.selection import SCORES
from aims_pax.settings import Project
from aims_pax.stages.beginnings.imported import extxyz_keys


class Drive(StrEnum):
    """Which model moves the atoms."""

    FIRST = "first"
    """The product of the run, or the first of those that were named."""
    MEAN = "mean"
    """The mean of all."""
    EACH = "each"
    """Each model moves its share of the runs, as in the paper."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to be tried.

    Parameters
    ----------
    temperatures_k : tuple of float
        Empty: those of the run.
    n_runs : int
        At each temperature.
    length_ps : float
        Of each run; 0: no MD.
    drive : Drive
    seed : int
    """

    temperatures_k: tuple[float, ...] = ()
    n_runs: int = 12
    length_ps: float = 20.0
    drive: Drive = Drive.FIRST
    seed: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """The models that are tried, and what is known of them.

    Parameters
    ----------
    project : Project
    models : tuple of Path
    names : tuple of str
    ensemble : Predictor
    labelled : tuple of LabelledFrame
        Of the run in the project's folder; empty when there is none.
    learned : Learned or None
        None for models from elsewhere.
    """

    project: Project
    models: tuple[Path, ...]
    names: tuple[str, ...]
    ensemble: Predictor
    labelled: tuple[LabelledFrame, ...]
    learned: Learned | None

    @classmethod
    def of(cls, project: Project, models: Sequence[Path], *, device: str = "auto") -> "Subject":
        """The models of a run, or those that were named.

        Raises
        ------
        UserError
            There are none, or they can't be loaded or do not belong together.
        """
        chosen = tuple(models) or product_of(project)
        names = tuple(path.name for path in chosen)
        if len(set(names)) < len(names):
            names = tuple(str(path) for path in chosen)
        ensemble = load_models(chosen, device=devices_of(device))
        unknown = sorted(set(project.elements) - set(ensemble.numbers))
        if unknown:
            found = f"The models do not know the elements Z = {', '.join(map(str, unknown))} of this project."
            raise UserError(Problem("--models", found, "models of the elements of the project"))
        labelled, key = _labelled(project), labels_by(project)
        if key and key not in project.settings.relabellings:
            found = f"The run has learned labels of {key}, and STAGES has no relabel of this name any more."
            raise UserError(
                Problem(project.where("STAGES"), found, "", "Put it back: it says by what labels are computed.")
            )
        project = project.labelled_by(key)
        return cls(project, chosen, names, ensemble, labelled, None if models else learned_of(project))


@dataclass(frozen=True, slots=True, eq=False)
class Heldout:
    """Errors on held-out structures.

    Parameters
    ----------
    data : Path
    errors : mapping of str to BlockedErrors
        By model, and of their mean.
    measured : Measured
        Of what drives the MD.
    """

    data: Path
    errors: dict[str, BlockedErrors]
    measured: Measured

    def text(self) -> str:
        """A heading and the table."""
        one = next(iter(self.errors.values()))
        heading = (
            f"{one.n_structures} structures of {self.data.name} in {one.n_blocks} blocks; RMS force "
            f"{1000 * self.measured.rms_force_ev_per_ang:.0f} meV/Å; in brackets the 95 % interval by blocks"
        )
        return f"{heading}\n\n{blocked_table(self.errors)}"


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """All that was found.

    Parameters
    ----------
    names : tuple of str
        Of the models.
    verdicts : mapping of float to Verdict
        By temperature, K.
    heldout : Heldout or None
    is_complete : bool
        Whether all was done that was asked for.
    dihedrals : tuple of Compared or Uncompared
        By temperature and system, where models are compared with another one.
    structures : tuple of ComparedStructure
        The same of distances, angles, neighbours and rings.
    """

    names: tuple[str, ...]
    verdicts: dict[float, Verdict]
    heldout: Heldout | None
    is_complete: bool = True
    dihedrals: tuple[Compared | Uncompared, ...] = ()
    structures: tuple[ComparedStructure, ...] = ()

    def text(self) -> str:
        """Everything, for a person."""
        parts = [stability_table(self.verdicts)] if self.verdicts else []
        parts += [] if self.heldout is None else [self.heldout.text()]
        parts += ["\n".join(one.lines()) for one in (*self.dihedrals, *self.structures)]
        for temperature, verdict in self.verdicts.items():
            first, *rest = verdict.lines()
            parts.append("\n".join([f"{temperature:g} K, {first}", *rest]))
        if not self.is_complete:
            parts.append("left before its end: this is what was seen until then")
        return "\n\n".join(parts)

    def as_json(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        return {
            "models": list(self.names),
            "complete": self.is_complete,
            "stability": {
                f"{temperature:g}": verdict.as_json() | {"each_run": [run_json(one) for one in verdict.records]}
                for temperature, verdict in self.verdicts.items()
            },
            "heldout": None
            if self.heldout is None
            else {
                "data": str(self.heldout.data),
                "rms_force_ev_per_ang": self.heldout.measured.rms_force_ev_per_ang,
                "errors": {name: one.as_json() for name, one in self.heldout.errors.items()},
            },
            "dihedrals": [one.as_json() for one in self.dihedrals],
            "structures": [one.as_json() for one in self.structures],
        }

    def write(self, folder: Path) -> list[Path]:
        """Write verify.json, verify.txt and, where there was MD, figures for each temperature."""
        folder.mkdir(parents=True, exist_ok=True)
        written = [folder / "verify.json", folder / "verify.txt"]
        with replacing(written[0]) as file:
            json.dump(self.as_json(), file, indent=2)
        with replacing(written[1]) as file:
            file.write(self.text() + "\n")
        for temperature, verdict in self.verdicts.items():
            written.append(folder / f"stability_{temperature:g}K.png")
            draw_stability([trace_of(record) for record in verdict.records], written[-1], title=_title(verdict))
        return [*written, *(path for one in (*self.dihedrals, *self.structures) for path in one.write(folder))]


def try_dynamics(
    subject: Subject,
    wishes: Wishes,
    *,
    departure: Departure,
    show: Callable[[str], None],
    measured: Measured | None,
    angles: Mapping[str, Dihedrals] | None = None,
    films: Films | None = None,
) -> dict[float, Verdict]:
    """Run MD at each temperature, and judge it.

    Parameters
    ----------
    measured : Measured or None
        Errors on held-out structures; those on the run's own validation structures when None.
    angles : mapping of str to Dihedrals, or None
        What is noted of each system on the way.
    films : Films or None
        Which keep structures on the way.
    """
    known = measured or measured_on(subject.labelled, subject.ensemble)
    verdicts = {}
    for temperature, runs in runs_at(subject, wishes):
        watched = [replace(run, angles=(angles or {}).get(run.conditions.system)) for run in runs]
        watched = watched if films is None else films.watching(temperature, watched)
        records = _carry_out(subject, watched, wishes, departure, partial(_show_at, show, temperature))
        if records:
            verdicts[temperature] = judge(Evidence(records, known, subject.learned))
        if departure.reason is not None:
            break
    return verdicts


def runs_at(subject: Subject, wishes: Wishes) -> Iterator[tuple[float, list[TrialRun]]]:
    """Each temperature, K, with the runs at it; the same for the same wishes."""
    project = subject.project
    grounds = Grounds.of(project.systems, subject.labelled)
    own = conditions_of(project)
    wanted = wishes.temperatures_k or tuple(sorted({md.temperature for _, md in own}))
    for number, temperature in enumerate(wanted):
        conditions = [(system, at_temperature(md, temperature)) for system, md in own]
        if not wishes.temperatures_k:
            conditions = [(system, md) for system, md in own if md.temperature == temperature]
        distinct = [pair for place, pair in enumerate(conditions) if pair not in conditions[:place]]
        yield temperature, trial_runs(grounds, distinct, n_runs=wishes.n_runs, seed=wishes.seed + number)


def _show_at(show: Callable[[str], None], temperature_k: float, words: str) -> None:
    show(f"{temperature_k:g} K: {words}")


def _carry_out(
    subject: Subject,
    runs: Sequence[TrialRun],
    wishes: Wishes,
    departure: Departure,
    show: Callable[[str], None],
) -> tuple[RunRecord, ...]:
    stability = Stability(
        tuple(runs),
        Span(wishes.length_ps, wishes.length_ps),
        driver=0 if wishes.drive is Drive.FIRST else None,
        score=SCORES[deviation_of(subject.project)],
        departure=departure,
        show=lambda moment: show(said(moment)),
    )
    if wishes.drive is not Drive.EACH:
        return stability.validate(subject.ensemble).records
    n_members = subject.ensemble.n_members
    shares = [replace(stability, runs=stability.runs[member::n_members], driver=member) for member in range(n_members)]
    return tuple(record for share in shares for record in share.validate(subject.ensemble).records)


def measure_heldout(subject: Subject, data: Path, *, drive: Drive) -> Heldout:
    """Errors of every model, and of their mean, on the labelled structures of a file.

    Raises
    ------
    StructureError
        The file can't be read, or structures have no labels.
    """
    pairs = read_extxyz(data, extxyz_keys(subject.project.settings.misc))
    frames, labels = [frame for frame, _ in pairs], [label for _, label in pairs]
    predictions = subject.ensemble.predict(frames)
    errors = {
        name: blocked_errors(frames, labels, predictions, member=member) for member, name in enumerate(subject.names)
    }
    if len(subject.names) > 1:
        errors["mean of all"] = blocked_errors(frames, labels, predictions, member=None)
    driver = errors[subject.names[0] if drive is not Drive.MEAN or len(errors) == 1 else "mean of all"]
    forces = np.concatenate([label.forces.ravel() for label in labels])
    measured = Measured(
        len(frames),
        "held-out structures",
        driver.force_mae_ev_per_ang.value,
        driver.force_rmse_ev_per_ang.value,
        float(np.sqrt(np.mean(forces**2))),
    )
    return Heldout(data, errors, measured)


def stability_table(verdicts: dict[float, Verdict]) -> str:
    """A row for each temperature: runs, how many were stable, and how soon the others failed."""
    header = ["", "runs", "stable", "95 % interval", "first failure", "watched", "failures per ns (95 %)"]
    rows = [header]
    for temperature, verdict in verdicts.items():
        records = verdict.records
        failed = [one.length_ps for one in records if one.failure is not None]
        low, high = wilson(len(records) - len(failed), len(records))
        total_ns = watched_ps(records) / 1000
        least, most = rate_interval(len(failed), total_ns) if total_ns else (0.0, float("inf"))
        rows.append(
            [
                f"{temperature:g} K",
                str(len(records)),
                str(len(records) - len(failed)),
                f"{100 * low:.0f} to {100 * high:.0f} %",
                f"{min(failed):.2f} ps" if failed else "none",
                f"{1000 * total_ns:.4g} ps",
                f"{least:.2g} to {most:.2g}",
            ]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def labels_by(project: Project) -> str:
    """Key of the reference whose labels the run in a project's folder learns from."""
    if not (project.run_folder / STORE_NAME).is_file():
        return ""
    with RunStore.open_readonly(project.run_folder) as store:
        return store.chosen_reference


def heldout_name(project: Project) -> str:
    """What the folder of a held-out set is called: labels of another reference make another set."""
    key = labels_by(project)
    return f"heldout-{key}" if key else "heldout"


def _labelled(project: Project) -> tuple[LabelledFrame, ...]:
    if not (project.run_folder / STORE_NAME).is_file():
        return ()
    with RunStore.open_readonly(project.run_folder) as store:
        return tuple(store.labelled())


def _title(verdict: Verdict) -> str:
    records = verdict.records
    n_stable = sum(record.failure is None for record in records)
    return f"{n_stable} of {len(records)} runs at {records[0].conditions.temperature_k:g} K held: {verdict.word}"
