"""A committee of hosted models as plain values, for a file; its potentials beside them, by their keys."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol

from aims_pax.committee.hosted.predictor import HostedModel, P
from aims_pax.errors import ModelError, Problem


class HostedDesign(Protocol):
    """What all members have in common."""

    @property
    def name(self) -> str:
        """First part of the members' names."""
        ...

    @property
    def seeds(self) -> tuple[int, ...]:
        """One for each member."""
        ...

    @property
    def numbers(self) -> tuple[int, ...]:
        """Elements that are known."""
        ...

    @property
    def learns_stress(self) -> bool:
        """Whether stress is learned."""
        ...


@dataclass(frozen=True, slots=True)
class BestFit(Generic[P]):
    """The model of least validation loss so far, and the labels that it has learned."""

    loss: float
    model: HostedModel[P]
    fitted_to: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MemberState(Generic[P]):
    """Everything that a member is, apart from its points.

    Parameters
    ----------
    model : HostedModel
    fitted_to : tuple of int
        Labels that it has learned.
    epoch : int
    last_loss : float
    best : BestFit or None
        While it is converged.
    """

    model: HostedModel[P]
    fitted_to: tuple[int, ...]
    epoch: int
    last_loss: float
    best: BestFit[P] | None


def values_of(members: Sequence[MemberState[P]]) -> tuple[list[dict[str, Any]], dict[str, P]]:
    """Members as plain values, and their potentials by the keys that these name; equal ones are there once."""
    potentials: dict[str, P] = {}
    values = []
    for one in members:
        best = None
        if one.best is not None:
            model = _values(one.best.model, potentials)
            best = {"loss": one.best.loss, "fitted_to": one.best.fitted_to, "model": model}
        state = {"fitted_to": one.fitted_to, "epoch": one.epoch, "last_loss": one.last_loss, "best": best}
        values.append({"model": _values(one.model, potentials), **state})
    return values, potentials


def members_of(values: Sequence[Mapping[str, Any]], potential: Callable[[str], P]) -> list[MemberState[P]]:
    """The members that :func:`values_of` was given; LookupError, TypeError or ValueError where they are damaged."""
    members = []
    for one in values:
        best = one["best"]
        if best is not None:
            best = BestFit(best["loss"], _model(best["model"], potential), tuple(best["fitted_to"]))
        model = _model(one["model"], potential)
        members.append(MemberState(model, tuple(one["fitted_to"]), one["epoch"], one["last_loss"], best))
    return members


@contextmanager
def naming_damage(path: Path, kind: str) -> Iterator[None]:
    """Whatever goes wrong while a file is read, and a committee is made of it, is damage of this file.

    Parameters
    ----------
    kind : str
        What it should be: a committee of GAPs.

    Raises
    ------
    ModelError
    """
    try:
        yield
    except FileNotFoundError as cause:
        raise ModelError(Problem(where=str(path), found="is missing")) from cause
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as cause:
        found = f"can't be read as {kind} ({type(cause).__name__})"
        raise ModelError(Problem(where=str(path), found=found)) from cause


def _values(model: HostedModel[P], potentials: dict[str, P]) -> dict[str, Any]:
    energies = {str(z): energy for z, energy in model.fitted_with_ev.items()}
    key = None
    if model.potential is not None:
        key = model.potential.key
        potentials[key] = model.potential
    return {"fitted_with_ev": energies, "potential": key, "shift_ev_per_atom": model.shift_ev_per_atom}


def _model(values: Mapping[str, Any], potential: Callable[[str], P]) -> HostedModel[P]:
    energies = {int(z): float(energy) for z, energy in values["fitted_with_ev"].items()}
    key = values["potential"]
    return HostedModel(energies, None if key is None else potential(key), values["shift_ev_per_atom"])
