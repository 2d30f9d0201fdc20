"""A map of the structures as a model sees them: by its descriptors, coloured by the stage that they come from."""

from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import Split
from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.style import BLUE, GREEN, INK, ORANGE
from aims_pax.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS: Final = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9")
"""Of stages, in their order; with a seventh they begin anew."""

DENSE: Final = 800


def descriptor_map(material: Material) -> Figure | Absent:
    """Principal components of what the first member sees, of all labelled structures."""
    name, title, seen = "descriptor_map", "Map of the structures as the model sees them", material.seen
    if seen is None:
        return Absent(name, title, "Descriptors of the structures are kept when a run of five structures or more ends.")
    known = {point.label_id: point for point in material.labelled}
    there = np.array([number in known for number in seen.label_id.tolist()])
    ids, places, shares = seen.label_id[there], seen.places[there], seen.shares
    points = [known[number] for number in ids.tolist()]
    stages = np.array([point.stage or "given" for point in points], dtype=object)
    is_test = np.array([point.split is Split.TEST for point in points])

    def draw(axes: "Axes") -> None:
        for number, stage in enumerate(dict.fromkeys(stages.tolist())):
            own = stages == stage
            colour = COLOURS[number % len(COLOURS)]
            axes.scatter(
                places[own, 0],
                places[own, 1],
                s=18,
                lw=0,
                alpha=0.8,
                color=colour,
                label=f"{stage} ({own.sum()})",
                rasterized=len(ids) > DENSE,
            )
        if is_test.any():
            axes.scatter(
                places[is_test, 0],
                places[is_test, 1],
                s=48,
                facecolors="none",
                edgecolors=INK,
                lw=0.9,
                label=f"test ({is_test.sum()})",
            )
        axes.set(xlabel=f"first component ({100 * shares[0]:.0f} %)", ylabel=f"second ({100 * shares[1]:.0f} %)")
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3)

    thinned = f" {len(ids)} of {seen.n_structures} structures." if len(ids) < seen.n_structures else ""
    return Figure(
        name=name,
        title=title,
        good="In a good one test structures lie among those that were learned; a stage by itself at an edge has found "
        "what others had not.",
        table=Table(
            label_id=ids,
            stage=stages,
            system=np.array([point.frame.system for point in points], dtype=object),
            split=np.array([str(point.split) for point in points], dtype=object),
            first=places[:, 0].copy(),
            second=places[:, 1].copy(),
        ),
        panels=(Panel(draw, width_in=5.4, height_in=4.2),),
        note="Principal components of the scalar features of the committee's first member, averaged over atoms."
        f"{thinned}",
    )
