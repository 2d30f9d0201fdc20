"""Errors of the models by the round of an exploration."""

from functools import partial
from typing import Final

import numpy as np

from aims_pax.learner.exploration import Exploration
from aims_pax.outcome.explored import FIELDS, courses_of
from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.exploration import draw_course
from aims_pax.report.table import Table

NAME: Final = "errors_by_round"
TITLE: Final = "Errors by round of exploration"


def errors_by_round(material: Material) -> Figure | Absent | None:
    """Root mean square errors on test and training structures; None where the run has no exploration."""
    if not material.explorations:
        return None
    name, state = list(material.explorations.items())[-1]
    courses = courses_of(state)
    if len(state.rounds) < 2 or not courses:
        return Absent(NAME, TITLE, "No structure validates or tests, or no round has come to its end.")
    panels = [
        Panel(partial(draw_course, quantity=quantity, courses=some), width_in=4.0) for quantity, some in courses.items()
    ]
    return Figure(
        name=NAME,
        title=TITLE,
        good="A good one falls and then becomes level; strong lines are the members' mean, faint ones the members.",
        table=_table(state),
        panels=tuple(panels),
        note=f"Of {name}. Blue: structures that test (or validate, where none tests) and were there by then; with "
        "dashes those before the first round, which are the same in all rounds; green: training structures.",
    )


def _table(state: Exploration) -> Table:
    rows = [(each.number, one) for each in state.rounds for one in each.errors]

    def column(field: str) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        values = [getattr(one, field) for _, one in rows]
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

    return Table(
        round=np.array([number for number, _ in rows]),
        split=np.array([one.split for _, one in rows]),
        before_the_first_round=np.array([one.is_first for _, one in rows]),
        member=np.array([one.member or "mean" for _, one in rows]),
        n_structures=np.array([one.n_structures for _, one in rows]),
        **{f"{quantity}_rmse_{field.partition('_')[2]}": column(field) for quantity, field in FIELDS.items()},
    )
