"""How long a GPU works for something."""

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile


def gpu_seconds(work: Callable[[], object]) -> float | None:
    """Seconds that kernels and copies run on the GPU for a piece of work; None where there is no GPU.

    Divided by the wall time of the same work without this observer, which slows the launches down and not the kernels,
    it is the fraction of the time that the GPU is busy: what is here uses one stream.
    """
    if not torch.cuda.is_available():
        return None
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        work()
        torch.cuda.synchronize()
    events = [event for event in seen.key_averages() if event.device_type.name == "CUDA"]
    return float(sum(event.self_device_time_total for event in events)) * 1e-6
