"""Model files: MACE's own format out, MACE's own format in."""

import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import BinaryIO

import torch

from aims_pax.committee.backend import MaceModel, modules
from aims_pax.committee.build import DTYPES
from aims_pax.committee.ensemble import Ensemble
from aims_pax.errors import ModelError, Problem

_UNREADABLE = (RuntimeError, UnpicklingError, EOFError, AttributeError, ImportError, KeyError, ValueError, TypeError)


def load_models(paths: Sequence[Path], *, device: torch.device | str, dtype: str | None = None) -> Ensemble:
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
    models = [_read(Path(path), torch.device(device)) for path in paths]
    return prediction_ensemble(models, sources=[str(path) for path in paths], dtype=dtype)


def prediction_ensemble(models: Sequence[MaceModel], *, sources: Sequence[str], dtype: str | None = None) -> Ensemble:
    """Trained models, all in one precision (by default the first one's), for prediction only."""
    precision = DTYPES[dtype] if dtype else next(models[0].parameters()).dtype
    ready = [model.to(precision).requires_grad_(False).eval() for model in models]
    return Ensemble(ready, sources=sources)


def _read(path: Path, device: torch.device) -> MaceModel:
    if not path.is_file():
        raise ModelError(Problem(where=str(path), found="is not a file", advice="Give the path of a .model file."))
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


def write_atomically(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file so that its name always holds a complete one: temporary file, flush, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
