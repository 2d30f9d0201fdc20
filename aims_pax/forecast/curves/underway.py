"""What is left of a run while it is under way, at the pace that it shows itself: nothing is measured for it.

The present stage goes on as it has come along; what comes later is foretold as ``aims-pax plan`` does, where the run
has shown how fast that goes. A stage of active learning that has not begun is left out: nobody knows its pace yet.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from aims_pax.dataset.store import RunStore
from aims_pax.forecast.amounts import Outset, Span, StageForecaster, walk
from aims_pax.forecast.curves.error import error_ahead, learning_curve
from aims_pax.forecast.curves.power import fitted_power
from aims_pax.forecast.speed import Measured, Speed
from aims_pax.forecast.standing import standing_of
from aims_pax.forecast.timetable import Pacing, verdict_s
from aims_pax.frame import Stage
from aims_pax.protocols import ErrorAhead, Status
from aims_pax.settings import Project
from aims_pax.settings.stages.active import ActiveLearningSettings
from aims_pax.settings.stages.converge import ConvergeSettings
from aims_pax.settings.stages.initial import InitialDatasetSettings
from aims_pax.settings.stages.kinds import CONVERGE
from aims_pax.stages import assembly
from aims_pax.stages.activities import Part
from aims_pax.stages.memory import Memory
from aims_pax.stages.watching import Ahead

AGAIN_S: Final = 15.0
"""How often it is foretold anew, s; less often where that takes long: it may cost a hundredth of the time."""

MOST_SHARE: Final = 0.01

PACE_WINDOW: Final = 20
"""Steps that a pace is taken from."""

MIN_GROWTH: Final = 4
MOST_GROWTH: Final = 200
"""Growths of the training set that the time to its goal is taken from: the fewest, and the most that are kept."""

LEAST_POWER, MOST_POWER = 1.0, 2.0
"""Time grows by a power of the structures between these: the better the models, the longer to the next pick."""

MANY, FACTOR_OF_FEW, FACTOR_OF_MANY = 100, 3.0, 1.5
"""With so many structures of a stage, and with fewer, by how much its time may be wrong either way. In three runs of
the quickstart (34 to 64 labels of active learning, on busy cores) 80 % of the forecasts kept to the factor for few; of
forecasts by the pace of the newest 20 structures, within 1.5, it was 20 %. The factor for many is an assumption."""

Steps = tuple[tuple[float, float], ...]
"""Seconds, and how much was done in them; the newest last."""


@dataclass(frozen=True, slots=True)
class Course:
    """How fast a run has come along.

    Parameters
    ----------
    part : str
        That is under way.
    growth : tuple of (float, int)
        Time spent in this part, s, and size of the training set since then.
    epochs : Steps
        Epochs times training structures.
    md_steps : Steps
        Of all trajectories together, in the last part that has made any, which is `md_part`.
    last : Status or None
    """

    part: str = ""
    growth: tuple[tuple[float, int], ...] = ()
    epochs: Steps = ()
    md_steps: Steps = ()
    md_part: str = ""
    last: Status | None = None

    def after(self, status: Status) -> "Course":
        """The course with one more status."""
        is_same = status.present == self.part and self.last is not None
        before = self if is_same else replace(self, part=status.present, growth=(), last=status)
        growth, epochs, md_steps, md_part = before.growth, before.epochs, before.md_steps, before.md_part
        last = before.last or status
        if not growth or status.n_train != growth[-1][1]:
            growth = (*growth, (_spent_s(status), status.n_train))
            growth = growth if len(growth) <= MOST_GROWTH else growth[::2]
        elapsed_s = status.at - last.at
        if (n_epochs := status.epochs - last.epochs) > 0 and last.n_train:
            epochs = (*epochs, (elapsed_s, float(n_epochs * last.n_train)))[-PACE_WINDOW:]
        elif (n_steps := status.md_steps - last.md_steps) > 0 and status.n_labels_received == last.n_labels_received:
            md_steps = (*(md_steps if md_part == status.present else ()), (elapsed_s, float(n_steps)))[-PACE_WINDOW:]
            md_part = status.present
        return Course(status.present, growth, epochs, md_steps, md_part, status)

    def to_goal(self, *, n_before: int) -> Span | None:
        """Time to the goal of the training set, s; None before that can be told.

        Parameters
        ----------
        n_before : int
            Training structures at the beginning of this part.

        Notes
        -----
        The time that n structures take is a power of n, between 1 and 2, by that of half of them and of all until now.
        """
        goal = None if self.last is None else self.last.train_goal
        grown = [(seconds, n - n_before) for seconds, n in self.growth if n > n_before and seconds > 0]
        if self.last is None or goal is None or len(grown) < MIN_GROWTH or self.growth[-1][1] >= goal:
            return None
        last_s, n = grown[-1]
        half_s, n_half = min(grown[:-1], key=lambda one: abs(one[1] - n / 2))
        power = fitted_power([n_half, n], [half_s, last_s], least=LEAST_POWER, most=MOST_POWER)
        likely = _spent_s(self.last) * (((goal - n_before) / n) ** power - 1)
        factor = FACTOR_OF_MANY if n >= MANY else FACTOR_OF_FEW
        return Span(likely / factor, likely, likely * factor)


class Underway:
    """Foretells a run under way; an :data:`aims_pax.stages.watching.Outlook`.

    Parameters
    ----------
    stages : tuple of Stage
        Of the command that runs.
    clock : callable
        Seconds, monotonic.
    """

    def __init__(
        self, project: Project, stages: tuple[Stage, ...], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._project, self._stages, self._clock = project, stages, clock
        self._course = Course()
        self._ahead = Ahead()
        self._due = float("-inf")

    def __call__(self, status: Status, store: RunStore, memory: Memory) -> Ahead:
        """Seconds left by part, of those of which it is known, and the error that learning comes to."""
        is_new = status.present != self._course.part
        self._course = self._course.after(status)
        began = self._clock()
        if is_new or began >= self._due:
            found = self._foretold(status, store, memory)
            left_s = {part: (span.low, span.likely, span.high) for part, span in found.items()}
            self._ahead = Ahead(left_s, self._error(status, store))
            ended = self._clock()
            self._due = ended + max(AGAIN_S, (ended - began) / MOST_SHARE)
        return self._ahead

    def _foretold(self, status: Status, store: RunStore, memory: Memory) -> dict[str, Span]:
        standing = standing_of(store, memory, n_labels=status.n_labels_received)
        found: dict[str, Span] = {}
        if standing is None:
            return found

        def look(outset: Outset, forecaster: StageForecaster) -> tuple[None, float]:
            name, span = outset.plan.name, None
            if name == standing.progress:
                state = standing.states.get(name)
                span = self._course.to_goal(n_before=0 if state is None else state.n_initial_train)
            if span is None and outset.plan.kind == CONVERGE:
                span = self._convergence(outset, forecaster, status)
            if span is not None:
                found[name] = span
            return None, forecaster.amounts(outset).labels.likely

        walk(self._project, self._stages, standing, look)
        if (span := self._verdict(status, found)) is not None:
            found[Part.VERDICT] = span
        return found

    def _error(self, status: Status, store: RunStore) -> ErrorAhead | None:
        """Of a stage that learns; the wanted error is the one that it may end by, where that is set."""
        plan = next((plan for plan in self._project.settings.stages if plan.name == status.present), None)
        wanted = None
        if plan is not None and isinstance(plan.settings, InitialDatasetSettings):
            wanted = plan.settings.desired_force_mae_ev_per_ang
        elif plan is not None and isinstance(plan.settings, ActiveLearningSettings):
            wanted = plan.settings.desired_acc or None
        return error_ahead(learning_curve(store, status.present), goal=status.train_goal, wanted=wanted)

    def _convergence(self, outset: Outset, forecaster: StageForecaster, status: Status) -> Span | None:
        """At the pace of the epochs until now; of new models by other settings nothing is known."""
        is_present = outset.plan.name == status.present
        if not self._course.epochs or outset.plan.read_as(ConvergeSettings).models is not None:
            return None
        speed = Speed(0.0, 0.0, _pace(self._course.epochs), lone_share=1 / len(assembly.seeds_of(self._project)))
        if is_present:  # as it goes, with one member or all of them
            speed = replace(speed, lone_share=1.0)
            outset = replace(outset, sizes=replace(outset.sizes, of_each=status.n_train, of_all=status.n_train))
        return forecaster.timed(outset, forecaster.amounts(outset), Pacing(Measured({}, {}), speed, 0)).time_s

    def _verdict(self, status: Status, found: dict[str, Span]) -> Span | None:
        """Where it is known how long all before it takes, and how fast MD is."""
        stages = [one for one in status.stages if one.name not in (Part.VERDICT, Part.RESULTS)]
        ahead = [one.name for one in stages if str(one.state) != "over"]
        if not self._course.md_steps or not stages or any(name not in found for name in ahead):
            return None
        before = sum((found[name] for name in ahead), Span.exactly(sum(one.spent_s for one in stages)))
        return verdict_s(self._project, _pace(self._course.md_steps), before)


def _spent_s(status: Status) -> float:
    """Time that was spent in the present part until now, s."""
    return next((one.spent_s for one in status.stages if one.name == status.present), 0.0)


def _pace(steps: Steps) -> float:
    """Seconds for each."""
    return sum(seconds for seconds, _ in steps) / sum(n for _, n in steps)
