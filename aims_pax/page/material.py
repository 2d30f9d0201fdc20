"""All that a page tells of one run, read once: its store, and what stands in results/ and verify/ beside it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aims_pax.campaign.progress import FINISHED, progress_of
from aims_pax.checking.continuation import DOING
from aims_pax.dataset.records import Counts, Series, StoredSession
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.errors import StoreError
from aims_pax.forecast.curves.error import LearningCurve, learning_curve
from aims_pax.frame import FloatArray, LabelledFrame
from aims_pax.learner.exploration import Exploration
from aims_pax.outcome.calibrated.of_run import Told, told_by
from aims_pax.outcome.errors.sets import Places, read_places
from aims_pax.outcome.explored import JudgedFrame, explorations_of, judged_frames
from aims_pax.outcome.played import PhaseEnds, PlayedPhase, ends_of, phases_in, phases_of
from aims_pax.outcome.predictions import read_predictions
from aims_pax.outcome.properties.findings import JSON_NAME as PROPERTIES_JSON
from aims_pax.outcome.properties.findings import TEXT_NAME as PROPERTIES_TEXT
from aims_pax.page.comparison import Comparison, before_learning, of_product
from aims_pax.settings.stage import ACTIVE, INITIAL
from aims_pax.stages.activities import Stopwatch
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import BEFORE_CONVERGENCE, LOOPS
from aims_pax.stages.watching import kept_status

NO_CURVE: Final = LearningCurve(np.zeros(0), np.zeros(0))

EPOCHS_DONE: Final = "EpochsDone"
"""How the journal calls that the committee has made some epochs."""

EPOCHS_EVENT = np.dtype([("time", np.float64), ("n_epochs", np.int64), ("force_mae_ev_per_ang", np.float64)])
"""Epochs that were made, by the journal: Unix time, how many, mean of the members' validation errors (NaN: unknown)."""


@dataclass(frozen=True, slots=True, eq=False)
class WorkingTime:
    """Turns moments into hours that the run has worked, without what lay between its sessions.

    Parameters
    ----------
    begins, ends : (n_sessions,), Unix time, s
        Of the parts in which it worked, in their order.
    """

    begins: FloatArray
    ends: FloatArray

    def hours(self, times: FloatArray) -> FloatArray:
        """(n,): hours since the beginning, for moments (n,) in Unix time."""
        lengths = self.ends - self.begins
        before = np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
        place = np.clip(np.searchsorted(self.begins, times, side="right") - 1, 0, None)
        worked = before[place] + np.clip(times - self.begins[place], 0.0, lengths[place])
        hours: FloatArray = worked / 3600
        return hours

    @property
    def unit(self) -> tuple[str, float]:
        """What an axis is divided by, and its length in hours: seconds of a trial, days of a long campaign."""
        units = [("days", 24.0), ("hours", 1.0), ("minutes", 1 / 60), ("seconds", 1 / 3600)]
        return next((one for one in units if self.total_h >= 2 * one[1]), units[-1])

    @property
    def total_h(self) -> float:
        """Hours from the first to the last moment that is known."""
        return float((self.ends - self.begins).sum()) / 3600


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """One run as of one moment.

    Parameters
    ----------
    name : str
        What the page calls it.
    folder : Path
        Of the run.
    state : str
        Where it stands, in words; empty for a finished run.
    counts : Counts
    series : mapping of int to Series
    scores : (n_scores,), fields of :data:`aims_pax.dataset.records.SCORE_DTYPE`
    epochs : (n_epochs,), fields of :data:`aims_pax.dataset.records.EPOCH_DTYPE`
    attempts : (n_attempts,), fields of :data:`aims_pax.dataset.records.ATTEMPT_DTYPE`
    trainings : (n_events,), fields of :data:`EPOCHS_EVENT`
    labelled : tuple of LabelledFrame
        The dataset.
    before : Comparison or None
        What the committee said before it learned.
    final : Comparison or None
        What the product says of structures that it was not trained on.
    told : Told or None
        How far the errors of the finished models are told by their disagreement.
    sessions : tuple of StoredSession
    settings : mapping
        By the names of the run's own note of them.
    spent_s, spent_by_part_s : mapping of str to float
        Wall seconds by activity, and by part of the run.
    label_s : float
        Seconds that all reference calculations took together.
    summary, verified : mapping or None
        summary.json and verify.json; None where they are not there.
    seen : Places or None
        Where structures lie for a finished model.
    validated : mapping of str to mapping
        properties.json of stages that have looked at properties of materials, by their names.
    property_tables : mapping of str to str
        The same as a table for a person.
    time : WorkingTime or None
        None where nothing has a time yet.
    learning : LearningCurve
        The error in the last loop that has learned.
    train_goal : int or None
        Training structures of a member with which that ends; None where it is over, or ends by something else.
    explorations : mapping of str to Exploration
        By the names of their stages.
    judged : tuple of JudgedFrame
        Labelled frames of these.
    flights : mapping of str to mapping
        fly.json of stages whose MD was checked on the way, by their names.
    plays : tuple of PlayedPhase
        What has become of phases of workflows, in the order in which they ended.
    phase_ends : mapping of tuple of two str to sequence of PhaseEnds
        What phases have begun with and come to, by stage and workflow.
    """

    name: str
    folder: Path
    state: str
    counts: Counts
    series: Mapping[int, Series]
    scores: NDArray[np.void]
    epochs: NDArray[np.void]
    attempts: NDArray[np.void]
    trainings: NDArray[np.void]
    labelled: tuple[LabelledFrame, ...]
    before: Comparison | None
    final: Comparison | None
    told: Told | None
    sessions: tuple[StoredSession, ...]
    settings: Mapping[str, Any]
    spent_s: Mapping[str, float]
    spent_by_part_s: Mapping[str, float]
    label_s: float
    summary: Mapping[str, Any] | None
    verified: Mapping[str, Any] | None
    seen: Places | None
    validated: Mapping[str, Mapping[str, Any]]
    property_tables: Mapping[str, str]
    time: WorkingTime | None
    learning: LearningCurve
    train_goal: int | None
    explorations: Mapping[str, Exploration]
    judged: tuple[JudgedFrame, ...]
    flights: Mapping[str, Mapping[str, Any]]
    plays: tuple[PlayedPhase, ...]
    phase_ends: Mapping[tuple[str, str], Sequence[PhaseEnds]]

    @property
    def has_rounds_alone(self) -> bool:
        """Whether nothing has learned on the way: an exploration goes in rounds, and figures of its own tell of it."""
        return bool(self.explorations) and not len(self.scores) and not len(self.trainings)

    @property
    def comparison(self) -> Comparison | None:
        """The product's predictions where there are some, else those of the committee while it learned."""
        return self.final or self.before

    def temperature(self, stage: str, trajectory: int) -> str | None:
        """Of the MD that a structure comes from, in words; None where the run's note does not tell."""
        told = {key: self._temperature_of(key) for key in self.settings if key.endswith(".temperature")}
        told = {key: words for key, words in told.items() if key.startswith("MD.") and words}
        if len(set(told.values())) == 1 and stage in (INITIAL, ACTIVE):
            return next(iter(told.values()))
        return told.get(f"MD.{trajectory}.temperature") if stage == ACTIVE else None

    def _temperature_of(self, key: str) -> str | None:
        first, last = self.settings[key], self.settings.get(key.replace(".temperature", ".final_temperature"))
        if not isinstance(first, int | float):
            return None
        return f"{first:g} K" if last is None else f"{first:g} to {last:g} K"


def read_material(run_folder: Path, *, name: str) -> Material:
    """Everything of a run, of which not a file is changed, also while a campaign is at work there.

    Parameters
    ----------
    run_folder : Path
    name : str
        What the page calls it.

    Raises
    ------
    UserError
        There is no run.
    StoreError
        Its store, or what it keeps beside, is damaged.
    """
    results = RunFolder(run_folder, run_folder).results
    with RunStore.open_briefly(run_folder) as store:
        memory = Memory(store, RunFolder(run_folder, run_folder))
        stopwatch = Stopwatch(clock=lambda: 0.0)
        memory.recall_time(stopwatch)
        progress, note = progress_of(memory), store.get_meta("settings")
        labelled, attempts = tuple(store.labelled()), store.attempts()
        scores = store.scores()  # before the series, of which a campaign may begin another one meanwhile
        trainings, moments = _trainings(store)
        sessions = tuple(store.sessions())
        learning, train_goal = _learning(store, memory, progress)
        summary = _json(results / "summary.json") if progress == FINISHED else None
        product = str((summary or {}).get("product", {}).get("model", "the product"))
        saved = read_predictions(results) if progress == FINISHED else None
        plays, explorations = _plays(store, results, summary), explorations_of(store, memory)
        return Material(
            name=name,
            folder=run_folder,
            state="" if progress == FINISHED else _doing(progress),
            counts=store.counts(),
            series=store.series(),
            scores=scores,
            epochs=store.epochs(),
            attempts=attempts,
            trainings=trainings,
            labelled=labelled,
            before=before_learning(store),
            final=of_product(labelled, saved, product),
            told=told_by(labelled, saved, results),
            sessions=sessions,
            settings={} if note is None else json.loads(note),
            spent_s=stopwatch.seconds(),
            spent_by_part_s=stopwatch.seconds_by_part(),
            label_s=store.label_wall_s(),
            summary=summary,
            verified=_json(run_folder / "verify" / "verify.json"),
            seen=read_places(results) if progress == FINISHED else None,
            validated=_validated(results, summary),
            property_tables=_property_tables(results, summary),
            learning=learning,
            train_goal=train_goal,
            explorations=explorations,
            judged=judged_frames(store, explorations),
            flights=_flights(results, summary),
            plays=plays,
            phase_ends=ends_of(plays, memory, store),
            time=_working_time(sessions, np.concatenate([moments, attempts["submitted_at"], attempts["ended_at"]])),
        )


def _learning(store: RunStore, memory: Memory, progress: str | None) -> tuple[LearningCurve, int | None]:
    """Of the loop that is under way, else of the last one, before convergence; and the goal, if it is ahead."""
    loops = [name.removeprefix(LOOPS) for name in store.state_names(LOOPS)]
    if progress in loops:
        seen = kept_status(memory)
        goal = seen.train_goal if seen is not None and seen.present == progress else None
        return learning_curve(store, progress), goal
    until = memory.recall_json(BEFORE_CONVERGENCE)
    generation = until if isinstance(until, int) else None
    curves = [learning_curve(store, name, until_generation=generation) for name in loops]
    return max(curves, key=lambda one: one.n_train.max(initial=0.0), default=NO_CURVE), None


def _doing(progress: str | None) -> str:
    if progress is None:
        return "nothing has been done yet"
    return DOING.get(progress, f"it is at {progress}")


def _trainings(store: RunStore) -> tuple[NDArray[np.void], FloatArray]:
    """Epochs that were made, and the times of all events."""
    events, moments = [], []
    for entry in store.journal():
        moments.append(entry.time)
        if entry.kind == EPOCHS_DONE:
            error = entry.payload.get("force_mae")
            events.append((entry.time, entry.payload.get("n_epochs", 0), np.nan if error is None else error))
    return np.array(events, dtype=EPOCHS_EVENT), np.array(moments, dtype=np.float64)


def _working_time(sessions: tuple[StoredSession, ...], moments: FloatArray) -> WorkingTime | None:
    if not len(moments):
        return None
    moments = np.sort(moments)
    begins = np.array([session.began_at for session in sessions if session.began_at <= moments[-1]])
    begins = begins if len(begins) and begins[0] <= moments[0] else np.append(moments[0], begins[begins > moments[0]])
    last = np.searchsorted(moments, np.append(begins[1:], np.inf)) - 1
    return WorkingTime(begins, np.maximum(begins, moments[np.clip(last, 0, None)]))


def _validated(results: Path, summary: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    found = {stage: _json(results / stage / PROPERTIES_JSON) for stage in (summary or {}).get("properties", {})}
    return {stage: one for stage, one in found.items() if one is not None}


def _flights(results: Path, summary: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    names = [one["stage"] for one in (summary or {}).get("flights", [])]
    found = {name: _json(results / f"{name}.json") for name in names}
    return {name: one for name, one in found.items() if one is not None}


def _plays(store: RunStore, results: Path, summary: Mapping[str, Any] | None) -> tuple[PlayedPhase, ...]:
    """By the records of a finished run, which know more; else by the store."""
    records = [_json(results / f"{one['stage']}.json") for one in (summary or {}).get("plays", [])]
    known = [one for one in records if one is not None]
    if known and len(known) == len(records):
        return tuple(phase for one in known for phase in phases_in(one))
    return tuple(phases_of(store))


def _property_tables(results: Path, summary: Mapping[str, Any] | None) -> dict[str, str]:
    paths = {stage: results / stage / PROPERTIES_TEXT for stage in (summary or {}).get("properties", {})}
    return {stage: path.read_text(encoding="utf-8") for stage, path in paths.items() if path.is_file()}


def _json(path: Path) -> Mapping[str, Any] | None:
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: can't be read ({error})") from error
    return content if isinstance(content, dict) else None
