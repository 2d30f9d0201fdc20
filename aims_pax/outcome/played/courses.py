"""Visits of a workflow as a figure shows them: phases with the scores of their structures."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from aims_pax.dataset.records import Series
from aims_pax.frame import FloatArray, IntArray
from aims_pax.learner.workflows import DrivenBy
from aims_pax.outcome.played.phases import PlayedPhase
from aims_pax.report.workflows.visits import Stretch, Visit


def title_of(phases: Sequence[PlayedPhase]) -> str:
    """``explore: dlc``, of one workflow of one stage; says so where it is not all of it."""
    n_replicas = len({one.replica for one in phases})
    return f"{phases[0].stage}: {phases[0].workflow}" + (f", first of {n_replicas} trajectories" * (n_replicas > 1))


def visits_of(
    phases: Sequence[PlayedPhase], scores: NDArray[np.void], series: Mapping[int, Series]
) -> tuple[list[Visit], str]:
    """Visits of the first replica of a workflow.

    Parameters
    ----------
    phases : sequence of PlayedPhase
        Of one workflow of one stage; at least one.
    scores : (n_scores,), fields of :data:`aims_pax.dataset.records.SCORE_DTYPE`
    series : mapping of int to Series

    Returns
    -------
    list of Visit
    str
        The kind of the scores; empty where nothing was judged.
    """
    first = min(one.replica for one in phases)
    own = [one for one in phases if one.replica == first]
    numbers = [n for n, one in series.items() if (str(one.stage), one.selector) == (own[0].stage, own[0].workflow)]
    mine = scores[np.isin(scores["series"], numbers) & (scores["trajectory"] == own[0].player)]
    mine = mine[np.argsort(mine["md_step"], kind="stable")]
    visits = [
        _visit([one for one in own if one.visit == number], mine) for number in sorted({one.visit for one in own})
    ]
    return visits, series[numbers[-1]].kind if numbers else ""


def _visit(phases: Sequence[PlayedPhase], scores: NDArray[np.void]) -> Visit:
    last = phases[-1]
    held = last.held if last.ends_visit else None
    return Visit(last.visit, tuple(_stretch(one, scores) for one in phases), held)


def _stretch(one: PlayedPhase, scores: NDArray[np.void]) -> Stretch:
    within = (scores["md_step"] > one.first_step) & (scores["md_step"] <= one.first_step + one.n_steps)
    own = scores[within]
    judged: IntArray = own["md_step"] - one.first_step
    found: FloatArray = own["score"].astype(np.float64)
    return Stretch(
        phase=one.phase,
        driven_by_committee=one.driver == DrivenBy.COMMITTEE,
        n_steps=one.n_steps,
        planned_steps=one.n_steps if one.planned_steps is None else one.planned_steps,
        timestep_fs=one.timestep_fs,
        temperatures_k=one.temperatures_k,
        words=one.words,
        judged=judged,
        scores=found,
        threshold=float(own["threshold"][-1]) if len(own) else float("nan"),
        picked=np.array(one.picked, dtype=np.int64),
    )
