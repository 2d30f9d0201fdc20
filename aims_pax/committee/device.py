"""Where models run."""

import torch


def cuda_is_usable() -> bool:
    """Whether PyTorch finds a GPU that it can use."""
    return torch.cuda.is_available()


def device_of(name: str) -> str:
    """``cpu`` or ``cuda`` for a setting that may also be ``auto``: the GPU when there is one."""
    return ("cuda" if cuda_is_usable() else "cpu") if name == "auto" else name
