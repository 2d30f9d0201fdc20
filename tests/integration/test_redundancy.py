"""Less redundancy through whole campaigns: what is passed over or withdrawn, and that nothing else is lost by it."""

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aims_pax.campaign import run_campaign
from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.errors import SettingsError
from aims_pax.frame import FloatArray, Frame, Label, Stage
from aims_pax.labelling.claims import begins
from aims_pax.protocols import LabelDone, LabelJob, Status
from aims_pax.selection import distances
from aims_pax.stages import assembly
from aims_pax.testing.pools import ScriptedPool
from aims_pax.testing.springs import Springs

from .engines import Watched, emt
from .projects import Watcher, active_project, jobs_of, labels_of, loaded, run

pytestmark = pytest.mark.usefixtures("springs")

ACTIVE = (Stage.ACTIVE,)


def changes(**keys: Any) -> dict[str, Any]:
    """Springs that learn slowly, so that they go on asking."""
    usual = {"num_trajectories": 4, "max_train_set_size": 8, "c_x": -0.3, "share_epochs": True}
    return {"ACTIVE_LEARNING": {**usual, **keys}}


def outcome(folder: Path) -> dict[str, Any]:
    """All that must be the same, to the last bit."""
    with RunStore.open_readonly(folder) as store:
        jobs = [(job.label_id, job.status, job.frame.md_step, job.frame.positions.tobytes()) for job in store.jobs()]
        states = {key: store.load_state(key) for key in ("learner.active", "sampler.active")}
        return {"jobs": jobs, "scores": store.scores().tobytes(), "epochs": store.epochs().tobytes(), **states}


def interrupted(folder: Path) -> int:
    """Run a project that leaves again and again, to its end; how often it left."""
    for n_left in itertools.count():
        departure, seen = Departure(), list[Status]()

        def act(status: Status, seen: list[Status] = seen, departure: Departure = departure) -> None:
            seen.append(status)
            if len(seen) > 5:
                departure.ask(Reason.INTERRUPTED)

        try:
            run_campaign(loaded(folder), stages=ACTIVE, observer=Watcher(act), departure=departure)
        except Departed:
            assert n_left < 300
            continue
        return n_left
    raise AssertionError("it came to its end")


# -- passed over ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spared(initial_copper: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Watcher, dict[str, Any]]:
    Watched.forget()
    watcher = Watcher()
    folder = active_project(tmp_path_factory.mktemp("alike"), initial_copper, changes(skip_alike=0.6))
    return folder, watcher, dict(run(folder, stages=ACTIVE, observer=watcher).content)


def test_structures_nearly_alike_are_passed_over_and_counted(spared: tuple[Path, Watcher, dict[str, Any]]) -> None:
    folder, watcher, content = spared
    n_spared = content["labels_spared"]["passed_over"]
    assert n_spared > 0
    assert watcher.seen[-1].n_passed_over == 0 or watcher.seen[-1].n_passed_over == n_spared
    assert max(one.n_passed_over for one in watcher.seen) == n_spared
    with RunStore.open_readonly(folder) as store:
        scores = store.scores()
    crossed = scores["score"] > scores["threshold"]
    n_picked = int((scores["picked"] & crossed).sum())
    assert int(crossed.sum()) == n_picked + n_spared, "what crosses its threshold is asked for, or passed over"


def test_those_are_passed_over_that_are_nearer_than_was_said(
    initial_copper: Path, engine: type[Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nearest: list[float] = []

    def measured(*them: FloatArray, **how: FloatArray) -> FloatArray:
        found = distances(*them, **how)
        nearest.append(float(found.min()))
        return found

    monkeypatch.setattr("aims_pax.stages.loop.redundancy.distances", measured)
    content = run(active_project(tmp_path, initial_copper, changes(skip_alike=0.6)), stages=ACTIVE).content
    assert min(nearest) < 0.6 < max(nearest)
    assert content["labels_spared"]["passed_over"] == sum(one < 0.6 for one in nearest)


def test_a_run_that_is_interrupted_passes_over_the_same(
    spared: tuple[Path, Watcher, dict[str, Any]], initial_copper: Path, engine: type[Watched], tmp_path: Path
) -> None:
    folder = active_project(tmp_path, initial_copper, changes(skip_alike=0.6))
    assert interrupted(folder) > 3
    assert outcome(folder) == outcome(spared[0])


def test_without_the_key_nothing_is_passed_over_and_descriptors_are_computed_for_the_map_alone(
    initial_copper: Path, engine: type[Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    descriptors = Springs.descriptors

    def noted(springs: Springs, frames: Sequence[Frame]) -> Any:
        asked.append(len(frames))
        return descriptors(springs, frames)

    monkeypatch.setattr(Springs, "descriptors", noted)
    folder = active_project(tmp_path, initial_copper, changes())
    content = run(folder, stages=ACTIVE).content
    assert content["labels_spared"] == {"passed_over": 0, "withdrawn": 0}
    assert asked == [len(labels_of(folder))]


# -- withdrawn ------------------------------------------------------------------------------------------------


def at(frame: Frame) -> tuple[int, int]:
    return frame.trajectory, frame.md_step


def computed(job: LabelJob) -> Label:
    energy, forces = emt(job.frame.positions, "Cu4")
    return Label(energy, forces, None, "EMT", 0.1)


class OneByOne(ScriptedPool):
    """Answers one label at a time, that of the lowest number, and only to those who wait: no clock decides.

    Parameters
    ----------
    has_begun : callable
        Whether a worker begins a job as soon as it is submitted.
    """

    def __init__(self, has_begun: Callable[[LabelJob], bool] = lambda _: False) -> None:
        super().__init__(computed, delay=lambda _: None)
        self._has_begun = has_begun

    def submit(self, job: LabelJob) -> None:
        assert job.is_revocable
        if self._has_begun(job):
            assert begins(job)
        super().submit(job)

    def collect(self, *, timeout_s: float | None) -> list[LabelDone]:
        if timeout_s != 0 and self.in_flight:
            self.answer(min(self.in_flight))
        return super().collect(timeout_s=timeout_s)


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[ScriptedPool]:
    """The pools that campaigns make; a test may say by what."""
    made: list[ScriptedPool] = []

    def build(*_: Any, **__: Any) -> ScriptedPool:
        made.append(OneByOne())
        return made[-1]

    monkeypatch.setattr(assembly, "build_pool", build)
    return made


def queued(folder: Path, initial: Path, **keys: Any) -> Path:
    settings = changes(withdraw_sure=True, epochs_per_worker=8, intermediate_epochs_al=8, **keys)
    return active_project(folder, initial, {**settings, "CLUSTER": {"type": "local"}})


def test_requests_of_which_the_models_have_become_sure_are_withdrawn(
    initial_copper: Path, tmp_path: Path, pools: list[ScriptedPool]
) -> None:
    watcher = Watcher()
    folder = queued(tmp_path, initial_copper)
    summary = run(folder, stages=ACTIVE, observer=watcher)
    n_withdrawn = summary.content["labels_spared"]["withdrawn"]
    assert n_withdrawn > 0
    assert f"spared: {n_withdrawn} requests withdrawn" in summary.lines()
    assert max(one.n_withdrawn for one in watcher.seen) == n_withdrawn
    (pool,) = pools
    assert len(pool.withdrawn) == n_withdrawn
    jobs = {job.label_id: job for job in jobs_of(folder, Stage.ACTIVE)}
    taken_back = {at(job.frame) for job in pool.jobs if job.label_id in pool.withdrawn}
    withdrawn = [job.frame for job in jobs.values() if job.status is JobStatus.WITHDRAWN]
    assert {at(frame) for frame in withdrawn} == taken_back
    assert {job.status for job in jobs.values()} == {JobStatus.WITHDRAWN, JobStatus.DONE}
    labelled = {one.label_id for one in labels_of(folder)}
    assert {label_id for label_id, job in jobs.items() if job.status is JobStatus.DONE} <= labelled, "none is lost"
    labels = summary.content["labels"]
    assert labels["asked"] == labels["received"]
    with RunStore.open_readonly(folder) as store:
        scores = store.scores()
        noted = [entry.payload for entry in store.journal() if entry.kind == "Rescored"]
    assert {(one["trajectory"], one["md_step"]) for one in noted} == taken_back
    for trajectory in {frame.trajectory for frame in withdrawn}:
        first = min(frame.md_step for frame in withdrawn if frame.trajectory == trajectory)
        assert scores["md_step"][scores["trajectory"] == trajectory].max() > first, "it went on"


def test_what_a_worker_has_begun_is_kept(initial_copper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = OneByOne(has_begun=lambda job: job.frame.trajectory % 2 == 1)
    monkeypatch.setattr(assembly, "build_pool", lambda *_, **__: pool)
    folder = queued(tmp_path, initial_copper)
    run(folder, stages=ACTIVE)
    jobs = jobs_of(folder, Stage.ACTIVE)
    withdrawn = {job.frame.trajectory for job in jobs if job.status is JobStatus.WITHDRAWN}
    assert withdrawn
    assert all(trajectory % 2 == 0 for trajectory in withdrawn)
    assert any(job.frame.trajectory % 2 == 1 for job in jobs)


def test_a_run_that_is_interrupted_withdraws_the_same(
    initial_copper: Path, tmp_path: Path, pools: list[ScriptedPool]
) -> None:
    whole = queued(tmp_path / "whole", initial_copper)
    run(whole, stages=ACTIVE)
    folder = queued(tmp_path / "parts", initial_copper)
    assert interrupted(folder) > 3
    assert len(pools) > 4
    expected = outcome(whole)
    assert any(job[1] is JobStatus.WITHDRAWN for job in expected["jobs"])
    assert outcome(folder) == expected


def test_withdrawing_is_refused_where_no_request_ever_waits(initial_copper: Path, tmp_path: Path) -> None:
    folder = active_project(tmp_path, initial_copper, changes(withdraw_sure=True))
    with pytest.raises(SettingsError, match=r"withdraw_sure is true, and labels are computed one after the other"):
        loaded(folder)


def test_spared_labels_are_told_in_the_summary_file(spared: tuple[Path, Watcher, dict[str, Any]]) -> None:
    folder, _, content = spared
    stored = json.loads((folder / "results" / "summary.json").read_text(encoding="utf-8"))
    assert stored["labels_spared"] == content["labels_spared"]
    assert np.isfinite(stored["labels_spared"]["passed_over"])
