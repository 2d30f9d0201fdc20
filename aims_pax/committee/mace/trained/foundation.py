"""General-purpose MACE models by name."""

import contextlib
import io
import logging
from pathlib import Path
from typing import Final

import torch

from aims_pax.committee.device import AS_IT_IS, Handling, Where, as_devices
from aims_pax.committee.ensemble import Ensemble
from aims_pax.committee.mace.backend import MaceModel
from aims_pax.committee.mace.compiled import passes_of_trained
from aims_pax.committee.mace.model import Passes, run_model
from aims_pax.committee.mace.modelfile import prediction_ensemble, read_model
from aims_pax.errors import ModelError, Problem

log = logging.getLogger(__name__)

FAMILIES: Final = ("mace-mp", "mace-off")
"""Published families: materials, and organic molecules."""


def load_foundation(
    family: str, model: str, *, device: Where, dtype: str | None = None, handling: Handling = AS_IT_IS
) -> Ensemble:
    """A foundation model from a local file, or by name, which MACE downloads at its first use.

    Parameters
    ----------
    family : "mace-mp", "mace-off" or "mace"
        With "mace", and wherever `model` is an existing file, the file is read.
    model : str
        Name within the family, such as small, medium, large; or a path.
    dtype : "float32", "float64" or None
        Precision; None: that of its file.
    handling : Handling
        What PyTorch's compiler can't follow is run as MACE builds it.

    Raises
    ------
    ModelError
        The family or the model is unknown, or can't be downloaded from here.
    """
    devices = as_devices(device)
    raw, source = given_model(family, model, devices[0])

    def passes_of(ready: MaceModel) -> Passes:
        if not handling.compiled:
            return run_model
        return passes_of_trained(ready, devices, source=source, want_virials=handling.moves_cells)

    return prediction_ensemble([raw], sources=[source], devices=devices, dtype=dtype, passes_of=passes_of)


def given_model(family: str, model: str, device: torch.device) -> tuple[MaceModel, str]:
    """A model as its file has it, and what to call it in messages; see :func:`load_foundation`."""
    path = Path(model).expanduser()
    if path.is_file():
        return read_model(path, device), str(path)
    if family in FAMILIES:
        return _published(family, model, device), f"{family} {model}"
    found = f"{model!r} is not a file"
    allowed = f"a path of a model file, or a name of the families {', '.join(FAMILIES)}"
    raise ModelError(Problem(where="foundational_model_settings.mace_model", found=found, allowed=allowed))


def _published(family: str, name: str, device: torch.device) -> MaceModel:
    """A published model from MACE's cache, or downloaded into it."""
    from mace.calculators import foundations_models

    where = "foundational_model_settings.mace_model"
    urls = {"mace-mp": foundations_models.mace_mp_urls, "mace-off": foundations_models.mace_off_urls}[family]
    if name not in urls:
        found = f"{family} has no model {name!r}, and there is no such file"
        raise ModelError(Problem(where=where, found=found, allowed=f"{', '.join(urls)}, or a path of a model file"))
    load = {"mace-mp": foundations_models.mace_mp, "mace-off": foundations_models.mace_off}[family]
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            model: MaceModel = load(model=name, device=str(device), return_raw_model=True)
    except RuntimeError as cause:
        found = f"{family} {name!r} is not on this machine and can't be downloaded ({cause.__cause__ or cause})"
        advice = "Download it where there is a network and give its path, or let another method drive the initial MD."
        raise ModelError(Problem(where=where, found=found, advice=advice)) from cause
    log.info("%s", said.getvalue().strip())  # names the licence of models that are not free for every use
    return model
