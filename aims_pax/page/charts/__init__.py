"""The figures of a run, one kind a file, and the list of them that a page follows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aims_pax.page.charts.breakdown import errors_by_group
from aims_pax.page.charts.calibration import error_against_score
from aims_pax.page.charts.composition import composition
from aims_pax.page.charts.density import errors_by_density
from aims_pax.page.charts.estimates import coverage, detection, error_estimates
from aims_pax.page.charts.forecast import error_forecast
from aims_pax.page.charts.learning import learning_by_labels, learning_by_time
from aims_pax.page.charts.map import structure_map
from aims_pax.page.charts.moving import structures_in_motion
from aims_pax.page.charts.parity import cumulative, parity
from aims_pax.page.charts.properties import properties
from aims_pax.page.charts.scores import scores_by_trajectory
from aims_pax.page.charts.seen import descriptor_map
from aims_pax.page.charts.sets import errors_by_set
from aims_pax.page.charts.stages.flights import errors_at_checks
from aims_pax.page.charts.stages.judged import errors_by_deviation
from aims_pax.page.charts.stages.rounds import errors_by_round
from aims_pax.page.charts.stages.scenery import structures_of_phases
from aims_pax.page.charts.stages.visits import scores_by_visit
from aims_pax.page.charts.timeline import activities, timeline
from aims_pax.page.figure import Absent, Figure
from aims_pax.page.material import Material

Chart = Callable[[Material], Figure | Absent | None]
"""A kind of figure: of any run, it is that figure, or says why there is none; None for runs that it is no figure of."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """Figures that answer one question.

    Parameters
    ----------
    title : str
    charts : tuple of Chart
    """

    title: str
    charts: tuple[Chart, ...]


CHAPTERS: Final = (
    Chapter(
        "Does it learn?",
        (
            learning_by_labels,
            scores_by_visit,
            errors_by_round,
            errors_at_checks,
            learning_by_time,
            error_forecast,
            scores_by_trajectory,
        ),
    ),
    Chapter("How wrong is it, and where?", (parity, cumulative, errors_by_set, errors_by_group, errors_by_density)),
    Chapter(
        "Does it know how wrong it is?",
        (errors_by_deviation, error_against_score, error_estimates, coverage, detection),
    ),
    Chapter("Is it right about materials?", (properties, structures_in_motion)),
    Chapter("What did it learn from?", (composition, structures_of_phases, structure_map, descriptor_map)),
    Chapter("What did it take?", (timeline, activities)),
)
"""All figures, in the order of the page. A new one is a file here and a name in this list."""


def figures_of(material: Material) -> list[Figure | Absent]:
    """Every figure of a run, or what stands in its place."""
    found = [chart(material) for chapter in CHAPTERS for chart in chapter.charts]
    return [one for one in found if one is not None]
