"""Errors told by where the structures come from, and by system: picked ones are no sample of the MD."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aims_pax.dataset.records import PredictedLabel
from aims_pax.evaluation.blocks import Interval, blocked_errors
from aims_pax.evaluation.metrics import MemberPrediction
from aims_pax.frame import LabelledFrame
from aims_pax.learner.checks.selector import CheckIntervals
from aims_pax.learner.selectors import FixedSteps, MovingThreshold, RandomShare
from aims_pax.settings.stage import INITIAL
from aims_pax.structures.augmentation.registry import SOURCES
from aims_pax.structures.collection import GIVEN

WORDS: Final[Mapping[str, str]] = {
    RandomShare.NAME: "from the MD at random",
    MovingThreshold.NAME: "picked where the committee was unsure",
    FixedSteps.NAME: "from the MD on fixed steps",
    CheckIntervals.NAME: "from checks that passed, by the models of that time",
    GIVEN: "from files of structures",
    **{source.key: "made from starting structures" for source in SOURCES},
}
"""Where structures come from, by the selector that had them labelled, or the source that made them."""


@dataclass(frozen=True, slots=True)
class OriginErrors:
    """Errors of one model on structures of one origin and split.

    Parameters
    ----------
    origin : str
        In words.
    split : str
    n_structures : int
    force_mae_ev_per_ang : Interval
    """

    origin: str
    split: str
    n_structures: int
    force_mae_ev_per_ang: Interval

    def record(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        mae = self.force_mae_ev_per_ang
        return {
            "origin": self.origin,
            "split": self.split,
            "n_structures": self.n_structures,
            "force_mae_ev_per_ang": {"value": mae.value, "low": mae.low, "high": mae.high},
        }


def origin_of(point: LabelledFrame | PredictedLabel) -> str:
    """Where a labelled structure comes from, in words."""
    if point.stage == INITIAL:
        return "from the initial MD"
    return WORDS.get(point.source, WORDS[MovingThreshold.NAME])


def errors_by_origin(
    points: Sequence[LabelledFrame], predictions: Sequence[MemberPrediction], *, member: int
) -> list[OriginErrors]:
    """Errors of one member on labelled structures, those at random first, the smallest groups last.

    Parameters
    ----------
    points : sequence of LabelledFrame
        Of validation and test.
    predictions : sequence of MemberPrediction
        Of the same structures.
    """
    found = _grouped(points, predictions, origin_of, member=member)
    return sorted(found, key=lambda one: (one.origin != WORDS[RandomShare.NAME], -one.n_structures))


def errors_by_system(
    points: Sequence[LabelledFrame], predictions: Sequence[MemberPrediction], *, member: int
) -> list[OriginErrors]:
    """The same by system: ``of water``."""
    return _grouped(points, predictions, lambda point: f"of {point.frame.system}", member=member)


def labels_by_system(points: Iterable[LabelledFrame]) -> dict[str, dict[str, int]]:
    """How many labels each system has got, by what they are used for."""
    counted: dict[str, Counter[str]] = {}
    for point in points:
        counted.setdefault(point.frame.system, Counter())[str(point.split or "unused")] += 1
    return {system: dict(counts) for system, counts in counted.items()}


def _grouped(
    points: Sequence[LabelledFrame],
    predictions: Sequence[MemberPrediction],
    group_of: Callable[[LabelledFrame], str],
    *,
    member: int,
) -> list[OriginErrors]:
    groups: dict[tuple[str, str], list[int]] = {}
    for index, point in enumerate(points):
        groups.setdefault((group_of(point), str(point.split)), []).append(index)
    found = []
    for (origin, split), indices in groups.items():
        measured = blocked_errors(
            [points[index].frame for index in indices],
            [points[index].label for index in indices],
            [predictions[index] for index in indices],
            member=member,
        )
        found.append(OriginErrors(origin, split, len(indices), measured.force_mae_ev_per_ang))
    return found


def origin_lines(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The same for a person, from plain values: a line for each group."""
    lines = []
    for one in records:
        mae = one["force_mae_ev_per_ang"]
        sure = "" if mae["low"] is None else f" ({1000 * max(0.0, mae['low']):.1f} to {1000 * mae['high']:.1f})"
        structures = f"{one['n_structures']} {one['split']} structure{'s' if one['n_structures'] != 1 else ''}"
        lines.append(f"  {1000 * mae['value']:6.1f}{sure} meV/Å on {structures} {one['origin']}")
    return lines
