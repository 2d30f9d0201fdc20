"""What the committee was unsure of in each visit of the workflows that it plays."""

from dataclasses import fields
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aims_pax.outcome.played import PlayedPhase, lines_of, record_of, title_of, visits_of
from aims_pax.page.figure import Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.table import Table
from aims_pax.report.workflows.visits import WIDTH_IN, draw_rows, height_of
from aims_pax.settings.stages.uncertainty import kind_named

NAME: Final = "visits"
TITLE: Final = "Workflows, visit after visit"

TOLD: Final = tuple(one.name for one in fields(PlayedPhase) if one.name not in ("picked", "temperatures_k"))
"""Columns of the table; a row for each phase."""


def scores_by_visit(material: Material) -> Figure | None:
    """Scores against time, phase after phase, a row for each visit; None where no workflow is played."""
    if not material.plays:
        return None
    groups: dict[tuple[str, str], list[PlayedPhase]] = {}
    for one in material.plays:
        groups.setdefault((one.stage, one.workflow), []).append(one)
    return Figure(
        name=NAME,
        title=TITLE,
        good="In a good one the line comes to stay below the threshold, and every phase comes to its end.",
        table=_table(material.plays),
        panels=tuple(_panel(own, material) for own in groups.values()),
        note=_note(material),
    )


def _panel(phases: list[PlayedPhase], material: Material) -> Panel:
    visits, kind = visits_of(phases, material.scores, material.series)
    draw = partial(draw_rows, visits=visits, title=title_of(phases), kind=kind_named(kind))
    return Panel(draw, width_in=WIDTH_IN, height_in=height_of(visits))


def _note(material: Material) -> str:
    """How workflows hold, in the words of the summary, or as far as it is known on the way."""
    said = (material.summary or {}).get("plays")
    if not said:
        stages = dict.fromkeys(one.stage for one in material.plays)
        said = [record_of(name, [one for one in material.plays if one.stage == name]) for name in stages]
    lines = lines_of(said)
    return f"{'. '.join(lines)}. The table has a row for each phase of each visit, of all trajectories."


def _table(phases: tuple[PlayedPhase, ...]) -> Table:
    columns = {name: _column([getattr(one, name) for one in phases]) for name in TOLD}
    asked = {"n_asked": np.array([len(one.picked) for one in phases])}
    return Table(columns | asked | {"ending": _column([str(one.ending) for one in phases])})


def _column(values: list[Any]) -> NDArray[Any]:
    if any(isinstance(one, str) for one in values):
        return np.array(values, dtype=object)
    known = [np.nan if one is None else one for one in values]
    return np.array(known)
