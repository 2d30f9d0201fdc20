"""Parsl workers that are killed, and campaigns that are killed under their workers."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ase.build import molecule

from aims_pax.atoms import frame_of
from aims_pax.errors import PoolDead
from aims_pax.frame import FailureReason, Label, LabelFailure
from aims_pax.labelling.claims import is_begun, withdraws
from aims_pax.labelling.result import read_finished
from aims_pax.labelling.workers.configuration import local_config
from aims_pax.labelling.workers.parsl import ParslPool
from aims_pax.protocols import LabelDone, LabelJob
from aims_pax.settings.methods.reference import AseCalculatorSettings, TbliteSettings

from ..unit.labelling.conftest import FakeSlurm

ENGINES = '''
"""Calculators that misbehave, for workers to import."""

import os
import signal
import time
from pathlib import Path

from ase.calculators.lj import LennardJones


class Deadly(LennardJones):
    """Kills its own worker as long as the file `lives` holds a number above zero."""

    def __init__(self, lives):
        super().__init__()
        self.lives = Path(lives)

    def calculate(self, *args, **kwargs):
        left = int(self.lives.read_text())
        self.lives.write_text(str(left - 1))
        if left > 0:
            os.kill(os.getpid(), signal.SIGKILL)
        super().calculate(*args, **kwargs)


class Named(LennardJones):
    """Leaves the number of its process in the file `note`."""

    def __init__(self, note):
        super().__init__()
        self.note = Path(note)

    def calculate(self, *args, **kwargs):
        self.note.write_text(str(os.getpid()))
        super().calculate(*args, **kwargs)


class Slow(LennardJones):
    """Says by the file `started` that it computes, and computes for `wall_s` seconds."""

    def __init__(self, started, wall_s):
        super().__init__()
        self.started, self.wall_s = Path(started), wall_s

    def calculate(self, *args, **kwargs):
        self.started.touch()
        time.sleep(self.wall_s)
        super().calculate(*args, **kwargs)
'''

PROGRAM = """
import sys
import time
from pathlib import Path

from ase.build import molecule

from aims_pax.labelling.workers.configuration import local_config
from aims_pax.labelling.workers.parsl import ParslPool
from aims_pax.protocols import LabelDone, LabelJob
from aims_pax.atoms import frame_of
from aims_pax.settings.methods.reference import AseCalculatorSettings, TbliteSettings

folder = Path(sys.argv[1])
water = frame_of(molecule("H2O"), system="water")
"""


@pytest.fixture
def engines(tmp_path: Path) -> str:
    """Shell line that lets workers import the calculators above."""
    (tmp_path / "misbehaving_engines.py").write_text(ENGINES, encoding="utf-8")
    return f"export PYTHONPATH={tmp_path}"


@pytest.fixture
def open_pool(tmp_path: Path, engines: str) -> Iterator[Callable[..., ParslPool]]:
    """Opens pools with one worker, a lost one being noticed within a second, and closes them."""
    pools = []

    def opened(settings: AseCalculatorSettings | TbliteSettings, **options: Any) -> ParslPool:
        config = local_config(1, worker_init=engines)
        config.executors[0].heartbeat_period = 1
        pools.append(ParslPool(settings, config, want_stress=False, run_dir=tmp_path / "parsl", **options))
        return pools[-1]

    yield opened
    for pool in pools:
        pool.close()


def misbehaving(name: str, **arguments: str | int) -> AseCalculatorSettings:
    """Settings of one of the calculators above; Lennard-Jones forces on water may be large."""
    path = f"misbehaving_engines:{name}"
    return AseCalculatorSettings(calculator=path, arguments=arguments, max_force_ev_per_ang=1000.0)


def water_job(folder: Path) -> LabelJob:
    return LabelJob(1, frame_of(molecule("H2O"), system="water"), folder / "label-1")


def test_a_label_that_no_worker_has_begun_is_withdrawn_and_never_computed(
    open_pool: Callable[..., ParslPool], tmp_path: Path
) -> None:
    """The worker that comes to it later goes on to the next one; that which it has begun can't be withdrawn."""
    started = tmp_path / "started"
    pool = open_pool(misbehaving("Slow", started=str(started), wall_s=2))
    water = frame_of(molecule("H2O"), system="water")
    jobs = [LabelJob(number, water, tmp_path / f"label-{number}", is_revocable=True) for number in (1, 2, 3)]
    for job in jobs:
        pool.submit(job)
    deadline = time.monotonic() + 60
    while not is_begun(jobs[0]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not withdraws(jobs[0])
    assert withdraws(jobs[1])
    pool.withdraw(2)
    answers: list[LabelDone] = []
    while len(answers) < 2:
        answers += pool.collect(timeout_s=60)
    assert [(one.label_id, type(one.result)) for one in answers] == [(1, Label), (3, Label)]
    assert [path.name for path in jobs[1].folder.iterdir()] == ["claim-1"], "no attempt was made at it"


def test_labels_of_a_system_that_matters_more_are_computed_first(
    open_pool: Callable[..., ParslPool], tmp_path: Path
) -> None:
    settings = misbehaving("Slow", started=str(tmp_path / "started"), wall_s=1)
    pool = open_pool(settings, priorities={"urgent": 3, "ordinary": 0, "idle": -1})
    water = molecule("H2O")
    pool.submit(LabelJob(0, frame_of(water, system="ordinary"), tmp_path / "label-0"))
    while not (tmp_path / "started").exists():
        time.sleep(0.02)  # the one worker is busy; all others wait in the queue
    for number, system in enumerate(("idle", "ordinary", "idle", "urgent", "ordinary", "urgent"), start=1):
        pool.submit(LabelJob(number, frame_of(water, system=system), tmp_path / f"label-{number}"))
    order: list[int] = []
    while pool.n_in_flight:
        order += [done.label_id for done in pool.collect(timeout_s=60)]
    assert order == [0, 4, 6, 2, 5, 1, 3]


def processes_of(mark: str) -> dict[int, str]:
    """Live processes that have `mark` in their command or environment, this one excepted: {pid: command}."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command, environment = ((entry / file).read_bytes() for file in ("cmdline", "environ"))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if mark.encode() in command + environment:
                found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


def gone_within(seconds: float, mark: str) -> bool:
    deadline = time.monotonic() + seconds
    while processes_of(mark):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def parent_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("PPid:")[2].split()[0])


def run_program(folder: Path, body: str) -> "subprocess.Popen[str]":
    """A campaign of a few lines in a process of its own."""
    program = folder / "campaign.py"
    program.write_text(PROGRAM + textwrap.dedent(body), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "CAMPAIGN": str(folder)}
    return subprocess.Popen(
        [sys.executable, str(program), str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def wait_for(file: Path, campaign: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 250
    while not file.exists():
        assert time.monotonic() < deadline
        assert campaign.poll() is None
        time.sleep(0.1)


def test_a_label_survives_the_death_of_its_worker(open_pool: Callable[..., ParslPool], tmp_path: Path) -> None:
    (tmp_path / "lives").write_text("1")
    pool = open_pool(misbehaving("Deadly", lives=str(tmp_path / "lives")))
    pool.submit(water_job(tmp_path))
    (done,) = pool.collect(timeout_s=60)
    assert isinstance(done.result, Label)
    assert pool.n_lost == 1


def test_a_worker_that_is_killed_while_it_waits_is_replaced(
    open_pool: Callable[..., ParslPool], tmp_path: Path
) -> None:
    """By Parsl's own manager, it takes the lock of the tasks' queue along, and no label is computed ever again."""
    pool = open_pool(misbehaving("Named", note=str(tmp_path / "note")))
    pool.submit(water_job(tmp_path))
    assert isinstance(pool.collect(timeout_s=60)[0].result, Label)
    time.sleep(0.5)  # it waits for the next task by now
    os.kill(int((tmp_path / "note").read_text()), signal.SIGKILL)
    pool.submit(LabelJob(2, frame_of(molecule("H2O"), system="water"), tmp_path / "label-2"))
    (done,) = pool.collect(timeout_s=30)
    assert isinstance(done.result, Label)


def test_a_label_that_kills_every_worker_fails_as_worker_lost(
    open_pool: Callable[..., ParslPool], tmp_path: Path
) -> None:
    (tmp_path / "lives").write_text("100")
    pool = open_pool(misbehaving("Deadly", lives=str(tmp_path / "lives")))
    pool.submit(water_job(tmp_path))
    (done,) = pool.collect(timeout_s=60)
    assert isinstance(done.result, LabelFailure)
    assert done.result.reason is FailureReason.WORKER_LOST
    assert int((tmp_path / "lives").read_text()) == 97, "one attempt and two retries"
    assert pool.n_lost == 3
    assert not pool.outlook().is_dead


def test_collecting_gives_up_at_its_timeout_and_closing_does_not_wait(
    open_pool: Callable[..., ParslPool], tmp_path: Path
) -> None:
    pool = open_pool(misbehaving("Slow", started=str(tmp_path / "started"), wall_s=600))
    pool.submit(water_job(tmp_path))
    started = time.monotonic()
    assert pool.collect(timeout_s=0) == []
    assert pool.collect(timeout_s=0.5) == []
    assert 0.5 <= time.monotonic() - started < 5
    assert pool.n_in_flight == 1
    pool.close()
    assert time.monotonic() - started < 15
    assert gone_within(5, str(tmp_path))


def test_the_death_of_the_interchange_answers_what_is_in_flight(
    open_pool: Callable[..., ParslPool], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pool = open_pool(misbehaving("Slow", started=str(tmp_path / "started"), wall_s=600))
    pool.submit(water_job(tmp_path))
    (interchange,) = (
        pid for pid, command in processes_of("").items() if "interchange" in command and parent_of(pid) == os.getpid()
    )
    os.kill(interchange, signal.SIGKILL)
    (done,) = pool.collect(timeout_s=30)
    assert isinstance(done.result, LabelFailure)
    assert done.result.reason is FailureReason.WORKER_LOST
    assert "interchange" in caplog.text
    outlook = pool.outlook()
    assert outlook.is_dead
    assert "interchange of executor labels ended unexpectedly" in outlook.words
    pool.submit(water_job(tmp_path))
    (again,) = pool.collect(timeout_s=5)
    assert isinstance(again.result, LabelFailure)
    started = time.monotonic()
    pool.close()
    assert time.monotonic() - started < 10
    assert gone_within(5, str(tmp_path))


def test_a_killed_campaign_leaves_no_process_behind(engines: str, tmp_path: Path) -> None:
    campaign = run_program(
        tmp_path,
        f"""
        arguments = {{"started": str(folder / "started"), "wall_s": 600}}
        settings = AseCalculatorSettings(calculator="misbehaving_engines:Slow", arguments=arguments)
        config = local_config(1, worker_init={engines!r})
        pool = ParslPool(settings, config, want_stress=False, run_dir=folder / "parsl")
        pool.submit(LabelJob(1, water, folder / "label-1"))
        pool.collect(timeout_s=None)
        """,
    )
    wait_for(tmp_path / "started", campaign)
    assert len(processes_of(str(tmp_path))) > 3, "campaign, interchange, manager and worker"
    campaign.kill()
    assert gone_within(10, str(tmp_path)), "also while nobody has waited for the campaign, which is a zombie then"
    campaign.communicate()


def test_a_result_that_the_killed_campaign_never_heard_of_is_found(tmp_path: Path) -> None:
    campaign = run_program(
        tmp_path,
        """
        pool = ParslPool(TbliteSettings(), local_config(1), want_stress=False, run_dir=folder / "parsl")
        pool.submit(LabelJob(1, water, folder / "label-1"))
        time.sleep(600)
        """,
    )
    wait_for(tmp_path / "label-1" / "result.npz", campaign)
    campaign.kill()
    campaign.communicate()
    assert isinstance(read_finished(water_job(tmp_path)), Label)


def test_closing_right_after_many_submissions_ends_cleanly(tmp_path: Path) -> None:
    # Parsl's own cleanup aborts the process here about one time in three.
    campaign = run_program(
        tmp_path,
        """
        pool = ParslPool(TbliteSettings(), local_config(2), want_stress=False, run_dir=folder / "parsl")
        for number in range(1000):
            pool.submit(LabelJob(number, water, folder / f"label-{number}"))
        pool.close()
        print("closed", flush=True)
        """,
    )
    output, _ = campaign.communicate(timeout=250)
    assert output.strip() == "closed"
    assert campaign.returncode == 0
    assert gone_within(10, str(tmp_path))


def test_collecting_that_waits_can_be_woken(open_pool: Callable[..., ParslPool], tmp_path: Path) -> None:
    pool = open_pool(misbehaving("Slow", started=str(tmp_path / "started"), wall_s=600))
    pool.submit(water_job(tmp_path))
    threading.Timer(0.5, pool.wake).start()
    began = time.monotonic()
    assert pool.collect(timeout_s=None) == []
    assert 0.4 < time.monotonic() - began < 10
    assert pool.n_in_flight == 1
    pool.wake()
    assert pool.collect(timeout_s=60) == [], "also when it was woken before"
    assert time.monotonic() - began < 20


def test_a_port_that_is_taken_is_told_at_once(tmp_path: Path) -> None:
    config = local_config(1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config.executors[0].worker_port = taken.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(PoolDead, match=r"(?s)Parsl does not start.*Is a port .* in use\?"):
            ParslPool(TbliteSettings(), config, want_stress=False, run_dir=tmp_path / "parsl")
    assert time.monotonic() - started < 60, "Parsl itself waits for two minutes"
    assert gone_within(5, str(tmp_path))


def test_ctrl_c_while_workers_are_started_leaves_at_once(tmp_path: Path) -> None:
    campaign = run_program(
        tmp_path,
        """
        config = local_config(1)
        config.executors[0].interchange_launch_cmd = ["sh", "-c", f"touch {folder}/started; exec sleep 600"]
        try:
            ParslPool(TbliteSettings(), config, want_stress=False, run_dir=folder / "parsl")
        except KeyboardInterrupt:
            print("closed", flush=True)
        """,
    )
    wait_for(tmp_path / "started", campaign)
    campaign.send_signal(signal.SIGINT)
    output, _ = campaign.communicate(timeout=10)
    assert output.strip() == "closed"
    assert gone_within(5, str(tmp_path))


def test_ctrl_c_while_jobs_are_pending_leaves_at_once_and_cancels_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = tmp_path / "slurm"
    commands.mkdir()
    monkeypatch.setenv("PATH", f"{commands}:/usr/bin:/bin")
    slurm = FakeSlurm(commands)
    campaign = run_program(
        tmp_path,
        """
        from aims_pax.labelling.workers.config_file import load_config

        config = load_config("slurm_node_per_label")
        pool = ParslPool(TbliteSettings(), config, want_stress=False, run_dir=folder / "parsl")
        try:
            pool.probe([water], folder / "calculations")
        except KeyboardInterrupt:
            pool.close()
            print("closed", flush=True)
        """,
    )
    wait_for(commands / "environment", campaign)
    time.sleep(1)  # until Parsl has read the answer of sbatch
    os.killpg(campaign.pid, signal.SIGINT)
    output, _ = campaign.communicate(timeout=15)
    assert output.strip() == "closed"
    assert slurm.calls_of("scancel") == ["7"]
    assert list((tmp_path / "parsl").glob("batch_jobs-*")) == []
    assert gone_within(5, str(tmp_path))


def test_ctrl_c_in_the_terminal_lets_the_campaign_close_its_pool(engines: str, tmp_path: Path) -> None:
    campaign = run_program(
        tmp_path,
        f"""
        arguments = {{"started": str(folder / "started"), "wall_s": 600}}
        settings = AseCalculatorSettings(calculator="misbehaving_engines:Slow", arguments=arguments)
        config = local_config(1, worker_init={engines!r})
        pool = ParslPool(settings, config, want_stress=False, run_dir=folder / "parsl")
        try:
            pool.submit(LabelJob(1, water, folder / "label-1"))
            pool.collect(timeout_s=None)
        except KeyboardInterrupt:
            pool.close()
            print("closed", flush=True)
        """,
    )
    wait_for(tmp_path / "started", campaign)
    os.killpg(campaign.pid, signal.SIGINT)  # what a terminal does: the whole group gets it
    output, _ = campaign.communicate(timeout=20)
    assert output.strip() == "closed"
    assert gone_within(5, str(tmp_path))
