"""What a campaign holds after it was harmed, and whether that is what it should hold."""

import hashlib
import json
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.store import STORE_NAME, RunStore
from aims_pax.frame import Split
from aims_pax.labelling.sanity import is_probe

from .project import N_MEMBERS, VALID_RATIO, fresh
from .witness import LEDGER

TOLERANCE: Final = 1e-9
"""eV and eV/Å. EMT gives the same to the last bits, which depend on the neighbour list that it came with."""

SCIENCE: Final = ("progress", "learner.initial", "convergence.initial", "learner.active", "convergence.active")
"""States that change when a campaign gets on, and not when it is merely started."""

Held = Mapping[int, tuple[str, str | None]]
"""Digest of the structure and its label, and the split, if it has one, by number."""


@dataclass(slots=True)
class Verdict:
    """What is wrong with a campaign.

    Parameters
    ----------
    lost, doubled, wrong : set of int
        Labels that were asked for, or stored before, and are not there; whose finished result was computed again;
        that differ from a fresh calculation of their structure.
    other : list of str
        Anything else that must not be.
    """

    lost: set[int] = field(default_factory=set)
    doubled: set[int] = field(default_factory=set)
    wrong: set[int] = field(default_factory=set)
    other: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong or self.other)


def pulse(folder: Path) -> Any:
    """Something that differs after every commit by which a campaign gets on; None when there is no store yet."""
    path = folder / STORE_NAME
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)) as connection:
            marks = ",".join("?" * len(SCIENCE))
            states = connection.execute(f"SELECT key, value FROM states WHERE key IN ({marks}) ORDER BY key", SCIENCE)
            counts = connection.execute("SELECT status, count(*) FROM jobs GROUP BY status ORDER BY status")
            return states.fetchall(), counts.fetchall()
    except sqlite3.Error:
        return None


def at_rest(folder: Path, scratch: Path) -> Path:
    """A copy of a store that nobody is writing, so that looking at it repairs nothing in the original."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for name in (STORE_NAME, f"{STORE_NAME}-wal"):
        if (folder / name).exists():
            shutil.copy2(folder / name, scratch / name)
    return scratch


def damage(folder: Path) -> list[str]:
    """What SQLite finds wrong with the file of a store."""
    if not (folder / STORE_NAME).exists():
        return []
    address = f"{(folder / STORE_NAME).absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=30.0)) as connection:
            found = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
            return found + [f"dangling reference: {row}" for row in connection.execute("PRAGMA foreign_key_check")]
    except sqlite3.DatabaseError as error:
        return [str(error)]


def held_by(folder: Path) -> Held:
    """The labels of a store."""
    if not (folder / STORE_NAME).exists() or pulse(folder) is None:
        return {}
    with RunStore.open_readonly(folder) as store:
        splits = {one.label_id: f"{one.split}, {one.member}" for one in store.labelled()}
        held = {}
        for job in store.jobs(JobStatus.DONE):
            label = store.label_of(job.label_id)
            if label is not None:
                content = (job.frame.positions, np.float64(label.energy), label.forces)
                digest = hashlib.sha256(b"".join(array.tobytes() for array in content)).hexdigest()
                held[job.label_id] = (digest, splits.get(job.label_id))
        return held


def missing(before: Held, after: Held) -> set[int]:
    """Labels that were there before, and are gone or not the same."""
    return {
        label_id
        for label_id, (digest, split) in before.items()
        if label_id not in after or after[label_id][0] != digest or split not in (None, after[label_id][1])
    }


def judge(folder: Path, evidence: Path) -> Verdict:
    """Look at a campaign that has ended well."""
    verdict = Verdict(other=damage(folder))
    ledger = read_ledger(evidence / LEDGER)
    verdict.doubled |= computed_again(ledger)
    with RunStore.open_readonly(folder) as store:
        jobs, dataset = list(store.jobs()), list(store.labelled())
    places = [one.label_id for one in dataset]
    asked = {job.label_id for job in jobs}
    verdict.lost |= {job.label_id for job in jobs if job.status is not JobStatus.DONE} | (asked - set(places))
    verdict.lost |= {label_id for label_id, lines in ledger.items() if lines and label_id not in asked}
    structures: dict[bytes, int] = {}
    for job in jobs:
        first = structures.setdefault(job.frame.positions.tobytes(), job.label_id)
        if first != job.label_id:
            verdict.doubled.add(job.label_id)
    for one in dataset:
        energy, forces = fresh(one.frame.positions)
        deviation = max(abs(one.label.energy - energy), float(np.abs(one.label.forces - forces).max()))
        if not deviation < TOLERANCE:
            verdict.wrong.add(one.label_id)
    # Labels of the probe train everybody, whatever the quota.
    verdict.other += _broken_quotas([(one.split, one.member) for one in dataset if not is_probe(one.frame)])
    verdict.other += _incomplete_results(folder, n_labels=len(jobs))
    return verdict


@dataclass(frozen=True, slots=True)
class Line:
    """A finished calculation: when its worker looked whether it was needed, and when its result was safe; Unix time."""

    looked: float
    safe: float


def read_ledger(path: Path) -> dict[int, list[Line]]:
    """The finished calculations of each label; a line that was cut short by a kill is none."""
    ledger: dict[int, list[Line]] = defaultdict(list)
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            entry = json.loads(text)
        except ValueError:
            continue
        if entry["is_label"]:
            ledger[int(entry["label"])].append(Line(entry["looked"], entry["safe"]))
    return ledger


def computed_again(ledger: Mapping[int, list[Line]]) -> set[int]:
    """Labels with a calculation that was begun although the result of another one was safe by then.

    Two that overlapped are none: a worker of a killed campaign may finish beside one of the next.
    """
    return {
        label_id
        for label_id, lines in ledger.items()
        if any(one.looked > other.safe for one in lines for other in lines)
    }


def _broken_quotas(places: list[tuple[Split, int | None]]) -> list[str]:
    """Owners whose validation part has left the quota by more than one structure at any time."""
    found = []
    for owner in {member for _, member in places}:
        splits = [split for split, member in places if member == owner]
        for n in range(1, len(splits) + 1):
            n_valid = splits[:n].count(Split.VALIDATION)
            if abs(n_valid - VALID_RATIO * n) > 1:
                found.append(f"{n_valid} of the first {n} structures of member {owner} are for validation")
                break
    return found


def _incomplete_results(folder: Path, *, n_labels: int) -> list[str]:
    results = folder / "results"
    models = models_of(folder)
    found = [] if len(models) == N_MEMBERS else [f"{len(models)} models instead of {N_MEMBERS}"]
    try:
        labels = json.loads((results / "summary.json").read_text(encoding="utf-8"))["labels"]
    except (OSError, ValueError, LookupError) as error:
        return [*found, f"summary.json: {error!r}"]
    if (labels["asked"], labels["received"], labels["failed"]) != (n_labels, n_labels, 0):
        found.append(f"summary.json counts {labels}, and {n_labels} labels were asked for")
    return found


def models_of(folder: Path) -> list[Path]:
    return sorted((folder / "results" / "committee").glob("*.model"))
