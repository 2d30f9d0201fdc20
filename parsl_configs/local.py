"""Labels on this machine: one block of workers, which start with the campaign and end with it.

In aims_PAX.yaml:

    CLUSTER:
      parsl_config: parsl_configs/local.py

Copy this file and change it freely; `aims_pax.labelling.configuration` says what each of its parts is there for.
"""

from parsl.config import Config

from aims_pax.labelling.configuration import local_config


def make_config(max_workers: int = 4, threads_per_worker: int = 1, worker_init: str = "") -> Config:
    """A new configuration; Parsl can use each only once.

    Parameters
    ----------
    max_workers : int
        Labels computed at the same time.
    threads_per_worker : int
        Threads of each label. One is best for GFN-xTB and small molecules; max_workers * threads_per_worker should
        not exceed the number of cores.
    worker_init : str
        Shell lines that run before the workers start, such as ``module load`` or ``ulimit -s unlimited``.
    """
    return local_config(max_workers, threads_per_worker=threads_per_worker, worker_init=worker_init)
