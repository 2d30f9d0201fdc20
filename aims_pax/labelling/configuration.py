"""What Parsl configurations that users write are built from; this name of it is theirs, and stays."""

from aims_pax.labelling.workers.configuration import (
    GuardedExecutor,
    campaign_config,
    drain_period,
    local_config,
    worker_environment,
)

__all__ = ["GuardedExecutor", "campaign_config", "drain_period", "local_config", "worker_environment"]
