"""What phases of workflows have begun with and come to."""

from collections.abc import Iterator
from functools import partial
from typing import Final

import numpy as np

from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.table import Table
from aims_pax.report.workflows.phases import Gallery, draw_gallery
from aims_pax.structures.composition import formula

NAME: Final = "phases"
TITLE: Final = "Structures of phases"


def structures_of_phases(material: Material) -> Figure | Absent | None:
    """Each phase's first and last structure, side by side, a panel for each workflow; None where none is played."""
    if not material.plays:
        return None
    if not material.phase_ends:
        return Absent(NAME, TITLE, "No phase has come to its end.")
    return Figure(
        name=NAME,
        title=TITLE,
        good="In a good one nothing has flown apart, and what was melted, glued or pressed looks like it.",
        table=_table(material),
        panels=tuple(_panels(material)),
        note="As each phase was last played to its end, seen from the side; z goes up.",
    )


def _panels(material: Material) -> Iterator[Panel]:
    """A name says whose phase it is, where it could be another's."""
    stages, workflows = ({key[place] for key in material.phase_ends} for place in (0, 1))
    for (stage, workflow), ends in material.phase_ends.items():
        whose = [*([stage] if len(stages) > 1 else []), *([workflow] if len(workflows) > 1 else [])]
        gallery = Gallery.of([(" ".join([*whose, name]), begin, end) for name, begin, end in ends])
        draw = partial(draw_gallery, gallery=gallery)
        yield Panel(draw, width_in=gallery.width_in, height_in=gallery.height_in)


def _table(material: Material) -> Table:
    rows = [
        (stage, workflow, name, moment, one)
        for (stage, workflow), ends in material.phase_ends.items()
        for name, begin, end in ends
        for moment, one in (("begin", begin), ("end", end))
    ]
    frames = [one.frame for *_, one in rows]
    volumes = [abs(np.linalg.det(one.cell)) if one.pbc.all() else np.nan for one in frames]
    told = {key: [row[place] for row in rows] for place, key in enumerate(("stage", "workflow", "phase", "moment"))}
    told |= {"formula": [formula(one) for one in frames], "words": [one.words for *_, one in rows]}
    return Table(
        {key: np.array(values, dtype=object) for key, values in told.items()},
        n_atoms=np.array([one.n_atoms for one in frames]),
        volume_ang3=np.array(volumes),
    )
