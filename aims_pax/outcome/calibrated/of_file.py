"""The calibration of models by labelled structures of a file, which they have not learned from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aims_pax.dataset.extxyz import read_extxyz
from aims_pax.errors import AimsPaxError, Problem, UserError
from aims_pax.frame import Frame, Split
from aims_pax.outcome.calibrated.fitted import Fitted, evidence_of, fit
from aims_pax.outcome.evaluate import MeasuredModels
from aims_pax.outcome.product import COMMITTEE_FOLDER
from aims_pax.selection.calibration import LEAST_STRUCTURES


def calibrate_on(measured: MeasuredModels, models: Sequence[Path]) -> Fitted:
    """Estimates of the errors of the mean of some models.

    Parameters
    ----------
    measured : MeasuredModels
        What they say of the structures, and the labels.
    models : sequence of Path
        Their files.

    Raises
    ------
    UserError
        There is one model, there are too few structures, or they are those that the models were trained on.
    """
    if len(models) < 2:
        found = "There is one model, and one does not disagree."
        raise UserError(Problem("--calibrate", found, "two models or more of one committee", "Name all its files."))
    n = len(measured.frames)
    if n < LEAST_STRUCTURES:
        found = f"{measured.data.name} holds {n} structures."
        raise UserError(Problem("--calibrate", found, f"{LEAST_STRUCTURES} or more, which no model was trained on"))
    n_known = _n_trained_on(measured.frames, home_of(models) / f"{Split.TRAINING}.extxyz")
    if n_known:
        found = f"{n_known} of the {n} structures of {measured.data.name} are in {Split.TRAINING}.extxyz of the models."
        advice = "What models have learned says nothing of their errors. aims-pax verify --heldout makes others."
        raise UserError(Problem("--calibrate", found, "structures that no model was trained on", advice))
    fitted = fit(
        evidence_of(measured.frames, measured.labels, measured.predictions),
        on=f"{n} structures of {measured.data.name}",
    )
    if fitted is None:
        found = f"No estimate can be fitted to {measured.data.name}: numbers are missing or not finite."
        raise UserError(Problem("--calibrate", found, f"{LEAST_STRUCTURES} structures or more with finite labels"))
    return fitted


def home_of(models: Sequence[Path]) -> Path:
    """Where the calibration of some models belongs: their folder, or the results that a run's committee stands in."""
    folder = models[0].resolve().parent
    return folder.parent if folder.name == COMMITTEE_FOLDER else folder


def _n_trained_on(frames: Sequence[Frame], training: Path) -> int:
    """How many are among the structures of a file; none where that is not there, or holds something else."""
    if not training.is_file():
        return 0
    try:
        learned = {_what(frame) for frame, _ in read_extxyz(training)}
    except AimsPaxError:
        return 0
    return sum(_what(frame) in learned for frame in frames)


def _what(frame: Frame) -> bytes:
    """Atoms and places, as far as files keep them."""
    return frame.numbers.tobytes() + (np.round(frame.positions, 5) + 0.0).tobytes()
