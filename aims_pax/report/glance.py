"""A campaign at one glance: what the live view and ``aims-pax status`` show of it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isinf
from typing import Final

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aims_pax.protocols import ErrorAhead, StageSeen, StageState, Status
from aims_pax.report.style import plain
from aims_pax.report.titles import title_of, titles_of
from aims_pax.settings.stages.uncertainty import kind_named
from aims_pax.times import about

WIDTH: Final = 80
"""Columns that a view takes at most."""

BAR_WIDTH: Final = 20

NAMES_WIDTH: Final = 12
"""Of the names of rows: that of the longest, so that nothing moves sideways when it comes or goes."""

MARKS: Final = {"r": "▶", "w": "○", "t": "◆", "d": "■", "f": "×"}
"""Signs of the phases of trajectories, by the letters of :attr:`aims_pax.protocols.Status.phases`."""

PHASES: Final = {"r": "running", "w": "waiting", "t": "training", "d": "finished", "f": "given up"}

MOST_MARKS: Final = 120
"""Trajectories that are shown one by one; of more of them only numbers."""

STAGE_MARKS: Final = {StageState.OVER: "✓", StageState.PRESENT: "▶", StageState.AHEAD: " "}

STAGE_STYLES: Final = {StageState.OVER: "dim", StageState.PRESENT: "bold", StageState.AHEAD: ""}

BRIEF: Final = ("results",)
"""Parts that take seconds, and are shown while they last."""

WAITED_S: Final = 10.0
"""Waiting that is worth a word, s."""

TREND_CHANGE: Final = 0.05
"""An error that has changed by less than this part is called level."""

MIN_TREND: Final = 6
"""Errors that a trend is told by, at least."""

BARS: Final = "▁▂▃▄▅▆▇█"

Row = tuple[str, RenderableType]


def glance(status: Status, *, title: str, at: float, now: str = "", notes: Sequence[tuple[str, str]] = ()) -> Panel:
    """One quiet view of a campaign.

    Parameters
    ----------
    title : str
        Name of the project.
    at : float
        When it is looked at, Unix time, s.
    now : str
        What there is to say of a run on which nobody works, in the place of what it does.
    notes : sequence of (str, str)
        Further rows: their names, and what stands there.
    """
    table = _grid()
    if not now and status.at:  # 0: the campaign has said nothing yet
        status = _passed(status, at - status.at)
    for name, content in (*_rows(status, now or doing(status, at=at)), *((name, Text(words)) for name, words in notes)):
        table.add_row(name, content)
    return _framed(table, f"[bold]{escape(title)}[/bold]  {escape(present_title(status))}")


def _passed(status: Status, elapsed_s: float) -> Status:
    """The time of the present part goes on while the campaign says nothing new."""
    stages = tuple(
        replace(one, spent_s=one.spent_s + max(0.0, elapsed_s)) if one.state is StageState.PRESENT else one
        for one in status.stages
    )
    return replace(status, stages=stages)


def words_panel(title: str, words: str, notes: Sequence[tuple[str, str]]) -> Panel:
    """The same of a run of which there is nothing but words."""
    table = _grid()
    for name, content in (("now", words), *notes):
        table.add_row(name, Text(content))
    return _framed(table, f"[bold]{escape(title)}[/bold]")


def doing(status: Status, *, at: float) -> str:
    """What is done now, and for how long nothing has come of it where it is waited for."""
    waited_s = at - status.at
    if status.is_waiting and waited_s > WAITED_S:
        words = f"{status.activity}, for {about(waited_s)}"
        return f"{words}: {status.waits_for}" if status.waits_for else words
    return status.activity or "…"


def present_title(status: Status) -> str:
    """What the part that is under way is called; ``finished`` when all are over."""
    if status.stages and all(one.state is StageState.OVER for one in status.stages):
        return "finished"
    return titles_of([one.name for one in status.stages]).get(status.present) or title_of(status.present)


def _grid() -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(style="dim", justify="right", no_wrap=True, min_width=NAMES_WIDTH)
    table.add_column(ratio=1, overflow="fold")
    return table


def _framed(table: Table, title: str) -> Panel:
    return Panel(table, title=title, title_align="left", border_style="cyan", width=WIDTH)


def _rows(status: Status, now: str) -> Iterator[Row]:
    if status.stages:
        yield "stages", _stages(status)
    yield "now", Text(now, style="bold")
    yield "dataset", _dataset(status)
    yield "labels", _labels(status)
    if status.n_workers:
        yield "workers", Text(_workers(status))
    if _has_trajectories(status):
        yield "trajectories", _trajectories(status)
        yield "MD", Text(f"{grouped(status.md_steps)} steps")
    yield "training", Text(f"{grouped(status.epochs)} epochs")
    if (error := _newest_error(status)) is not None:
        yield "error", _error(error, status.force_maes)
    if status.error_ahead is not None:
        yield "foretold", Text("\n".join(error_ahead(status.error_ahead)))
    if status.last_score is not None:
        yield "uncertainty", _uncertainty(status)


# -- rows -----------------------------------------------------------------------------------------------------


def _stages(status: Status) -> RenderableType:
    titles = titles_of([one.name for one in status.stages])
    shown = [one for one in status.stages if one.name not in BRIEF or one.state is StageState.PRESENT]
    width = max((len(titles[one.name]) for one in shown), default=0)
    lines = []
    for one in shown:
        spent = about(one.spent_s) if one.spent_s >= 0.5 else ""
        line = Text(f"{STAGE_MARKS[one.state]} {titles[one.name]:<{width}} {spent:>6}  ", style=STAGE_STYLES[one.state])
        lines.append(line.append(time_left(one), style="not bold"))
    return Group(*lines)


def time_left(stage: StageSeen) -> str:
    """``12 min to go (8 to 20 min)``, or ``takes 2 h`` of a part that comes later; empty where it is not known."""
    if not stage.left_s:
        return ""
    low, likely, high = stage.left_s
    words = f"{about(likely)} to go" if stage.state is StageState.PRESENT else f"takes {about(likely)}"
    if isinf(high):
        return f"{words}, or more"
    low_words, high_words = about(low), about(high)
    if low_words == high_words:
        return words
    same_unit = low_words.split()[1] == high_words.split()[1]
    return f"{words} ({low_words.split()[0] if same_unit else low_words} to {high_words})"


def _dataset(status: Status) -> RenderableType:
    if status.train_goal is None:
        return Text(f"{status.n_train} training, {status.n_valid} validation")
    row = Table.grid(padding=(0, 1))
    bar = ProgressBar(
        total=status.train_goal,
        completed=min(status.n_train, status.train_goal),
        width=BAR_WIDTH,
        finished_style="cyan",
    )
    row.add_row(bar, Text(f"{status.n_train} of {status.train_goal} training, {status.n_valid} validation"))
    return Group(row)


def _labels(status: Status) -> Text:
    text = _counts(in_flight=status.n_in_flight, done=status.n_labels_received, failed=status.n_labels_failed)
    text.append(kept_out(status))
    return text.append(f"; spared: {spared(status)}") if spared(status) else text


def _workers(status: Status) -> str:
    n = status.n_workers or 0
    if status.busy_workers is None:
        return f"{n}"
    return f"{n}, busy for {100 * status.busy_workers / n:.0f} % of the last hour"


def _trajectories(status: Status) -> RenderableType:
    counts = _counts(
        running=status.n_running,
        waiting=status.n_waiting,
        training=status.n_training,
        finished=status.n_finished - status.phases.count("f"),
        given_up=status.phases.count("f"),
    )
    if not status.phases:
        return counts
    present = [letter for letter in MARKS if letter in status.phases]
    legend = Text(", ").join(
        Text(f"{MARKS[letter]} {status.phases.count(letter)} {PHASES[letter]}", style=PHASE_STYLES.get(letter, ""))
        for letter in present
    )
    if len(status.phases) > MOST_MARKS:
        return legend
    strip = Text()
    for letter in status.phases:
        strip.append(MARKS.get(letter, "?"), style=PHASE_STYLES.get(letter, ""))
    if len(strip) + cell_len(legend.plain) + 2 <= WIDTH - NAMES_WIDTH - 6:
        return strip.append("  ").append_text(legend)
    return Group(strip, legend)


PHASE_STYLES: Final = {"r": "green", "w": "yellow", "t": "magenta", "d": "dim", "f": "red"}


def _newest_error(status: Status) -> float | None:
    """That of the last training, also where nothing is trained now, eV/Å."""
    if status.force_mae_ev_per_ang is not None:
        return status.force_mae_ev_per_ang
    return status.force_maes[-1] if status.force_maes else None


def _error(newest: float, course: Sequence[float]) -> Text:
    text = Text(f"{1000 * newest:.1f} meV/Å", style="bold")
    text.append(" force MAE on validation", style="not bold")
    if words := trend(course):
        text.append(f", {words}", style="not bold")
    if len(course) > 1:
        text.append(f"  {sparkline(course[-16:])}", style="not bold cyan")
    return text


def error_ahead(ahead: ErrorAhead) -> list[str]:
    """``62 meV/Å (51 to 80) at the goal, 40 structures``, and the like of a wanted error."""
    words = []
    if ahead.force_maes:
        low, likely, high = (plain(1000 * mae) for mae in ahead.force_maes)
        words.append(f"{likely} meV/Å ({low} to {high}) at the goal, before convergence")
    if ahead.wanted is not None and not ahead.n_wanted:
        words.append(f"{plain(1000 * ahead.wanted)} meV/Å: with how many structures can't be told now")
    elif ahead.wanted is not None:
        low, likely, high = (grouped(round(n)) for n in ahead.n_wanted)
        words.append(f"{plain(1000 * ahead.wanted)} meV/Å with {likely} structures ({low} to {high})")
    return words


def trend(errors: Sequence[float]) -> str:
    """Where errors go, by the mean of the last third of them and of the first; empty for too few."""
    if len(errors) < MIN_TREND:
        return ""
    n = len(errors) // 3
    before, after = sum(errors[:n]) / n, sum(errors[-n:]) / n
    if before <= 0 or abs(after / before - 1) < TREND_CHANGE:
        return "level"
    return "falling" if after < before else "rising"


def _uncertainty(status: Status) -> Text:
    text = Text(uncertainty(status))
    if len(status.scores) > 1:
        text.append(f"  {sparkline(status.scores[-16:])}", style="cyan")
    return text


def uncertainty(status: Status) -> str:
    """``0.174 eV/Å, threshold 0.180``."""
    kind = kind_named(status.score_kind)
    score = "" if status.last_score is None else f"{kind.shown(status.last_score)}{kind.ending}"
    if isinf(status.threshold):
        return f"{score}, threshold not yet set"
    return f"{score}, threshold {kind.shown(status.threshold)}"


# -- one line -------------------------------------------------------------------------------------------------


def status_line(status: Status) -> str:
    """The status as one line of plain text."""
    goal = f"/{status.train_goal}" if status.train_goal is not None else ""
    moving = [
        f"running {status.n_running} waiting {status.n_waiting} training {status.n_training}",
        f"MD {grouped(status.md_steps)} steps",
    ]
    error = _newest_error(status)
    left = next((time_left(one) for one in status.stages if one.state is StageState.PRESENT), "")
    parts = [
        present_title(status),
        f"train {status.n_train}{goal} valid {status.n_valid}",
        f"labels {status.n_labels_received} (in flight {status.n_in_flight}, failed {status.n_labels_failed}"
        f"{kept_out(status)})",
        *([f"spared {spared(status)}"] if spared(status) else []),
        *(moving if _has_trajectories(status) else []),
        f"epochs {grouped(status.epochs)}",
        *([f"deviation {uncertainty(status)}"] if status.last_score is not None else []),
        *([f"force MAE {1000 * error:.1f} meV/Å"] if error is not None else []),
        status.activity,
        left,
    ]
    return " | ".join(part for part in parts if part)


# -- words ----------------------------------------------------------------------------------------------------


def _has_trajectories(status: Status) -> bool:
    return status.n_running + status.n_waiting + status.n_training + status.n_finished > 0


def sparkline(values: Sequence[float]) -> str:
    """Values as bars of one character each, from nothing to the largest."""
    largest = max(values)
    return "".join(BARS[round(value / largest * (len(BARS) - 1)) if largest > 0 else 0] for value in values)


def _counts(**numbers: int) -> Text:
    """``3 running, 1 waiting``; what is zero steps back, failures stand out."""
    text = Text()
    for name, n in numbers.items():
        style = "dim" if n == 0 else "red" if name in ("failed", "given_up") else ""
        text.append(", " if text else "", style="dim")
        text.append(f"{n} {name.replace('_', ' ')}", style=style)
    return text


def kept_out(status: Status) -> str:
    """How many of the failed labels are stored and not learned for their forces; empty where none is."""
    return f" ({status.n_labels_kept_out} kept out)" if status.n_labels_kept_out else ""


def spared(status: Status) -> str:
    """Labels that were not needed: ``3 alike, 2 withdrawn``; nothing where none was spared."""
    counts = {"alike": status.n_passed_over, "withdrawn": status.n_withdrawn}
    return ", ".join(f"{n} {name}" for name, n in counts.items() if n)


def grouped(n: int) -> str:
    """12400 as 12 400."""
    return f"{n:,}".replace(",", " ")
