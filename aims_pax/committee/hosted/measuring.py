"""How wrong a member is on labelled structures."""

from collections.abc import Sequence

import numpy as np

from aims_pax.frame import FloatArray, LabelledFrame
from aims_pax.protocols import FramePrediction, MemberErrors


def measured(
    said: Sequence[FramePrediction], points: Sequence[LabelledFrame], *, sigmas: Sequence[float]
) -> MemberErrors:
    """Errors of the first member that speaks.

    Parameters
    ----------
    sigmas : sequence of float
        Of energies (eV/atom), forces (eV/Å) and virials (eV/atom): the loss is the sum of the mean squares of errors
        over these, without a unit.
    """
    energies, forces = deviations(said, points)
    told = [
        (one.stress[0] - point.label.stress, point)
        for one, point in zip(said, points, strict=True)
        if one.stress is not None and point.label.stress is not None
    ]
    loss = np.mean(np.square(energies / sigmas[0])) + np.mean(np.square(forces / sigmas[1]))
    if told and sigmas[2]:
        per_atom = [error * abs(np.linalg.det(point.frame.cell)) / point.frame.n_atoms for error, point in told]
        loss += np.mean(np.square(np.array(per_atom) / sigmas[2]))
    stress_mae = float(np.abs([error for error, _ in told]).mean()) if told else None
    return MemberErrors(float(loss), float(np.abs(energies).mean()), float(np.abs(forces).mean()), stress_mae)


def deviations(said: Sequence[FramePrediction], points: Sequence[LabelledFrame]) -> tuple[FloatArray, FloatArray]:
    """Prediction of the first member minus label: energies (n,) in eV/atom, force components in eV/Å."""
    pairs = list(zip(said, [point.label for point in points], strict=True))
    energies = np.array([(one.energies[0] - label.energy) / len(label.forces) for one, label in pairs])
    return energies, np.concatenate([(one.forces[0] - label.forces).ravel() for one, label in pairs])
