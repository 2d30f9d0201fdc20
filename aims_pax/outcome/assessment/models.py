"""Models that are no committee, side by side: each is loaded by itself, and nothing is averaged."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aims_pax.committee import devices_of, load_models
from aims_pax.dataset.entries import Keys
from aims_pax.dataset.foreign import unit_remarks
from aims_pax.evaluation.parity import Matched, Method
from aims_pax.outcome.assessment.findings import Assessment
from aims_pax.outcome.evaluate import given_data, names_of
from aims_pax.protocols import FramePrediction

if TYPE_CHECKING:
    from ase import Atoms


def assess_apart(
    models: Sequence[Path],
    data: "Path | Sequence[Path] | Sequence[Atoms]",
    *,
    device: str = "auto",
    keys: Keys | None = None,
) -> Assessment:
    """Errors of models of different runs, cutoffs, elements or families on the same labelled structures.

    Parameters
    ----------
    models : sequence of Path
    data : Path, or sequence of Path or of Atoms
        As in :func:`aims_pax.outcome.evaluate.evaluate_models`.
    device : str
    keys : Keys or None

    Raises
    ------
    StructureError
        A file can't be read, or structures have no labels.
    ModelError
        A model can't be loaded, or does not know an element.
    """
    given = given_data(data, keys)
    frames, labels = [frame for frame, _ in given.structures], [label for _, label in given.structures]
    want_stress = any(label.stress is not None for label in labels)
    joined: list[FramePrediction] = []
    for path in models:
        said = load_models([path], device=devices_of(device)).predict(frames, want_stress=want_stress)
        joined = [_beside(*pair) for pair in zip(joined, said, strict=True)] if joined else list(said)
    matched = Matched(
        tuple(Method(name, (number,)) for number, name in enumerate(names_of(models))),
        frames,
        labels,
        joined,
        given.files,
        given.temperatures_k,
    )
    remarks = (*given.remarks, *unit_remarks(given.path, given.structures))
    opening = f"{len(frames)} structures of {given.path.name}, by each model alone"
    return Assessment(matched, opening, remarks, {"data": str(given.path)})


def _beside(some: FramePrediction, further: FramePrediction) -> FramePrediction:
    """What some models and a further one say of one structure."""
    stress = None
    if some.stress is not None and further.stress is not None:
        stress = np.concatenate([some.stress, further.stress])
    return FramePrediction(
        np.concatenate([some.energies, further.energies]), np.concatenate([some.forces, further.forces]), stress
    )
