"""A committee on disk: plain tensors and values, readable without running any code from the file."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import torch
from torch import Tensor

from aims_pax.committee.mace.elements import Elements
from aims_pax.committee.mace.modelfile import save
from aims_pax.committee.mace.statistics import DatasetStatistics
from aims_pax.committee.mace.trained.network import Network
from aims_pax.errors import ModelError, Problem

VERSION: Final = 5
"""Layout of the file; grows with every change that old programs would misread.

Version 1 held each tensor by itself, and the constants of the architecture; it is still read. Version 3 has statistics
that differ between members, version 4 a member in stage two of its training, version 5 the network
of a foundation model; they are written only where it is so.
"""

_ADVICE: Final = (
    "Restore it from a copy. The labels are safe in run.db: aims-pax export writes them, and a new run can begin "
    "with them (ACTIVE_LEARNING.initial_train_dataset and initial_valid_dataset)."
)

_DAMAGED: Final = (
    *(OSError, EOFError, UnpicklingError, AssertionError, AttributeError, LookupError, RuntimeError),
    *(TypeError, ValueError),
)
"""What torch and the decoding raise, depending on which bytes are wrong."""

_PLACE: Final = "tensor in"
"""Marks what stands for a tensor: the name of the long tensor that it is a part of, where it starts, its shape."""


@dataclass(frozen=True, slots=True)
class MembersCheckpoint:
    """What a committee depends on, apart from its points.

    Parameters
    ----------
    settings : dict
        mace.yaml as plain values.
    seeds : tuple of int
    elements : Elements
    statistics : tuple of DatasetStatistics
        By member.
    generation : int
    members : list of dict
        State of each member.
    network : Network or None
        Of a foundation model that they began as.
    """

    settings: dict[str, Any]
    seeds: tuple[int, ...]
    elements: Elements
    statistics: tuple[DatasetStatistics, ...]
    generation: int
    members: list[dict[str, Any]]
    network: Network | None = None


def write_checkpoint(path: Path, checkpoint: MembersCheckpoint) -> None:
    """Write a checkpoint; the file appears complete or not at all.

    Notes
    -----
    A member has some three hundred small tensors, and writing one takes as long as writing a large one: all of them are
    put together first. For 4 members of 16 channels 60 ms of a core become 18 ms, and a GPU makes one transfer.
    """
    tensors: dict[str, _LongTensor] = {}
    members = _packed(checkpoint.members, tensors)
    differ = len(set(checkpoint.statistics)) > 1
    content = {
        "version": _version(checkpoint, differ=differ),
        "settings": json.dumps(checkpoint.settings),
        "seeds": list(checkpoint.seeds),
        "numbers": list(checkpoint.elements.numbers),
        "statistics": asdict(checkpoint.statistics[0]),
        "generation": checkpoint.generation,
        "members": members,
        "tensors": {name: torch.cat(long.parts).cpu() for name, long in tensors.items()},
    }
    if differ:
        content["statistics_by_member"] = [asdict(statistics) for statistics in checkpoint.statistics]
    if checkpoint.network is not None:
        content["network"] = json.dumps(
            {"arguments": checkpoint.network.arguments, "own": asdict(checkpoint.network.own)}
        )
    save(content, path)


def _version(checkpoint: MembersCheckpoint, *, differ: bool) -> int:
    """The lowest by which a file is read as what it is."""
    if checkpoint.network is not None:
        return VERSION
    return 4 if any(one.get("stage_two") for one in checkpoint.members) else 3 if differ else 2


def read_checkpoint(path: Path, *, device: torch.device) -> MembersCheckpoint:
    """Read a checkpoint.

    Raises
    ------
    ModelError
        The file is missing, damaged, or of a newer version.
    """
    with naming_damage(path):
        content = torch.load(path, map_location=device, weights_only=True)
        version = content["version"]
        if version > VERSION:
            found = f"is of version {version}, written by a newer aims_pax"
            raise ModelError(Problem(where=str(path), found=found, allowed=f"versions up to {VERSION}", advice=_ADVICE))
        seeds = tuple(content["seeds"])
        statistics = content.get("statistics_by_member", [content["statistics"]] * len(seeds))
        return MembersCheckpoint(
            settings=json.loads(content["settings"]),
            seeds=seeds,
            elements=Elements(tuple(content["numbers"])),
            statistics=tuple(_statistics(one) for one in statistics),
            generation=content["generation"],
            members=_unpacked(content["members"], content.get("tensors", {})),
            network=_network(content.get("network")),
        )


def _statistics(content: Mapping[str, Any]) -> DatasetStatistics:
    return DatasetStatistics(**{**content, "atomic_energies_ev": tuple(content["atomic_energies_ev"])})


def _network(content: str | None) -> Network | None:
    if content is None:
        return None
    found = json.loads(content)
    return Network(found["arguments"], _statistics(found["own"]))


@contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Whatever goes wrong while a checkpoint is read, and a committee is made of it, is damage of this file.

    Raises
    ------
    ModelError
    """
    try:
        yield
    except torch.cuda.OutOfMemoryError:
        raise
    except FileNotFoundError as cause:
        raise ModelError(Problem(where=str(path), found="is missing", advice=_ADVICE)) from cause
    except _DAMAGED as cause:
        found = f"can't be read as a committee ({type(cause).__name__})"
        raise ModelError(Problem(where=str(path), found=found, advice=_ADVICE)) from cause


@dataclass(slots=True)
class _LongTensor:
    """Tensors of one precision and device, to be put one behind the other."""

    parts: list[Tensor] = field(default_factory=list)
    length: int = 0

    def append(self, tensor: Tensor) -> int:
        """Where the values of this tensor begin."""
        start = self.length
        self.parts.append(tensor.detach().reshape(-1))
        self.length += tensor.numel()
        return start


def _packed(value: Any, tensors: dict[str, _LongTensor]) -> Any:
    """The same value with places instead of tensors, which are appended to `tensors`."""
    if isinstance(value, Tensor):
        name = f"{value.dtype} {value.device}"  # of one device each, since they are put together
        start = tensors.setdefault(name, _LongTensor()).append(value)
        return {_PLACE: name, "start": start, "shape": tuple(value.shape)}
    if isinstance(value, dict):
        return {key: _packed(item, tensors) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_packed(item, tensors) for item in value)
    return value


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What :func:`_packed` was given; each tensor has memory of its own."""
    if isinstance(value, dict) and _PLACE in value:
        flat = tensors[value[_PLACE]].narrow(0, value["start"], math.prod(value["shape"]))
        return flat.reshape(value["shape"]).clone()
    if isinstance(value, dict):
        return {key: _unpacked(item, tensors) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_unpacked(item, tensors) for item in value)
    return value
