"""A committee of DeePMD-kit's models on disk: plain values and weights, as one archive."""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from aims_pax.committee.deepmd.weights import Weights
from aims_pax.committee.hosted.checkpoint import MemberState, members_of, values_of
from aims_pax.dataset.durable import replacing_bytes
from aims_pax.protocols import Molecules

VERSION: Final = 1

VALUES: Final = "deepmd committee.json"


@dataclass(frozen=True, slots=True)
class DeepmdDesign:
    """What all members have in common.

    Parameters
    ----------
    name : str
        First part of the members' names.
    seeds : tuple of int
    text : str
        The user's input.json.
    numbers : tuple of int
        Elements that are known.
    place : str
        Environment that DeePMD-kit is installed in.
    on_cpu : bool
        Whether the CPU is to be used where there is a GPU.
    learns_stress : bool
    epoch_steps : int or None
        Training steps of an epoch, which goes on from the weights; None: trainings begin with random ones.
    """

    name: str
    seeds: tuple[int, ...]
    text: str
    numbers: tuple[int, ...]
    place: str
    on_cpu: bool = False
    learns_stress: bool = False
    epoch_steps: int | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """How a member learns next.

    Parameters
    ----------
    factor : float
        Part of the first learning rate.
    is_fresh : bool
        Whether its optimizer begins afresh.
    """

    factor: float = 1.0
    is_fresh: bool = False


@dataclass(frozen=True, slots=True)
class DeepmdCheckpoint:
    """What a committee depends on, apart from its points."""

    design: DeepmdDesign
    generation: int
    weighed: tuple[Molecules, float]
    members: Sequence[MemberState[Weights]]
    rates: Sequence[Rate]


def write_committee(path: Path, checkpoint: DeepmdCheckpoint) -> None:
    """Write a committee; the file appears complete or not at all."""
    members, weights = values_of(checkpoint.members)
    content: dict[str, Any] = {
        "version": VERSION,
        "design": asdict(checkpoint.design),
        "generation": checkpoint.generation,
        "weighed": checkpoint.weighed,
        "rates": [asdict(rate) for rate in checkpoint.rates],
        "members": members,
        "weights": {key: [one.cutoff_ang, one.n_steps] for key, one in weights.items()},
    }
    with replacing_bytes(path) as file, zipfile.ZipFile(file, "w", compression=zipfile.ZIP_STORED) as archive:
        archive.writestr(VALUES, json.dumps(content))
        for key, one in weights.items():
            archive.writestr(key, one.content)


def read_committee(path: Path) -> DeepmdCheckpoint:
    """Read a committee; to be called within :func:`~aims_pax.committee.hosted.checkpoint.naming_damage`.

    Raises
    ------
    ValueError, LookupError, TypeError, OSError
        It is damaged, or of a newer version.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = json.loads(archive.read(VALUES))
            if content["version"] > VERSION:
                raise ValueError("it was written by a newer aims_pax")
            kept = {key: Weights(archive.read(key), *numbers) for key, numbers in content["weights"].items()}
    except zipfile.BadZipFile as cause:
        raise ValueError("it is no archive") from cause
    design = content["design"]
    design = DeepmdDesign(**{**design, "seeds": tuple(design["seeds"]), "numbers": tuple(design["numbers"])})
    molecules, weight = content["weighed"]
    rates = [Rate(**one) for one in content["rates"]]
    members = members_of(content["members"], kept.__getitem__)
    return DeepmdCheckpoint(design, content["generation"], (molecules, weight), members, rates)


def holds_committee(path: Path) -> bool:
    """Whether a file was written by a committee of DeePMD-kit's models."""
    try:
        with zipfile.ZipFile(path) as archive:
            return VALUES in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False
