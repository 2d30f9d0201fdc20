"""A committee on disk: plain tensors and values, readable without running any code from the file."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import torch

from aims_pax.committee.elements import Elements
from aims_pax.committee.modelfile import write_atomically
from aims_pax.committee.statistics import DatasetStatistics
from aims_pax.errors import ModelError, Problem

VERSION: Final = 1
"""Layout of the file; grows with every change that old programs would misread."""


@dataclass(frozen=True, slots=True)
class MembersCheckpoint:
    """What a committee depends on, apart from its points.

    Parameters
    ----------
    settings : dict
        mace.yaml as plain values.
    seeds : tuple of int
    elements : Elements
    statistics : DatasetStatistics
    generation : int
    members : list of dict
        State of each member.
    """

    settings: dict[str, Any]
    seeds: tuple[int, ...]
    elements: Elements
    statistics: DatasetStatistics
    generation: int
    members: list[dict[str, Any]]


def write_checkpoint(path: Path, checkpoint: MembersCheckpoint) -> None:
    """Write a checkpoint; the file appears complete or not at all."""
    content = {
        "version": VERSION,
        "settings": json.dumps(checkpoint.settings),
        "seeds": list(checkpoint.seeds),
        "numbers": list(checkpoint.elements.numbers),
        "statistics": asdict(checkpoint.statistics),
        "generation": checkpoint.generation,
        "members": checkpoint.members,
    }
    write_atomically(path, lambda file: torch.save(content, file))


def read_checkpoint(path: Path, *, device: torch.device) -> MembersCheckpoint:
    """Read a checkpoint.

    Raises
    ------
    ModelError
        The file is missing, damaged, or of a newer version.
    """
    advice = (
        "Restore it from a copy. The labels are safe in run.db: aims-pax export writes them, and a new run can begin "
        "with them (ACTIVE_LEARNING.initial_train_dataset and initial_valid_dataset)."
    )
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        version = content["version"]
    except FileNotFoundError as cause:
        raise ModelError(Problem(where=str(path), found="is missing", advice=advice)) from cause
    except (OSError, RuntimeError, UnpicklingError, EOFError, KeyError, TypeError, IndexError) as cause:
        found = f"can't be read as a committee ({type(cause).__name__})"
        raise ModelError(Problem(where=str(path), found=found, advice=advice)) from cause
    if version > VERSION:
        found = f"is of version {version}, written by a newer aims_pax"
        raise ModelError(Problem(where=str(path), found=found, allowed=f"versions up to {VERSION}", advice=advice))
    statistics = content["statistics"]
    e0 = tuple(statistics.pop("atomic_energies_ev"))
    return MembersCheckpoint(
        settings=json.loads(content["settings"]),
        seeds=tuple(content["seeds"]),
        elements=Elements(tuple(content["numbers"])),
        statistics=DatasetStatistics(atomic_energies_ev=e0, **statistics),
        generation=content["generation"],
        members=content["members"],
    )
