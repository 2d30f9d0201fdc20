"""A map of the structures: those that are alike lie side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.atoms import atoms_of
from aims_pax.frame import FloatArray, Frame
from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.table import Table
from aims_pax.selection.components import principal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import Locator

CUTOFF_ANG: Final = 5.0
N_BINS: Final = 25
"""Of 0.2 Å: bonds of one kind fall into two or three of them."""

MOST_STRUCTURES: Final = 2000
"""More are thinned out evenly: they take a second, and hide one another."""

LEAST: Final = 5

DENSE: Final = 800


def structure_map(material: Material) -> Figure | Absent:
    """Principal components of pair distances, coloured by when a structure was picked."""
    name, title = "map", "Map of the structures"
    points = sorted(material.labelled, key=lambda point: point.label_id)
    points = points[:: max(1, -(-len(points) // MOST_STRUCTURES))]
    if len(points) < LEAST:
        return Absent(name, title, f"There are {len(points)} structures: too few for a map.")
    descriptors = pair_distances([point.frame for point in points])
    places, shares = principal(descriptors)
    order = np.array([point.label_id for point in points], dtype=np.int64)

    def draw(axes: "Axes") -> None:
        dots = axes.scatter(
            places[:, 0], places[:, 1], c=order, s=18, lw=0, alpha=0.85, cmap="viridis", rasterized=len(points) > DENSE
        )
        axes.set(xlabel=f"first component ({100 * shares[0]:.0f} %)", ylabel=f"second ({100 * shares[1]:.0f} %)")
        bar = axes.figure.colorbar(dots, ax=axes, pad=0.02)
        bar.set_label("label, in the order asked for")
        bar.outline.set_visible(False)
        bar.locator = _whole_numbers()
        bar.update_ticks()

    thinned = f" {len(points)} of {len(material.labelled)} structures." if len(points) < len(material.labelled) else ""
    return Figure(
        name=name,
        title=title,
        good="In a good one late picks lie among the early ones or fill gaps; late ones at a new edge say that the run "
        "was still finding structures unlike all others.",
        table=Table(
            label_id=order,
            system=np.array([point.frame.system for point in points], dtype=object),
            split=np.array([str(point.split) for point in points], dtype=object),
            first=places[:, 0].copy(),
            second=places[:, 1].copy(),
        ),
        panels=(Panel(draw, width_in=5.4, height_in=4.0),),
        note=f"Principal components of the distances up to {CUTOFF_ANG:g} Å between atoms of each two elements, per "
        f"atom: the same for every run, whatever its models.{thinned}",
    )


def pair_distances(frames: Sequence[Frame]) -> FloatArray:
    """How many pairs of each two elements are at which distance, per atom: (n_frames, n_pairs of elements x N_BINS).

    Each pair counts for the two nearest bins by how near it is to their middles, so that a small motion is a small
    change; and less the farther it is, to nothing at the cutoff.
    """
    from ase.neighborlist import neighbor_list

    elements = np.unique(np.concatenate([frame.numbers for frame in frames]))
    n_elements = len(elements)
    n_kinds = n_elements * (n_elements + 1) // 2
    descriptors = np.zeros((len(frames), n_kinds * N_BINS))
    for row, frame in zip(descriptors, frames, strict=True):
        first, second, distance = neighbor_list("ijd", atoms_of(frame), CUTOFF_ANG)
        species = np.searchsorted(elements, frame.numbers)
        low, high = np.minimum(species[first], species[second]), np.maximum(species[first], species[second])
        kind = low * n_elements - low * (low - 1) // 2 + high - low
        place = distance / CUTOFF_ANG * N_BINS - 0.5
        floor = np.floor(place).astype(np.int64)
        weight = 0.5 * (1 + np.cos(np.pi * distance / CUTOFF_ANG)) / frame.n_atoms
        for bin_, part in ((floor, 1 - (place - floor)), (floor + 1, place - floor)):
            inside = (bin_ >= 0) & (bin_ < N_BINS)
            np.add.at(row, kind[inside] * N_BINS + bin_[inside], (weight * part)[inside])
    return descriptors


def _whole_numbers() -> "Locator":
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=6, integer=True)
