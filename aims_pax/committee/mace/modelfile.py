"""Model files: MACE's own format out, MACE's own format in."""

import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from pickle import UnpicklingError

import torch

from aims_pax.committee.device import Where, as_devices
from aims_pax.committee.ensemble import Ensemble
from aims_pax.committee.mace.backend import MaceModel, modules
from aims_pax.committee.mace.build import DTYPES
from aims_pax.committee.mace.model import Passes, run_model
from aims_pax.dataset.durable import replacing_bytes
from aims_pax.errors import ModelError, Problem

_UNREADABLE = (RuntimeError, UnpicklingError, EOFError, AttributeError, ImportError, KeyError, ValueError, TypeError)


def load_models(paths: Sequence[Path], *, device: Where, dtype: str | None = None) -> Ensemble:
    """Models for prediction from files of MACE or of this package.

    Model files are Python pickles, as MACE defines them: load only what you trust.

    Parameters
    ----------
    dtype : "float32", "float64" or None
        Precision to predict in; the one of the first file when None.

    Raises
    ------
    ModelError
        A file is missing, is no MACE model, or does not fit the others.
    """
    if not paths:
        raise ModelError(Problem(where="models", found="no model file is given", allowed="one file or more"))
    devices = as_devices(device)
    models = [read_model(Path(path), devices[0]) for path in paths]
    return prediction_ensemble(models, sources=[str(path) for path in paths], devices=devices, dtype=dtype)


def prediction_ensemble(
    models: Sequence[MaceModel],
    *,
    sources: Sequence[str],
    devices: Sequence[torch.device],
    dtype: str | None = None,
    passes_of: Callable[[MaceModel], Passes] = lambda _: run_model,
) -> Ensemble:
    """Trained models, all in one precision (by default the first one's), for prediction only.

    Parameters
    ----------
    passes_of : callable
        How models such as the first are run, when they are ready.
    """
    precision = DTYPES[dtype] if dtype else next(models[0].parameters()).dtype
    ready = [model.to(precision).requires_grad_(False).eval() for model in models]
    return Ensemble(ready, sources=sources, devices=devices, passes=passes_of(ready[0]))


def read_model(path: Path, device: torch.device) -> MaceModel:
    if not path.is_file():
        unmatched = ": nothing matches this pattern" if any(mark in path.name for mark in "*?[") else ""
        advice = "Give the path of a .model file; those of a run are in its results/ and results/committee/."
        raise ModelError(Problem(where=str(path), found=f"is not a file{unmatched}", advice=advice))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript and serialisation notices of no use to the reader
            model = torch.load(path, map_location=device, weights_only=False)
    except _UNREADABLE as cause:
        found = f"can't be read as a model ({type(cause).__name__}: {cause})"
        raise ModelError(Problem(where=str(path), found=found, allowed="files that MACE wrote")) from cause
    if not isinstance(model, modules.MACE):
        found = f"holds a {type(model).__name__}"
        allowed = "MACE models of energies and forces, not compiled ones"
        raise ModelError(Problem(where=str(path), found=found, allowed=allowed))
    return model.to(device)


def save(value: object, path: Path) -> None:
    """Write what torch can save; the file appears complete or not at all.

    Raises
    ------
    OSError
        The disk is full, or the folder can't be written to. (torch's own writer hides that behind a RuntimeError, so
        the bytes are put together in memory.)
    """
    content = io.BytesIO()
    torch.save(value, content)
    with replacing_bytes(path) as file:
        file.write(content.getbuffer())
