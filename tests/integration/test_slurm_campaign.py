"""Whole campaigns on a real, private Slurm whose blocks and workers are taken away, and which are killed themselves."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write

from aims_pax.atoms import atoms_of
from aims_pax.dataset.records import JobStatus
from aims_pax.errors import AimsPaxError
from aims_pax.frame import Stage

from ..slurm.cluster import Slurm
from ..slurm.daemons import holds_within
from ..slurm.node_engines import structure
from .projects import copper, copper_project, jobs_of, labels_of
from .test_campaign_programs import finish, processes_of, start
from .test_slurm_pool import HASTY, NODES, events

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]

JOB = Path(__file__).parents[2] / "examples" / "campaign.sbatch"

Run = Callable[[Path], "subprocess.Popen[str]"]


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts campaigns by the command, and ends those that a failed test leaves behind."""
    campaigns = []

    def started(folder: Path) -> "subprocess.Popen[str]":
        campaigns.append(start(folder, NODES))
        return campaigns[-1]

    yield started
    for campaign in campaigns:
        campaign.kill()
        campaign.wait()


def slurm_project(folder: Path, log: Path, *, wall_s: float, n_labels: int, **options: Any) -> Path:
    """A campaign of copper whose labels are computed on up to four nodes."""
    options = {
        "ready": "slurm_node_per_label",
        "worker_init": f"export PYTHONPATH={NODES}:$PYTHONPATH",
        "max_blocks": 4,
        **options,
    }
    reference = {"calculator": "node_engines:Told", "arguments": {"log": str(log), "wall_s": wall_s}}
    return copper_project(
        folder,
        changes={
            "REFERENCE": reference,
            "CLUSTER": {"type": "parsl", "parsl_config": str(HASTY), "options": options},
            "ACTIVE_LEARNING": {
                "c_x": -0.3,  # the threshold is so low that every check asks for a label
                "num_trajectories": 6,
                "epochs_per_worker": 1,
                "max_train_set_size": n_labels,
            },
        },
    )


def wait_until(condition: Callable[[], Any], campaign: "subprocess.Popen[str]", *, within_s: float = 90) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        assert campaign.poll() is None, campaign.communicate()[0]
        time.sleep(0.1)


def computing(log: Path) -> list[dict[str, Any]]:
    """Where calculations were begun that have not ended, the latest last; lost ones are among them."""
    now: dict[str, dict[str, Any]] = {}
    for event in events(log):
        now.pop(event["structure"], None)
        if event["what"] == "begin":
            now[event["structure"]] = event
    return list(now.values())


def fresh(log: Path) -> list[dict[str, Any]]:
    """What was begun within the last half second, and so is not about to end."""
    return [event for event in computing(log) if time.time() - event["time"] < 0.5]


def n_done(folder: Path, stage: Stage) -> int:
    try:
        return sum(job.status is JobStatus.DONE for job in jobs_of(folder, stage))
    except AimsPaxError:  # the run has not begun
        return 0


def begun_after(moment: float, log: Path, lost: dict[str, Any]) -> bool:
    """Whether the calculation that was lost was begun anew since then."""
    return any(
        event["what"] == "begin" and event["structure"] == lost["structure"] and event["time"] > moment
        for event in events(log)
    )


def assert_every_label_is_there_once(folder: Path) -> None:
    """Each label that was asked for has one answer, which belongs to its structure and to no other."""
    jobs = [job for stage in Stage for job in jobs_of(folder, stage)]
    dataset = labels_of(folder)
    assert {job.status for job in jobs} == {JobStatus.DONE}
    assert sorted(one.label_id for one in dataset) == sorted(job.label_id for job in jobs)
    assert len({(job.stage, job.frame.trajectory, job.frame.md_step) for job in jobs}) == len(jobs)
    assert len({structure(one.frame.positions) for one in dataset}) == len(jobs)
    frames = {job.label_id: job.frame for job in jobs}
    for one in dataset:
        assert np.array_equal(one.frame.positions, frames[one.label_id].positions)
        atoms = atoms_of(one.frame)
        atoms.calc = EMT()
        np.testing.assert_allclose(one.label.forces, atoms.get_forces(), atol=1e-12)
        assert one.label.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-12)


def test_campaign_survives_a_cancelled_block_and_a_killed_worker(slurm: Slurm, run: Run, tmp_path: Path) -> None:
    log = tmp_path / "log"
    folder = slurm_project(tmp_path / "project", log, wall_s=1.5, n_labels=24)
    campaign = run(folder)
    wait_until(lambda: n_done(folder, Stage.ACTIVE) >= 1, campaign)
    wait_until(lambda: slurm.n_running() == 4, campaign)

    def lose(how: str, act: Callable[[dict[str, Any]], None]) -> None:
        """Take away what computes the latest label, and wait until that label is computed elsewhere."""
        wait_until(lambda: fresh(log), campaign)
        lost, moment = fresh(log)[-1], time.time()
        act(lost)
        wait_until(lambda: begun_after(moment, log, lost), campaign)
        print(f"{how}: its label is begun again after {time.time() - moment:.1f} s")

    lose("block cancelled", lambda lost: slurm.cancel(lost["job"]))
    lose("worker killed", lambda lost: os.kill(lost["pid"], signal.SIGKILL))
    finish(campaign)
    began = time.monotonic()
    assert slurm.is_empty_within(5)
    print(f"squeue is empty {time.monotonic() - began:.1f} s after the end")
    assert_every_label_is_there_once(folder)
    ended = Counter(event["structure"] for event in events(log) if event["what"] == "end")
    assert set(ended.values()) == {1}, "nothing that had finished was computed again"
    assert processes_of(folder) == []


def test_killed_campaign_leaves_no_job_and_goes_on_by_the_same_command(slurm: Slurm, run: Run, tmp_path: Path) -> None:
    log = tmp_path / "log"
    other = slurm.occupy("--exclusive", "--nodes=2")
    # With Parsl's own means alone, workers would go a minute later, and waiting jobs after having started for nothing.
    folder = slurm_project(tmp_path / "project", log, wall_s=1.5, n_labels=8, heartbeat_threshold_s=60)
    campaign = run(folder)
    wait_until(lambda: n_done(folder, Stage.ACTIVE) >= 1 and fresh(log), campaign)
    assert Counter(job.state for job in slurm.jobs()) == {"RUNNING": 3, "PENDING": 2}
    campaign.kill()
    campaign.communicate()
    killed = time.monotonic()
    assert holds_within(20, lambda: [job.number for job in slurm.jobs()] == [other]), slurm.jobs()
    print(f"no job of the campaign is left {time.monotonic() - killed:.1f} s after kill -9")
    assert holds_within(5, lambda: not processes_of(folder)), processes_of(folder)

    slurm.cancel(other)
    n_events = len(events(log))
    said = finish(run(folder))
    assert len(events(log)) > n_events, said
    assert_every_label_is_there_once(folder)
    assert slurm.is_empty_within(5)
    assert processes_of(folder) == []


def test_systems_are_labelled_where_their_executor_is(slurm: Slurm, run: Run, tmp_path: Path) -> None:
    log = tmp_path / "log"
    options = {"ready": "local_and_slurm", "worker_init": f"export PYTHONPATH={NODES}:$PYTHONPATH", "max_blocks": 2}
    cluster = {"type": "parsl", "parsl_config": str(HASTY), "options": options}
    systems = {"few": {"executor": "small"}, 1: {"executor": "large"}}
    changes = {
        "MISC": {"path_to_geometry": {0: "few.xyz", 1: "many.xyz"}},
        "REFERENCE": {"calculator": "node_engines:Told", "arguments": {"log": str(log), "wall_s": 0.2}},
        "CLUSTER": {**cluster, "systems": systems},
        "INITIAL_DATASET_GENERATION": {"distinct_model_sets": False, "max_initial_set_size": 4},
        "ACTIVE_LEARNING": {"c_x": -0.3, "max_train_set_size": 8},
    }
    folder = copper_project(tmp_path / "project", changes=changes)
    write(folder / "few.xyz", copper())
    write(folder / "many.xyz", bulk("Cu", cubic=True).repeat((2, 1, 1)))
    finish(run(folder))
    places = {event["structure"]: event["node"] for event in events(log)}
    labelled = {(one.frame.system, places[structure(one.frame.positions)] == "here") for one in labels_of(folder)}
    assert labelled == {("few", True), ("many", False)}
    assert_every_label_is_there_once(folder)
    assert slurm.jobs() == []
    assert processes_of(folder) == []


class BatchCampaign:
    """A campaign that is a batch job itself, by the script that users copy.

    Parameters
    ----------
    folder : Path
        The project.
    minutes : int
        Time limit of the job; Slurm takes no less than one.
    """

    def __init__(self, slurm: Slurm, folder: Path, *, minutes: int) -> None:
        self._slurm, self._folder = slurm, folder
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": f"{NODES}:{':'.join(sys.path)}",
            "CAMPAIGN": str(folder),
        }
        submitted = subprocess.run(
            ["sbatch", "--parsable", f"--time={minutes}", "--cpus-per-task=1", str(JOB)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        self.number = int(submitted.stdout)

    def told(self) -> dict[str, str]:
        """What Slurm knows of the job, by its own names."""
        said = Slurm.told("scontrol", "show", "job", str(self.number))
        return dict(word.split("=", 1) for word in said.split() if "=" in word)

    def output(self) -> str:
        file = self._folder / "campaign.out"
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def wait_until(self, condition: Callable[[], Any], *, within_s: float) -> None:
        assert holds_within(within_s, condition), f"{self.told()}\n{self.output()}"


@pytest.mark.timeout(600)
def test_campaign_in_a_job_leaves_before_its_limit_and_goes_on_in_the_next(slurm: Slurm, tmp_path: Path) -> None:
    log = tmp_path / "log"
    folder = slurm_project(tmp_path / "project", log, wall_s=4.0, n_labels=20)
    campaign = BatchCampaign(slurm, folder, minutes=1)
    campaign.wait_until(lambda: campaign.told()["Restarts"] == "1", within_s=90)
    left, first = time.time(), campaign.output()
    print(first)
    assert "the end of the walltime" in first
    n_first = sum(n_done(folder, stage) for stage in Stage)
    assert n_first, "it had labelled before it left"
    campaign.wait_until(lambda: campaign.told()["JobState"] == "COMPLETED", within_s=400)
    print(f"{n_first} labels in the first job, {campaign.told()['Restarts']} restarts, {time.time() - left:.0f} s more")
    assert campaign.told()["ExitCode"] == "0:0"
    assert "DUE TO TIME LIMIT" not in campaign.output()
    assert_nothing_was_computed_twice(folder, log)
    assert slurm.is_empty_within(10)
    assert processes_of(folder) == []


def test_campaign_in_a_job_that_is_warned_by_sigusr1_goes_on_when_it_is_requeued(slurm: Slurm, tmp_path: Path) -> None:
    log = tmp_path / "log"
    folder = slurm_project(tmp_path / "project", log, wall_s=1.5, n_labels=12)
    campaign = BatchCampaign(slurm, folder, minutes=10)
    campaign.wait_until(lambda: n_done(folder, Stage.ACTIVE) >= 1 and fresh(log), within_s=90)
    Slurm.told("scancel", "--batch", "--signal=USR1", str(campaign.number))
    warned = time.monotonic()
    campaign.wait_until(lambda: campaign.told()["Restarts"] == "1", within_s=40)
    print(f"left {time.monotonic() - warned:.1f} s after SIGUSR1\n{campaign.output()}")
    assert "SIGUSR1" in campaign.output()
    campaign.wait_until(lambda: campaign.told()["JobState"] == "COMPLETED", within_s=150)
    assert campaign.told()["ExitCode"] == "0:0"
    assert_nothing_was_computed_twice(folder, log)
    assert slurm.is_empty_within(10)


def assert_nothing_was_computed_twice(folder: Path, log: Path) -> None:
    """Every label is there, and each calculation that came to its end did so once."""
    assert_every_label_is_there_once(folder)
    ended = Counter(event["structure"] for event in events(log) if event["what"] == "end")
    assert set(ended.values()) == {1}
