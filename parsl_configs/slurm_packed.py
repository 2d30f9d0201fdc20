"""Slurm: several labels on each node, each on cores of its own.

For engines that use threads, or few ranks by mpiexec; a label that is shorter than a minute belongs here, too. (Labels
that call srun need a job step each; use slurm_node_per_label for them.) In aims_PAX.yaml:

    REFERENCE: {type: pyscf}
    CLUSTER:
      parsl_config: slurm_packed              # or a copy of this file: parsl_config: my_cluster.py
      options: {partition: cpu, cores_per_node: 128, labels_per_node: 16, max_blocks: 4}
"""

from parsl.config import Config
from parsl.launchers import SimpleLauncher
from parsl.providers import SlurmProvider

from aims_pax.labelling.configuration import GuardedExecutor, campaign_config, drain_period, worker_environment


def make_config(
    cores_per_node: int = 4,
    labels_per_node: int = 4,
    partition: str | None = None,
    account: str | None = None,
    threads_per_rank: int | None = None,
    max_blocks: int = 2,
    min_blocks: int = 0,
    walltime: str = "12:00:00",
    longest_label_s: float | None = None,
    worker_init: str = "",
    scheduler_options: str = "",
    address: str | None = None,
) -> Config:
    """A new configuration; Parsl can use each only once.

    Parameters
    ----------
    cores_per_node, labels_per_node : int
        Cores asked for on each node, and labels that share them. At least one core for each label.
    threads_per_rank : int
        Threads of each label, or of each of its MPI ranks. All cores of the label when not given.
    partition, account, max_blocks, min_blocks, walltime, longest_label_s, worker_init, scheduler_options, address
        As in slurm_node_per_label.py.

    Raises
    ------
    ValueError
        There are more labels than cores: pinned workers without a core would end and start for ever.
    """
    if labels_per_node > cores_per_node:
        raise ValueError(f"{labels_per_node} labels do not fit {cores_per_node} cores")
    provider = SlurmProvider(
        partition=partition,
        account=account,
        nodes_per_block=1,
        cores_per_node=cores_per_node,  # --cpus-per-task, and what the workers share out
        exclusive=False,  # other jobs may use what is left of the node; scheduler_options: "#SBATCH --exclusive"
        init_blocks=0,
        min_blocks=min_blocks,
        max_blocks=max_blocks,
        walltime=walltime,
        scheduler_options=scheduler_options,
        worker_init=f"{worker_environment(threads_per_rank or cores_per_node // labels_per_node)}\n{worker_init}",
        launcher=SimpleLauncher(),
        cmd_timeout=60,
    )
    executor = GuardedExecutor(
        label="slurm",
        address=address,
        max_workers_per_node=labels_per_node,
        cpu_affinity="block",  # worker 0 on the first cores, worker 1 on the next
        drain_period=drain_period(walltime, longest_label_s),
        provider=provider,
    )
    return campaign_config([executor])
