"""What explorations have found, round by round: a record, a figure, and a line for a person."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from aims_pax.dataset.durable import replacing
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Split
from aims_pax.learner.exploration import End, Exploration, Missed, Round, SetErrors, Truth
from aims_pax.learner.selectors import RandomShare
from aims_pax.report.exploration import ErrorCourse, draw_rounds
from aims_pax.selection.calibration import Amounts, deviation_of, error_of_members
from aims_pax.stages.exploring.telling import missed_words, truth_words
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import EXPLORATIONS

FIELDS: Final = {"energy": "energy_ev_per_atom", "forces": "forces_ev_per_ang", "stress": "stress_ev_per_ang3"}
"""Of :class:`SetErrors`, by the quantity."""


@dataclass(frozen=True, slots=True)
class JudgedFrame:
    """A labelled frame of an exploration, and what its members had said of it before they learned it.

    Parameters
    ----------
    label_id : int
    stage : str
    round : int
        Which has judged it.
    is_random : bool
        Whether it was drawn at random from all, whatever its deviation.
    deviation, error : Amounts
        Of the members from their mean, and from the label.
    """

    label_id: int
    stage: str
    round: int
    is_random: bool
    deviation: Amounts
    error: Amounts


def judged_frames(store: RunStore, explorations: Mapping[str, Exploration]) -> tuple[JudgedFrame, ...]:
    """Of all explorations, in the order of their labels."""
    return tuple(
        JudgedFrame(
            one.label_id,
            one.stage,
            explorations[one.stage].round_of(one.frame.trajectory),
            one.source == RandomShare.NAME,
            deviation_of(one.prediction),
            error_of_members(one.prediction, one.label),
        )
        for one in store.predicted()
        if one.stage in explorations
    )


def explorations_of(store: RunStore, memory: Memory) -> dict[str, Exploration]:
    """Those that have begun, by the names of their stages."""
    found = {key.removeprefix(EXPLORATIONS): memory.recall(key, Exploration) for key in store.state_names(EXPLORATIONS)}
    return {name: state for name, state in found.items() if state is not None}


def write_explorations(store: RunStore, memory: Memory, results: Path) -> list[dict[str, Any]]:
    """Write ``explore.json`` and draw ``explore.png``, by the names of the stages; what summary.json says of them."""
    said = []
    for name, state in explorations_of(store, memory).items():
        record = record_of(name, state)
        with replacing(results / f"{name}.json") as file:
            json.dump(record, file, indent=2)
        if (courses := courses_of(state)) and len(state.rounds) > 1:
            title = f"{name}: errors by round"
            draw_rounds(courses, results / f"{name}.png", title=title)
        said.append({key: value for key, value in record.items() if key != "rounds"})
    return said


def record_of(name: str, state: Exploration) -> dict[str, Any]:
    """All rounds as plain values; energies in eV/atom, forces in eV/Å, stress in eV/Å³."""
    rounds = [one for one in state.rounds if one.number]
    return {
        "stage": name,
        "ended": None if state.ended is None else str(state.ended),
        "n_rounds": len(rounds),
        "n_frames": sum(one.n_frames for one in rounds),
        "n_labelled": sum(one.n_labelled for one in rounds),
        "md_steps": sum(one.md_steps for one in rounds),
        "n_beyond_in_last": rounds[-1].n_above if rounds else None,
        "truths_of_last": [asdict(one) for one in rounds[-1].truths] if rounds else [],
        "missed": [asdict(one) for one in missed_in(rounds)],
        "rounds": [asdict(one) for one in state.rounds],
    }


def missed_in(rounds: Sequence[Round]) -> list[Missed]:
    """What labels of frames at random say of the thresholds of all rounds together, by quantity."""
    found: dict[str, Missed] = {}
    for one in (one for each in rounds for one in each.missed):
        before = found.get(one.quantity, Missed(one.quantity, 0, 0, 0, 0))
        found[one.quantity] = Missed(
            one.quantity,
            n_labelled=before.n_labelled + one.n_labelled,
            n_beyond=before.n_beyond + one.n_beyond,
            n_above=before.n_above + one.n_above,
            n_right=before.n_right + one.n_right,
        )
    return list(found.values())


def lines_of(said: Sequence[dict[str, Any]]) -> list[str]:
    """What a person wants to know of them when a run ends. Runs that an older program has finished hold no truths."""
    found = []
    for one in said:
        found.append(
            f"{one['stage']}: {one['n_rounds']} round{'s' * (one['n_rounds'] != 1)}, {one['n_frames']} frames judged, "
            f"{one['n_labelled']} labelled; {one['n_beyond_in_last']} beyond a tolerance in the last; "
            f"{one['ended'] or 'not over'}"
        )
        if one["ended"] == End.JUDGED:
            found += [f"  {truth_words(Truth(**truth))}" for truth in one.get("truths_of_last", [])]
        found += [f"  {missed_words(Missed(**missed))}" for missed in one.get("missed", [])]
    return found


def courses_of(state: Exploration) -> dict[str, list[ErrorCourse]]:
    """Errors by quantity: of test structures (or validation), of those that stayed the same, and of training ones.

    Rounds that an older program has measured know nothing of training structures.
    """
    splits = {one.split for each in state.rounds for one in each.errors}
    split = next((one for one in ("test", "validation") if one in splits), None)
    found = {}
    for quantity, field in FIELDS.items():
        courses = [] if split is None else list(_courses(state, split, field))
        if courses:
            found[quantity] = courses
    return found


def _courses(state: Exploration, split: str, field: str) -> Iterator[ErrorCourse]:
    sets = (
        (split, False, f"all {split} structures"),
        (split, True, "those before the first round"),
        (str(Split.TRAINING), False, "training structures"),
    )
    for of, is_first, words in sets:
        rows = [(each.number, _by_member(each.errors, of, field, is_first)) for each in state.rounds]
        known = [(number, values) for number, values in rows if values]
        if not known or (is_first and len(known) < 2):
            continue
        names = [name for name in known[0][1] if name]
        yield ErrorCourse(
            label=words,
            rounds=np.array([number for number, _ in known], dtype=np.float64),
            members=1000 * np.array([[values[name] for name in names] for _, values in known]),
            mean=1000 * np.array([values[""] for _, values in known]),
            is_first=is_first,
            is_training=of == Split.TRAINING,
        )


def _by_member(errors: Sequence[SetErrors], split: str, field: str, is_first: bool) -> dict[str, float]:
    """Of a round; empty where it is not known."""
    some = [one for one in errors if one.split == split]
    values = {one.member: getattr(one, field) for one in some if one.is_first is is_first}
    return {} if None in values.values() else values
