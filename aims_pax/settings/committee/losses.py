"""Losses by their names in aims-PAX and MACE, and what each of them reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class StressIn(StrEnum):
    """Whether a loss is one of the stress."""

    NEVER = "never"
    """Stress has no part in it."""
    WHEN_COMPUTED = "with compute_stress"
    """It has one where GENERAL.compute_stress is true."""
    ALWAYS = "always"
    """It is what sets this loss apart: without compute_stress it makes no sense."""


@dataclass(frozen=True, slots=True)
class LossKind:
    """What is known of one loss without importing it.

    Parameters
    ----------
    mace_class : str
        Its class in ``mace.modules``, or that of what it adds to.
    reads : tuple of str
        Settings that are arguments of this class, by the names of both.
    stress : StressIn
    weighs_structures : bool
        Whether the class multiplies all errors of a structure by the structure's own weight.
    """

    mace_class: str
    reads: tuple[str, ...]
    stress: StressIn = StressIn.NEVER
    weighs_structures: bool = True

    @property
    def weights(self) -> tuple[str, ...]:
        """The weights among what it reads."""
        return tuple(key for key in self.reads if key.endswith("_weight"))


_ENERGY_FORCES: Final = ("energy_weight", "forces_weight")
_WITH_STRESS: Final = (*_ENERGY_FORCES, "stress_weight")
_STRESS: Final = LossKind("WeightedEnergyForcesStressLoss", _WITH_STRESS, StressIn.ALWAYS)

LOSSES: Final[Mapping[str, LossKind]] = {
    "weighted": LossKind("WeightedEnergyForcesStressLoss", _WITH_STRESS, StressIn.WHEN_COMPUTED),
    "ef": LossKind("WeightedEnergyForcesLoss", ()),
    "forces_only": LossKind("WeightedForcesLoss", ("forces_weight",)),
    "weighted_stress": _STRESS,
    "stress": _STRESS,
    "virials": LossKind("WeightedEnergyForcesVirialsLoss", (*_ENERGY_FORCES, "virials_weight"), StressIn.ALWAYS),
    "huber": LossKind(
        "WeightedHuberEnergyForcesStressLoss",
        (*_WITH_STRESS, "huber_delta"),
        StressIn.WHEN_COMPUTED,
        weighs_structures=False,
    ),
    "universal": LossKind(
        "UniversalLoss", (*_WITH_STRESS, "huber_delta"), StressIn.WHEN_COMPUTED, weighs_structures=False
    ),
    "l1l2energyforces": LossKind("WeightedEnergyForcesL1L2Loss", _ENERGY_FORCES, weighs_structures=False),
    "intermol": LossKind("WeightedEnergyForcesStressLoss", _WITH_STRESS, StressIn.WHEN_COMPUTED),
}
"""By the names that TRAINING.loss takes: those of aims-PAX v0.2, and of MACE."""


INTERMOLECULAR: Final = "intermol"
"""The loss that is as weighted, and besides one of the forces on whole molecules, which MACE does not have."""


def stage_two_of(name: str) -> LossKind:
    """The loss of stage two after a loss: the same, but that it always has weights."""
    return LossKind("WeightedEnergyForcesLoss", _ENERGY_FORCES) if name == "ef" else LOSSES[name]


DEFAULT_TYPE: Final = "Default"
"""What MACE calls the kind of structures that are of none."""


def weight_of(weights: Mapping[str, float], *, config_type: str, system: str, stage: str) -> float:
    """What a structure counts in the loss: the weight of the first of its names that has one.

    Where none has, a structure without a `config_type` has the weight of Default, and one with such a type, as in MACE,
    1.

    Parameters
    ----------
    weights : mapping of str to float
        TRAINING.config_type_weights.
    config_type : str
        What the file that it comes from calls its kind; empty for others.
    system : str
        The starting structure that it descends from, or the file.
    stage : str
        The stage that it comes from.
    """
    for name in (config_type, system, stage):
        if name and name in weights:
            return weights[name]
    return 1.0 if config_type else weights.get(DEFAULT_TYPE, 1.0)
