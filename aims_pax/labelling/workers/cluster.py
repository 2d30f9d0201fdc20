"""CLUSTER as a Parsl configuration, and the executor that each system goes to."""

import os
from collections.abc import Mapping, Sequence
from typing import Final

from parsl.config import Config
from parsl.executors import HighThroughputExecutor, MPIExecutor
from parsl.launchers import SimpleLauncher
from parsl.providers import SlurmProvider

from aims_pax.errors import Problem, SettingsError
from aims_pax.labelling.workers.config_file import load_config
from aims_pax.labelling.workers.configuration import GuardedExecutor, campaign_config, local_config, worker_environment
from aims_pax.settings.cluster import LocalCluster, ParslCluster, SlurmCluster
from aims_pax.settings.reading.sbatch import CLUSTER_VARIABLES, cluster_of

MB_PER_GB: Final = 1000.0


def cluster_config(cluster: LocalCluster | ParslCluster | SlurmCluster, *, n_cores: int) -> Config:
    """The Parsl configuration that a section CLUSTER describes; a new one at every call.

    Parameters
    ----------
    cluster : LocalCluster, ParslCluster or SlurmCluster
    n_cores : int
        Cores of this machine, which local workers share.

    Raises
    ------
    SettingsError
        A configuration of the user's own can't be read.
    """
    match cluster:
        case LocalCluster():
            return local_config(cluster.max_workers, threads_per_worker=max(1, n_cores // cluster.max_workers))
        case SlurmCluster():
            return _slurm_config(cluster)
    return load_config(cluster.parsl_config, **cluster.options)


def placed(
    config: Config, wanted: Mapping[str, str | None], *, written: Mapping[str, tuple[str, str]] | None = None
) -> dict[str, str]:
    """The label of the executor that computes the labels of each system; others are taken out of the configuration.

    Parameters
    ----------
    config : Config
        Executors that no system uses are removed from it, so that they ask for no blocks.
    wanted : mapping of system to label or None
        None: the first executor.
    written : mapping of system to (str, str), or None
        File and line of each label, and its key; CLUSTER.systems when None.

    Raises
    ------
    SettingsError
        There is no executor of such a label.
    """
    labels = [executor.label for executor in config.executors]
    places = written or {}
    problems = [
        _no_executor(label, labels, *places.get(system, ("CLUSTER", f"CLUSTER.systems.{system}.executor")))
        for system, label in wanted.items()
        if label is not None and label not in labels
    ]
    if problems:
        raise SettingsError(problems)
    place = {system: label or labels[0] for system, label in wanted.items()}
    # Config offers no other way to leave one out.
    config._executors = tuple(executor for executor in config.executors if executor.label in place.values())
    return place


def _no_executor(label: str, labels: Sequence[str], where: str, key: str) -> Problem:
    return Problem(where, f"{key} is {label!r}, and there is no such executor.", " | ".join(labels))


def require_order(config: Config, priorities: Mapping[str, int]) -> None:
    """Do nothing when the executors can serve some labels before others, or need not.

    Raises
    ------
    SettingsError
        An executor has no queue that knows priorities.
    """
    if not priorities:
        return
    for executor in config.executors:
        if not isinstance(executor, HighThroughputExecutor) or isinstance(executor, MPIExecutor):
            found = (
                f"SYSTEMS gives priorities, and the executor {executor.label} ({type(executor).__name__}) knows none."
            )
            raise SettingsError(Problem("CLUSTER", found, "Parsl's HighThroughputExecutor", "Remove priority."))


def _cluster_of_environment() -> str | None:
    """The cluster that the user's shell chooses for sbatch. Jobs get it by name: variables reach not all commands."""
    return next((os.environ[name] for name in CLUSTER_VARIABLES if os.environ.get(name)), None)


def _slurm_config(cluster: SlurmCluster) -> Config:
    """v0.2's keys as batch jobs of Parsl's SlurmProvider.

    The lines of slurm_str come after Parsl's own, and win. Labels start MPI themselves, so that one process of
    workers runs on the first node of a job, whatever the number of nodes.
    """
    options, spans_nodes = cluster.parsl_options, cluster.executor == "mpi"
    lines = [cluster.slurm_str.strip()]
    if spans_nodes and cluster.is_set("tasks_per_node"):
        lines.append(f"#SBATCH --ntasks-per-node={cluster.tasks_per_node}")
    provider = SlurmProvider(
        nodes_per_block=options.nodes_per_block,
        init_blocks=options.init_blocks,
        min_blocks=options.min_blocks,
        max_blocks=options.max_blocks,
        scheduler_options="\n".join(lines),
        clusters=cluster_of(cluster.slurm_str) or _cluster_of_environment(),
        worker_init=f"{worker_environment(cluster.cores_per_job or 1)}\n{cluster.worker_str}",
        launcher=SimpleLauncher(),
        cmd_timeout=60,
    )
    n_labels = 1 if spans_nodes else cluster.tasks_per_node
    shares: dict[str, float | int] = {"max_workers_per_node": n_labels}
    if cluster.cores_per_job is not None:
        shares = {"cores_per_worker": float(cluster.cores_per_job)}
    if cluster.memory_per_job is not None:
        shares["mem_per_worker"] = cluster.memory_per_job / MB_PER_GB
    executor = GuardedExecutor(
        label=options.label or cluster.project_name or "labels",
        provider=provider,
        worker_port=options.port,
        **shares,
    )
    return campaign_config([executor])
