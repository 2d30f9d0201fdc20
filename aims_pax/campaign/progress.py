"""How far a run has come, as its store notes it; read without importing what a campaign is made of."""

from typing import Final

from aims_pax.stages.memory import Memory

FINISHED: Final = "finished"
"""The progress of a run whose results are written; else it is the name of the stage that comes next or is under way."""


def progress_of(memory: Memory) -> str | None:
    """The stage of a run that comes next or is under way, or :data:`FINISHED`; None for a new run."""
    progress = memory.recall_json("progress")
    return None if progress is None else str(progress)
