"""The calibration of the models that a run hands over, by structures that it kept aside."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aims_pax.dataset.store import RunStore
from aims_pax.frame import LabelledFrame, Split
from aims_pax.outcome.calibrated import kept
from aims_pax.outcome.calibrated.fitted import evidence_of, fit, of_members
from aims_pax.outcome.errors.analysis import UNBIASED
from aims_pax.outcome.predictions import SavedPredictions
from aims_pax.selection.calibration import LEAST_STRUCTURES, Evidence
from aims_pax.settings.stage import INITIAL

ALONE: Final = (
    "none: only one model was trained to the end, and one does not disagree (converge_best: false trains all)"
)
"""What is said of a run that hands over one of its members."""

SINGLE: Final = "none: there is one model, and one does not disagree"


@dataclass(frozen=True, slots=True, eq=False)
class Aside:
    """What a calibration may be fitted to.

    Parameters
    ----------
    points : tuple of LabelledFrame
        Structures that no model has learned from.
    on, caution : str
        As in :class:`~aims_pax.outcome.calibrated.fitted.Fitted`.
    """

    points: tuple[LabelledFrame, ...]
    on: str
    caution: str = ""


def aside_of(points: Sequence[LabelledFrame]) -> Aside | None:
    """Test structures, by which nothing was decided; with those for validation where they are few; None with too few.

    Parameters
    ----------
    points : sequence of LabelledFrame
        Labels of the splits for test and validation; others are passed over.
    """
    test = tuple(point for point in points if point.split is Split.TEST)
    if len(test) >= LEAST_STRUCTURES:
        return Aside(test, f"{len(test)} test structures")
    both = (*test, *(point for point in points if point.split is Split.VALIDATION))
    if len(both) < LEAST_STRUCTURES:
        return None
    n_picked = sum(point.stage != INITIAL and point.source not in UNBIASED for point in both)
    caution = (
        f"{len(both) - len(test)} of these structures validated the training, which stopped where it was best on them: "
        "errors may be somewhat larger than they are told."
    )
    if n_picked:
        caution += f" {n_picked} were picked because the models had been unsure of them: in the MD such are rare."
    named = f"{len(both)} structures for {'test and ' if test else ''}validation"
    return Aside(both, named, f"{caution} ACTIVE_LEARNING.random_label_share keeps structures aside for this.")


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """A calibration that stands beside finished models, and what these say of structures that they did not learn.

    Parameters
    ----------
    kept : Kept
    label_ids : tuple of int
        Of the structures.
    evidence : Evidence
    on : str
        What structures they are: ``60 test structures``.
    """

    kept: kept.Kept
    label_ids: tuple[int, ...]
    evidence: Evidence
    on: str


def told_by(points: Sequence[LabelledFrame], saved: SavedPredictions | None, results: Path) -> Told | None:
    """The calibration in the results of a run, beside the structures that it can be looked at with; None without one.

    Raises
    ------
    UserError
        The file can't be read.
    """
    if saved is None or not (results / kept.FILE).is_file():
        return None
    found = kept.read(results / kept.FILE)
    names = [Path(one["file"]).stem for one in found.content["models"]]
    aside = aside_of([point for point in points if point.label_id in saved.by_label])
    if aside is None or not set(names) <= set(saved.members):
        return None
    evidence = _evidence(aside, saved, [saved.members.index(name) for name in names])
    return Told(found, tuple(point.label_id for point in aside.points), evidence, aside.on)


def calibrate_run(
    store: RunStore, committee: Sequence[Path], ended: Sequence[str], saved: SavedPredictions | None
) -> dict[str, Any]:
    """Fit and write the calibration of the models of a run, if it can be; what is told of it in summary.json.

    It stands in the results, beside the folder of the committee. One that stood there is removed, for it was that of
    other models.

    Parameters
    ----------
    store : RunStore
    committee : sequence of Path
        Files of all members.
    ended : sequence of str
        Names of the members that were trained to the end, which are calibrated; none where there was no such training:
        all are.
    saved : SavedPredictions or None
        What these files say of structures that they have not learned from; None where nothing was asked.
    """
    results = committee[0].parent.parent
    (results / kept.FILE).unlink(missing_ok=True)
    models = [path for path in committee if path.stem in ended or not ended]
    if len(models) < 2:
        return {"file": None, "text": ALONE if len(committee) > 1 else SINGLE}
    known = [] if saved is None else [point for point in store.labelled() if point.label_id in saved.by_label]
    aside = aside_of(known)
    if saved is None or aside is None:
        text = f"none: it needs {LEAST_STRUCTURES} structures for test or validation, and there are {len(known)}"
        return {"file": None, "text": text}
    evidence = _evidence(aside, saved, [saved.members.index(model.stem) for model in models])
    fitted = fit(evidence, on=aside.on, caution=aside.caution)
    if fitted is None:
        return {"file": None, "text": f"none: no estimate can be fitted to {aside.on}"}
    path = kept.write(fitted, models, results)
    return {"file": path.name, "text": fitted.sentence(), "caution": fitted.caution}


def _evidence(aside: Aside, saved: SavedPredictions, members: Sequence[int]) -> Evidence:
    said = [of_members(saved.by_label[point.label_id], members) for point in aside.points]
    return evidence_of([point.frame for point in aside.points], [point.label for point in aside.points], said)
