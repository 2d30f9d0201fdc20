"""Total charge and spin as a model takes them: what is embedded, and the values of structures."""

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor

from aims_pax.errors import ModelError, Problem
from aims_pax.frame import Frame

LARGEST_CHARGE: Final = 100
LARGEST_MULTIPLICITY: Final = 100
WIDTH: Final = 64

SPECS: Final[dict[str, dict[str, Any]]] = {
    "total_charge": {
        **{"type": "categorical", "per": "graph", "emb_dim": WIDTH},
        **{"num_classes": 2 * LARGEST_CHARGE + 1, "offset": LARGEST_CHARGE},
    },
    "total_spin": {
        **{"type": "categorical", "per": "graph", "emb_dim": WIDTH},
        **{"num_classes": LARGEST_MULTIPLICITY + 1},
    },
}
"""MACE's `embedding_specs`, of its models for charged and open-shell molecules: a vector for each whole number."""


def specs(names: Sequence[str]) -> dict[str, dict[str, Any]] | None:
    """The specifications of these, in an order of their own; None for a model that takes nothing."""
    return {name: dict(spec) for name, spec in SPECS.items() if name in names} or None


def told(
    frames: Sequence[Frame], names: Sequence[str], *, dtype: torch.dtype, device: torch.device
) -> dict[str, Tensor]:
    """Charge, e, and 2S + 1 of structures, (B,) each, by the names that a model has for them.

    A structure that says nothing is neutral, with paired electrons, as in MACE.

    Raises
    ------
    ModelError
        A value is beyond those that there are vectors for.
    """
    values: dict[str, list[int]] = {}
    if "total_charge" in names:
        values["total_charge"] = [0 if frame.charge is None else frame.charge for frame in frames]
    if "total_spin" in names:
        values["total_spin"] = [1 if frame.spin is None else frame.spin for frame in frames]
    largest = {"total_charge": LARGEST_CHARGE, "total_spin": LARGEST_MULTIPLICITY}
    for name, found in values.items():
        if max(map(abs, found)) > largest[name]:
            words = f"has a {name} of {max(found, key=abs)}"
            raise ModelError(Problem("a structure", words, f"up to {largest[name]}", f"Leave {name} out of embed."))
    return {name: torch.as_tensor(found, dtype=dtype, device=device) for name, found in values.items()}
