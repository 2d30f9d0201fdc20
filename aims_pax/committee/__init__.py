"""Committees of MACE models and of other families: built, trained, evaluated in batches, written as model files."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from aims_pax.protocols import EpochPlan, EpochReport, FramePrediction, Prediction, RandomSubset

if TYPE_CHECKING:
    from aims_pax.committee.calculator import CommitteeCalculator
    from aims_pax.committee.committee import Committee
    from aims_pax.committee.device import Handling, cuda_is_usable, devices_of, missing_gpus, usable_gpus
    from aims_pax.committee.ensemble import Ensemble
    from aims_pax.committee.family import Family, family_of, load_committee, load_models
    from aims_pax.committee.forces import CommitteeForces
    from aims_pax.committee.mace.compiled import why_nothing_compiles
    from aims_pax.committee.mace.trained.finetuning import Foundation, read_foundation
    from aims_pax.committee.mace.trained.foundation import load_foundation
    from aims_pax.committee.mace.trained.pretrained import pretrained_elements
    from aims_pax.committee.pushed import PushedForces

_HOMES: Final = {
    "PushedForces": "pushed",
    "Committee": "committee",
    "CommitteeCalculator": "calculator",
    "CommitteeForces": "forces",
    "Ensemble": "ensemble",
    "Foundation": "mace.trained.finetuning",
    "Handling": "device",
    "cuda_is_usable": "device",
    "devices_of": "device",
    "load_foundation": "mace.trained.foundation",
    "Family": "family",
    "family_of": "family",
    "load_committee": "family",
    "load_models": "family",
    "missing_gpus": "device",
    "pretrained_elements": "mace.trained.pretrained",
    "read_foundation": "mace.trained.finetuning",
    "usable_gpus": "device",
    "why_nothing_compiles": "mace.compiled",
}
"""The module of each name. They are imported when first used: PyTorch and MACE take seconds."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = [
    "Committee",
    "CommitteeCalculator",
    "CommitteeForces",
    "Ensemble",
    "EpochPlan",
    "EpochReport",
    "Family",
    "Foundation",
    "FramePrediction",
    "Handling",
    "Prediction",
    "PushedForces",
    "RandomSubset",
    "cuda_is_usable",
    "devices_of",
    "family_of",
    "load_committee",
    "load_foundation",
    "load_models",
    "missing_gpus",
    "pretrained_elements",
    "read_foundation",
    "usable_gpus",
    "why_nothing_compiles",
]
