"""IBM LSF: one label on each node, in jobs of one node.

In aims_PAX.yaml:

    REFERENCE: {type: espresso, command: "mpiexec -n 64 pw.x", ...}
    CLUSTER:
      parsl_config: lsf                       # or a copy of this file: parsl_config: my_cluster.py
      options: {queue: normal, cores_per_node: 64, worker_init: module load qe}
"""

from parsl.config import Config
from parsl.launchers import SimpleLauncher
from parsl.providers import LSFProvider

from aims_pax.labelling.configuration import GuardedExecutor, campaign_config, drain_period, worker_environment


def make_config(
    queue: str | None = None,
    project: str | None = None,
    cores_per_node: int = 1,
    labels_per_node: int = 1,
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
    queue, project : str
        As in bsub -q and -P. The cluster's defaults when not given.
    cores_per_node : int
        Cores asked for on each node.
    labels_per_node : int
        Labels at a time on each node, for engines that leave cores free.
    scheduler_options : str
        More lines #BSUB.
    threads_per_rank, max_blocks, min_blocks, walltime, longest_label_s, worker_init, address
        As in slurm_node_per_label.py.
    """
    provider = LSFProvider(
        queue=queue,
        project=project,
        request_by_nodes=False,  # by cores, which every LSF knows; "-nnodes" is for CSM systems such as Summit's
        cores_per_block=cores_per_node,
        cores_per_node=cores_per_node,
        bsub_redirection=True,  # "bsub < script" reads the lines #BSUB; "bsub script" does not
        init_blocks=0,
        min_blocks=min_blocks,
        max_blocks=max_blocks,
        walltime=walltime,
        scheduler_options=scheduler_options,
        worker_init=f"{worker_environment(threads_per_rank)}\n{worker_init}",
        launcher=SimpleLauncher(),
    )
    executor = GuardedExecutor(
        label="lsf",
        address=address,
        max_workers_per_node=labels_per_node,
        drain_period=drain_period(walltime, longest_label_s),
        provider=provider,
    )
    return campaign_config([executor])
