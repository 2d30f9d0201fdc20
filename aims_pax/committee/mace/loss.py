"""What training minimises, and the errors that a person reads."""

from dataclasses import dataclass

import torch
from torch import Tensor

from aims_pax.committee.mace.graph import Targets
from aims_pax.committee.mace.model import Outputs
from aims_pax.protocols import MemberErrors


@dataclass(frozen=True, slots=True)
class WeightedLoss:
    """MACE's weighted mean squared errors of energy per atom, force components and stress components.

    Parameters
    ----------
    energy_weight, forces_weight : float
        Per (eV/atom)² and (eV/Å)².
    stress_weight : float
        Per (eV/Å³)²; 0 leaves stress out.
    """

    energy_weight: float
    forces_weight: float
    stress_weight: float

    def wants_virials(self, targets: Targets) -> bool:
        """Whether virials have to be computed for a batch with these labels."""
        return self.stress_weight > 0 and targets.has_stress

    def __call__(self, outputs: Outputs, targets: Targets) -> Tensor:
        """The loss of a batch, a scalar. Structures without stress count as free of stress error."""
        energy = ((outputs.energy - targets.energy) / targets.n_atoms).square().mean()
        forces = (outputs.forces - targets.forces).square().mean()
        loss = self.energy_weight * energy + self.forces_weight * forces
        if outputs.virials is not None:
            loss = loss + self.stress_weight * stress_deviation(outputs.virials, targets).square().mean()
        return loss


def stress_deviation(virials: Tensor, targets: Targets) -> Tensor:
    """Predicted minus labelled stress (B, 3, 3), eV/Å³; zero where no stress is known."""
    stress = -virials / targets.volume[:, None, None]
    return (stress - targets.stress) * targets.stress_is_known[:, None, None]


def member_errors(outputs: Outputs, targets: Targets, *, loss: WeightedLoss) -> MemberErrors:
    """Loss and mean absolute errors over all structures of a validation set, taken as one batch."""
    energy = ((outputs.energy - targets.energy) / targets.n_atoms).abs().mean()
    forces = (outputs.forces - targets.forces).abs().mean()
    stress = None
    if outputs.virials is not None:
        deviation = stress_deviation(outputs.virials, targets)
        stress = float(deviation[targets.stress_is_known].abs().mean())
    with torch.no_grad():
        return MemberErrors(float(loss(outputs, targets)), float(energy), float(forces), stress)
