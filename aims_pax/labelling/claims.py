"""Labels that may be taken back: whoever comes first has them, the worker that begins or the campaign that withdraws.

In the folder of a job stands a symbolic link for each of its attempts, whose name is the attempt and whose target is
who has it. A file system makes it once and whole, also for others than the one who made it, and never twice.
"""

from pathlib import Path
from typing import Final

from aims_pax.protocols import LabelJob

BEGUN: Final = "begun"
WITHDRAWN: Final = "withdrawn"
_PREFIX: Final = "claim-"


def begins(job: LabelJob) -> bool:
    """Whether a worker may begin a job, which from then on is computed and paid for."""
    return not job.is_revocable or _claimed(job, BEGUN) != WITHDRAWN


def withdraws(job: LabelJob) -> bool:
    """Whether a job is taken back: no worker has begun it, and none will."""
    return _claimed(job, WITHDRAWN) == WITHDRAWN


def is_begun(job: LabelJob) -> bool:
    """Whether a worker has begun a job."""
    return _owner(_claim(job)) == BEGUN


def offer(job: LabelJob) -> None:
    """Let workers begin a job although it was taken back, by a campaign that was killed before that counted."""
    if _owner(_claim(job)) == WITHDRAWN:
        _claim(job).unlink(missing_ok=True)


def forget(folder: Path) -> None:
    """Remove what says who has had the job of this folder."""
    for claim in folder.glob(f"{_PREFIX}*"):
        claim.unlink(missing_ok=True)


def _claimed(job: LabelJob, who: str) -> str | None:
    """Who has a job now, if need be since this moment; None where the file system says nothing."""
    claim = _claim(job)
    try:
        claim.parent.mkdir(parents=True, exist_ok=True)
        claim.symlink_to(who)
    except FileExistsError:
        return _owner(claim)
    except OSError:  # a worker computes what it can't claim, and a campaign keeps it
        return None
    return who


def _owner(claim: Path) -> str | None:
    try:
        return claim.readlink().name
    except OSError:
        return None


def _claim(job: LabelJob) -> Path:
    return job.folder / f"{_PREFIX}{job.attempt}"
