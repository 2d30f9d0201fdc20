"""How much a committee disagrees about one structure."""

from aims_pax.selection.uncertainty import (
    SCORES,
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
    "energy_sd",
    "ensemble_sd",
    "max_atomic_error",
    "max_atomic_sd",
    "max_relative_sd",
    "mean_atomic_sd",
    "molecular_sds",
    "score_of",
    "stress_sd",
]
