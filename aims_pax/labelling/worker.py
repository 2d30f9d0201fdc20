"""What a worker does for one label. It runs in the campaign's process for the inline pool, elsewhere for Parsl."""

import functools
import logging
import os
import pickle
import shutil
import socket
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from aims_pax.frame import FailureReason, Label, LabelFailure
from aims_pax.labelling.claims import begins
from aims_pax.labelling.free_atoms import free_atom_label, is_free_atom
from aims_pax.labelling.result import encode, read_finished, write_result
from aims_pax.protocols import LabelJob, Reference
from aims_pax.reference.by_system import in_charge
from aims_pax.reference.calculation import failure_reason

log = logging.getLogger(__name__)


def carry_out(
    reference: Reference, job: LabelJob, *, want_stress: bool, keep_files: bool = False
) -> Label | LabelFailure:
    """Compute one label in a folder of its own attempt, and leave the result in the job's folder.

    Each attempt has its own folder because a job that was given up as lost may still be running when it is tried
    again. The folder of a failure is kept and named in the failure; that of a success is removed, unless the engine's
    files are to be kept and there are any. A label that an earlier attempt finished, without the campaign having
    heard of it, is not computed again; one that could not finish in time, or was withdrawn, is not begun.
    """
    started = time.perf_counter()
    reference = in_charge(reference, job.frame)
    host, process = socket.gethostname(), os.getpid()
    attempt = job.folder / f"attempt-{host}-{process}-{time.time_ns()}"
    result: Label | LabelFailure
    try:
        finished = _finished(reference, job)
        if finished is not None:
            return finished
        if job.start_before is not None and time.time() >= job.start_before:
            return LabelFailure(FailureReason.NOT_STARTED, "it could not have finished before the campaign leaves")
        if not begins(job):
            return LabelFailure(FailureReason.NOT_STARTED, "the campaign has withdrawn it")
        result = _made_folder(attempt) or (
            free_atom_label(reference, job.frame, folder=attempt)
            if is_free_atom(job.frame)
            else reference.label(job.frame, folder=attempt, want_stress=want_stress)
        )
    except Exception as error:  # the worker's entry: whatever goes wrong here must reach the campaign as a value
        result = _crash(error, attempt, wall_s=time.perf_counter() - started)
    result = _by(result, f"{host} {process}")
    if isinstance(result, Label) and not (keep_files and attempt.is_dir() and any(attempt.iterdir())):
        shutil.rmtree(attempt, ignore_errors=True)
    if isinstance(result, LabelFailure) and result.reason.is_infrastructure:
        return result  # no result of this structure: left on disk, it would be taken for one when the run goes on
    try:
        # An earlier attempt that was given up as lost may have come to its end meanwhile.
        if isinstance(result, LabelFailure) and (finished := _finished(reference, job)) is not None:
            return finished
        write_result(job.folder, encode(result, job.frame, attempt=job.attempt))
    except OSError as error:
        # The result still travels to the campaign; only a crash right now would cost a second calculation.
        log.warning("a result could not be written to %s: %s", job.folder, error)
    return result


def label_on_worker(
    settings: bytes,
    job: LabelJob,
    want_stress: bool,
    keep_files: bool,
    parsl_resource_specification: Mapping[str, int] | None = None,
) -> bytes:
    """The task that Parsl sends to its workers.

    Parameters
    ----------
    settings : bytes
        Pickled reference settings. The reference is built from them once per worker: a used one can't be sent.
    job : LabelJob
    want_stress, keep_files : bool
    parsl_resource_specification : mapping of str to int, or None
        Read by Parsl on the way: its place in the queue.

    Returns
    -------
    bytes
        The result as :func:`aims_pax.labelling.result.encode` writes it.
    """
    reference = _reference(settings)
    result = carry_out(reference, job, want_stress=want_stress, keep_files=keep_files)
    return encode(result, job.frame, attempt=job.attempt)


@functools.lru_cache(maxsize=4)
def _reference(settings: bytes) -> Reference:
    from aims_pax.reference.registry import build_reference

    return build_reference(pickle.loads(settings))


def _finished(reference: Reference, job: LabelJob) -> Label | LabelFailure | None:
    """The label by this reference that some attempt has left, kept out or not."""
    finished = read_finished(job)
    label = finished.label if isinstance(finished, LabelFailure) else finished
    return finished if label is not None and label.reference.partition("; ")[0] == reference.name else None


def _by(result: Label | LabelFailure, worker: str) -> Label | LabelFailure:
    """The result with the process that has computed it."""
    if isinstance(result, LabelFailure) and result.label is not None:
        return replace(result, worker=worker, label=replace(result.label, worker=worker))
    return replace(result, worker=worker)


def _made_folder(attempt: Path) -> LabelFailure | None:
    """Make the folder of an attempt; the failure that it is when that can't be done here."""
    try:
        attempt.mkdir(parents=True)
    except OSError as error:
        message = f"the folder {attempt} can't be made on {socket.gethostname()}: {error.strerror}"
        return LabelFailure(FailureReason.SCRATCH, message)
    return None


def _crash(error: Exception, attempt: Path, *, wall_s: float) -> LabelFailure:
    """The failure that an unforeseen exception becomes, with its traceback kept beside the calculation."""
    folder: str | None = str(attempt)
    try:
        account = "".join(traceback.format_exception(error))
        (attempt / "failure.txt").write_text(account, encoding="utf-8")
    except OSError:
        folder = None
    return LabelFailure(failure_reason(error, folder=attempt), f"{type(error).__name__}: {error}", folder, wall_s)
