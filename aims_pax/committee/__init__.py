"""MACE committees: built, trained continually, evaluated in batches, written as MACE's own model files."""

from aims_pax.committee.committee import Committee
from aims_pax.committee.compiled import why_nothing_compiles
from aims_pax.committee.descriptors import farthest_points, structure_descriptors
from aims_pax.committee.device import cuda_is_usable, devices_of, missing_gpus, usable_gpus
from aims_pax.committee.ensemble import Ensemble, FramePrediction, Prediction
from aims_pax.committee.forces import CommitteeForces
from aims_pax.committee.foundation import load_foundation
from aims_pax.committee.member import EpochPlan, EpochReport
from aims_pax.committee.modelfile import load_models
from aims_pax.committee.replay import RandomSubset

__all__ = [
    "Committee",
    "CommitteeForces",
    "Ensemble",
    "EpochPlan",
    "EpochReport",
    "FramePrediction",
    "Prediction",
    "RandomSubset",
    "cuda_is_usable",
    "devices_of",
    "farthest_points",
    "load_foundation",
    "load_models",
    "missing_gpus",
    "structure_descriptors",
    "usable_gpus",
    "why_nothing_compiles",
]
