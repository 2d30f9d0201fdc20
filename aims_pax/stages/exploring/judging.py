"""What a committee says of frames, how much of that is error, and which frames are worth a label."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.dataset.extxyz import structure_block_of
from aims_pax.dataset.records import PredictedLabel
from aims_pax.dataset.store import RunStore
from aims_pax.evaluation.metrics import evaluate
from aims_pax.frame import CommitteePrediction, FloatArray, Frame, LabelledFrame, Split
from aims_pax.learner.exploration import Beyond, Missed, SetErrors, Truth
from aims_pax.protocols import FramePrediction
from aims_pax.selection.calibration import (
    Amounts,
    Quantity,
    Slopes,
    deviation_of,
    error_of_members,
    fit_slopes,
    together,
)
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.structures.augmentation.streams import Streams

if TYPE_CHECKING:
    from aims_pax.protocols import Committee

diary = logging.getLogger("aims_pax.explore")

ENOUGH: Final = 20
"""Labels that were predicted before they were learned, from which on slopes are fitted to these alone."""

UNSEEN: Final = (Split.VALIDATION, Split.TEST)
"""What no member is trained on."""

Pair = tuple[Amounts, Amounts]
"""Deviation and error of a structure."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Slopes, and in words what they were fitted to."""

    slopes: Slopes
    fitted_to: str

    def threshold(self, quantity: Quantity, tolerance: float) -> float:
        """Deviation above which the error is expected to be beyond a tolerance, in the quantity's unit.

        Where there is no slope, a deviation is taken for an error.
        """
        value = self.slopes.threshold(quantity, tolerance)
        return tolerance if value is None else value


def tolerances(settings: ExploreSettings, *, learns_stress: bool) -> dict[Quantity, float]:
    """By quantity, in its unit; without that of the stress where models do not learn it."""
    found = {Quantity.ENERGY: settings.thr_energy, Quantity.FORCES: settings.thr_forces}
    return found | ({Quantity.STRESS: settings.thr_stress} if learns_stress else {})


def predicted(committee: "Committee", frames: Sequence[Frame], *, learns_stress: bool) -> list[CommitteePrediction]:
    """What all members say of each, together; with stress where models learn it and the reference has one."""
    said = committee.predict(frames, want_stress=learns_stress) if frames else []
    return [
        together(one if frame.pbc.all() else without_stress(one), generation=committee.generation)
        for frame, one in zip(frames, said, strict=True)
    ]


def without_stress(said: FramePrediction) -> FramePrediction:
    """The same of a structure that is not periodic along all directions: no reference has its stress."""
    return FramePrediction(said.energies, said.forces, None)


def fitted_slopes(store: RunStore, committee: "Committee", *, learns_stress: bool) -> Thresholds:
    """Slopes by all labels that were predicted before they were learned.

    As long as these are few, structures for validation and test are judged by the present models besides, which were
    never trained on them.
    """
    before = [(deviation_of(one.prediction), error_of_members(one.prediction, one.label)) for one in store.predicted()]
    words = [f"{len(before)} labels that were predicted before they were learned"] if before else []
    slopes, wanted = fit_slopes(before), [one for one in Quantity if learns_stress or one is not Quantity.STRESS]
    if len(before) >= ENOUGH and all(slopes.of(quantity) is not None for quantity in wanted):
        return Thresholds(slopes, words[0])
    asked = {one.label_id for one in store.predicted()}
    unseen = [one for one in store.labelled() if one.split in UNSEEN and one.label_id not in asked]
    said = predicted(committee, [one.frame for one in unseen], learns_stress=learns_stress)
    more = [(deviation_of(each), error_of_members(each, one.label)) for one, each in zip(unseen, said, strict=True)]
    words += [f"{len(more)} structures for validation and test"] if more else []
    return Thresholds(fit_slopes([*before, *more]), " and ".join(words) or "nothing")


def beyond(
    deviations: Sequence[Amounts], thresholds: Thresholds, wanted: Mapping[Quantity, float]
) -> tuple[Beyond, ...]:
    """By quantity how many frames are above its threshold."""
    found = []
    for quantity, tolerance in wanted.items():
        threshold, slope = thresholds.threshold(quantity, tolerance), thresholds.slopes.of(quantity)
        values = [value for one in deviations if (value := one.of(quantity)) is not None]
        found.append(
            Beyond(
                quantity=str(quantity),
                unit=quantity.unit,
                tolerance=tolerance,
                slope=None if slope is None else slope.value,
                n_fitted=0 if slope is None else slope.n_structures,
                threshold=threshold,
                n_above=sum(is_above(value, threshold) for value in values),
                largest=max((value for value in values if np.isfinite(value)), default=None),
            )
        )
    return tuple(found)


def above(deviation: Amounts, found: Iterable[Beyond]) -> list[str]:
    """Names of the quantities by which a frame is above a threshold."""
    return [one.quantity for one in found if is_above(deviation.of(Quantity(one.quantity)), one.threshold)]


def is_above(value: float | None, threshold: float) -> bool:
    """Whether a deviation is above a threshold; one that is not finite always is."""
    return value is not None and not value <= threshold


def chosen(numbers: Sequence[int], settings: ExploreSettings, *, number: int) -> list[int]:
    """Those that are labelled, of all that are beyond a tolerance: all, or a random choice, in their order."""
    if len(numbers) <= settings.max_selected_frames:
        return list(numbers)
    rng = Streams(settings.seed).of("choice", "", number)
    return sorted(rng.choice(np.array(numbers), settings.max_selected_frames, replace=False).tolist())


def at_random(n_frames: int, settings: ExploreSettings, *, number: int) -> list[int]:
    """Those of all frames of a round that are labelled whatever their deviation, in their order."""
    rng = Streams(settings.seed).of("random frames", "", number)
    return sorted(rng.choice(n_frames, min(settings.num_random_frames, n_frames), replace=False).tolist())


def block_beyond(frame: Frame, deviation: Amounts, names: Sequence[str]) -> str:
    """A frame as extended XYZ, with its deviations (in the units of :class:`Quantity`) and by which it is beyond."""
    facts: dict[str, str | float] = {"system": frame.system, "trajectory": frame.trajectory, "md_step": frame.md_step}
    facts["beyond"] = " ".join(names)
    values = {quantity: deviation.of(quantity) for quantity in Quantity}
    facts |= {f"deviation_{quantity}": value for quantity, value in values.items() if value is not None}
    return structure_block_of(frame, facts)


def truths(labels: Iterable[PredictedLabel], found: Iterable[Beyond]) -> tuple[Truth, ...]:
    """What labels say of what was expected of them."""
    pairs = [(deviation_of(one.prediction), error_of_members(one.prediction, one.label)) for one in labels]
    return tuple(truth for one in found if (truth := _truth(pairs, one)) is not None)


def missed(labels: Iterable[PredictedLabel], found: Iterable[Beyond]) -> tuple[Missed, ...]:
    """What labels of frames that were drawn at random say of the thresholds."""
    pairs = [(deviation_of(one.prediction), error_of_members(one.prediction, one.label)) for one in labels]
    rows = []
    for one in found:
        deviations, errors = _known(pairs, Quantity(one.quantity))
        is_beyond, is_above = errors > one.tolerance, deviations > one.threshold
        counts = (len(errors), int(is_beyond.sum()), int(is_above.sum()), int((is_beyond & is_above).sum()))
        rows += [Missed(one.quantity, *counts)] if len(errors) else []
    return tuple(rows)


def _known(pairs: Sequence[Pair], quantity: Quantity) -> tuple[FloatArray, FloatArray]:
    """Deviations and errors of those structures that have both, finite."""
    both = [(deviation.of(quantity), error.of(quantity)) for deviation, error in pairs]
    known = np.array([pair for pair in both if None not in pair], dtype=np.float64).reshape(-1, 2)
    known = known[np.isfinite(known).all(axis=1)]
    return known[:, 0], known[:, 1]


def _truth(pairs: Sequence[Pair], expected: Beyond) -> Truth | None:
    deviations, errors = _known(pairs, Quantity(expected.quantity))
    if not len(errors):
        return None
    return Truth(
        quantity=expected.quantity,
        unit=expected.unit,
        n_labelled=len(errors),
        n_beyond=int((errors > expected.tolerance).sum()),
        mean_error=float(errors.mean()),
        mean_expected=float(deviations.mean()) / (expected.slope or 1.0),
    )


def measured_errors(
    labelled: Sequence[LabelledFrame], committee: "Committee", *, n_first: int, learns_stress: bool
) -> tuple[SetErrors, ...]:
    """Errors by split: on all structures of it, and for validation and test on those that were there at the beginning.

    Parameters
    ----------
    labelled : sequence of LabelledFrame
        The dataset in its order.
    n_first : int
        How many of them were there before the first round.
    """
    return tuple(_measured(labelled, committee, n_first=n_first, learns_stress=learns_stress))


def _measured(
    labelled: Sequence[LabelledFrame], committee: "Committee", *, n_first: int, learns_stress: bool
) -> Iterator[SetErrors]:
    places = [(place, one) for place, one in enumerate(labelled) if one.split is not None]
    said = committee.predict([one.frame for _, one in places], want_stress=learns_stress) if places else []
    whole = [each if one.frame.pbc.all() else without_stress(each) for (_, one), each in zip(places, said, strict=True)]
    for split in (*UNSEEN, Split.TRAINING):
        of_split = [(place, one, each) for (place, one), each in zip(places, whole, strict=True) if one.split is split]
        for is_first in (False, True) if split in UNSEEN else (False,):
            some = [row for row in of_split if not is_first or row[0] < n_first]
            if some:
                yield from _errors_of(split, some, committee.names, is_first=is_first)


def _errors_of(
    split: Split,
    some: Sequence[tuple[int, LabelledFrame, FramePrediction]],
    names: Sequence[str],
    *,
    is_first: bool,
) -> Iterator[SetErrors]:
    found = evaluate([one.label for _, one, _ in some], [said for _, _, said in some])
    for member, errors in zip((*names, ""), (*found.members, found.mean), strict=True):
        yield SetErrors(
            split=str(split),
            is_first=is_first,
            member=member,
            n_structures=errors.n_structures,
            energy_ev_per_atom=errors.energy_rmse_ev_per_atom,
            forces_ev_per_ang=errors.force_rmse_ev_per_ang,
            stress_ev_per_ang3=errors.stress_rmse_ev_per_ang3,
        )


def placed(
    frames: Sequence[Frame], settings: ExploreSettings, *, number: int, before: Mapping[Split, int]
) -> list[Split]:
    """Which of the frames of a round train, validate and test, for their whole lives.

    Those of one system at one temperature and pressure are shared out together; what single ones of these lack to a
    whole is made up for by others, in later rounds, too.

    Parameters
    ----------
    before : mapping of Split to int
        Frames of earlier rounds, by their places.
    """
    from aims_pax.structures.splitting import splits_of

    n_before = sum(before.values())
    ratios = {Split.VALIDATION: settings.valid_ratio, Split.TEST: settings.test_ratio}
    owed = {split: ratio * n_before - before.get(split, 0) for split, ratio in ratios.items()}
    return splits_of(
        [replace(frame, config_type=frame.config_type or "explored") for frame in frames],
        valid_ratio=settings.valid_ratio,
        test_ratio=settings.test_ratio,
        streams=Streams(settings.seed + number),
        owed=owed,
    )
