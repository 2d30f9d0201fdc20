"""Slurm: one label on each node, in jobs of one node.

For an MPI engine that fills a node, started by srun or mpiexec. In aims_PAX.yaml:

    REFERENCE: {type: espresso, command: "srun pw.x", ...}
    CLUSTER:
      parsl_config: slurm_node_per_label      # or a copy of this file: parsl_config: my_cluster.py
      options: {partition: cpu, account: my_project, ranks_per_node: 128, max_blocks: 8, worker_init: module load qe}

Jobs are submitted when labels wait for them, up to max_blocks, and given back after five minutes without work.
"""

from parsl.config import Config
from parsl.launchers import SimpleLauncher
from parsl.providers import SlurmProvider

from aims_pax.labelling.configuration import GuardedExecutor, campaign_config, drain_period, worker_environment


def make_config(
    partition: str | None = None,
    account: str | None = None,
    ranks_per_node: int = 1,
    threads_per_rank: int = 1,
    max_blocks: int = 4,
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
    partition, account : str
        As in sbatch --partition and --account. The cluster's defaults when not given.
    ranks_per_node : int
        MPI ranks that a bare srun or mpiexec starts for each label.
    threads_per_rank : int
        OpenMP threads of each rank.
    max_blocks, min_blocks : int
        Most jobs at a time, and jobs kept while there is nothing to do.
    walltime : str
        Of each job, HH:MM:SS. A label that is cut off is computed again in another job.
    longest_label_s : float
        What a label may take, s. When given, a job begins none that would not fit.
    worker_init : str
        Shell lines that run on the node before the workers start: module load, ulimit -s unlimited. This Python must
        be found there: its folder comes first on the PATH, so a file system that all nodes share is enough.
    scheduler_options : str
        More lines #SBATCH.
    address : str
        Name or address of this machine as the nodes see it. All of its addresses are tried when not given.
    """
    provider = SlurmProvider(
        partition=partition,
        account=account,
        nodes_per_block=1,
        exclusive=True,  # the node is the label's own
        init_blocks=0,  # the first label asks for the first job
        min_blocks=min_blocks,
        max_blocks=max_blocks,
        walltime=walltime,
        # Parsl writes one task for each node, for its workers; the later line wins.
        scheduler_options=f"#SBATCH --ntasks-per-node={ranks_per_node}\n{scheduler_options}",
        worker_init=f"{worker_environment(threads_per_rank)}\n{worker_init}",
        launcher=SimpleLauncher(),  # workers start on the node itself; srun stays free for the engine
        cmd_timeout=60,  # a busy Slurm takes its time to answer
    )
    executor = GuardedExecutor(
        label="slurm",
        address=address,
        max_workers_per_node=1,
        drain_period=drain_period(walltime, longest_label_s),
        provider=provider,
    )
    return campaign_config([executor])
