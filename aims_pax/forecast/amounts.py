"""What each part of a run has still to do: labels, MD steps and epochs. Nothing is measured, nothing computed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import isinf
from pkgutil import resolve_name
from statistics import fmean
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, cast

from aims_pax.campaign.course import ahead_of
from aims_pax.campaign.progress import FINISHED
from aims_pax.dataset.extxyz import read_extxyz
from aims_pax.forecast.standing import Standing
from aims_pax.frame import Stage
from aims_pax.report.titles import titles_of
from aims_pax.settings import Project
from aims_pax.settings.misc import VERDICT_LEAST_PS, VERDICT_MOST_PS
from aims_pax.settings.stage import ACTIVE
from aims_pax.settings.stages.kinds import KINDS
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.stages.activities import Part
from aims_pax.stages.beginnings.imported import extxyz_keys
from aims_pax.stages.beginnings.pretrained import converges_what_is_given

if TYPE_CHECKING:  # what times a stage imports PyTorch, and amounts need none
    from aims_pax.forecast.timetable import Pacing, StageForecast

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Span:
    """A number that is not known: what is likely, and the bounds of what may be; the upper one may be infinite."""

    low: float
    likely: float
    high: float

    @classmethod
    def of(cls, *values: float, likely: float) -> "Span":
        """From what is likely and what else may come."""
        return cls(min(likely, *values), likely, max(likely, *values))

    @classmethod
    def exactly(cls, value: float) -> "Span":
        return cls(value, value, value)

    def __add__(self, other: "Span") -> "Span":
        return Span(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def times(self, factor: float) -> "Span":
        """Everything multiplied; infinity times nothing is nothing."""
        return Span(self.low * factor, self.likely * factor, self.high * factor if factor else 0.0)

    @property
    def is_known(self) -> bool:
        """Whether it is one number."""
        return self.low == self.high

    def words(self) -> str:
        """For a sentence: ``68``, ``68 to 75`` or ``96 (32 or more)``."""
        if round(self.low) == round(min(self.high, 1e18)):
            return grouped(self.likely)
        if isinf(self.high):
            return f"about {grouped(self.likely)}"
        return f"{grouped(self.low)} to {grouped(self.high)}"


NOTHING: Final = Span.exactly(0.0)


@dataclass(frozen=True, slots=True)
class Amounts:
    """What one part of a run has still to do.

    Parameters
    ----------
    part : str
        Name of a stage, or one of :class:`~aims_pax.stages.activities.Part`.
    md_steps : Span
        Of all trajectories or systems together.
    epochs : Span
        Of each member that is trained.
    """

    part: str
    labels: Span = NOTHING
    md_steps: Span = NOTHING
    epochs: Span = NOTHING


@dataclass(frozen=True, slots=True)
class Sizes:
    """Training structures at some moment of a campaign.

    Parameters
    ----------
    of_each, of_all : int
        Of one member, and of all members together: what belongs to one alone is counted once, as what all share.
    """

    of_each: int
    of_all: int


@dataclass(frozen=True, slots=True)
class Outset:
    """A stage, and what it begins with as far as that is known or foretold.

    Parameters
    ----------
    standing : Standing or None
        Of the run in the folder; None for a new one.
    sizes : Sizes
        Before it, or before what is left of it.
    """

    project: Project
    plan: StagePlan
    standing: Standing | None
    sizes: Sizes

    @property
    def n_epochs_done(self) -> int:
        """Epochs that it has trained to the end already."""
        return 0 if self.standing is None else self.standing.n_epochs_of(self.plan.name)


class StageForecaster(Protocol):
    """What foretells the stages of one kind; made without arguments."""

    def amounts(self, outset: Outset) -> Amounts:
        """What is left to do, as far as the settings and the run in the folder tell."""
        ...

    def after(self, outset: Outset, n_labels: float) -> Sizes:
        """Training structures at its end, with so many more labels."""
        ...

    def timed(self, outset: Outset, amounts: Amounts, pacing: "Pacing") -> "StageForecast":
        """How long that takes; the amounts are those of :meth:`amounts`, and may be known better afterwards."""
        ...


def forecaster_of(plan: StagePlan) -> StageForecaster:
    """What foretells a stage."""
    return cast(StageForecaster, resolve_name(KINDS[plan.kind].forecast)())


def plans_ahead(project: Project, stages: tuple[Stage, ...], standing: Standing | None) -> tuple[StagePlan, ...]:
    """The stages of a command that are still to come or under way, in their order."""
    if standing is not None:
        return ahead_of(project, standing.position, stages)
    return tuple(one for one in project.plans(stages) if not one.is_implied or converges_what_is_given(project))


def parts_ahead(project: Project, stages: tuple[Stage, ...], standing: Standing | None) -> tuple[str, ...]:
    """The parts of a run that are still to come or under way, in their order."""
    names = tuple(plan.name for plan in plans_ahead(project, stages, standing))
    if not names and standing is not None and standing.progress == FINISHED:
        return ()
    return (Part.STARTING, *names, Part.RESULTS)


def walk(
    project: Project,
    stages: tuple[Stage, ...],
    standing: Standing | None,
    look: Callable[[Outset, StageForecaster], tuple[T, float]],
) -> list[T]:
    """What `look` finds of each stage that is ahead, in order; each begins with the structures that those before leave.

    Parameters
    ----------
    look : callable
        Returns what it finds, and the labels that are still to come in that stage.
    """
    plans = plans_ahead(project, stages, standing)
    names = {plan.name for plan in plans}
    listed = project.settings.stages
    before = listed[: next((index for index, one in enumerate(listed) if one.name in names), 0)]
    sizes, found = given_sizes(project), []
    for plan in (*before, *plans):
        outset, forecaster, n_labels = Outset(project, plan, standing, sizes), forecaster_of(plan), 0.0
        if plan.name in names:
            one, n_labels = look(outset, forecaster)
            found.append(one)
        sizes = forecaster.after(outset, n_labels)
    return found


def outsets_ahead(project: Project, stages: tuple[Stage, ...], standing: Standing | None = None) -> list[Outset]:
    """Each stage that is ahead, with what it is likely to begin with."""

    def look(outset: Outset, forecaster: StageForecaster) -> tuple[Outset, float]:
        return outset, forecaster.amounts(outset).labels.likely

    return walk(project, stages, standing, look)


def amounts_ahead(
    project: Project,
    stages: tuple[Stage, ...],
    *,
    standing: Standing | None = None,
) -> tuple[Amounts, ...]:
    """What each part has still to do, as far as the settings and the run in the folder tell."""

    def look(outset: Outset, forecaster: StageForecaster) -> tuple[Amounts, float]:
        amounts = forecaster.amounts(outset)
        return amounts, amounts.labels.likely

    if not parts_ahead(project, stages, standing):
        return ()
    found = [_starting_amounts(project, standing), *walk(project, stages, standing, look)]
    if ACTIVE in stages and project.settings.samples and project.settings.misc.verdict_ps != 0:
        found.append(Amounts(Part.VERDICT, md_steps=verdict_steps(project)))
    return (*found, Amounts(Part.RESULTS))


def verdict_steps(project: Project) -> Span:
    """MD steps of all runs of the trial that ends a run; without those at constant energy after them."""
    misc = project.settings.misc
    bounds = (VERDICT_LEAST_PS, VERDICT_MOST_PS) if isinstance(misc.verdict_ps, str) else (misc.verdict_ps,) * 2
    moving = [project.md_for(index) for index in range(project.settings.n_trajectories)]
    steps_fs = [md.timestep for md in moving or [project.md_of(system) for system in project.systems]]
    steps = [misc.verdict_runs * 1000 * length_ps * fmean(1 / step_fs for step_fs in steps_fs) for length_ps in bounds]
    return Span(steps[0], steps[0], steps[1])


def amount_facts(
    project: Project,
    stages: tuple[Stage, ...],
    *,
    standing: Standing | None = None,
) -> Iterator[tuple[str, str]]:
    """The same in words, a line for each part that labels, moves or trains."""
    amounts = amounts_ahead(project, stages, standing=standing)
    words = titles_of([one.part for one in amounts])
    judging = {plan.name for plan in project.settings.stages if KINDS[plan.kind].judges}  # their labels are in no set
    for one in amounts:
        labels = "calculations" if one.part in judging else "labels"
        kinds = ((labels, one.labels), ("MD steps", one.md_steps), ("epochs", one.epochs))
        said = [f"{span.words()} {name}" for name, span in kinds if span.high > 0]
        if said and one.part != Part.STARTING:
            yield one.part, f"{words[one.part]}: {', '.join(said)}"


def _starting_amounts(project: Project, standing: Standing | None) -> Amounts:
    """The labels of the probe, which only a new run asks for."""
    return Amounts(Part.STARTING, labels=Span.exactly(n_probes(project) if standing is None else 0))


# -- what a campaign begins with ------------------------------------------------------------------------------


def n_probes(project: Project) -> int:
    """Labels that a new run begins with, and that train every member."""
    return 2 * len(project.systems) if project.settings.misc.probe else 0


def given_sizes(project: Project) -> Sizes:
    """Training structures of the dataset that the user brings, those of the probe among them."""
    given, _ = project.settings.brought or (None, None)
    if given is None:
        return Sizes(0, 0)
    files = list(given.values()) if isinstance(given, Mapping) else [given]
    n_own = len(read_extxyz(files[0], extxyz_keys(project.settings.misc)))
    return Sizes(n_own + n_probes(project), len(files) * n_own + n_probes(project))


def grouped(value: float) -> str:
    """1234 as 1 234."""
    return f"{value:,.0f}".replace(",", " ")
