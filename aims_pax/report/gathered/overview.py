"""A gathered set at a glance: energies by composition, largest forces, what was left out and why."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import FloatArray
from aims_pax.report.style import BLUE, GREY, ORANGE, panels, plain_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_SHOWN: Final = 8
"""Compositions, and reasons, that have a row of their own."""

MAX_POINTS: Final = 2000
"""Structures of a composition that are drawn; of more, some by chance."""

FEW: Final = 100
"""Structures of a composition whose points are large."""

SMALLEST_SHARE: Final = 1e-3
"""Of the largest force: smaller ones, which symmetry may have made zero, are counted and not drawn."""

LONGEST_NAME: Final = 44


def draw_overview(
    path: Path, *, energies: Mapping[str, FloatArray], forces: Mapping[str, FloatArray], left_out: Mapping[str, int]
) -> None:
    """Three panels, saved as a PNG.

    Parameters
    ----------
    path : Path
    energies : mapping of str to (n,), eV for each atom
        By composition, the largest first; from what they are to be drawn about.
    forces : mapping of str to (n,), eV/Å
        Largest force of each structure.
    left_out : mapping of str to int
        Steps by reason.
    """
    n_rows = max(min(len(energies), MAX_SHOWN), min(len(left_out), MAX_SHOWN), 2)
    with panels(path, n_columns=3, width_in=12.5, height_in=1.6 + 0.36 * n_rows) as (energy, force, out):
        _draw_energies(energy, energies)
        _draw_forces(force, forces)
        _draw_left_out(out, left_out)


def _draw_energies(axes: "Axes", energies: Mapping[str, FloatArray]) -> None:
    """Each composition by itself: zeros of compositions are nothing that can be compared."""
    rng = np.random.default_rng(0)
    drawn = dict(list(energies.items())[:MAX_SHOWN])
    for row, values in enumerate(drawn.values()):
        shown = values if len(values) <= MAX_POINTS else rng.choice(values, MAX_POINTS, replace=False)
        heights = row + rng.uniform(-0.28, 0.28, len(shown))
        size, alpha = (3.5, 0.4) if len(values) > FEW else (7.0, 0.6)
        axes.plot(shown, heights, ".", ms=size, color=BLUE, alpha=alpha, mec="none")
    names = [f"{name} ({len(values)})" for name, values in drawn.items()]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    some = f", {len(drawn)} of {len(energies)}" if len(drawn) < len(energies) else ""
    axes.set(title=f"Energies by composition{some}", xlabel="energy from the median (eV/atom)")


def _draw_forces(axes: "Axes", forces: Mapping[str, FloatArray]) -> None:
    values = np.concatenate([*forces.values(), np.empty(0)])
    positive = values[values > 0]
    axes.set(title="Largest forces", xlabel="largest force of a structure (eV/Å)", ylabel="structures")
    if not len(positive):
        axes.text(0.5, 0.5, "no forces", transform=axes.transAxes, ha="center", va="center", color=GREY)
        return
    low, high = max(float(positive.min()), SMALLEST_SHARE * float(positive.max())), float(positive.max())
    edges = np.geomspace(low / 1.05, high * 1.05, 31)
    axes.hist(positive[positive >= low], bins=edges.tolist(), color=BLUE)
    axes.set_xscale("log")
    plain_log(axes.xaxis, is_wide=high > 50 * low)
    axes.set_ylim(0, 1.15 * axes.get_ylim()[1])
    axes.locator_params(axis="y", integer=True, nbins=6)
    if n_small := int(np.count_nonzero(values < low)):
        said = f"{n_small} below {low:.2g}"
        axes.text(0.98, 0.98, said, transform=axes.transAxes, ha="right", va="top", color=GREY)


def _draw_left_out(axes: "Axes", left_out: Mapping[str, int]) -> None:
    reasons = sorted(left_out.items(), key=lambda item: -item[1])[:MAX_SHOWN]
    axes.set(title="Left out", xlabel="steps")
    if not reasons:
        axes.text(0.5, 0.5, "nothing", transform=axes.transAxes, ha="center", va="center", color=GREY)
        axes.set_yticks([])
        axes.set_xticks([])
        return
    places, counts = range(len(reasons)), [count for _, count in reasons]
    axes.barh(places, counts, color=ORANGE, height=0.6)
    axes.set_yticks(places, [_short(reason) for reason, _ in reasons])
    for place, count in zip(places, counts, strict=True):
        axes.text(count, place, f" {count}", va="center", ha="left")
    axes.set_ylim(len(reasons) - 0.4, -0.6)
    axes.set_xlim(0, 1.18 * max(counts))
    axes.grid(visible=False, axis="y")
    axes.locator_params(axis="x", integer=True, nbins=5)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"
