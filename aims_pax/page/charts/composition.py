"""What the dataset is made of."""

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import Split
from aims_pax.outcome.errors.origins import origin_of
from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.style import BLUE, GREEN, ORANGE
from aims_pax.report.table import Table
from aims_pax.structures.composition import formula

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS: Final = 24
"""That are drawn, those of most structures; the table has all."""

COLOURS: Final = {Split.TRAINING: BLUE, Split.VALIDATION: ORANGE, Split.TEST: GREEN}


def composition(material: Material) -> Figure | Absent:
    """Structures by system and origin, and what they are used for."""
    if not material.labelled:
        return Absent("composition", "What was learned from", "No structure has a place in the dataset yet.")
    found: dict[tuple[str, str, str], Counter[Split]] = {}
    formulas: dict[bytes, str] = {}
    for point in material.labelled:
        numbers = point.frame.numbers
        words = formulas.get(numbers.tobytes()) or formulas.setdefault(numbers.tobytes(), formula(numbers))
        found.setdefault((point.frame.system, words, origin_of(point)), Counter())[point.split] += 1
    keys = sorted(found, key=lambda key: -found[key].total())
    shown = keys[:MOST_ROWS]

    def draw(axes: "Axes") -> None:
        places = np.arange(len(shown))[::-1]
        left = np.zeros(len(shown))
        for split, colour in COLOURS.items():
            counts = np.array([found[key][split] for key in shown])
            if counts.any():
                axes.barh(places, counts, left=left, color=colour, height=0.62, label=str(split))
            left += counts
        axes.set_yticks(places, [_words(key) for key in shown])
        axes.set(xlabel="structures", ylim=(-0.6, len(shown) - 0.4))
        axes.grid(visible=False, axis="y")
        axes.tick_params(left=False)
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3)

    left_out = len(keys) - len(shown)
    return Figure(
        name="composition",
        title="What was learned from",
        good="A good one has structures of every system that the models are for, and some from the MD at random that "
        "test.",
        table=Table(
            system=np.array([key[0] for key in keys], dtype=object),
            formula=np.array([key[1] for key in keys], dtype=object),
            origin=np.array([key[2] for key in keys], dtype=object),
            **{str(split): np.array([found[key][split] for key in keys], dtype=np.int64) for split in Split},
        ),
        panels=(Panel(draw, width_in=5.6, height_in=1.4 + 0.34 * len(shown)),),
        note=f"The {len(shown)} largest groups; the table has {left_out} more." if left_out else "",
    )


def _words(key: tuple[str, str, str]) -> str:
    system, words, origin = key
    name = system if len(system) <= 18 else f"{system[:17]}…"
    words = words if len(words) <= 14 else f"{words[:13]}…"
    return f"{name} ({words})\n{origin.replace('picked where the committee was unsure', 'picked, unsure')}"
