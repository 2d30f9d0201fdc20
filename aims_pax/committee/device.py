"""Where models run, and how."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final, TypeAlias

import torch

from aims_pax.committee.hardware import runs_on_cpu
from aims_pax.settings.committee.mace import CueqUse

Where: TypeAlias = torch.device | str | Sequence[torch.device | str]
"""A device, or several that members and structures are spread over; results are on the first."""


@dataclass(frozen=True, slots=True)
class Handling:
    """How models are run. It need not be the same each time: it changes no number by more than rounding.

    Parameters
    ----------
    compiled : bool
        Whether PyTorch's compiler makes them faster, see :class:`CompiledPasses`.
    moves_cells : bool
        Whether MD will ask for stress, so that passes with stress are compiled at once and not in the middle of a run.
    cueq : CueqUse
        What cuEquivariance is used for, see :class:`CueqPasses`; not together with the compiler.
    """

    compiled: bool = False
    moves_cells: bool = False
    cueq: CueqUse = CueqUse.NOTHING


AS_IT_IS: Final = Handling()
"""As MACE builds them."""


def cuda_is_usable() -> bool:
    """Whether PyTorch finds a GPU that it can use."""
    return torch.cuda.is_available()


def usable_gpus() -> tuple[str, ...]:
    """The GPUs that PyTorch can use: cuda:0, cuda:1, ..."""
    return tuple(f"cuda:{index}" for index in range(torch.cuda.device_count())) if cuda_is_usable() else ()


def devices_of(setting: str | Sequence[str]) -> tuple[torch.device, ...]:
    """The devices that a setting asks for: ``cuda`` is every GPU that is visible, ``auto`` the same or the CPU."""
    if not isinstance(setting, str):
        return as_devices(setting)
    if setting in ("auto", "cuda") and usable_gpus():
        return as_devices(usable_gpus())
    return as_devices("cpu" if setting == "auto" else setting)


def as_devices(where: Where) -> tuple[torch.device, ...]:
    """One or several devices as PyTorch's objects."""
    return (torch.device(where),) if isinstance(where, str | torch.device) else tuple(map(torch.device, where))


def told_by_pytorch() -> dict[str, object]:
    """PyTorch, its build, the GPUs that it can use, and what `device: auto` takes; values that JSON has."""
    cuda, rocm = torch.version.cuda, getattr(torch.version, "hip", None)
    build = f"built for CUDA {cuda}" if cuda else f"built for ROCm {rocm}" if rocm else "built for CPUs"
    return {
        "version": torch.__version__,
        "build": build,
        "gpus": [torch.cuda.get_device_name(name) for name in usable_gpus()],
        "auto": [str(device) for device in devices_of("auto")],
        "has_driver": not runs_on_cpu("auto"),
    }


def missing_gpus(setting: str | Sequence[str]) -> tuple[str, ...]:
    """What a setting asks for and PyTorch doesn't find."""
    asked = (setting,) if isinstance(setting, str) else setting
    there = usable_gpus()
    return tuple(name for name in asked if name not in (*there, "auto", "cpu") and not (name == "cuda" and there))


def current(device: torch.device) -> AbstractContextManager[object]:
    """Inside, a GPU is the present thread's own; the CPU always is."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()
