"""Two places: labels of small systems here, those of large ones in jobs of Slurm.

In aims_PAX.yaml:

    REFERENCE: {type: espresso, command: "mpiexec -n {ranks} pw.x", ...}
    CLUSTER:
      parsl_config: local_and_slurm           # or a copy of this file: parsl_config: my_cluster.py
      options: {max_workers: 2, partition: cpu, ranks_per_node: 64}
      systems:                                # by the names or indices of starting structures
        water: {executor: small, ranks: 1}
        crystal: {executor: large, ranks: 64}
"""

from parsl.config import Config
from parsl.launchers import SimpleLauncher
from parsl.providers import LocalProvider, SlurmProvider

from aims_pax.labelling.configuration import GuardedExecutor, campaign_config, drain_period, worker_environment


def make_config(
    max_workers: int = 2,
    threads_per_worker: int = 1,
    local_init: str = "",
    partition: str | None = None,
    account: str | None = None,
    ranks_per_node: int = 1,
    threads_per_rank: int = 1,
    max_blocks: int = 4,
    walltime: str = "12:00:00",
    longest_label_s: float | None = None,
    worker_init: str = "",
    scheduler_options: str = "",
    address: str | None = None,
) -> Config:
    """A new configuration; Parsl can use each only once.

    Parameters
    ----------
    max_workers, threads_per_worker, local_init
        Of the executor ``small``: as max_workers, threads_per_worker, worker_init in local.py.
    partition, account, ranks_per_node, threads_per_rank, max_blocks, walltime, longest_label_s, worker_init,
    scheduler_options, address
        Of the executor ``large``: as in slurm_node_per_label.py.
    """
    small = GuardedExecutor(
        label="small",
        address="127.0.0.1",
        max_workers_per_node=max_workers,
        provider=LocalProvider(
            init_blocks=1,
            min_blocks=1,
            max_blocks=1,
            worker_init=f"{worker_environment(threads_per_worker)}\n{local_init}",
            launcher=SimpleLauncher(),
        ),
    )
    large = GuardedExecutor(
        label="large",
        address=address,
        max_workers_per_node=1,
        drain_period=drain_period(walltime, longest_label_s),
        provider=SlurmProvider(
            partition=partition,
            account=account,
            nodes_per_block=1,
            exclusive=True,
            init_blocks=0,
            min_blocks=0,
            max_blocks=max_blocks,
            walltime=walltime,
            scheduler_options=f"#SBATCH --ntasks-per-node={ranks_per_node}\n{scheduler_options}",
            worker_init=f"{worker_environment(threads_per_rank)}\n{worker_init}",
            launcher=SimpleLauncher(),
            cmd_timeout=60,
        ),
    )
    return campaign_config([small, large])
