"""How much a committee disagrees about one structure, and how far structures are from each other."""

from aims_pax.selection.alikeness import distances, farthest_points, spread_of
from aims_pax.selection.differences import differences
from aims_pax.selection.uncertainty import (
    SCORES,
    component_relative_sd,
    component_sd,
    energy_sd,
    ensemble_sd,
    max_atomic_error,
    max_atomic_sd,
    max_relative_sd,
    mean_atomic_sd,
    molecular_sds,
    score_of,
    stress_sd,
)

__all__ = [
    "SCORES",
    "component_relative_sd",
    "component_sd",
    "differences",
    "distances",
    "energy_sd",
    "ensemble_sd",
    "farthest_points",
    "max_atomic_error",
    "max_atomic_sd",
    "max_relative_sd",
    "mean_atomic_sd",
    "molecular_sds",
    "score_of",
    "spread_of",
    "stress_sd",
]
