"""One forward pass of a MACE model, and what has to be known of a model for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor

from aims_pax.committee.mace.backend import MaceModel
from aims_pax.committee.mace.elements import Elements
from aims_pax.committee.mace.graph import ModelFrame, ModelInput
from aims_pax.errors import ModelError, Problem
from aims_pax.frame import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """What a model says of B structures with N atoms.

    Parameters
    ----------
    energy : (B,), eV
        Without atomic energies for models with a separate interaction energy, which all that are built here have.
    forces : (N, 3), eV/Å
    virials : (B, 3, 3), eV, or None
        Minus the derivative of the energy by a symmetric strain.
    """

    energy: Tensor
    forces: Tensor
    virials: Tensor | None

    def detached(self) -> "Outputs":
        """The same numbers without their history."""
        virials = None if self.virials is None else self.virials.detach()
        return Outputs(self.energy.detach(), self.forces.detach(), virials)

    def on(self, device: torch.device) -> "Outputs":
        """The same numbers on a device."""
        if self.energy.device == device:
            return self
        virials = None if self.virials is None else self.virials.to(device)
        return Outputs(self.energy.to(device), self.forces.to(device), virials)

    def is_like(self, other: "Outputs", tolerance: float) -> bool:
        """Whether energies and forces are the same, but for this share of 1 eV (eV/Å) and the largest of each.

        Not of each by itself: on structures that nothing was trained on, forces of 20 000 eV/Å stand beside small ones,
        which are the differences of such.
        """
        pairs = ((self.energy, other.energy), (self.forces, other.forces))
        return all(bool((one - two).abs().max() <= tolerance * (1 + two.abs().max())) for one, two in pairs)

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Outputs of several batches as one, in order."""
        virials = [part.virials for part in parts if part.virials is not None]
        return cls(
            energy=torch.cat([part.energy for part in parts]),
            forces=torch.cat([part.forces for part in parts]),
            virials=torch.cat(virials) if virials else None,
        )


class Passes(Protocol):
    """How models are run: :func:`run_model`, or something that comes to the same numbers, but for rounding."""

    def __call__(self, model: MaceModel, data: ModelInput, *, training: bool, want_virials: bool) -> Outputs: ...


def run_model(model: MaceModel, data: ModelInput, *, training: bool, want_virials: bool) -> Outputs:
    """Energies, forces and, if wanted, virials of a batch.

    Parameters
    ----------
    training : bool
        Keep the history, so that a loss on the outputs can be differentiated by the weights.
    """
    # MACE writes into the mapping, and sets requires_grad on the positions: both must not be seen by other members.
    own = dict(data)
    own["positions"] = data["positions"].detach()
    out = model(own, training=training, compute_force=True, compute_virials=want_virials)
    energy = out["interaction_energy"] if has_interaction_energy(model) else out["energy"]
    outputs = Outputs(energy=energy, forces=out["forces"], virials=out["virials"] if want_virials else None)
    return outputs if training else outputs.detached()


def has_interaction_energy(model: MaceModel) -> bool:
    """Whether the model tells the energy without its atomic energies, in its own precision.

    By class, not by key: in models with long-range terms, or an energy of charge and spin themselves, the entry of that
    name is not the whole rest.
    """
    return type(model).__name__ == "ScaleShiftMACE" and not hasattr(model, "embedding_readout")


def atomic_energies(model: MaceModel, *, head: int = 0) -> FloatArray:
    """E0 of each element as the model holds them, (n_elements,), eV."""
    table: Tensor = model.atomic_energies_fn.atomic_energies
    energies: FloatArray = table.reshape(-1, len(model.atomic_numbers))[head].double().cpu().numpy().copy()
    return energies


def given_energies(model: MaceModel, *, head: int = 0) -> FloatArray:
    """E0 of each element that a model was built with, (n_elements,), eV: those of free atoms, where they were known.

    Its own are others where its energies have been centred on structures of several compositions.
    """
    given = getattr(model, "given_energies_ev", None)
    return atomic_energies(model, head=head) if given is None else np.array(given)


def frame_of(model: MaceModel) -> ModelFrame:
    """What a model asks of a structure."""
    parameter = next(model.parameters())
    elements = Elements(tuple(int(number) for number in model.atomic_numbers))
    embeds = tuple(getattr(model, "embedding_specs", None) or ())
    return ModelFrame(elements, float(model.r_max), parameter.dtype, parameter.device, embeds)


def default_head(model: MaceModel, *, source: str) -> int:
    """Index of the head to be used: the only one, or the one called "default" as in MACE's own calculator."""
    heads = list(getattr(model, "heads", None) or ["Default"])
    if len(heads) == 1:
        return 0
    for index, name in enumerate(heads):
        if name.lower() == "default":
            return index
    raise ModelError(
        Problem(
            where=source,
            found=f"is a model with the heads {', '.join(heads)}, none of them called 'default'",
            allowed="models with one head, or with one called 'default'",
            advice="Extract the wanted head with mace_select_head.",
        )
    )
