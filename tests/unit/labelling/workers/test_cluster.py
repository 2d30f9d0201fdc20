"""CLUSTER as a Parsl configuration: v0.2's mapping, and the executor of each system."""

from pathlib import Path
from typing import Any

import pytest
from parsl.config import Config
from parsl.executors import HighThroughputExecutor, ThreadPoolExecutor
from parsl.jobs.states import JobState
from parsl.launchers import SimpleLauncher
from parsl.providers import SlurmProvider

from aims_pax.errors import SettingsError
from aims_pax.labelling.workers.blocks import BlockQueue, cancel_command
from aims_pax.labelling.workers.cluster import cluster_config, placed
from aims_pax.labelling.workers.configuration import guard
from aims_pax.settings.cluster import LocalCluster, ParslCluster, SlurmCluster

from ..conftest import FakeSlurm

LINES = "#SBATCH --partition=cpu\n#SBATCH --ntasks-per-node=128\n#SBATCH --time=48:00:00\n"


def slurm_executor(**settings: Any) -> Any:
    cluster = SlurmCluster.model_validate({"slurm_str": LINES, "worker_str": "module load intel\n", **settings})
    (executor,) = cluster_config(cluster, n_cores=4).executors
    return executor


def two_executors() -> Config:
    return Config(executors=[ThreadPoolExecutor(label="small"), ThreadPoolExecutor(label="large")])


def test_v02_lines_come_after_those_of_parsl_and_before_the_workers() -> None:
    options = {"nodes_per_block": 2, "init_blocks": 0, "min_blocks": 0, "max_blocks": 4, "label": "dft", "port": 9000}
    executor = slurm_executor(parsl_options=options)
    provider = executor.provider
    assert provider.scheduler_options.startswith(LINES.strip())
    assert provider.worker_init.rstrip().endswith("module load intel")
    assert (provider.nodes_per_block, provider.init_blocks, provider.min_blocks, provider.max_blocks) == (2, 0, 0, 4)
    assert isinstance(provider.launcher, SimpleLauncher)
    assert (executor.label, executor.worker_port, executor.max_workers_per_node) == ("dft", 9000, 1)


@pytest.mark.parametrize(
    ("settings", "workers", "cores", "memory_gb"),
    [
        ({"executor": "workqueue"}, 1, 1e-6, None),
        ({"executor": "htex", "tasks_per_node": 4}, 4, 1e-6, None),
        ({"executor": "workqueue", "cores_per_job": 8, "memory_per_job": 16000}, float("inf"), 8.0, 16.0),
        ({"executor": "mpi", "tasks_per_node": 64}, 1, 1e-6, None),
    ],
)
def test_v02_executors_share_a_node_as_they_did(
    settings: dict[str, Any], workers: float, cores: float, memory_gb: float | None
) -> None:
    executor = slurm_executor(**settings)
    assert executor.max_workers_per_node == workers
    assert executor.cores_per_worker == cores
    assert executor.mem_per_worker == memory_gb


def test_ranks_on_each_node_are_asked_of_slurm_for_the_executor_mpi() -> None:
    assert slurm_executor(executor="mpi", tasks_per_node=64).provider.scheduler_options.splitlines()[3] == (
        "#SBATCH --ntasks-per-node=64"
    )


def test_the_cluster_of_a_federation_reaches_every_command(slurm: FakeSlurm, tmp_path: Path) -> None:
    slurm.command("sbatch", "echo 'Submitted batch job 7 on cluster other'")
    slurm.command("squeue", "echo CLUSTER: other", 'case "$*" in *%r*) echo Priority;; *) echo "7 PD";; esac')
    executor = slurm_executor(slurm_str=LINES + "#SBATCH -M other\n")
    executor.provider.script_dir, executor.launch_cmd = str(tmp_path), "true --block_id={block_id}"
    queue = BlockQueue(executor, None)
    assert executor.scale_out_facade(1) == ["0"]
    (status,) = executor.provider.status(["7"])
    assert status.state is JobState.PENDING
    assert queue.reason_pending(["7"]) == "Priority (other jobs come first)"
    executor.provider.cancel(["7"])
    assert slurm.calls_of("scancel") == ["--clusters=other 7"]
    assert all("--clusters=other" in call for call in slurm.calls_of("squeue"))
    assert cancel_command(executor.provider) == ["scancel", "--clusters=other"]


@pytest.mark.parametrize("variable", ["SBATCH_CLUSTERS", "SLURM_CLUSTERS"])
def test_the_cluster_that_the_shell_chooses_is_named_to_all_commands(
    variable: str, slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "other")
    slurm.command(
        "sbatch",
        f"env | grep ^S.*_CLUSTERS= > {tmp_path}/seen",
        f"grep clusters $1 > {tmp_path}/lines",
        "echo 'Submitted batch job 7'",
    )
    executor = slurm_executor()
    executor.provider.script_dir, executor.launch_cmd = str(tmp_path), "true --block_id={block_id}"
    BlockQueue(executor, None)
    assert executor.scale_out_facade(1) == ["0"]
    assert (tmp_path / "seen").read_text(encoding="utf-8") == "", "it would overrule the line"
    assert (tmp_path / "lines").read_text(encoding="utf-8").strip() == "#SBATCH --clusters=other"
    assert slurm_executor(slurm_str=LINES + "#SBATCH -M third").provider.clusters == "third"


@pytest.mark.parametrize(
    ("provider", "variable", "words"),
    [
        ({"scheduler_options": "#SBATCH -M other"}, None, r"sends jobs to the cluster other by .*\n.*clusters='other'"),
        ({"clusters": "a,b"}, None, r"has clusters='a,b', and its jobs are watched and cancelled on one"),
        ({}, "other", r"The environment chooses the cluster other.*\n.*SlurmProvider\(clusters='other'\)"),
    ],
)
def test_a_configuration_that_parsl_could_not_follow_in_a_federation_is_refused(
    provider: dict[str, str],
    variable: str | None,
    words: str,
    slurm: FakeSlurm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if variable is not None:
        monkeypatch.setenv("SLURM_CLUSTERS", variable)
    config = Config(executors=[HighThroughputExecutor(label="dft", provider=SlurmProvider(**provider))])
    with pytest.raises(SettingsError, match=words):
        guard(config, tmp_path)


def test_the_executor_is_called_as_the_project_when_it_has_no_name() -> None:
    assert slurm_executor(project_name="perovskite").label == "perovskite"
    assert slurm_executor().label == "labels"


def test_local_workers_share_the_cores() -> None:
    (executor,) = cluster_config(LocalCluster(max_workers=3), n_cores=7).executors
    assert executor.max_workers_per_node == 3
    assert "OMP_NUM_THREADS=2" in executor.provider.worker_init


def test_options_of_a_configuration_reach_it() -> None:
    cluster = ParslCluster(parsl_config="sge", options={"slots": 8})
    (executor,) = cluster_config(cluster, n_cores=1).executors
    assert "#$ -pe smp 8" in executor.provider.scheduler_options


def test_systems_go_to_the_executor_that_they_name_or_to_the_first() -> None:
    config = two_executors()
    assert placed(config, {"water": None, "slab": "large"}) == {"water": "small", "slab": "large"}
    assert [executor.label for executor in config.executors] == ["small", "large"]


def test_an_executor_that_no_system_uses_asks_for_nothing() -> None:
    config = two_executors()
    assert placed(config, {"water": None}) == {"water": "small"}
    assert [executor.label for executor in config.executors] == ["small"]


def test_an_unknown_executor_is_named_with_those_that_there_are() -> None:
    words = r"CLUSTER.systems.slab.executor is 'huge', and there is no such executor.*\n.*small \| large"
    with pytest.raises(SettingsError, match=words):
        placed(two_executors(), {"water": None, "slab": "huge"})
