"""Sun, Son of, Univa or Altair Grid Engine: one label in each job.

In aims_PAX.yaml:

    REFERENCE: {type: espresso, command: "mpiexec -n 16 pw.x", ...}
    CLUSTER:
      parsl_config: sge                       # or a copy of this file: parsl_config: my_cluster.py
      options: {parallel_environment: smp, slots: 16, worker_init: module load qe}
"""

from parsl.config import Config
from parsl.launchers import SimpleLauncher
from parsl.providers import GridEngineProvider

from aims_pax.labelling.configuration import GuardedExecutor, campaign_config, drain_period, worker_environment


def make_config(
    queue: str | None = None,
    parallel_environment: str = "smp",
    slots: int = 1,
    labels_per_job: int = 1,
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
    queue : str
        As in qsub -q. The cluster's default when not given.
    parallel_environment, slots : str, int
        As in qsub -pe: how cores are asked for differs from site to site; qconf -spl lists the names.
    labels_per_job : int
        Labels at a time in each job.
    scheduler_options : str
        More lines #$.
    threads_per_rank, max_blocks, min_blocks, walltime, longest_label_s, worker_init, address
        As in slurm_node_per_label.py.
    """
    provider = GridEngineProvider(
        queue=queue,
        nodes_per_block=1,
        init_blocks=0,
        min_blocks=min_blocks,
        max_blocks=max_blocks,
        walltime=walltime,
        scheduler_options=f"#$ -pe {parallel_environment} {slots}\n{scheduler_options}",
        worker_init=f"{worker_environment(threads_per_rank)}\n{worker_init}",
        launcher=SimpleLauncher(),
    )
    executor = GuardedExecutor(
        label="sge",
        address=address,
        max_workers_per_node=labels_per_job,
        drain_period=drain_period(walltime, longest_label_s),
        provider=provider,
    )
    return campaign_config([executor])
