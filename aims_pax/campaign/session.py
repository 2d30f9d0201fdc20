"""A process that works in a run folder, and how far the run in it has come."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aims_pax.campaign.progress import FINISHED, progress_of
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure
from aims_pax.protocols import Observer
from aims_pax.settings import Project
from aims_pax.stages.activities import Activity, Part
from aims_pax.stages.bench import Bench
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import has_begun

EARLIER: Final = ("initial", "initial convergence", "active", "convergence")
"""All that a run could go through before campaigns were lists."""

OVER: Final = "stages"
"""Under which a run remembers the names of the stages that are over, in their order."""

WRITTEN: Final = "results written"
"""Under which a run remembers that its results are there, and are being looked at."""


def part_of(progress: str | None) -> str:
    """What the time is counted to while a run stands there."""
    if progress is None:
        return Part.STARTING
    return Part.RESULTS if progress == FINISHED else progress


def proceed(bench: Bench, progress: str, *, after: str = "") -> None:
    """Note that another stage comes next, since one is over."""
    bench.stopwatch.enter(part_of(progress))
    with bench.stopwatch.during(Activity.RECORDING), bench.store.transaction():
        over = stages_over(bench.store, bench.memory)
        if after and after not in over:  # the last one is looked into again when its results are still to be written
            bench.memory.keep_json(OVER, [*over, after])
        bench.memory.keep_json("progress", progress)
        bench.memory.keep_time(bench.stopwatch)


def stages_over(store: RunStore, memory: Memory) -> list[str]:
    """Names of the stages that are over, in their order; runs of earlier versions have noted how far they are."""
    noted = memory.recall_json(OVER)
    if isinstance(noted, list):
        return [str(name) for name in noted]
    progress = progress_of(memory)
    if progress not in (*EARLIER, FINISHED):
        return []
    before = EARLIER if progress == FINISHED else EARLIER[: EARLIER.index(progress)]
    return [name for name in before if has_begun(store, name)]


@contextmanager
def opened(project: Project, store: RunStore, observer: Observer, departure: Departure) -> Iterator[Bench]:
    """The bench of a run, whose workers are released at the end, and which hears of a departure meanwhile."""
    bench = Bench(project, store, observer, departure)
    bench.stopwatch.enter(part_of(progress_of(bench.memory)))
    departure.listeners.append(bench.wake)
    try:
        yield bench
    finally:
        departure.listeners.remove(bench.wake)
        bench.close()
