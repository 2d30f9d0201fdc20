"""A committee of GAPs on disk: plain values and the XML of its fits, as one JSON file."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from aims_pax.committee.gap.potential import GapPotential
from aims_pax.committee.hosted.checkpoint import MemberState, members_of, values_of
from aims_pax.dataset.durable import replacing
from aims_pax.protocols import Molecules

VERSION: Final = 1

_BEGINNING: Final = '{"gap committee": '


@dataclass(frozen=True, slots=True)
class GapDesign:
    """What all members have in common.

    Parameters
    ----------
    name : str
        First part of the members' names.
    seeds : tuple of int
    options : str
        Of gap_fit, see :class:`~aims_pax.settings.committee.gap.GapInput`.
    numbers : tuple of int
        Elements that are known.
    learns_stress : bool
    left_out : float
        Part of the points that all share which a member does not learn; each member others.
    """

    name: str
    seeds: tuple[int, ...]
    options: str
    numbers: tuple[int, ...]
    learns_stress: bool = False
    left_out: float = 0.0


@dataclass(frozen=True, slots=True)
class GapCheckpoint:
    """What a committee depends on, apart from its points."""

    design: GapDesign
    generation: int
    weighed: tuple[Molecules, float]
    members: Sequence[MemberState[GapPotential]]


def write_gaps(path: Path, checkpoint: GapCheckpoint) -> None:
    """Write a committee; the file appears complete or not at all."""
    members, potentials = values_of(checkpoint.members)
    texts = {key: one.text for key, one in potentials.items()}
    content = {"design": asdict(checkpoint.design), "generation": checkpoint.generation, "weighed": checkpoint.weighed}
    with replacing(path) as file:
        json.dump({"gap committee": VERSION, **content, "members": members, "texts": texts}, file)


def read_gaps(path: Path) -> GapCheckpoint:
    """Read a committee; to be called within :func:`~aims_pax.committee.hosted.checkpoint.naming_damage`.

    Raises
    ------
    ValueError, LookupError, TypeError, OSError
        It is damaged, or of a newer version.
    """
    content = json.loads(Path(path).read_bytes())
    if content["gap committee"] > VERSION:
        raise ValueError("it was written by a newer aims_pax")
    texts, design = content["texts"], content["design"]
    design = GapDesign(**{**design, "seeds": tuple(design["seeds"]), "numbers": tuple(design["numbers"])})
    members = members_of(content["members"], lambda key: GapPotential(texts[key]))
    molecules, weight = content["weighed"]
    return GapCheckpoint(design, content["generation"], (molecules, weight), members)


def holds_committee(path: Path) -> bool:
    """Whether a file was written by a committee of GAPs."""
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            return file.read(len(_BEGINNING)) == _BEGINNING
    except OSError:
        return False
