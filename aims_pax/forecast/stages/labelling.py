"""What labels cost that no MD leads to: of a dataset that is labelled again, and of structures made from others."""

from math import inf
from statistics import fmean
from typing import TYPE_CHECKING, Final

from aims_pax.errors import AimsPaxError, StructureError
from aims_pax.forecast.amounts import Amounts, Outset, Sizes, Span
from aims_pax.frame import Split
from aims_pax.outcome.properties.stage import Validate
from aims_pax.settings.stages.collect import CollectSettings
from aims_pax.stages.labelled.collect import frames_and_splits

if TYPE_CHECKING:  # what times a stage imports PyTorch, and amounts need none
    from aims_pax.forecast.timetable import Pacing, StageForecast

USUAL_VALID_RATIO: Final = 0.1


class RelabelForecast:
    """A label for each structure of the dataset; as many workers compute them as there are."""

    def amounts(self, outset: Outset) -> Amounts:
        standing = outset.standing
        left = None if standing is None else standing.relabels_left.get(outset.plan.name)
        if left is not None:
            return Amounts(outset.plan.name, labels=Span.exactly(left))
        n_train = outset.sizes.of_all
        likely = round(n_train / (1 - _kept_ratio(outset)))
        return Amounts(outset.plan.name, labels=Span(n_train, likely, inf))

    def after(self, outset: Outset, n_labels: float) -> Sizes:
        return outset.sizes

    def timed(self, outset: Outset, amounts: Amounts, pacing: "Pacing") -> "StageForecast":
        """By a label of this reference that is computed now, or as long as one of the first where that can't be."""
        from aims_pax.forecast.timetable import StageForecast

        label_s = _label_s(outset, pacing)
        time_s = amounts.labels.times(label_s / pacing.n_at_once(outset.project))
        return StageForecast(amounts, time_s)


class CollectForecast:
    """A label for each structure, all of them counted."""

    def amounts(self, outset: Outset) -> Amounts:
        standing = outset.standing
        left = None if standing is None else standing.collects_left.get(outset.plan.name)
        n_labels = sum(_n_by_split(outset).values()) if left is None else left
        return Amounts(outset.plan.name, labels=Span.exactly(n_labels))

    def after(self, outset: Outset, n_labels: float) -> Sizes:
        n_train = _n_by_split(outset)[Split.TRAINING]
        return Sizes(outset.sizes.of_each + n_train, outset.sizes.of_all + n_train)

    def timed(self, outset: Outset, amounts: Amounts, pacing: "Pacing") -> "StageForecast":
        """By labels of the starting structures: larger cells take longer, and isolated atoms less."""
        from aims_pax.forecast.timetable import StageForecast

        return StageForecast(amounts, amounts.labels.times(pacing.label_s / pacing.n_at_once(outset.project)))


class ValidateForecast:
    """Calculations of properties by the reference; how long relaxations take, nobody knows before."""

    def amounts(self, outset: Outset) -> Amounts:
        efforts = Validate(outset.plan).efforts(outset.project)
        n_least = sum(one.n_relaxations + one.n_single for one in efforts)
        is_begun = outset.standing is not None and outset.standing.progress == outset.plan.name
        labels = Span(
            0 if is_begun else n_least, sum(one.usual for one in efforts), sum(one.at_most for one in efforts)
        )
        return Amounts(outset.plan.name, labels=labels)

    def after(self, outset: Outset, n_labels: float) -> Sizes:
        return outset.sizes

    def timed(self, outset: Outset, amounts: Amounts, pacing: "Pacing") -> "StageForecast":
        """One after the other, each as long as labels of the starting structures by its number of atoms; with usual
        relaxations, and those of the models take no time beside them."""
        from aims_pax.forecast.timetable import StageForecast

        label_s = _label_s(outset, pacing)
        size = fmean(system.frame.n_atoms for system in outset.project.systems)
        efforts = Validate(outset.plan).efforts(outset.project)
        atom_s = label_s / size
        usual = atom_s * sum(one.usual * one.n_atoms for one in efforts)
        most = atom_s * sum(one.at_most * one.n_atoms for one in efforts)
        return StageForecast(amounts, Span(0.0 if amounts.labels.low == 0 else usual / 4, usual, most))


def _kept_ratio(outset: Outset) -> float:
    """Share that validates or tests, by the stage before it that places structures."""
    names = [one.name for one in outset.project.settings.stages]
    before = names.index(outset.plan.name) if outset.plan.name in names else len(names)
    for one in reversed(outset.project.settings.stages[:before]):
        ratio = getattr(one.settings, "valid_ratio", None)
        if ratio is not None:
            return float(ratio) + float(getattr(one.settings, "test_ratio", 0.0))
    return USUAL_VALID_RATIO


def _label_s(outset: Outset, pacing: "Pacing") -> float:
    """Mean time of a label, s."""
    from aims_pax.forecast.speed import measured_labels

    if pacing.wishes.label_s is not None:
        return pacing.wishes.label_s
    known = [seconds for times in pacing.measured.label_s.values() for seconds in times]
    try:
        if outset.project.systems:
            measured, _ = measured_labels(outset.project.labelled_by(outset.plan.name))
            known = [seconds for times in measured.values() for seconds in times]
    except AimsPaxError:
        pass  # it can't be computed here; the check says so, where that is a mistake
    return fmean(known) if known else 0.0


def _n_by_split(outset: Outset) -> dict[Split, int]:
    """Nothing where nothing can be made, which the check tells."""
    counts = dict.fromkeys(Split, 0)
    try:
        for _, _, split in frames_and_splits(outset.project, outset.plan.read_as(CollectSettings)):
            counts[split] += 1
    except StructureError:
        pass
    return counts
