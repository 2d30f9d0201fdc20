"""The Parsl configurations that come with the package, none of which needs a batch system to be made."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from aims_pax.errors import SettingsError
from aims_pax.labelling.workers.config_file import load_config
from aims_pax.labelling.workers.configuration import GuardedExecutor, drain_period
from aims_pax.settings.cluster import READY

NAMES = {
    *("local", "slurm_node_per_label", "slurm_packed", "slurm_multi_node"),
    *("pbs", "lsf", "sge", "local_and_slurm"),
}
BATCH = sorted(NAMES - {"local", "local_and_slurm"})


def only_executor(name: str, **options: Any) -> Any:
    (executor,) = load_config(name, **options).executors
    return executor


def test_all_of_them_are_known_by_name() -> None:
    assert set(READY) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_makes_guarded_encrypted_executors_that_retry_lost_workers(name: str) -> None:
    config = load_config(name)
    assert config.retries == 2
    assert config.usage_tracking == 0
    for executor in config.executors:
        assert isinstance(executor, GuardedExecutor)
        assert executor.encrypted


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_is_a_file_that_works_where_it_is_copied_to(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "my_cluster.py"
    copy.write_text(READY[name].read_text(encoding="utf-8"), encoding="utf-8")
    labels = [executor.label for executor in load_config(copy).executors]
    assert labels == [executor.label for executor in load_config(name).executors]


@pytest.mark.parametrize("name", BATCH)
def test_batch_jobs_come_with_demand_and_begin_no_label_that_would_be_cut_off(name: str) -> None:
    executor = only_executor(name, walltime="02:00:00", longest_label_s=1800, worker_init="module load engine")
    assert (executor.provider.init_blocks, executor.provider.min_blocks) == (0, 0)
    assert executor.drain_period == 5400
    assert "module load engine" in executor.provider.worker_init


def test_a_label_that_does_not_fit_the_walltime_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"labels of 7200 s do not fit a walltime of 01:00:00"):
        load_config("slurm_node_per_label", walltime="01:00:00", longest_label_s=7200)
    assert drain_period("01:00:00", None) is None


def test_packed_workers_are_pinned_and_never_more_than_cores() -> None:
    executor = only_executor("slurm_packed", cores_per_node=12, labels_per_node=3)
    assert executor.cpu_affinity == "block"
    assert executor.cores_per_worker == 1
    assert "OMP_NUM_THREADS=4" in executor.provider.worker_init
    with pytest.raises(SettingsError, match="5 labels do not fit 4 cores"):
        load_config("slurm_packed", cores_per_node=4, labels_per_node=5)


def test_a_label_on_many_nodes_counts_as_one_place_for_labels() -> None:
    executor = only_executor("slurm_multi_node", nodes_per_label=49, ranks_per_node=8)
    assert executor.workers_per_node * executor.provider.nodes_per_block == Fraction(1)
    assert "--ntasks-per-node=8" in executor.provider.scheduler_options


def test_small_and_large_systems_have_an_executor_each() -> None:
    small, large = load_config("local_and_slurm", max_workers=3, max_blocks=5).executors
    assert (small.label, small.address, small.max_workers_per_node) == ("small", "127.0.0.1", 3)
    assert (large.label, large.provider.max_blocks) == ("large", 5)
