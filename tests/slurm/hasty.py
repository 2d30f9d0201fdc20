"""A ready Slurm configuration of the package, with everything that waits cut short, as a Parsl configuration file."""

from typing import Any

from parsl.config import Config

from aims_pax.labelling.workers.config_file import load_config


def make_config(
    ready: str, max_idletime_s: float = 30, heartbeat_period_s: int = 2, heartbeat_threshold_s: int = 10, **options: Any
) -> Config:
    """The configuration `ready` for jobs of ten minutes, which looks twice a second whether blocks are needed.

    Parameters
    ----------
    ready : str
        Its name.
    max_idletime_s : float
        How long a block without work is kept.
    heartbeat_period_s, heartbeat_threshold_s : int
        How soon a lost worker is noticed, and how soon a lost block.
    **options
        Its own options.
    """
    config = load_config(ready, walltime="00:10:00", **options)
    config.strategy_period = 0.5
    config.max_idletime = max_idletime_s
    for executor in config.executors:
        executor.heartbeat_period = heartbeat_period_s
        executor.heartbeat_threshold = heartbeat_threshold_s
    return config
