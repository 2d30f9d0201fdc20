"""A process that works in a run folder, and how far the run in it has come."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure
from aims_pax.protocols import Observer
from aims_pax.settings import Project
from aims_pax.stages.activities import Activity, Part
from aims_pax.stages.bench import Bench
from aims_pax.stages.memory import Memory


class Progress(StrEnum):
    """Which part of a run comes next."""

    INITIAL = "initial"
    """The initial dataset is being made."""
    INITIAL_CONVERGENCE = "initial convergence"
    """The committee is trained on the initial dataset, as long as that helps."""
    ACTIVE = "active"
    """The initial dataset is complete; active learning is to begin or under way."""
    CONVERGENCE = "convergence"
    """No more structures are taken; the models are being converged."""
    FINISHED = "finished"
    """The results are written."""


PART_OF: Final[Mapping[Progress | None, Part]] = {
    None: Part.STARTING,
    Progress.INITIAL: Part.INITIAL,
    Progress.INITIAL_CONVERGENCE: Part.INITIAL_CONVERGENCE,
    Progress.ACTIVE: Part.ACTIVE,
    Progress.CONVERGENCE: Part.CONVERGENCE,
    Progress.FINISHED: Part.RESULTS,
}
"""What the time is counted to while a run stands there."""


def progress_of(memory: Memory) -> Progress | None:
    """Which part of a run comes next; None for a new run."""
    return memory.recall_member("progress", Progress)


def proceed(bench: Bench, progress: Progress) -> None:
    """Note that another part comes next."""
    bench.stopwatch.enter(PART_OF[progress])
    with bench.stopwatch.during(Activity.RECORDING), bench.store.transaction():
        bench.memory.keep_json("progress", str(progress))
        bench.memory.keep_time(bench.stopwatch)


@contextmanager
def opened(project: Project, store: RunStore, observer: Observer, departure: Departure) -> Iterator[Bench]:
    """The bench of a run, whose workers are released at the end, and which hears of a departure meanwhile."""
    bench = Bench(project, store, observer, departure)
    bench.stopwatch.enter(PART_OF[progress_of(bench.memory)])
    departure.listeners.append(bench.wake)
    try:
        yield bench
    finally:
        departure.listeners.remove(bench.wake)
        bench.close()
