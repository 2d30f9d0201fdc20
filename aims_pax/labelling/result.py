"""The result of a label as a file beside its calculation, so that a killed campaign need not compute it again.

The file is written by the worker, before the campaign hears of the result, and thrown away by the campaign once the
label is committed. What stands in a job's folder after a crash is therefore finished work.
"""

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from aims_pax.dataset.durable import replacing_unflushed
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.labelling.claims import forget
from aims_pax.protocols import LabelJob

RESULT_FILE: Final = "result.npz"
FORMAT: Final = 1
"""Raised when the meaning of the file changes; files of another format are computed again."""


def fingerprint(frame: Frame) -> str:
    """Digest of a frame's identity and geometry: a result may be given to this frame and to no other."""
    digest = hashlib.sha256(f"{frame.system}\0{frame.trajectory}\0{frame.md_step}\0{frame.generation}".encode())
    if (frame.charge, frame.spin) != (None, None):
        digest.update(f"\0{frame.charge}\0{frame.spin}".encode())
    for array, kind in ((frame.numbers, "<i8"), (frame.positions, "<f8"), (frame.cell, "<f8"), (frame.pbc, "|b1")):
        digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
    return digest.hexdigest()


def encode(result: Label | LabelFailure, frame: Frame, *, attempt: int = 1) -> bytes:
    """The result of an attempt (from 1) as the bytes of an npz file without pickled objects."""
    arrays: dict[str, Any] = {}
    said: dict[str, Any] = {}
    label = result if isinstance(result, Label) else result.label
    if label is not None:
        said = {"energy": label.energy, "reference": label.reference}
        arrays = {"forces": label.forces} | {f"extra:{name}": value for name, value in label.extras.items()}
        if label.stress is not None:
            arrays["stress"] = label.stress
    if isinstance(result, LabelFailure):
        said |= {"reason": result.reason.value, "message": result.message, "folder": result.folder}
    said |= {"wall_s": result.wall_s, "worker": result.worker}
    said |= {"format": FORMAT, "fingerprint": fingerprint(frame), "attempt": attempt, "arrays": sorted(arrays)}
    buffer = io.BytesIO()
    np.savez(buffer, said=np.frombuffer(json.dumps(said).encode(), dtype=np.uint8), **arrays)
    return buffer.getvalue()


def decode(content: bytes, frame: Frame, *, attempt: int | None = None) -> Label | LabelFailure | None:
    """The result in these bytes; None when they are damaged, of another format, or belong to another frame.

    Given the number of an attempt, the failures of others count as nothing; a label counts, whichever has made it, and
    one that is kept out, too.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        said = json.loads(arrays.pop("said").tobytes())
        if said["format"] != FORMAT or said["fingerprint"] != fingerprint(frame):
            return None
        if sorted(arrays) != said.get("arrays", sorted(arrays)):  # a damaged table of contents may lose the last ones
            return None
        label = _label(said, arrays) if "energy" in said else None
        if "reason" not in said:
            return label
        if attempt is not None and label is None and said.get("attempt", 1) != attempt:
            return None
        reason, message = FailureReason(said["reason"]), said["message"]
        return LabelFailure(reason, message, said["folder"], said["wall_s"], said.get("worker", ""), label)
    except (zipfile.BadZipFile, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError):
        return None


def _label(said: Mapping[str, Any], arrays: Mapping[str, Any]) -> Label:
    return Label(
        energy=said["energy"],
        forces=arrays["forces"],
        stress=arrays.get("stress"),
        reference=said["reference"],
        wall_s=said["wall_s"],
        extras={name.removeprefix("extra:"): value for name, value in arrays.items() if name.startswith("extra:")},
        worker=said.get("worker", ""),
    )


def write_result(folder: Path, content: bytes) -> None:
    """Put the file of a result into an existing folder: all of it or nothing.

    It outlives every process. It is not flushed, which would take longer than all else that a label costs besides its
    calculation; after a power cut within seconds the file may be damaged, and the label is computed again.

    Raises
    ------
    OSError
        The folder is gone (its label was committed meanwhile) or can't be written.
    """
    with replacing_unflushed(folder / RESULT_FILE) as file:
        file.write(content)


def read_finished(job: LabelJob) -> Label | LabelFailure | None:
    """The label that a worker left in the job's folder, or the failure of the very attempt that the job is.

    None when there is neither for exactly this frame, or when the file can't be read now.
    """
    try:
        content = (job.folder / RESULT_FILE).read_bytes()
    except OSError:
        return None
    return decode(content, job.frame, attempt=job.attempt)


def discard(folder: Path, *, keep_files: bool = False) -> None:
    """Throw away a job's folder once its label is committed, and what lost attempts left in it.

    With `keep_files` only the result's file goes, and the folder when nothing else is in it.
    """
    if not keep_files:
        shutil.rmtree(folder, ignore_errors=True)
        return
    (folder / RESULT_FILE).unlink(missing_ok=True)
    forget(folder)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
