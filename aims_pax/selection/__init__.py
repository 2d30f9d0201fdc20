"""How much a committee disagrees about one structure."""

from aims_pax.selection.uncertainty import SCORES, ensemble_sd, max_atomic_error, max_atomic_sd, mean_atomic_sd

__all__ = ["SCORES", "ensemble_sd", "max_atomic_error", "max_atomic_sd", "mean_atomic_sd"]
