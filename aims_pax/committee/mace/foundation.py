"""General-purpose MACE models by name."""

import contextlib
import io
import logging
from pathlib import Path
from typing import Final

import torch

from aims_pax.committee.device import Where, as_devices
from aims_pax.committee.ensemble import Ensemble
from aims_pax.committee.mace.backend import MaceModel
from aims_pax.committee.mace.modelfile import load_models, prediction_ensemble
from aims_pax.errors import ModelError, Problem

log = logging.getLogger(__name__)

FAMILIES: Final = ("mace-mp", "mace-off")
"""Published families: materials, and organic molecules."""


def load_foundation(family: str, model: str, *, device: Where, dtype: str | None = None) -> Ensemble:
    """A foundation model from a local file, or by name, which MACE downloads at its first use.

    Parameters
    ----------
    family : "mace-mp", "mace-off" or "mace"
        With "mace", and wherever `model` is an existing file, the file is read.
    model : str
        Name within the family, such as small, medium, large; or a path.

    Raises
    ------
    ModelError
        The family or the model is unknown, or can't be downloaded from here.
    """
    path = Path(model).expanduser()
    if path.is_file():
        return load_models([path], device=device, dtype=dtype)
    if family not in FAMILIES:
        found = f"{model!r} is not a file"
        allowed = f"a path of a model file, or a name of the families {', '.join(FAMILIES)}"
        raise ModelError(Problem(where="foundational_model_settings.mace_model", found=found, allowed=allowed))
    devices = as_devices(device)
    raw = _published(family, model, devices[0])
    return prediction_ensemble([raw], sources=[f"{family} {model}"], devices=devices, dtype=dtype)


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
