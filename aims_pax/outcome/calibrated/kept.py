"""calibration.json: kept beside models, and found again by them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aims_pax.dataset.durable import replacing
from aims_pax.errors import Problem, UserError
from aims_pax.outcome.calibrated.fitted import Fitted
from aims_pax.selection.calibration import Calibration

FILE: Final = "calibration.json"

VERSION: Final = 1
"""Of the file."""

AGAIN: Final = "aims-pax evaluate --models ... --data FILE --calibrate makes one."

WITHOUT: Final = f"{AGAIN} Without it, by removing it or by calibration=None, errors are not told."


@dataclass(frozen=True, slots=True)
class Kept:
    """A calibration as it stands in a file.

    Parameters
    ----------
    path : Path
    content : mapping
    calibration : Calibration
    """

    path: Path
    content: Mapping[str, Any]
    calibration: Calibration

    def is_of(self, models: Sequence[Path]) -> bool:
        """Whether it is that of the mean of these files, by what is in them."""
        return sorted(one["sha256"] for one in self.content["models"]) == sorted(digest(path) for path in models)


def write(fitted: Fitted, models: Sequence[Path], folder: Path) -> Path:
    """Write calibration.json of the mean of some models; what stood there is replaced.

    Raises
    ------
    OSError
        The folder can't be written to.
    """
    path = folder / FILE
    content = {
        "version": VERSION,
        "models": [{"file": model.name, "sha256": digest(model)} for model in models],
        **fitted.record(),
    }
    with replacing(path) as file:
        json.dump(content, file, indent=2)
    return path


def read(path: Path) -> Kept:
    """What stands in a file.

    Raises
    ------
    UserError
        It can't be read, or is none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] > VERSION:
            found = f"was written by a newer version of this program (format {content['version']})."
            raise UserError(Problem(str(path), found, f"format {VERSION}", WITHOUT))
        return Kept(path, content, Calibration.of_record(content["quantities"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        found = f"can't be read as a calibration ({type(error).__name__}: {error})."
        raise UserError(Problem(str(path), found, "a calibration.json of a run", WITHOUT)) from error


def beside(models: Sequence[Path]) -> Kept | None:
    """That which lies beside models, or beside the folder of a run's committee, and is theirs.

    Raises
    ------
    UserError
        A file lies there that can't be read.
    """
    for folder in dict.fromkeys(place for model in models for place in (model.parent, model.resolve().parent.parent)):
        if (folder / FILE).is_file():
            kept = read(folder / FILE)
            if kept.is_of(models):
                return kept
    return None


def read_for(path: Path, models: Sequence[Path]) -> Kept:
    """A file that was named, for these models.

    Raises
    ------
    UserError
        It can't be read, or is that of others.
    """
    kept = read(path)
    if not kept.is_of(models):
        names = ", ".join(one["file"] for one in kept.content["models"])
        found = f"is a calibration of the mean of other models ({names}, as they were then)."
        raise UserError(Problem(str(path), found, "a calibration of exactly the files that are loaded", AGAIN))
    return kept


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
