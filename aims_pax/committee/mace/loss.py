"""What training minimises, and the errors that a person reads."""

from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

from aims_pax.committee.mace.backend import Batch, modules
from aims_pax.committee.mace.graph import Targets
from aims_pax.committee.mace.model import Outputs
from aims_pax.protocols import MemberErrors
from aims_pax.settings.committee.losses import INTERMOLECULAR, LOSSES, LossKind, StressIn, stage_two_of
from aims_pax.settings.committee.mace import TrainingSettings


class Loss(Protocol):
    """What is minimised: of a batch one number, which has a history where the outputs have one."""

    def wants_virials(self, targets: Targets) -> bool:
        """Whether virials have to be computed for a batch with these labels."""
        ...

    def __call__(self, outputs: Outputs, targets: Targets) -> Tensor:
        """The loss of a batch, a scalar. Structures without stress count as free of stress error."""
        ...


@dataclass(frozen=True, slots=True)
class Losses:
    """What is minimised first, and in stage two."""

    first: Loss
    second: Loss

    @classmethod
    def build(cls, settings: TrainingSettings, *, compute_stress: bool, dtype: torch.dtype) -> Self:
        """Both, see :func:`build_loss`."""
        first = build_loss(settings, LOSSES[settings.loss], compute_stress=compute_stress, dtype=dtype)
        kind, weights = stage_two_of(settings.loss), settings.stage_two()
        return cls(first, build_loss(weights, kind, compute_stress=compute_stress, dtype=dtype))


def build_loss(settings: TrainingSettings, kind: LossKind, *, compute_stress: bool, dtype: torch.dtype) -> Loss:
    """The loss of the settings.

    Parameters
    ----------
    settings : TrainingSettings
        Whose weights it has.
    kind : LossKind
    compute_stress : bool
        Whether stress is learned by the losses that leave this open.
    dtype : torch.dtype
        Precision of the models.
    """
    learns_stress = kind.stress is StressIn.ALWAYS or (kind.stress is StressIn.WHEN_COMPUTED and compute_stress)
    if kind is LOSSES["weighted"] or kind is LOSSES[INTERMOLECULAR]:
        stress_weight = settings.stress_weight if learns_stress else 0.0
        weighted = WeightedLoss(settings.energy_weight, settings.forces_weight, stress_weight)
        return MolecularLoss(weighted) if kind is LOSSES[INTERMOLECULAR] else weighted
    return MaceLoss(kind, settings, learns_stress=learns_stress, dtype=dtype)


@dataclass(frozen=True, slots=True)
class WeightedLoss:
    """MACE's weighted mean squared errors of energy per atom, force components and stress components.

    Not by MACE's class: the same formula in fewer operations, which runs of older versions go on with to the last bit.

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
        energy = ((outputs.energy - targets.energy) / targets.n_atoms).square()
        forces = (outputs.forces - targets.forces).square()
        stress = None if outputs.virials is None else stress_deviation(outputs.virials, targets).square()
        if targets.has_weights:
            energy = targets.weight * energy
            forces = torch.repeat_interleave(targets.weight, targets.n_atoms)[:, None] * forces
            stress = None if stress is None else targets.weight[:, None, None] * stress
        loss = self.energy_weight * energy.mean() + self.forces_weight * forces.mean()
        return loss if stress is None else loss + self.stress_weight * stress.mean()


class MolecularLoss:
    """Mean squared errors as of :class:`WeightedLoss`, and of the force on each molecule, the sum over its atoms.

    aims-PAX v0.2 calls it `intermol`.

    Parameters
    ----------
    others : WeightedLoss
    """

    def __init__(self, others: WeightedLoss) -> None:
        self._others = others
        self.weight = 0.0
        """Of the molecules, per (eV/Å)²; 0 leaves them out."""

    def wants_virials(self, targets: Targets) -> bool:
        """Whether virials have to be computed for a batch with these labels."""
        return self._others.wants_virials(targets)

    def __call__(self, outputs: Outputs, targets: Targets) -> Tensor:
        """The loss of a batch, a scalar. Structures without molecules have no such error."""
        loss = self._others(outputs, targets)
        if not self.weight or targets.molecule is None:
            return loss
        inside = (targets.molecule >= 0).nonzero().squeeze(1)
        molecule, errors = targets.molecule[inside], (outputs.forces - targets.forces)[inside]
        whole = errors.new_zeros(targets.n_molecules, 3).index_add(0, molecule, errors)
        squared = whole.square()
        if targets.has_weights:
            of_atoms = torch.repeat_interleave(targets.weight, targets.n_atoms)[inside]
            of_molecules = of_atoms.new_ones(targets.n_molecules).index_copy(0, molecule, of_atoms)
            squared = of_molecules[:, None] * squared
        return loss + self.weight * squared.mean()


class MaceLoss:
    """A loss by its own class in MACE.

    Parameters
    ----------
    kind : LossKind
    settings : TrainingSettings
        Whose weights the class is given.
    learns_stress : bool
        False leaves stress out, or virials.
    dtype : torch.dtype
        Of the weights, which MACE keeps as tensors; that of the models.
    """

    def __init__(self, kind: LossKind, settings: TrainingSettings, *, learns_stress: bool, dtype: torch.dtype) -> None:
        arguments = {name: float(getattr(settings, name)) for name in kind.reads}
        self._loss: torch.nn.Module = getattr(modules, kind.mace_class)(**arguments).to(dtype)
        # As MACE makes them they are of the default precision, and rounded to it.
        for name in kind.weights:
            getattr(self._loss, name).fill_(arguments[name])
        stress_weight = max(arguments.get(name, 0.0) for name in ("stress_weight", "virials_weight"))
        self._learns_stress = learns_stress and stress_weight > 0

    def wants_virials(self, targets: Targets) -> bool:
        """Whether virials have to be computed for a batch with these labels."""
        return self._learns_stress and targets.has_stress

    def __call__(self, outputs: Outputs, targets: Targets) -> Tensor:
        """The loss of a batch, a scalar. Structures without stress count as free of stress error."""
        labelled = _labels(targets)
        predicted = {"energy": outputs.energy, "forces": outputs.forces}
        # Not all classes know of structures without stress: what is not known is predicted as it is labelled.
        predicted |= {name: labelled[name] for name in ("stress", "virials")}
        if outputs.virials is not None:
            is_known = targets.stress_is_known[:, None, None]
            stress = -outputs.virials / targets.volume[:, None, None]
            predicted["stress"] = torch.where(is_known, stress, labelled["stress"])
            predicted["virials"] = torch.where(is_known, outputs.virials, labelled["virials"])
        loss: Tensor = self._loss(ref=labelled, pred=predicted)
        return loss


def _labels(targets: Targets) -> Batch:
    """Labels as MACE's losses read them."""
    ones = torch.ones_like(targets.energy)
    return Batch(
        ptr=torch.nn.functional.pad(targets.n_atoms.cumsum(0), (1, 0)),
        energy=targets.energy,
        forces=targets.forces,
        stress=targets.stress,
        virials=-targets.stress * targets.volume[:, None, None],
        weight=targets.weight,
        energy_weight=ones,
        forces_weight=ones,
        stress_weight=ones,
        virials_weight=ones,
    )


def stress_deviation(virials: Tensor, targets: Targets) -> Tensor:
    """Predicted minus labelled stress (B, 3, 3), eV/Å³; zero where no stress is known."""
    stress = -virials / targets.volume[:, None, None]
    return (stress - targets.stress) * targets.stress_is_known[:, None, None]


def member_errors(outputs: Outputs, targets: Targets, *, loss: Loss) -> MemberErrors:
    """Loss and mean absolute errors over all structures of a validation set, taken as one batch."""
    energy = ((outputs.energy - targets.energy) / targets.n_atoms).abs().mean()
    forces = (outputs.forces - targets.forces).abs().mean()
    stress = None
    if outputs.virials is not None:
        deviation = stress_deviation(outputs.virials, targets)
        stress = float(deviation[targets.stress_is_known].abs().mean())
    with torch.no_grad():
        return MemberErrors(float(loss(outputs, targets)), float(energy), float(forces), stress)
