"""What the figures show, made of labels and predictions that pass by: points where they are few, counts where not."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from aims_pax.evaluation.parity import Matched, Method, Quantity
from aims_pax.evaluation.parity.measure import values_of
from aims_pax.evaluation.parity.quantity import ENERGY, LEAST_FORCE_EV_PER_ANG, Values, angles_between
from aims_pax.frame import FloatArray
from aims_pax.report.paper.angles import AnglesPanel
from aims_pax.report.paper.cloud import MOST_POINTS, N_CELLS, Cloud, cloud_of_counts

LEAST_ALIKE: Final = 3
"""Structures of each composition, on average, for which energies are drawn from the mean of their composition."""

LEAST_ANGLE_DEGREE: Final = 1e-3
"""Smaller ones are drawn there."""

MOST_MEDIANS: Final = 24
LEAST_IN_MEDIAN: Final = 8

Seen = Callable[[Values], tuple[FloatArray, FloatArray]]
"""Labels and predictions as they are drawn."""


def seen_of(matched: Matched, quantity: Quantity) -> tuple[Seen, str]:
    """How one quantity is drawn, in the unit of the figure, and from where.

    Energies of different compositions lie far apart, beside which no error is seen: they are drawn from the mean of
    the labels of their composition where there are several of each, and else from the mean of all.
    """
    if quantity is not ENERGY:
        return lambda values: (quantity.factor * values.reference, quantity.factor * values.predicted), ""
    usual, words = _usual(matched)

    def seen(values: Values) -> tuple[FloatArray, FloatArray]:
        own = usual[values.structure]
        return quantity.factor * (values.reference - own), quantity.factor * (values.predicted - own)

    return seen, words


def _usual(matched: Matched) -> tuple[FloatArray, str]:
    energies = np.array(
        [label.energy / frame.n_atoms for frame, label in zip(matched.frames, matched.labels, strict=True)]
    )
    known: dict[bytes, int] = {}
    place = np.array([known.setdefault(np.sort(frame.numbers).tobytes(), len(known)) for frame in matched.frames])
    if len(known) == 1 or len(known) * LEAST_ALIKE > len(place):
        return np.full(len(place), energies.mean()), ", from their mean"
    means: FloatArray = (np.bincount(place, weights=energies) / np.bincount(place))[place]
    return means, ", from the mean of its\ncomposition"


def limits_of(matched: Matched, methods: Sequence[Method], quantity: Quantity, seen: Seen) -> tuple[float, float]:
    """Lowest and highest value as drawn, label or prediction, of all these methods."""
    low, high = np.inf, -np.inf
    for method in methods:
        for values in values_of(matched, method, quantity):
            if len(values.reference):
                drawn = seen(values)
                low = min(low, *(float(one.min()) for one in drawn))
                high = max(high, *(float(one.max()) for one in drawn))
    return low, high


def parity_cloud(
    matched: Matched, method: Method, quantity: Quantity, *, seen: Seen, limits: tuple[float, float], n_values: int
) -> Cloud:
    """Points of one method, or their counts."""
    if n_values <= MOST_POINTS:
        pairs = [seen(values) for values in values_of(matched, method, quantity)]
        return Cloud(np.concatenate([one for one, _ in pairs]), np.concatenate([one for _, one in pairs]))
    edges = np.linspace(*limits, N_CELLS + 1)
    counts = np.zeros((N_CELLS, N_CELLS))
    for values in values_of(matched, method, quantity):
        counts += np.histogram2d(*seen(values), bins=(edges, edges))[0]
    return cloud_of_counts(counts, edges, edges)


def angles_panel(matched: Matched, method: Method) -> AnglesPanel | None:
    """Angles of one method by the labelled force; None where no force is large enough to point anywhere."""
    forces, angles = [], []
    for block in matched.blocks(method):
        reference = np.concatenate([label.forces for label in block.labels])
        predicted = np.concatenate([method.said(one.forces) for one in block.predictions])
        angle = angles_between(reference, predicted)
        known = np.isfinite(angle)
        forces.append(np.linalg.norm(reference[known], axis=1).astype(np.float32))
        angles.append(np.maximum(angle[known], LEAST_ANGLE_DEGREE).astype(np.float32))
    force, degree = np.concatenate(forces), np.concatenate(angles)
    if not len(force):
        return None
    x, y = np.log10(force.astype(np.float64)), np.log10(degree.astype(np.float64))
    middle, median = _medians(x, degree.astype(np.float64))
    if len(x) <= MOST_POINTS:
        cloud = Cloud(x, y)
    else:
        x_edges = np.linspace(np.log10(LEAST_FORCE_EV_PER_ANG), float(x.max()) + 1e-6, N_CELLS + 1)
        y_edges = np.linspace(float(y.min()) - 1e-6, np.log10(180.0) + 1e-6, N_CELLS + 1)
        cloud = cloud_of_counts(np.histogram2d(x, y, bins=(x_edges, y_edges))[0], x_edges, y_edges)
    return AnglesPanel(method.name, cloud, 10**middle, median)


def _medians(x: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Medians of values in parts of x, (k,) each; parts with few of them have none."""
    edges = np.linspace(float(x.min()), float(x.max()) + 1e-6, MOST_MEDIANS + 1)
    place = np.digitize(x, edges) - 1
    parts = [number for number in range(MOST_MEDIANS) if np.count_nonzero(place == number) >= LEAST_IN_MEDIAN]
    middle = np.array([(edges[number] + edges[number + 1]) / 2 for number in parts])
    return middle, np.array([float(np.median(values[place == number])) for number in parts])
