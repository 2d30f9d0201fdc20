"""A committee of GAPs on disk: plain values and the XML of its fits, as one JSON file."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from aims_pax.committee.gap.potential import GapPotential
from aims_pax.committee.gap.predictor import GapModel
from aims_pax.dataset.durable import replacing
from aims_pax.errors import ModelError, Problem
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
class BestFit:
    """The fit of least validation loss so far, and the labels that it has learned."""

    loss: float
    model: GapModel
    fitted_to: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MemberState:
    """Everything that a member is, apart from its points.

    Parameters
    ----------
    model : GapModel
    fitted_to : tuple of int
        Labels that it has learned.
    epoch : int
    last_loss : float
    best : BestFit or None
        While it is converged.
    """

    model: GapModel
    fitted_to: tuple[int, ...]
    epoch: int
    last_loss: float
    best: BestFit | None


@dataclass(frozen=True, slots=True)
class GapCheckpoint:
    """What a committee depends on, apart from its points."""

    design: GapDesign
    generation: int
    weighed: tuple[Molecules, float]
    members: list[MemberState] = field(default_factory=list)


def write_gaps(path: Path, checkpoint: GapCheckpoint) -> None:
    """Write a committee; the file appears complete or not at all."""
    texts: dict[str, str] = {}
    members = []
    for one in checkpoint.members:
        best = None
        if one.best is not None:
            best = {"loss": one.best.loss, "fitted_to": one.best.fitted_to, "model": _values(one.best.model, texts)}
        state = {"fitted_to": one.fitted_to, "epoch": one.epoch, "last_loss": one.last_loss, "best": best}
        members.append({"model": _values(one.model, texts), **state})
    content = {"design": asdict(checkpoint.design), "generation": checkpoint.generation, "weighed": checkpoint.weighed}
    with replacing(path) as file:
        json.dump({"gap committee": VERSION, **content, "members": members, "texts": texts}, file)


def read_gaps(path: Path) -> GapCheckpoint:
    """Read a committee; to be called within :func:`naming_damage`.

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
    members = []
    for one in content["members"]:
        best = one["best"]
        if best is not None:
            best = BestFit(best["loss"], _model(best["model"], texts), tuple(best["fitted_to"]))
        model = _model(one["model"], texts)
        members.append(MemberState(model, tuple(one["fitted_to"]), one["epoch"], one["last_loss"], best))
    molecules, weight = content["weighed"]
    return GapCheckpoint(design, content["generation"], (molecules, weight), members)


def holds_committee(path: Path) -> bool:
    """Whether a file was written by a committee of GAPs."""
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            return file.read(len(_BEGINNING)) == _BEGINNING
    except OSError:
        return False


@contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Whatever goes wrong while a file is read, and a committee is made of it, is damage of this file.

    Raises
    ------
    ModelError
    """
    try:
        yield
    except FileNotFoundError as cause:
        raise ModelError(Problem(where=str(path), found="is missing")) from cause
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as cause:
        found = f"can't be read as a committee of GAPs ({type(cause).__name__})"
        raise ModelError(Problem(where=str(path), found=found)) from cause


def _values(model: GapModel, texts: dict[str, str]) -> dict[str, Any]:
    """A model as plain values; the text of its fit goes to `texts`, where equal ones are kept once."""
    energies = {str(z): energy for z, energy in model.fitted_with_ev.items()}
    key = None
    if model.potential is not None:
        key = model.potential.key
        texts[key] = model.potential.text
    return {"fitted_with_ev": energies, "potential": key, "shift_ev_per_atom": model.shift_ev_per_atom}


def _model(values: Mapping[str, Any], texts: Mapping[str, str]) -> GapModel:
    energies = {int(z): float(energy) for z, energy in values["fitted_with_ev"].items()}
    key = values["potential"]
    return GapModel(energies, None if key is None else GapPotential(texts[key]), values["shift_ev_per_atom"])
