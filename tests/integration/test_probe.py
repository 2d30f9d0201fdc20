"""The first task on the workers: what is wrong with them is told before anything relies on them."""

import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from ase.build import molecule
from parsl.config import Config
from parsl.executors import HighThroughputExecutor

from aims_pax.atoms import frame_of
from aims_pax.errors import SettingsError
from aims_pax.frame import Label
from aims_pax.labelling.workers.config_file import load_config
from aims_pax.labelling.workers.configuration import local_config
from aims_pax.labelling.workers.parsl import ParslPool
from aims_pax.protocols import LabelJob
from aims_pax.settings.methods.reference import AseCalculatorSettings, TbliteSettings
from aims_pax.stages import assembly

from ..unit.labelling.conftest import FakeSlurm
from .projects import copper_project, loaded

WATER = frame_of(molecule("H2O"), system="water")
CRYSTAL = frame_of(molecule("CH4"), system="crystal")


@pytest.fixture
def open_pool(tmp_path: Path) -> Iterator[Callable[..., ParslPool]]:
    pools = []

    def opened(config: Config, settings: Any = None, **options: Any) -> ParslPool:
        settings = settings or TbliteSettings()
        pools.append(ParslPool(settings, config, want_stress=False, run_dir=tmp_path / "parsl", **options))
        return pools[-1]

    yield opened
    for pool in pools:
        pool.close()


def complaint(pool: ParslPool, folder: Path, **options: Any) -> str:
    """What the probe says, which must come within a minute."""
    started = time.monotonic()
    with pytest.raises(SettingsError, match="CLUSTER, executor") as raised:
        pool.probe([WATER], folder / "calculations", **options)
    assert time.monotonic() - started < 60
    return str(raised.value)


def in_a_folder(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("worker_init", "words"),
    [
        ("module load no_such_module\nexit 3", "module: command not found"),
        ("export PATH=/nowhere", "python: command not found"),
    ],
    ids=["failing lines", "another Python"],
)
def test_workers_that_never_start_are_told_in_their_own_words(
    open_pool: Callable[..., ParslPool], tmp_path: Path, worker_init: str, words: str
) -> None:
    message = complaint(open_pool(local_config(1, worker_init=worker_init)), tmp_path)
    assert "end before their workers are there" in message
    assert words in message
    assert "worker_init" in message


def test_workers_without_the_package_are_told(open_pool: Callable[..., ParslPool], tmp_path: Path) -> None:
    in_a_folder(tmp_path, "elsewhere/aims_pax/__init__.py", "")
    config = local_config(1, worker_init=f"cd {tmp_path}/elsewhere; export PYTHONPATH={tmp_path}/elsewhere")
    assert "No module named 'aims_pax.labelling'" in complaint(open_pool(config), tmp_path)


def test_workers_of_another_version_are_told(open_pool: Callable[..., ParslPool], tmp_path: Path) -> None:
    in_a_folder(tmp_path, "sitecustomize.py", "import parsl.version\nparsl.version.VERSION = '1999.01.01'\n")
    config = local_config(1, worker_init=f"export PYTHONPATH={tmp_path}")
    message = complaint(open_pool(config), tmp_path)
    assert "1999.01.01" in message
    assert "does not match" in message


def test_an_engine_that_workers_lack_is_told_with_their_host(
    open_pool: Callable[..., ParslPool], tmp_path: Path
) -> None:
    pool = open_pool(local_config(1), AseCalculatorSettings(calculator="no_such_package:Calculator"))
    message = complaint(pool, tmp_path)
    assert "No labels can be computed on " in message
    assert "no_such_package" in message


def test_a_folder_that_workers_can_not_write_is_told(open_pool: Callable[..., ParslPool], tmp_path: Path) -> None:
    (tmp_path / "calculations").touch()
    assert "can't be written to" in complaint(open_pool(local_config(1)), tmp_path)


def test_a_disk_that_is_too_full_is_told(open_pool: Callable[..., ParslPool], tmp_path: Path) -> None:
    assert "MB are free" in complaint(open_pool(local_config(1)), tmp_path, free_mb=10**12)


def test_a_queue_that_refuses_is_told_in_its_own_words(
    open_pool: Callable[..., ParslPool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slurm").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/slurm:/usr/bin:/bin")
    FakeSlurm(tmp_path / "slurm").refuses_jobs()
    message = complaint(open_pool(load_config("slurm_node_per_label")), tmp_path)
    assert "refuses the jobs of the executor slurm: sbatch: error: invalid partition specified: nowhere" in message


def test_every_system_is_labelled_where_it_belongs(open_pool: Callable[..., ParslPool], tmp_path: Path) -> None:
    small, large = local_config(1).executors[0], local_config(1).executors[0]
    small.label, large.label = "small", "large"
    pool = open_pool(Config(executors=[small, large]), executors={"water": "small", "crystal": "large"})
    pool.probe([WATER, CRYSTAL], tmp_path / "calculations")
    for number, frame in enumerate((WATER, CRYSTAL, CRYSTAL)):
        pool.submit(LabelJob(number, frame, tmp_path / f"label-{number}"))
    answers = [done for _ in range(3) for done in pool.collect(timeout_s=60)]
    assert all(isinstance(done.result, Label) for done in answers)
    assert (small._task_counter, large._task_counter) == (2, 3), "a probe each, and the labels"


class Intruder:
    """Runs a program where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.trace,))


def test_a_plain_executor_of_the_users_own_is_encrypted_and_hears_no_stranger(
    open_pool: Callable[..., ParslPool], tmp_path: Path
) -> None:
    config = load_config("local", max_workers=1)
    provider = config.executors[0].provider
    plain = HighThroughputExecutor(label="plain", address="127.0.0.1", max_workers_per_node=1, provider=provider)
    pool = open_pool(Config(executors=[plain], strategy_period=0.5))
    pool.probe([WATER], tmp_path / "calculations")
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(f"tcp://127.0.0.1:{plain.worker_port}")
        socket.send(pickle.dumps(Intruder(tmp_path / "trace")))
        time.sleep(2)
    assert not (tmp_path / "trace").exists()
    pool.submit(LabelJob(1, WATER, tmp_path / "label-1"))
    (done,) = pool.collect(timeout_s=60)
    assert isinstance(done.result, Label)


def test_an_executor_in_the_clear_is_refused(open_pool: Callable[..., ParslPool]) -> None:
    with pytest.raises(SettingsError, match="encrypted=False"):
        open_pool(Config(executors=[HighThroughputExecutor(label="clear", encrypted=False)]))


def test_a_campaign_does_not_begin_with_broken_workers(tmp_path: Path) -> None:
    options = {"max_workers": 1, "worker_init": "exit 3"}
    project = copper_project(
        tmp_path, changes={"CLUSTER": {"parsl_config": "local", "options": options, "type": "parsl"}}
    )
    with pytest.raises(SettingsError, match="end before their workers are there"):
        assembly.build_pool(loaded(project))
