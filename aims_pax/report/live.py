"""The live view: where a campaign stands, at one glance, while it runs."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aims_pax.protocols import Status
from aims_pax.settings.stages.uncertainty import kind_named

PLAIN_INTERVAL_S: Final = 10.0
"""Seconds between progress lines where the output is not a terminal."""

REFRESHES_PER_SECOND: Final = 4.0

STAGE_WORDS: Final = {"initial": "initial dataset", "active": "active learning"}

PACE_WINDOW, MIN_GROWTH, COURSE_WIDTH = 20, 4, 30
"""Growths of the training set that the pace is taken from, the fewest of them, and errors that are drawn."""

BARS: Final = "▁▂▃▄▅▆▇█"


class LiveView:
    """Shows a campaign to a person: a panel in a terminal, a line now and then in a file or a pipe.

    Implements :class:`aims_pax.protocols.Observer`.

    Parameters
    ----------
    console : Console
        Where to show; the same console that the diary prints to.
    title : str
        Name of the project.
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, console: Console, *, title: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._title = title
        self._clock = clock
        self._started_s = clock()
        self._status: Status | None = None
        self._printed: tuple[float, Status] | None = None
        self._course = Course()
        self._live = (
            Live(console=console, refresh_per_second=REFRESHES_PER_SECOND, get_renderable=self._panel, transient=True)
            if console.is_terminal
            else None
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def show(self, status: Status) -> None:
        """Take note of the newest status; the panel is drawn by a thread of its own."""
        self._course = self._course.after(status, self._clock())
        self._status = status
        if self._live is None:
            self._print_now_and_then(status)
        elif not self._live.is_started:
            self._live.start()

    def close(self) -> None:
        """Leave the terminal as it was, with the last status as its last line."""
        if self._live is not None and self._live.is_started:
            self._live.stop()
        status, self._status = self._status, None
        if status is not None and (self._printed is None or self._printed[1] != status):
            self._print(replace(status, activity=""))  # over by now

    def _print_now_and_then(self, status: Status) -> None:
        """Print when it is time to, and when there is progress to tell."""
        now_s = self._clock()
        if self._printed is not None:
            last_s, last = self._printed
            if now_s - last_s < PLAIN_INTERVAL_S or replace(status, activity=last.activity) == last:
                return
        self._print(status)
        self._printed = (now_s, status)

    def _print(self, status: Status) -> None:
        self._console.print(status_line(status), highlight=False, markup=False, soft_wrap=True)

    def _panel(self) -> RenderableType:
        if self._status is None:
            return Text()
        return Panel(
            status_table(self._status, self._course.force_maes),
            title=f"[bold]{escape(self._title)}[/bold]  {STAGE_WORDS.get(self._status.stage, self._status.stage)}",
            subtitle=self._time(self._status),
            title_align="left",
            subtitle_align="right",
            border_style="cyan",
            width=min(self._console.width, 92),
        )

    def _time(self, status: Status) -> str:
        """``0:12:05, about 0:30:00 to go at this pace``."""
        now_s = self._clock()
        elapsed = _duration(now_s - self._started_s)
        left_s = self._course.seconds_left(status, now_s)
        return elapsed if left_s is None else f"{elapsed}, about {_duration(left_s)} to the goal at this pace"


@dataclass(frozen=True, slots=True)
class Course:
    """How one stage has come along.

    Parameters
    ----------
    stage : str
    growth : tuple of (float, int)
        Seconds, and size of the training set since then; the newest last.
    force_maes : tuple of float
        Validation force MAE as it came along, eV/Å.
    """

    stage: str = ""
    growth: tuple[tuple[float, int], ...] = ()
    force_maes: tuple[float, ...] = ()

    def after(self, status: Status, now_s: float) -> "Course":
        """The course with one more status."""
        before = self if status.stage == self.stage else Course(status.stage)
        growth, maes = before.growth, before.force_maes
        if not growth or status.n_train != growth[-1][1]:
            growth = (*growth, (now_s, status.n_train))[-PACE_WINDOW:]
        if status.force_mae_ev_per_ang is not None and (not maes or status.force_mae_ev_per_ang != maes[-1]):
            maes = (*maes, status.force_mae_ev_per_ang)[-COURSE_WIDTH:]
        return Course(status.stage, growth, maes)

    def seconds_left(self, status: Status, now_s: float) -> float | None:
        """Time to the goal at the pace of the newest structures; None before that can be told."""
        if status.train_goal is None or len(self.growth) < MIN_GROWTH or status.n_train >= status.train_goal:
            return None
        (since_s, n_before), (_, n_now) = self.growth[0], self.growth[-1]
        if n_now <= n_before:
            return None
        return (now_s - since_s) / (n_now - n_before) * (status.train_goal - n_now)


def status_line(status: Status) -> str:
    """The status as one line of plain text."""
    in_flight = status.n_labels_requested - status.n_labels_received - status.n_labels_failed
    goal = f"/{status.train_goal}" if status.train_goal is not None else ""
    moving = [
        f"running {status.n_running} waiting {status.n_waiting} training {status.n_training}",
        f"MD {_count(status.md_steps)} steps",
    ]
    parts = [
        STAGE_WORDS.get(status.stage, status.stage),
        f"train {status.n_train}{goal} valid {status.n_valid}",
        f"labels {status.n_labels_received} (in flight {in_flight}, failed {status.n_labels_failed})",
        *([f"spared {_spared(status)}"] if _spared(status) else []),
        *(moving if _has_trajectories(status) else []),
        f"epochs {_count(status.epochs)}",
        *([f"deviation {_deviation(status)}"] if status.last_score is not None else []),
        *(
            [f"force MAE {_milli(status.force_mae_ev_per_ang)} meV/Å"]
            if status.force_mae_ev_per_ang is not None
            else []
        ),
        status.activity,
    ]
    return " | ".join(part for part in parts if part)


def status_table(status: Status, force_maes: Sequence[float] = ()) -> RenderableType:
    """The status as a small table, with a bar when the training set has a goal.

    Parameters
    ----------
    status : Status
    force_maes : sequence of float
        How the force MAE came along; drawn when there is something to see.
    """
    in_flight = status.n_labels_requested - status.n_labels_received - status.n_labels_failed
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right", no_wrap=True)
    table.add_column()
    table.add_row("now", Text(status.activity or "…", style="bold"))
    table.add_row("dataset", _dataset(status))
    table.add_row(
        "labels",
        _counts(received=status.n_labels_received, in_flight=in_flight, failed=status.n_labels_failed),
    )
    if _spared(status):
        table.add_row("spared", _spared(status))
    if _has_trajectories(status):
        table.add_row(
            "trajectories",
            _counts(
                running=status.n_running,
                waiting=status.n_waiting,
                training=status.n_training,
                finished=status.n_finished,
            ),
        )
        table.add_row("MD", f"{_count(status.md_steps)} steps")
    table.add_row("training", f"{_count(status.epochs)} epochs")
    if status.force_mae_ev_per_ang is not None:
        table.add_row("force MAE", _force_mae(status.force_mae_ev_per_ang, force_maes))
    if status.last_score is not None:
        table.add_row("deviation", _deviation(status))
    return table


def _dataset(status: Status) -> RenderableType:
    numbers = Text(f"{status.n_train} training, {status.n_valid} validation")
    if status.train_goal is None:
        return numbers
    row = Table.grid(padding=(0, 1))
    numbers = Text(f"{status.n_train} of {status.train_goal} training, {status.n_valid} validation")
    row.add_row(
        ProgressBar(total=status.train_goal, completed=min(status.n_train, status.train_goal), width=24), numbers
    )
    return Group(row)


def _has_trajectories(status: Status) -> bool:
    return status.n_running + status.n_waiting + status.n_training + status.n_finished > 0


def _force_mae(newest: float, course: Sequence[float]) -> Text:
    text = Text(f"{_milli(newest)} meV/Å on validation", style="bold")
    if len(course) > 1:
        text.append(f"  {sparkline(course)}", style="not bold cyan")
    return text


def sparkline(values: Sequence[float]) -> str:
    """Values as bars of one character each, from nothing to the largest."""
    largest = max(values)
    return "".join(BARS[round(value / largest * (len(BARS) - 1)) if largest > 0 else 0] for value in values)


def _counts(**numbers: int) -> Text:
    """``3 running, 1 waiting``; what is zero steps back, failures stand out."""
    text = Text()
    for name, n in numbers.items():
        style = "dim" if n == 0 else "red" if name == "failed" else ""
        text.append(", " if text else "", style="dim")
        text.append(f"{n} {name.replace('_', ' ')}", style=style)
    return text


def _deviation(status: Status) -> str:
    kind = kind_named(status.score_kind)
    score = "" if status.last_score is None else f"{kind.shown(status.last_score)}{kind.ending}"
    if status.threshold == float("inf"):
        return f"{score}, threshold not yet set"
    return f"{score}, threshold {kind.shown(status.threshold)}"


def _spared(status: Status) -> str:
    """Labels that were not needed: ``3 alike, 2 withdrawn``; nothing where none was spared."""
    counts = {"alike": status.n_passed_over, "withdrawn": status.n_withdrawn}
    return ", ".join(f"{n} {name}" for name, n in counts.items() if n)


def _milli(value: float | None) -> str:
    return "" if value is None else f"{1000 * value:.1f}"


def _count(n: int) -> str:
    return f"{n:,}".replace(",", " ")


def _duration(seconds: float) -> str:
    minutes, s = divmod(int(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}"
