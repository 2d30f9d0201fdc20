"""PBS Professional or OpenPBS: one label on each node, in jobs of one node. Torque: see at the end.

In aims_PAX.yaml:

    REFERENCE: {type: espresso, command: "mpiexec -n 64 pw.x", ...}
    CLUSTER:
      parsl_config: pbs                       # or a copy of this file: parsl_config: my_cluster.py
      options: {queue: workq, cores_per_node: 64, ranks_per_node: 64, worker_init: module load qe}
"""

from parsl.config import Config
from parsl.launchers import SimpleLauncher
from parsl.providers import PBSProProvider

from aims_pax.labelling.configuration import GuardedExecutor, campaign_config, drain_period, worker_environment


def make_config(
    queue: str | None = None,
    account: str | None = None,
    cores_per_node: int = 1,
    ranks_per_node: int = 1,
    labels_per_node: int = 1,
    threads_per_rank: int = 1,
    max_blocks: int = 4,
    min_blocks: int = 0,
    walltime: str = "12:00:00",
    longest_label_s: float | None = None,
    worker_init: str = "",
    scheduler_options: str = "",
    select_options: str = "",
    address: str | None = None,
) -> Config:
    """A new configuration; Parsl can use each only once.

    Parameters
    ----------
    queue, account : str
        As in qsub -q and -A. The cluster's defaults when not given.
    cores_per_node, ranks_per_node : int
        ncpus and mpiprocs of each node.
    labels_per_node : int
        Labels at a time on each node, for engines that leave cores free.
    scheduler_options : str
        More lines #PBS.
    select_options : str
        More of the select statement, such as mem=64gb:ngpus=1.
    threads_per_rank, max_blocks, min_blocks, walltime, longest_label_s, worker_init, address
        As in slurm_node_per_label.py.
    """
    select = [f"mpiprocs={ranks_per_node}", f"ompthreads={threads_per_rank}", select_options]
    # For Torque: parsl.providers.TorqueProvider, without cpus_per_node and select_options; Torque's nodes:ppn follow
    # from scheduler_options.
    provider = PBSProProvider(
        queue=queue,
        account=account,
        nodes_per_block=1,
        cpus_per_node=cores_per_node,
        select_options=":".join(part for part in select if part),
        init_blocks=0,
        min_blocks=min_blocks,
        max_blocks=max_blocks,
        walltime=walltime,
        scheduler_options=scheduler_options,
        worker_init=f"{worker_environment(threads_per_rank)}\n{worker_init}",
        launcher=SimpleLauncher(),
    )
    executor = GuardedExecutor(
        label="pbs",
        address=address,
        max_workers_per_node=labels_per_node,
        drain_period=drain_period(walltime, longest_label_s),
        provider=provider,
    )
    return campaign_config([executor])
