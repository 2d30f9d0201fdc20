"""What every stage works with: the store of its run, its desk for labels, its clock, and those who look and ask."""

from dataclasses import dataclass

from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure
from aims_pax.frame import Stage
from aims_pax.labelling.desk import LabelDesk
from aims_pax.protocols import Observer
from aims_pax.stages.activities import Stopwatch
from aims_pax.stages.memory import Memory


@dataclass(frozen=True, slots=True)
class Bench:
    """The bench of one stage.

    Parameters
    ----------
    stage : Stage
        Its name, under which the store keeps its state.
    desk : LabelDesk
        Where it asks for labels.
    """

    stage: Stage
    store: RunStore
    memory: Memory
    desk: LabelDesk
    stopwatch: Stopwatch
    observer: Observer
    departure: Departure
