"""Models that are trained on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemberErrors:
    """Errors of one member on its validation set after an epoch.

    Parameters
    ----------
    loss : float
        Validation loss, in the loss function's own unit.
    energy_mae_ev_per_atom, force_mae_ev_per_ang : float
    stress_mae_ev_per_ang3 : float or None
    """

    loss: float
    energy_mae_ev_per_atom: float
    force_mae_ev_per_ang: float
    stress_mae_ev_per_ang3: float | None = None
