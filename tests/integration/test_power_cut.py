"""A machine that loses its power: what was not yet flushed is forgotten, and what workers elsewhere write stays."""

import contextlib
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from aims_pax.atoms import frame_of
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.dataset.tables.database import Database
from aims_pax.departure import Departure
from aims_pax.frame import Frame, Label, Stage
from aims_pax.labelling import worker
from aims_pax.labelling.desk import LabelDesk
from aims_pax.labelling.inline import InlinePool
from aims_pax.labelling.result import encode, write_result
from aims_pax.reference.registry import build_reference
from aims_pax.settings.methods.reference import AseCalculatorSettings

from .engines import PLAIN, Watched, emt
from .projects import copper, copper_project, in_child, labels_of, run

N_INITIAL = 8
"""Labels of the initial dataset."""


@contextmanager
def what_is_on_the_disk(copy: Path) -> Iterator[None]:
    """Keep a copy of each store as it was after its last flushed transaction."""
    commit = Database.transaction

    @contextmanager
    def transaction(database: Database) -> Iterator[None]:
        with commit(database):
            yield
        if database.flushes and not database._connection.in_transaction:
            with contextlib.closing(sqlite3.connect(copy)) as target:
                database._connection.backup(target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "transaction", transaction)
        yield


def cut_power(folder: Path, copy: Path) -> int:
    """Let the store of a dead run be what was flushed; returns how many requests are forgotten."""
    with RunStore.open(folder) as store:
        n_before = store.counts().n_requested
    for name in ("run.db", "run.db-wal", "run.db-shm"):
        (folder / name).unlink(missing_ok=True)
    os.rename(copy, folder / "run.db")
    with RunStore.open(folder) as store:
        return n_before - store.counts().n_requested


@pytest.mark.parametrize("n_labels", [3, N_INITIAL + 1, N_INITIAL + 3])
def test_a_label_whose_request_is_forgotten_is_taken_when_it_is_asked_for_again(
    n_labels: int, engine: type[Watched], tmp_path: Path
) -> None:
    folder, copy = copper_project(tmp_path / "project"), tmp_path / "copy.db"
    engine.log = tmp_path / "log"
    written: list[Path] = []

    def write_and_die(job: Path, content: bytes) -> None:
        write_result(job, content)
        written.append(job)
        if len(written) == n_labels:
            os.kill(os.getpid(), signal.SIGKILL)

    def run_until_the_cut() -> None:
        with what_is_on_the_disk(copy), pytest.MonkeyPatch.context() as patch:
            patch.setattr(worker, "write_result", write_and_die)
            run(folder)

    assert in_child(run_until_the_cut) == -signal.SIGKILL
    assert cut_power(folder, copy) >= 1
    labels = run(folder).content["labels"]
    assert labels["in_flight"] == 0
    computed = Counter(engine.log.read_text().split())
    assert set(computed.values()) == {1}, "no calculation was made again"
    stored = labels_of(folder)
    assert len({one.frame.positions.tobytes() for one in stored}) == len(stored) == labels["received"]
    for one in stored:
        energy, forces = emt(one.frame.positions, "Cu4")
        assert one.label.energy == pytest.approx(energy, abs=1e-10)
        np.testing.assert_allclose(one.label.forces, forces, atol=1e-10)


def rattled(seed: int) -> Frame:
    atoms = copper()
    atoms.rattle(0.05, seed=seed)
    return frame_of(atoms, system="copper")


class Slow(InlinePool):
    """A pool that has not answered yet."""

    n_in_flight = 1

    def submit(self, job: object) -> None:
        pass


def test_a_result_for_a_forgotten_request_is_not_given_to_the_next_structure_of_its_number(tmp_path: Path) -> None:
    """A label's number is used again when its request is forgotten, and a worker elsewhere may still compute it."""
    reference = build_reference(AseCalculatorSettings(calculator=PLAIN, max_force_ev_per_ang=100.0))
    forgotten, asked = rattled(1), rattled(2)
    foreign = reference.label(forgotten, folder=tmp_path / "elsewhere", want_stress=False)
    run_folder = RunFolder(tmp_path, tmp_path / "calculations")
    run_folder.label(1).mkdir(parents=True)
    with RunStore.open(tmp_path) as store:
        desk = LabelDesk(
            store,
            Slow(reference, want_stress=False),
            run_folder,
            Stage.ACTIVE,
            keeps_folders=False,
            departure=Departure(),
            no_progress_s=0.01,
        )
        assert desk.request(asked) == 1
        write_result(run_folder.label(1), encode(foreign, forgotten))
        desk.send(1)
        assert desk.collect(timeout_s=0.1) == []
    with RunStore.open(tmp_path) as store:
        pool = InlinePool(reference, want_stress=False)
        desk = LabelDesk(store, pool, run_folder, Stage.ACTIVE, keeps_folders=False, departure=Departure())
        assert desk.resume() == []
        (done,) = desk.collect(timeout_s=0.0)
        desk.record(done)
        label = store.label_of(1)
    assert isinstance(label, Label)
    assert label.energy == pytest.approx(emt(asked.positions, "Cu4")[0], abs=1e-10)
    assert isinstance(foreign, Label)
    assert abs(label.energy - foreign.energy) > 1e-3
