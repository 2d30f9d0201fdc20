"""What can be told of this machine without importing PyTorch, which takes seconds."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aims_pax.errors import Problem

GPU_FILES: Final = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")
"""Device files of NVIDIA's and AMD's drivers and of Windows' subsystem for Linux: without any, PyTorch finds no GPU.
Jetson boards have nvhost files instead, and a container for them may hold no other."""

GPU_PATTERNS: Final = ("nvhost-*gpu*",)


CUEQ_SETTINGS: Final = "mace.yaml: MISC.enable_cueq, MISC.enable_cueq_train"


def runs_on_cpu(setting: str | Sequence[str]) -> bool:
    """Whether `MISC.device` is the CPU for sure; False where PyTorch has to be asked."""
    return setting == "cpu" or (setting == "auto" and not _may_have_gpu(Path("/dev")))


def _may_have_gpu(devices: Path) -> bool:
    named = any((devices / Path(name).name).exists() for name in GPU_FILES)
    return named or any(any(devices.glob(pattern)) for pattern in GPU_PATTERNS)


def why_no_cueq(device_types: Sequence[str]) -> Problem | None:
    """What keeps models from being run by cuEquivariance on such devices; None if nothing is known to."""
    needed = ["cuequivariance_torch", *(["cuequivariance_ops_torch"] if "cuda" in device_types else ())]
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    return Problem(
        where=CUEQ_SETTINGS,
        found=f"cuEquivariance is not installed here: there is no {' and no '.join(missing)}.",
        allowed="true with cuequivariance-torch and, for GPUs, cuequivariance-ops-torch-cu12 (or -cu13, by your CUDA)",
        advice="Install them, for example by pip install 'mace-torch[cueq,cueq-cuda-12]', or set it to false.",
    )
