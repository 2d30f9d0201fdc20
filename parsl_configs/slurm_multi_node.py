"""Slurm: labels that span several nodes, one in each job.

The workers' process runs on the first node of a job, and the engine's srun takes all nodes. (Not Parsl's MPIExecutor,
which loses results when labels of different sizes meet.) In aims_PAX.yaml:

    REFERENCE: {type: fhi-aims, command: "srun --nodes={nodes} --ntasks={ranks} aims.x", ...}
    CLUSTER:
      parsl_config: slurm_multi_node          # or a copy of this file: parsl_config: my_cluster.py
      options: {partition: cpu, nodes_per_label: 4, ranks_per_node: 128, max_blocks: 2}
      systems: {0: {nodes: 4, ranks: 512}}    # what fills {nodes} and {ranks}; a bare srun takes all there is
"""

from parsl.config import Config
from parsl.launchers import SimpleLauncher
from parsl.providers import SlurmProvider

from aims_pax.labelling.configuration import GuardedExecutor, campaign_config, drain_period, worker_environment


def make_config(
    nodes_per_label: int = 2,
    ranks_per_node: int = 1,
    partition: str | None = None,
    account: str | None = None,
    threads_per_rank: int = 1,
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
    nodes_per_label, ranks_per_node : int
        Nodes of each job, and MPI ranks on each that a bare srun starts.
    partition, account, threads_per_rank, max_blocks, min_blocks, walltime, longest_label_s, worker_init,
    scheduler_options, address
        As in slurm_node_per_label.py.
    """
    provider = SlurmProvider(
        partition=partition,
        account=account,
        nodes_per_block=nodes_per_label,
        exclusive=True,
        init_blocks=0,
        min_blocks=min_blocks,
        max_blocks=max_blocks,
        walltime=walltime,
        scheduler_options=f"#SBATCH --ntasks-per-node={ranks_per_node}\n{scheduler_options}",
        worker_init=f"{worker_environment(threads_per_rank)}\n{worker_init}",
        launcher=SimpleLauncher(),  # one process of workers, on the first node
        cmd_timeout=60,
    )
    executor = GuardedExecutor(
        label="slurm",
        address=address,
        max_workers_per_node=1,
        drain_period=drain_period(walltime, longest_label_s),
        provider=provider,
    )
    return campaign_config([executor])
