"""What labels and learner did when, and how well their time was used."""

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from aims_pax.frame import FloatArray, IntArray
from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.figures import draw_bars
from aims_pax.report.style import BLUE, GREEN, GREY, ORANGE
from aims_pax.report.table import Table
from aims_pax.times import duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LANES: Final = 40
"""More calculations at the same time than these are drawn as a number alone."""

SHORTEST: Final = 0.002
"""Of the whole width, that a bar has at least."""

MOST_NAMES: Final = 10
"""More workers than these are numbered beside their lanes, and named in the table alone."""

DENSE: Final = 1500
"""More bars than this are drawn as pixels."""


def timeline(material: Material) -> Figure | Absent:
    """Each calculation of a label as a bar in the lane of its worker; trainings below.

    Older runs have not noted who computed what: their lanes are as many as there were at the same time.
    """
    name, title, attempts = "timeline", "Who did what when", material.attempts
    if not len(attempts) or material.time is None:
        return Absent(name, title, "No label has been computed yet.")
    begins_at, ends_at = attempts["ended_at"] - attempts["wall_s"], attempts["ended_at"]
    is_known = bool((attempts["worker"][attempts["gave_label"]] != "").all())
    workers = np.where(attempts["worker"] == "", "unknown", attempts["worker"])  # one that was lost says no name
    lanes = lanes_by_worker(workers, begins_at) if is_known else lanes_of(begins_at, ends_at)
    end = material.time.hours(ends_at)
    begin = np.maximum(0.0, end - attempts["wall_s"] / 3600)
    n_lanes = int(lanes.max()) + 1
    n_workers = n_lanes - 1 if is_known and "unknown" in workers and n_lanes > 1 else n_lanes
    busy_s, total_h = float(attempts["wall_s"].sum()), material.time.total_h
    share = busy_s / 3600 / (n_workers * total_h) if total_h else 0.0
    trained, (unit, length_h) = material.time.hours(material.trainings["time"]), material.time.unit
    shortest = SHORTEST * total_h / length_h

    def draw(axes: "Axes") -> None:
        seen = np.maximum(end / length_h, begin / length_h + shortest)
        _draw_bars(axes, begin / length_h, seen, lanes, attempts["gave_label"])
        axes.plot(trained / length_h, np.full(len(trained), -1.5), color=GREEN, lw=0, marker="|", ms=11, mew=1.0)
        shown = min(n_lanes, MOST_LANES)
        axes.set(xlabel=f"{unit} of work", xlim=(0, total_h / length_h or None), ylim=(-2.5, shown))
        told = range(0, shown, max(1, shown // 8))
        words = [str(lane + 1) for lane in told]
        if is_known and shown <= MOST_NAMES:
            told, words = range(shown), [str(workers[lanes == lane][0]) for lane in range(shown)]
        axes.set_yticks([-1.5, *told], ["learner", *words])
        axes.set_ylabel("workers" if is_known else "calculations at a time")
        axes.grid(visible=False, axis="y")

    whose = f"{n_workers} worker{'s' if n_workers > 1 else ''}"
    by = "A lane is a worker: its host and the number of its process."
    if not is_known:
        whose = f"Up to {n_lanes} calculations at a time"
        by = "It was not noted which worker computed what: lanes are the least number that holds all."
    most = f" The first {MOST_LANES} of {n_lanes} lanes." if n_lanes > MOST_LANES else ""
    return Figure(
        name=name,
        title=title,
        good="In a good one the lanes are full from beginning to end, and the learner is heard of all the time.",
        table=Table(
            label_id=attempts["label_id"].copy(),
            lane=lanes + 1,
            worker=attempts["worker"].astype(object),
            begin_h=begin,
            end_h=end,
            wall_s=attempts["wall_s"].copy(),
            gave_label=attempts["gave_label"].copy(),
        ),
        panels=(Panel(draw, width_in=9.4, height_in=1.6 + 0.17 * min(max(n_lanes, 4), MOST_LANES)),),
        note=f"{whose}; {duration(busy_s)} of calculation in {duration(3600 * total_h)} "
        f"of work: {100 * share:.0f} % of the time of so many workers, who would have needed "
        f"{duration(busy_s / n_workers)} if they had never waited. "
        f"Blue: calculations, orange: failed, green: some epochs are over. {by}{most}",
    )


def activities(material: Material) -> Figure | Absent:
    """Wall time of the campaign's own process by what it did."""
    spent = {name: seconds for name, seconds in material.spent_s.items() if seconds > 0}
    if not spent:
        return Absent("activities", "Where the time went", "The run has stored no times yet.")
    total = sum(spent.values())
    return Figure(
        name="activities",
        title="Where the time went",
        good="A good one is mostly sampling and training, or waits for labels that are the dearest part by nature.",
        table=Table(
            activity=np.array(list(spent), dtype=object),
            seconds=np.array(list(spent.values())),
        ),
        panels=(Panel(lambda axes: draw_bars(axes, spent, total), height_in=0.8 + 0.34 * len(spent)),),
        note="Of the campaign's own process; labelling is the time in which it did nothing but wait for labels, or "
        "computed them itself.",
    )


def lanes_by_worker(workers: NDArray[np.str_], begins: FloatArray) -> IntArray:
    """A lane (n,) from 0 for each worker, in the order in which they began."""
    known = {str(worker): lane for lane, worker in enumerate(dict.fromkeys(workers[np.argsort(begins, kind="stable")]))}
    return np.array([known[str(worker)] for worker in workers], dtype=np.int64)


def lanes_of(begins: FloatArray, ends: FloatArray) -> IntArray:
    """A lane (n,) from 0 for each span of time, the lowest that is free: no two of one lane overlap."""
    lanes = np.zeros(len(begins), dtype=np.int64)
    free_at: list[float] = []
    for index in np.argsort(begins, kind="stable").tolist():
        lane = next((n for n, at in enumerate(free_at) if at <= begins[index]), len(free_at))
        if lane == len(free_at):
            free_at.append(0.0)
        free_at[lane] = float(ends[index])
        lanes[index] = lane
    return lanes


def _draw_bars(
    axes: "Axes", begin: FloatArray, end: FloatArray, lanes: IntArray, gave_label: NDArray[np.bool_]
) -> None:
    from matplotlib.collections import LineCollection

    visible = lanes < MOST_LANES
    for which, colour in ((visible & gave_label, BLUE), (visible & ~gave_label, ORANGE)):
        lines = [[(b, n), (e, n)] for b, e, n in zip(begin[which], end[which], lanes[which], strict=True)]
        axes.add_collection(
            LineCollection(lines, colors=colour, linewidths=7, capstyle="butt", rasterized=len(lines) > DENSE)
        )
    axes.axhline(-0.9, color=GREY, lw=0.6)
