"""Campaigns that are asked to leave: by signals and by the clock, whatever they are doing at that moment."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

import pytest

from aims_pax.campaign import run_campaign
from aims_pax.cli.main import run_program
from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure
from aims_pax.frame import Stage
from aims_pax.labelling.workers.parsl import ParslPool
from aims_pax.settings import load_project
from aims_pax.stages.convergence import Convergence
from aims_pax.stages.loop.shell import Loop
from aims_pax.stages.loop.trainer import CommitteeTrainer
from aims_pax.testing.springs import Springs

from ..processes import within
from ..unit.labelling.conftest import FakeSlurm
from .projects import Watcher, copper_project, jobs_of, labels_of
from .test_campaign_programs import has_labels_in_flight, processes_of

pytestmark = pytest.mark.usefixtures("springs")


ENGINES = '''
"""EMT that can be held up, for the campaign and its workers to import."""

import time
from pathlib import Path

from ase.calculators.emt import EMT

FOLDER = Path(__file__).parent


class Held(EMT):
    """Computes for an hour where there is a file `hold`, and for the seconds that stand in a file `slow`.

    Each calculation that has ended is a line in `computed`.
    """

    def calculate(self, atoms=None, *args, **kwargs):
        (FOLDER / "begun").touch()
        until = time.monotonic() + 3600
        while (FOLDER / "hold").exists() and time.monotonic() < until:
            time.sleep(0.02)
        if (FOLDER / "slow").exists():
            time.sleep(float((FOLDER / "slow").read_text()))
        super().calculate(atoms, *args, **kwargs)
        with (FOLDER / "computed").open("a") as file:
            file.write(atoms.positions.tobytes().hex() + "\\n")


class Heavy(EMT):
    """A foundation model that takes an hour to load where there is a file `hold`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        if (FOLDER / "hold").exists():
            (FOLDER / "begun").touch()
            time.sleep(3600)
'''

LOCAL = {"type": "local", "max_workers": 1}


@dataclass(frozen=True)
class Ask:
    """A signal that a process sends to itself at the beginning of one call of a method."""

    owner: type
    method: str
    signal: signal.Signals
    call: int

    def install(self) -> None:
        method: Callable[..., Any] = getattr(self.owner, self.method)
        calls = iter(range(1, sys.maxsize))

        def asked(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == self.call:
                os.kill(os.getpid(), self.signal)
                time.sleep(0.2)  # within the step, until the signal was read
            return method(*args, **kwargs)

        setattr(self.owner, self.method, asked)


@dataclass(frozen=True)
class Ended:
    """A session that is over: its exit code, what it said, and the seconds since it was asked to leave."""

    code: int
    said: str
    seconds: float


class Sessions:
    """One project, and the processes that run it one after the other."""

    def __init__(self, tmp_path: Path, changes: Mapping[str, Any]) -> None:
        self.engines = tmp_path / "engines"
        self.engines.mkdir()
        (self.engines / "held_engines.py").write_text(ENGINES, encoding="utf-8")
        reference = {"REFERENCE": {"calculator": "held_engines:Held"}}
        self.folder = copper_project(tmp_path / "project", changes={**reference, **changes})
        self._out = tmp_path / "said"
        self._since = time.monotonic()
        self._running: list[ForkProcess] = []

    @property
    def log(self) -> str:
        return (self.folder / "logs" / "aims_pax.log").read_text(encoding="utf-8")

    @property
    def n_computed(self) -> int:
        """Calculations that have ended."""
        computed = self.engines / "computed"
        return len(computed.read_text(encoding="utf-8").split()) if computed.exists() else 0

    def hold(self) -> None:
        """Let what begins now take an hour."""
        (self.engines / "hold").touch()
        (self.engines / "begun").unlink(missing_ok=True)

    def begin(
        self, *words: str, prepare: Callable[[], None] | None = None, environment: Mapping[str, str] | None = None
    ) -> ForkProcess:
        """Start the program as a copy of this process, which has done the imports; it says all into a file."""

        def session() -> None:
            os.setpgid(0, 0)
            path = os.pathsep.join([str(self.engines), *sys.path])
            os.environ.update({"OMP_NUM_THREADS": "1", "PYTHONPATH": path, "CAMPAIGN": str(self.folder)})
            os.environ.update(environment or {})
            sys.path.insert(0, str(self.engines))
            out = os.open(self._out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for number in (1, 2):
                os.dup2(out, number)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
            if prepare is not None:
                prepare()
            sys.argv = ["aims-pax", *(words or ("run",)), str(self.folder)]
            run_program()

        process = multiprocessing.get_context("fork").Process(target=session)
        process.start()
        self._since = time.monotonic()
        self._running.append(process)
        return process

    def until(self, claim: Callable[[], bool], process: ForkProcess) -> None:
        """Wait for something that the running session is about to do."""
        assert within(90, lambda: claim() or process.exitcode is not None)
        assert process.exitcode is None, self._out.read_text(encoding="utf-8")

    def until_begun(self, process: ForkProcess) -> None:
        self.until((self.engines / "begun").exists, process)

    def ask(self, process: ForkProcess, number: signal.Signals) -> None:
        """Ctrl-C reaches all processes of the terminal's foreground, other signals the campaign alone."""
        assert process.pid is not None
        self._since = time.monotonic()
        if number is signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            os.kill(process.pid, number)

    def end(self, process: ForkProcess, *, within_s: float = 60.0) -> Ended:
        process.join(within_s)
        assert process.exitcode is not None, "it does not end"
        return Ended(process.exitcode, self._out.read_text(encoding="utf-8"), time.monotonic() - self._since)

    def complete(self) -> None:
        """Go on by the same command to the end; all that was computed counts, and nothing was computed twice."""
        for name in ("hold", "slow"):
            (self.engines / name).unlink(missing_ok=True)
        ended = self.end(self.begin(), within_s=120)
        assert ended.code == 0, ended.said
        jobs = [job for stage in Stage for job in jobs_of(self.folder, stage)]
        assert {job.status for job in jobs} == {JobStatus.DONE}
        assert [job.n_failures for job in jobs] == [0] * len(jobs)
        assert sorted(one.label_id for one in labels_of(self.folder)) == [job.label_id for job in jobs]
        computed = (self.engines / "computed").read_text(encoding="utf-8").split()
        assert sorted(computed) == sorted(job.frame.positions.tobytes().hex() for job in jobs)
        assert len(set(computed)) == len(computed)

    def close(self) -> None:
        for process in self._running:
            process.kill()
            process.join()


Project = Callable[[Mapping[str, Any]], Sessions]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made: list[Sessions] = []

    def make(changes: Mapping[str, Any]) -> Sessions:
        made.append(Sessions(tmp_path, changes))
        return made[-1]

    yield make
    for sessions in made:
        sessions.close()


def left(ended: Ended, reason: str, code: int, *, within_s: float) -> None:
    """What is true of every departure in good order."""
    assert ended.code == code, ended.said
    assert f"Left because of {reason}. What was committed is kept; the same command goes on" in ended.said
    assert "\n  aims-pax " in ended.said
    assert "Traceback" not in ended.said
    assert ended.seconds < within_s


def test_campaign_leaves_in_every_part_of_its_work_and_goes_on(project: Project) -> None:
    convergence = {"converge_al": True, "convergence_patience": 5, "max_convergence_epochs": 12}
    sessions = project({"ACTIVE_LEARNING": {**convergence, "c_x": -0.3}})
    moments = [
        (Ask(Loop, "_advance", signal.SIGTERM, call=2), "SIGTERM", 143),
        (Ask(CommitteeTrainer, "train", signal.SIGUSR1, call=1), "SIGUSR1", 75),
        (Ask(Springs, "opinions", signal.SIGINT, call=2), "Ctrl-C", 130),
        (Ask(Springs, "opinions", signal.SIGHUP, call=2), "SIGHUP (its terminal was closed)", 129),
        (Ask(Loop, "_train", signal.SIGTERM, call=1), "SIGTERM", 143),
        (Ask(Convergence, "_judged", signal.SIGUSR1, call=3), "SIGUSR1", 75),
        (Ask(Convergence, "_judged", signal.SIGINT, call=2), "Ctrl-C", 130),
    ]
    epochs: list[int] = []
    for ask, reason, code in moments:
        ended = sessions.end(sessions.begin(prepare=ask.install))
        left(ended, reason, code, within_s=60)  # with the whole session
        assert f"{reason}: leaving after the current step; Ctrl-C from now on: at once" in ended.said
        with RunStore.open_readonly(sessions.folder) as store:
            epochs.append(len(store.epochs()))
    assert epochs == sorted(epochs)
    assert epochs[-2] < epochs[-1], "epochs of the convergence until the signal are kept"
    sessions.complete()


@pytest.mark.parametrize(
    ("number", "reason", "code"), [(signal.SIGINT, "Ctrl-C", 130), (signal.SIGTERM, "SIGTERM", 143)]
)
def test_campaign_that_waits_for_a_label_of_an_hour_leaves_at_once(
    number: signal.Signals, reason: str, code: int, project: Project
) -> None:
    sessions = project({"CLUSTER": LOCAL})
    sessions.hold()
    process = sessions.begin()
    sessions.until_begun(process)
    assert has_labels_in_flight(sessions.folder, Stage.INITIAL)
    sessions.ask(process, number)
    left(sessions.end(process), reason, code, within_s=15)
    assert within(5, lambda: processes_of(sessions.folder) == []), processes_of(sessions.folder)
    sessions.complete()


def test_aimd_that_waits_for_a_step_of_an_hour_leaves_at_once_and_loses_none(project: Project) -> None:
    aimd = {"initial_sampling": "aimd", "foundational_model": None}
    sessions = project({"CLUSTER": LOCAL, "INITIAL_DATASET_GENERATION": aimd})
    process = sessions.begin("idg")
    sessions.until(lambda: sessions.n_computed >= 3, process)
    sessions.hold()
    sessions.until_begun(process)
    n_before = sessions.n_computed
    sessions.ask(process, signal.SIGUSR1)
    left(sessions.end(process), "SIGUSR1", 75, within_s=15)
    assert within(5, lambda: processes_of(sessions.folder) == []), processes_of(sessions.folder)
    (sessions.engines / "hold").unlink()
    ended = sessions.end(sessions.begin("idg"), within_s=120)
    assert ended.code == 0, ended.said
    computed = (sessions.engines / "computed").read_text(encoding="utf-8").split()
    assert n_before < len(computed) == len(set(computed)) == 1 + 5 * len(labels_of(sessions.folder))


def test_chain_of_sessions_in_which_nothing_gets_done_ends(project: Project) -> None:
    sessions = project({"CLUSTER": LOCAL})
    codes = []
    for _ in range(4):
        sessions.hold()
        process = sessions.begin()
        sessions.until_begun(process)
        sessions.ask(process, signal.SIGUSR1)
        codes.append(sessions.end(process).code)
    assert codes == [75, 75, 75, 1], "the first has asked for labels"
    assert "this session has ended for lack of time with no label, MD step or epoch done" in sessions.log
    assert "3 sessions in a row have ended for lack of time" in sessions.log
    sessions.complete()


def test_second_ctrl_c_leaves_at_once_and_workers_end_by_themselves(project: Project) -> None:
    def never_closed() -> None:
        ParslPool.close = lambda _: time.sleep(99)  # type: ignore[method-assign]

    sessions = project({"CLUSTER": LOCAL})
    sessions.hold()
    process = sessions.begin(prepare=never_closed)
    sessions.until_begun(process)
    sessions.ask(process, signal.SIGINT)
    time.sleep(1.0)
    assert process.exitcode is None
    sessions.ask(process, signal.SIGINT)
    ended = sessions.end(process)
    assert ended.code == 130, ended.said
    assert "Left at once: Ctrl-C while it was leaving because of Ctrl-C. What was committed is kept" in ended.said
    assert ended.seconds < 3
    assert within(5, lambda: processes_of(sessions.folder) == []), processes_of(sessions.folder)
    sessions.complete()


def test_label_of_an_hour_in_the_campaign_itself_is_interrupted_within_half_a_minute(project: Project) -> None:
    sessions = project({})
    sessions.hold()
    process = sessions.begin()
    sessions.until_begun(process)
    sessions.ask(process, signal.SIGTERM)
    left(sessions.end(process), "SIGTERM", 143, within_s=30)
    sessions.complete()


def test_campaign_whose_model_takes_an_hour_to_load_leaves_within_half_a_minute(project: Project) -> None:
    sessions = project({"INITIAL_DATASET_GENERATION": {"foundational_model": "held_engines:Heavy"}})
    sessions.hold()
    process = sessions.begin("idg")
    sessions.until_begun(process)
    sessions.ask(process, signal.SIGUSR1)
    ended = sessions.end(process)
    assert (ended.code, ended.said.strip()) == (75, "Left because of SIGUSR1, before anything was started.")
    assert ended.seconds < 20
    sessions.complete()


def test_campaign_whose_workers_are_in_the_queue_leaves_and_cancels_them(project: Project, tmp_path: Path) -> None:
    commands = tmp_path / "slurm"
    commands.mkdir()
    slurm = FakeSlurm(commands)
    sessions = project({})
    path = {"PATH": f"{commands}:/usr/bin:/bin"}
    process = sessions.begin("run", "--parsl-config", "slurm_node_per_label", environment=path)
    sessions.until(lambda: slurm.calls_of("squeue") != [], process)
    sessions.ask(process, signal.SIGTERM)
    left(sessions.end(process), "SIGTERM", 143, within_s=20)
    assert "SIGTERM: leaving now" in sessions.log
    assert slurm.calls_of("scancel") == ["7"]
    assert within(5, lambda: processes_of(sessions.folder) == []), processes_of(sessions.folder)
    sessions.complete()


def test_campaign_leaves_before_its_batch_job_ends_when_that_is_before_its_own_walltime(project: Project) -> None:
    sessions = project({"CLUSTER": LOCAL, "MISC": {"path_to_geometry": "copper.xyz", "walltime": "1h"}})
    sessions.hold()
    process = sessions.begin(environment={"SLURM_JOB_END_TIME": str(int(time.time()) + 30)})
    sessions.until_begun(process)
    left(sessions.end(process), "the end of the walltime", 75, within_s=30)
    assert "this session leaves at" in sessions.log
    sessions.complete()


def test_walltime_that_is_set_while_a_campaign_runs_does_not_ask_it_to_leave(tmp_path: Path) -> None:
    departure = Departure()
    folder = copper_project(tmp_path / "project")
    observer = Watcher(lambda now: departure.limit(time.time() + 3600) if now.n_labels_received == 1 else None)
    run_campaign(load_project(folder), stages=(Stage.INITIAL,), observer=observer, departure=departure)
    assert departure.ends_at is not None
    assert len(labels_of(folder)) == 8
    assert departure.listeners == []


def test_no_label_is_begun_that_can_not_finish_before_the_walltime(project: Project) -> None:
    sessions = project({"MISC": {"path_to_geometry": "copper.xyz", "walltime": "20s"}})
    (sessions.engines / "slow").write_text("5.0")
    left(sessions.end(sessions.begin()), "the end of the walltime", 75, within_s=18)
    assert "waits for the next session: it may take 5 s, and the campaign leaves before that" in sessions.log
    n_done = sum(job.status is JobStatus.DONE for job in jobs_of(sessions.folder, Stage.INITIAL))
    computed = (sessions.engines / "computed").read_text(encoding="utf-8").split()
    assert n_done == len(computed) > 0
    assert list(sessions.folder.rglob("attempt-*")) == [], "none was interrupted"
    (sessions.folder / "aims_PAX.yaml").write_text(
        (sessions.folder / "aims_PAX.yaml").read_text(encoding="utf-8").replace("walltime: 20s", "walltime: 1-00:00:00")
    )
    sessions.complete()
