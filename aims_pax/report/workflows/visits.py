"""Visits of a workflow: what the committee was unsure of from phase to phase, and what was labelled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from aims_pax.frame import FloatArray, IntArray
from aims_pax.report.style import BLUE, GREEN, GREY, GRID, INK, MOST_SPANNED, ORANGE, log_axis, panels
from aims_pax.settings.stages.uncertainty import UncertaintyKind

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS: Final = 6
"""Visits in one figure: the first, and the last ones."""

WIDTH_IN: Final = 9.0
DASHES: Final = (0, (4, 3))
STRIP: Final = 0.55
"""Height of the strip of phases in heights of a row."""

BARE: Final = 0.1
"""The same where no temperatures are known."""

NAME_IN: Final = 0.6
"""Width of a phase from which on its name has room above it, and not its number alone."""

GAP: Final = 0.42
"""Space above a row, for its words."""

MOST_POINTS: Final = 2000
"""Scores of one phase in a visit; of more, the lowest and highest of neighbours are drawn."""

TITLE: Final = 44
"""Letters of a title, beside which the legend stands."""

LETTERS: Final = 115
"""Of the words above a row."""

LETTERS_PER_IN: Final = 12.0
"""Of the words beside a row."""

PS_FROM: Final = 2000.0
"""Femtoseconds of a visit from which on picoseconds are written."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """A phase as it was played in one visit.

    Parameters
    ----------
    phase : str
    driven_by_committee : bool
    n_steps : int
        MD steps that it has made.
    planned_steps : int
        MD steps up to its end, where that is known; else those that it has made.
    timestep_fs : float
    temperatures_k : tuple of two floats, or None
        At its beginning and at its planned end; None where that is not known.
    words : str
        Why it ended early; empty where it did not.
    judged : (n_judged,) int
        MD steps, from its beginning, of judged structures; ascending.
    scores : (n_judged,)
    threshold : float
        NaN where nothing was judged.
    picked : (n_picked,) int
        MD steps of structures whose labels were asked for.
    """

    phase: str
    driven_by_committee: bool
    n_steps: int
    planned_steps: int
    timestep_fs: float
    temperatures_k: tuple[float, float] | None
    words: str
    judged: IntArray
    scores: FloatArray
    threshold: float
    picked: IntArray

    @property
    def has_threshold(self) -> bool:
        """Whether structures are picked by their scores: those that another model has driven to are picked in time."""
        return self.driven_by_committee and np.isfinite(self.threshold) and self.threshold > 0


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """One visit.

    Parameters
    ----------
    number : int
        From 1.
    stretches : tuple of Stretch
    held : bool or None
        None: it is under way.
    """

    number: int
    stretches: tuple[Stretch, ...]
    held: bool | None

    @property
    def n_picked(self) -> int:
        """Structures whose labels were asked for."""
        return sum(len(one.picked) for one in self.stretches)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a phase lies on the time axis, fs."""

    phase: str
    begin_fs: float
    length_fs: float


def draw_visits(path: Path, visits: Sequence[Visit], *, title: str, kind: UncertaintyKind) -> None:
    """A row for each visit, the score against time, phase after phase.

    Parameters
    ----------
    path : Path
        Of the PNG.
    visits : sequence of Visit
        At least one, of one trajectory.
    title : str
    kind : UncertaintyKind
        What scores measure.
    """
    with panels(path, n_columns=1, width_in=WIDTH_IN, height_in=height_of(visits)) as (axes,):
        draw_rows(axes, visits=visits, title=title, kind=kind)


def height_of(visits: Sequence[Visit]) -> float:
    """Of the figure, in inches."""
    return 1.3 + 1.3 * len(shown_of(visits))


def shown_of(visits: Sequence[Visit]) -> list[Visit]:
    """The visits that are drawn."""
    return list(visits) if len(visits) <= MOST_ROWS else [visits[0], *visits[len(visits) - MOST_ROWS + 1 :]]


def left_out(visits: Sequence[Visit]) -> str:
    """Which visits are not drawn, in words."""
    numbers = sorted({one.number for one in visits} - {one.number for one in shown_of(visits)})
    if not numbers:
        return ""
    return f"visit {numbers[0]} left out" if len(numbers) == 1 else f"visits {numbers[0]} to {numbers[-1]} left out"


def draw_rows(axes: "Axes", *, visits: Sequence[Visit], title: str, kind: UncertaintyKind) -> None:
    """Rows within the place of some axes, which show nothing themselves."""
    shown = shown_of(visits)
    slots = slots_of(visits)
    length = sum(slot.length_fs for slot in slots) or 1.0
    unit, unit_fs = ("ps", 1000.0) if length >= PS_FROM else ("fs", 1.0)
    names = {slot.phase for slot in slots}
    limits = limits_of([one for visit in shown for one in visit.stretches if one.phase in names])
    ramps = {one.phase: one.temperatures_k for visit in visits for one in visit.stretches if one.temperatures_k}
    top = STRIP if ramps else BARE
    total = top + len(shown) * (1.0 + GAP)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title if len(title) <= TITLE else f"{title[: TITLE - 2]} …", pad=20)
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)
    strip = axes.inset_axes((0.0, 1.0 - top / total, 1.0, top / total))
    _draw_strip(strip, ramps, slots, length)
    hidden = left_out(visits)
    for number, visit in enumerate(shown):
        below = 1.0 - (top + (number + 1) * (1.0 + GAP)) / total
        row = axes.inset_axes((0.0, below, 1.0, 1.0 / total))
        _draw_visit(row, visit, slots, limits, unit_fs=unit_fs, length_fs=length)
        left = _left(visit, hidden if number == 1 else "")
        row.set_title(left, fontsize=9, fontweight="normal", pad=3)
        right = _ending(visit, LETTERS - len(left))
        row.set_title(right, fontsize=9, loc="right", color=GREY, fontweight="normal", pad=3)
        if visit is shown[-1]:
            row.set_xlabel(f"time ({unit})")
        else:
            row.tick_params(labelbottom=False)
    room = int(LETTERS_PER_IN * 1.2 * len(shown))
    axes.set_ylabel("\n".join(wrap(kind.axis, max(room, 26))) if len(limits) else "", labelpad=38)
    _draw_legend(axes, shown)


def limits_of(stretches: Sequence[Stretch]) -> FloatArray:
    """(2,): least and largest of what is drawn, the threshold among it; (0,) where nothing was judged."""
    scores = np.concatenate([one.scores for one in stretches] or [np.zeros(0)])
    known = scores[np.isfinite(scores) & (scores > 0)]
    if not len(known):
        return np.zeros(0)
    thresholds = [one.threshold for one in stretches if one.has_threshold]
    highest = max(float(known.max()), *thresholds, 0.0)
    return np.array([max(float(known.min()), highest / MOST_SPANNED), highest])


def slots_of(visits: Sequence[Visit]) -> list[Slot]:
    """Phases side by side, each as long as it has ever been; those that are never sampled only if no other is."""
    lengths: dict[str, float] = {}
    sampled: set[str] = set()
    for one in (one for visit in visits for one in visit.stretches):
        length = one.timestep_fs * max(one.planned_steps, one.n_steps)
        lengths[one.phase] = max(length, lengths.get(one.phase, 0.0))
        if len(one.judged) > 1 or len(one.picked):  # where a relaxation has come to is judged once
            sampled.add(one.phase)
    kept = [name for name in sorted(lengths, key=_number) if name in sampled or not sampled]
    begins = np.cumsum([0.0, *(lengths[name] for name in kept)])
    return [Slot(name, float(begin), lengths[name]) for name, begin in zip(kept, begins[:-1], strict=True)]


def _number(phase: str) -> tuple[int, str]:
    digits = "".join(letter for letter in phase if letter.isdigit())
    return int(digits or 0), phase


def _draw_strip(axes: "Axes", ramps: Mapping[str, tuple[float, float]], slots: Sequence[Slot], length: float) -> None:
    """Names of the phases, and the temperature in them."""
    _shade(axes, slots, 1.0)
    known = {slot.phase: ramps[slot.phase] for slot in slots if slot.phase in ramps}
    for slot in slots:
        has_room = slot.length_fs / length * (WIDTH_IN - 1.0) > NAME_IN
        name = slot.phase if has_room else slot.phase.removeprefix("Phase")
        place: tuple[float, float] = (slot.begin_fs + slot.length_fs / 2, 1.0)
        axes.annotate(name, place, (0, 3), axes.get_xaxis_transform(), "offset points", **_NAME)
        if slot.phase in known:
            axes.plot([slot.begin_fs, slot.begin_fs + slot.length_fs], known[slot.phase], color=GREEN, lw=1.3)
    axes.set(xlim=(0, length), xticks=[], yticks=[])
    if known:
        highest = max(max(ramp) for ramp in known.values())
        axes.set_ylim(0, 1.15 * highest)
        axes.set_yticks([0, highest], ["0", f"{highest:g} K"])
        axes.yaxis.tick_right()
        axes.tick_params(axis="y", labelcolor=GREEN, labelsize=9, length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


_NAME: Final[dict[str, Any]] = {"ha": "center", "va": "bottom", "fontsize": 9, "annotation_clip": False}


def _draw_visit(
    axes: "Axes", visit: Visit, slots: Sequence[Slot], limits: FloatArray, *, unit_fs: float, length_fs: float
) -> None:
    by_phase = {slot.phase: slot for slot in slots}
    _shade(axes, slots, unit_fs)
    log_axis(axes, limits)
    if not len(limits):
        axes.set(ylim=(0, 1), yticks=[])
    elif axes.get_yscale() == "log":
        axes.set_ylim(limits[0] / 1.3, limits[1] * 1.6)
    else:
        axes.set_ylim(0, 1.15 * limits[1])
        axes.locator_params(axis="y", nbins=4)
    for one in visit.stretches:
        if (slot := by_phase.get(one.phase)) is not None:
            _draw_stretch(axes, one, slot.begin_fs / unit_fs, one.timestep_fs / unit_fs)
    axes.set_xlim(0, length_fs / unit_fs)
    axes.grid(visible=False)
    axes.tick_params(labelsize=9)


def _draw_stretch(axes: "Axes", one: Stretch, begin: float, step: float) -> None:
    low, high = axes.get_ylim()
    drawn = thinned(one.scores)
    axes.plot(begin + step * one.judged[drawn], one.scores[drawn], color=BLUE, lw=0.8)
    if one.has_threshold:
        end = begin + step * max(one.planned_steps, one.n_steps)
        axes.plot([begin, end], [one.threshold] * 2, color=INK, lw=0.9, ls=DASHES)
    at = dict(zip(one.judged.tolist(), one.scores.tolist(), strict=True))
    tops = [at.get(step, high) for step in one.picked.tolist()]
    axes.vlines(begin + step * one.picked, low, tops, color=ORANGE, lw=1.4)
    if one.words:
        end = begin + step * one.n_steps
        axes.axvline(end, color=INK, lw=0.9)
        middle = axes.get_xaxis_transform()
        axes.plot([end], [0.5], transform=middle, color=INK, marker="X", ms=7, mec="none", clip_on=False)
    axes.set_ylim(low, high)


def _shade(axes: "Axes", slots: Sequence[Slot], unit_fs: float) -> None:
    for number, slot in enumerate(slots):
        begin, end = slot.begin_fs / unit_fs, (slot.begin_fs + slot.length_fs) / unit_fs
        if number % 2 == 0:
            axes.axvspan(begin, end, color=GRID, lw=0, zorder=0)


def thinned(values: FloatArray) -> IntArray:
    """Indices of values that a line goes through: of too many, the lowest and the highest of each group."""
    if len(values) <= MOST_POINTS:
        return np.arange(len(values))
    size = -(-2 * len(values) // MOST_POINTS)
    groups = [np.arange(first, min(first + size, len(values))) for first in range(0, len(values), size)]
    ends = [(group[values[group].argmin()], group[values[group].argmax()]) for group in groups]
    return np.unique(np.array(ends))


def _left(visit: Visit, hidden: str) -> str:
    """``visit 1, by the pretrained model, 7 labels``."""
    own = {one.driven_by_committee for one in visit.stretches}
    by = "" if own == {True} else ", by the pretrained model" if own == {False} else ", by both kinds of models"
    labels = f"{visit.n_picked} label{'s' * (visit.n_picked != 1)}"
    return f"visit {visit.number}{by}, {labels}" + (f" ({hidden})" if hidden else "")


def _ending(visit: Visit, most: int) -> str:
    """How it has ended, in no more letters than these."""
    last = visit.stretches[-1]
    if last.words:
        words = f"{last.phase} ends early: {last.words.split(';')[0]}"
        return words if len(words) <= most else f"{words[: most - 2].rstrip()} …"
    if visit.held is None:
        return "under way"
    if visit.held:
        return "holds"
    n_above = sum(len(one.picked) for one in visit.stretches if one.has_threshold)
    return f"does not hold: {n_above} above the threshold" if n_above else ""


def _draw_legend(axes: "Axes", visits: Sequence[Visit]) -> None:
    """Names of what is there, and of nothing else."""
    from matplotlib.lines import Line2D

    drawn = [one for visit in visits for one in visit.stretches]
    look: dict[str, tuple[bool, dict[str, Any]]] = {
        "judged": (any(len(one.judged) for one in drawn), {"color": BLUE, "lw": 1.2}),
        "labelled": (any(len(one.picked) for one in drawn), {"color": ORANGE, "lw": 2.0}),
        "threshold": (any(one.has_threshold for one in drawn), {"color": INK, "lw": 1.0, "ls": DASHES}),
        "ended early": (
            any(one.words for one in drawn),
            {"color": INK, "marker": "X", "ls": "", "mec": "none", "ms": 7},
        ),
    }
    lines = [Line2D([], [], label=name, **how) for name, (is_there, how) in look.items() if is_there]
    place: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1.02, 1.0), "borderaxespad": 1.8}
    axes.legend(handles=lines, ncols=4, handlelength=1.5, columnspacing=1.2, **place)
