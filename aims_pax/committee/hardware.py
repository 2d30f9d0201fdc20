"""What can be told of this machine without importing PyTorch, which takes seconds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

GPU_FILES: Final = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")
"""Device files of NVIDIA's and AMD's drivers and of Windows' subsystem for Linux: without any, PyTorch finds no GPU.
Jetson boards have nvhost files instead, and a container for them may hold no other."""

GPU_PATTERNS: Final = ("nvhost-*gpu*",)


def runs_on_cpu(setting: str | Sequence[str]) -> bool:
    """Whether `MISC.device` is the CPU for sure; False where PyTorch has to be asked."""
    return setting == "cpu" or (setting == "auto" and not _may_have_gpu(Path("/dev")))


def _may_have_gpu(devices: Path) -> bool:
    named = any((devices / Path(name).name).exists() for name in GPU_FILES)
    return named or any(any(devices.glob(pattern)) for pattern in GPU_PATTERNS)
