"""Forces beyond which a label is no example to learn from: it is stored, and kept out of the dataset."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from aims_pax.frame import FailureReason, Frame, Label, LabelFailure

SETTING: Final = "REFERENCE.max_force_ev_per_ang"


@dataclass(frozen=True, slots=True)
class ForceLimit:
    """The largest force on an atom that a label to learn from may hold.

    Parameters
    ----------
    ev_per_ang : float, eV/Å
    setting : str
        Where it is written.
    """

    ev_per_ang: float
    setting: str = SETTING

    def complaint(self, label: Label, frame: Frame) -> str | None:
        """Which force of a label is beyond it, in words; None where none is."""
        if label.max_force_ev_per_ang <= self.ev_per_ang:
            return None
        norms = np.linalg.norm(label.forces, axis=1)
        atom = int(norms.argmax())
        return (
            f"the force on atom {atom} (Z = {frame.numbers[atom]}) is {norms[atom]:.1f} eV/Å, beyond "
            f"{self.setting} = {self.ev_per_ang:g} eV/Å"
        )

    def judged(self, result: Label | LabelFailure, frame: Frame) -> Label | LabelFailure:
        """The same answer with its label kept out, or let in, by this limit; other failures stay what they are."""
        label = result if isinstance(result, Label) else result.label
        if label is None:
            return result
        beyond = self.complaint(label, frame)
        if beyond is None:
            return label
        if isinstance(result, LabelFailure):
            return replace(result, message=beyond)
        return LabelFailure(FailureReason.KEPT_OUT, beyond, None, label.wall_s, label.worker, label)
