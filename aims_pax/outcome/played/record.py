"""Workflows that were played, as plain values and in lines for a person."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from aims_pax.learner.workflows import DrivenBy
from aims_pax.outcome.played.phases import Ending, PlayedPhase

PLAYED: Final = "played"
"""Of a record: its phases, one by one."""


def record_of(
    stage: str, phases: Sequence[PlayedPhase], *, n_hold: int = 1, ended: str | None = None
) -> dict[str, Any]:
    """All phases as plain values, and sums over them; scores in the unit of the stage's scores.

    Parameters
    ----------
    stage : str
    phases : sequence of PlayedPhase
        Of this stage, in the order in which they ended.
    n_hold : int
        Visits in a row that a trajectory must hold.
    ended : str or None
        Why the stage is over; None where it is not.
    """
    names = list(dict.fromkeys(one.workflow for one in phases))
    by_workflow = [[one for one in phases if one.workflow == name] for name in names]
    return {
        "stage": stage,
        "ended": ended,
        "md_steps": sum(one.n_steps for one in phases),
        "n_judged": sum(one.n_judged for one in phases),
        "workflows": [_workflow(some, n_hold) for some in by_workflow],
        PLAYED: [asdict(one) | {"ending": str(one.ending)} for one in phases],
    }


def phases_in(record: Mapping[str, Any]) -> list[PlayedPhase]:
    """The phases of a record."""
    return [_phase({key: value for key, value in one.items() if key != "ending"}) for one in record[PLAYED]]


def _phase(told: Mapping[str, Any]) -> PlayedPhase:
    ramp = told["temperatures_k"]
    return PlayedPhase(
        **{**told, "picked": tuple(told["picked"]), "temperatures_k": None if ramp is None else tuple(ramp)}
    )


def _workflow(phases: Sequence[PlayedPhase], n_hold: int) -> dict[str, Any]:
    replicas = sorted({one.replica for one in phases})
    since = [_held_since([one for one in phases if one.replica == each], n_hold) for each in replicas]
    held = [visit for visit in since if visit is not None]
    names = list(dict.fromkeys(one.phase for one in phases))
    return {
        "workflow": phases[0].workflow,
        "n_replicas": len(replicas),
        "n_visits": max(one.visit for one in phases),
        "n_replicas_that_hold": len(held),
        "holds_since": max(held) if len(held) == len(replicas) else None,
        "n_above_in_last_visit": sum(
            _n_above_in_last([one for one in phases if one.replica == each]) for each in replicas
        ),
        **_labels(phases),
        "phases": [_sums(name, [one for one in phases if one.phase == name]) for name in sorted(names, key=_place)],
    }


def _held_since(phases: Sequence[PlayedPhase], n_hold: int) -> int | None:
    """The visit since which a trajectory has held without a break, if it has held for long enough."""
    ends = [(one.visit, one.held) for one in phases if one.ends_visit]
    n_last = next((n for n, (_, held) in enumerate(reversed(ends)) if not held), len(ends))
    return ends[len(ends) - n_last][0] if n_last >= n_hold else None


def _n_above_in_last(phases: Sequence[PlayedPhase]) -> int:
    """Frames of a trajectory's last visit that the committee drove to, and that were above the threshold."""
    last = max(one.visit for one in phases)
    return sum(len(one.picked) for one in phases if one.visit == last and one.driver == DrivenBy.COMMITTEE)


def _sums(name: str, phases: Sequence[PlayedPhase]) -> dict[str, Any]:
    endings = Counter(one.ending for one in phases if one.ending is not Ending.WHOLE)
    return {
        "phase": name,
        "n_played": len(phases),
        "n_ended_early": sum(endings.values()),
        "endings": {str(ending): n for ending, n in endings.most_common()},
        **_labels(phases),
    }


def _labels(phases: Sequence[PlayedPhase]) -> dict[str, int]:
    return {
        "n_judged": sum(one.n_judged for one in phases),
        "n_asked": sum(len(one.picked) for one in phases),
        "n_received": sum(one.n_received for one in phases),
        "n_failed": sum(one.n_failed for one in phases),
        "n_kept_out": sum(one.n_kept_out for one in phases),
    }


def _place(name: str) -> tuple[int, str]:
    """Phase10 comes after Phase9."""
    return int("".join(letter for letter in name if letter.isdigit()) or 0), name


def lines_of(said: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a person wants to know of them when a run ends: a line for each workflow."""
    return [f"{one['stage']}: {_line(workflow)}" for one in said for workflow in one["workflows"]]


def _line(one: Mapping[str, Any]) -> str:
    visits = f"{one['n_visits']} visit{'s' * (one['n_visits'] != 1)}"
    labels = f"{one['n_received']} label{'s' * (one['n_received'] != 1)}"
    if one["holds_since"] is not None:
        held = f"holds since visit {one['holds_since']} (of {one['n_visits']})"
    elif one["n_replicas_that_hold"]:
        held = f"holds in {one['n_replicas_that_hold']} of {one['n_replicas']} trajectories after {visits}"
    else:
        held = f"does not hold yet after {visits}"
    guards = "; ".join(_guards(one))
    return f"{one['workflow']} {held}, {labels}{': ' * bool(guards)}{guards}"


def _guards(one: Mapping[str, Any]) -> Iterator[str]:
    """What has ended visits, and kept labels from being learned."""
    for phase in one["phases"]:
        if phase["n_ended_early"]:
            endings = phase["endings"]
            why = ", ".join(f"{n} {name}" for name, n in endings.items()) if len(endings) > 1 else next(iter(endings))
            yield f"{phase['phase']} ended early in {phase['n_ended_early']} of {phase['n_played']} ({why})"
        if n := phase["n_kept_out"]:
            yield f"{n} label{'s' * (n > 1)} of {phase['phase']} kept out for {'their' if n > 1 else 'its'} forces"
        if n := phase["n_failed"] - phase["n_kept_out"]:
            yield f"{n} label{'s' * (n > 1)} of {phase['phase']} failed"
    if one["holds_since"] is None and (n := one["n_above_in_last_visit"]):
        yield f"{n} frame{'s' * (n > 1)} above the threshold in the last visit"
