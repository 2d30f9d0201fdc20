"""What is read of a run, and that nothing of it is touched."""

from pathlib import Path

import numpy as np
import pytest

from aims_pax.dataset.lock import RunLock
from aims_pax.dataset.store import RunStore
from aims_pax.errors import StoreError, UserError
from aims_pax.page.material import WorkingTime, read_material

from .runs import write_run

DATA = Path(__file__).parents[2] / "data"


def test_a_run_is_read_beside_the_campaign_that_works_there_and_stays_as_it_is(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", finished=False)
    before = (folder / "run.db").read_bytes()
    lock = RunLock(folder)
    try:
        material = read_material(folder, name="run")
    finally:
        lock.release()
    assert (folder / "run.db").read_bytes() == before
    assert material.state == "it learns actively"
    assert material.counts.n_received == 24


def test_runs_of_store_version_1_are_read_and_not_upgraded() -> None:
    for name, state in (("finished_run", ""), ("interrupted_run", "it learns actively")):
        before = (DATA / name / "run.db").read_bytes()
        material = read_material(DATA / name, name=name)
        assert (DATA / name / "run.db").read_bytes() == before
        assert (material.state, material.before, material.final) == (state, None, None)
        assert len(material.labelled) > 5
        assert material.temperature("active", 1) == "300 K"


def test_temperatures_are_those_of_the_trajectories(tmp_path: Path) -> None:
    material = read_material(write_run(tmp_path / "run"), name="run")
    assert material.temperature("active", 2) == "500 K"
    assert material.temperature("initial", 2) is None
    assert material.temperature("hot", 2) is None


def test_time_between_sessions_does_not_count() -> None:
    time = WorkingTime(begins=np.array([0.0, 10_000.0]), ends=np.array([3600.0, 17_200.0]))
    assert time.total_h == 3.0
    assert time.hours(np.array([0.0, 1800.0, 5000.0, 10_000.0, 13_600.0])).tolist() == [0.0, 0.5, 1.0, 1.0, 2.0]
    assert time.unit == ("hours", 1.0)


def test_a_run_without_anything_in_it_has_no_times(tmp_path: Path) -> None:
    RunStore.open(tmp_path).close()
    material = read_material(tmp_path, name="new")
    assert material.time is None
    assert material.state == "nothing has been done yet"


def test_folders_without_a_run_and_damaged_results_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no run"):
        read_material(tmp_path, name="none")
    folder = write_run(tmp_path / "run")
    (folder / "results" / "summary.json").write_text("{")
    with pytest.raises(StoreError, match=r"summary\.json: can't be read"):
        read_material(folder, name="run")
