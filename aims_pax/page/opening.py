"""What a page says first: the verdict with its reasons, and three numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from aims_pax.evaluation.blocks import LEAST_BLOCKS, Interval
from aims_pax.outcome.errors.analysis import UNBIASED
from aims_pax.page.comparison import Comparison
from aims_pax.page.material import Material
from aims_pax.report.style import plain
from aims_pax.times import duration


@dataclass(frozen=True, slots=True)
class Reason:
    """Something that was found, and the word that it speaks for."""

    word: str
    text: str


@dataclass(frozen=True, slots=True)
class Number:
    """One of the three numbers.

    Parameters
    ----------
    title : str
    value : str
        As it is shown, with its unit.
    words : str
        What it is of, and how sure it is.
    """

    title: str
    value: str
    words: str


@dataclass(frozen=True, slots=True)
class Opening:
    """The first screen of one run.

    Parameters
    ----------
    word : str
        believe, doubt, do not use; or that there is no verdict.
    reasons : tuple of Reason
        Gravest first.
    numbers : tuple of Number
        Error, stability, cost.
    """

    word: str
    reasons: tuple[Reason, ...]
    numbers: tuple[Number, ...]


def opening_of(material: Material) -> Opening:
    """The first screen of a run, finished or not."""
    word, reasons = _verdict(material)
    return Opening(word, reasons, (_error(material), _stability(material), _cost(material)))


def _verdict(material: Material) -> tuple[str, tuple[Reason, ...]]:
    if material.summary is None:
        why = f"The run is not finished: {material.state}." if material.state else "results/summary.json is gone."
        advice = (
            "A verdict comes with the results."
            if material.state
            else "aims-pax export --models writes the results again."
        )
        return "no verdict yet", (Reason("", f"{why} {advice}"),)
    verdict = material.summary.get("verdict")
    if not isinstance(verdict, Mapping):
        return "no verdict", (
            Reason("", "The trial by MD was switched off (MISC.verdict_ps); aims-pax verify makes one."),
        )
    return str(verdict["word"]), tuple(Reason(str(one["speaks_for"]), str(one["text"])) for one in verdict["reasons"])


def _error(material: Material) -> Number:
    """The best that is known of the error on unseen structures: held-out, then test, validation, and on the way."""
    title = "Force error on unseen structures"
    heldout = (material.verified or {}).get("heldout")
    if isinstance(heldout, Mapping) and heldout.get("errors"):
        first = next(iter(heldout["errors"].values()))
        mae, n = first["force_mae_ev_per_ang"], first["n_structures"]
        return _mae(title, Interval(mae["value"], mae["low"], mae["high"]), f"on {n} held-out structures")
    final = material.final
    if final is not None:
        interval = final.interval(range(len(final.rows)), lambda row: float(np.abs(row.force_error).mean()))
        return _mae(title, interval, f"on {final.on}")
    stated = _stated(material.summary)
    if stated is not None:
        return _mae(title, Interval(stated[0], None, None), f"on {stated[1]} structures")
    newest = _newest_unbiased(material.before)
    if material.before is not None and newest:
        interval = material.before.interval(newest, lambda row: float(np.abs(row.force_error).mean()))
        words = f"of the committee on the newest {len(newest)} labels from the MD, before it learned from them"
        return _mae(title, interval, words)
    measured = material.epochs[np.isfinite(material.epochs["force_mae_ev_per_ang"])]
    if len(measured):
        last = [measured[measured["member"] == one][-1] for one in np.unique(measured["member"])]
        mae = float(np.mean([row["force_mae_ev_per_ang"] for row in last]))
        return _mae(title, Interval(mae, None, None), "on validation, while it learns")
    return Number(title, "not known", "no model has been measured yet")


def _newest_unbiased(before: Comparison | None) -> list[int]:
    """The last third of the structures that were labelled whatever their deviation; none where they are too few."""
    rows = () if before is None else before.rows
    unbiased = [index for index, row in enumerate(rows) if row.source in UNBIASED]
    newest = unbiased[-max(LEAST_BLOCKS, len(unbiased) // 3) :]
    return newest if len(newest) >= LEAST_BLOCKS else []


def _stated(summary: Mapping[str, Any] | None) -> tuple[float, str] | None:
    """Force MAE of the product in eV/Å as summary.json has it, and on what."""
    for split in ("test", "validation"):
        found = (summary or {}).get(f"errors_on_{split}_set")
        if isinstance(found, Mapping) and "product" in found:
            product = found["product"]
            return float(product["force_mae_ev_per_ang"]), f"{product['n_structures']} {split}"
    return None


def _mae(title: str, mae: Interval, on: str) -> Number:
    if mae.low is None or mae.high is None:
        return Number(title, f"{plain(1000 * mae.value)} meV/Å", f"MAE {on}; no interval is known")
    low, high = 1000 * max(0.0, mae.low), 1000 * mae.high
    return Number(title, f"{plain(1000 * mae.value)} meV/Å", f"MAE {on}; 95 %: {plain(low)} to {plain(high)}")


def _stability(material: Material) -> Number:
    title, verdict = "Stable in MD", (material.summary or {}).get("verdict")
    if not isinstance(verdict, Mapping) or not verdict.get("runs"):
        return Number(title, "not tried", "no MD was watched with the finished model")
    runs, stable = int(verdict["runs"]), int(verdict["stable"])
    value = f"{'yes' if stable == runs else 'no'}, {stable} of {runs} runs"
    words = f"that many held; {float(verdict['watched_ps']):.3g} ps were watched in all"
    return Number(title, value, words)


def _cost(material: Material) -> Number:
    counts, spent_s = material.counts, sum(material.spent_s.values())
    kept_out = f" ({counts.n_kept_out} kept out)" if counts.n_kept_out else ""
    failed = f", {counts.n_failed} failed{kept_out}" if counts.n_failed else ""
    flight = f", {counts.n_in_flight} in flight" if counts.n_in_flight else ""
    words = f"{duration(spent_s)} of work; {duration(material.label_s)} of reference calculations{failed}{flight}"
    return Number("Labels spent", f"{counts.n_received} labels", words)
