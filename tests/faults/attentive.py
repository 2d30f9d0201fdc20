"""Workers on this machine whose loss is noticed within seconds, as a Parsl configuration file."""

from parsl.config import Config

from aims_pax.labelling.workers.configuration import local_config


def make_config(max_workers: int = 3, worker_init: str = "") -> Config:
    """The built-in local configuration, which looks at its workers each second."""
    config = local_config(max_workers, worker_init=worker_init)
    (executor,) = config.executors
    executor.heartbeat_period = 1
    executor.heartbeat_threshold = 5
    return config
