"""What the finished models say of each set: errors of every member and their mean, and where structures lie."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from aims_pax.dataset.durable import replacing_bytes
from aims_pax.frame import FloatArray, Frame, IntArray, LabelledFrame, Split
from aims_pax.outcome.predictions import reading_arrays
from aims_pax.selection.components import principal

if TYPE_CHECKING:  # it imports PyTorch, and whoever reads what is kept here needs none
    from aims_pax.outcome.evaluate import MeasuredModels

MEAN: Final = "committee mean"

FILE: Final = "descriptors.npz"

MOST_STRUCTURES: Final = 2000
"""That a map is made of; more are thinned out evenly."""

LEAST_STRUCTURES: Final = 5


class Seeing(Protocol):
    """What gives descriptors."""

    def descriptors(self, frames: Sequence[Frame]) -> FloatArray:
        """(n_frames, n_features)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Structures in the plane in which a model sees them differ the most.

    Parameters
    ----------
    label_id : (n,) int
    places : (n, 2)
        Principal components of the descriptors, no unit.
    shares : (2,)
        Of the variance.
    n_structures : int
        Of which these were taken evenly.
    """

    label_id: IntArray
    places: FloatArray
    shares: FloatArray
    n_structures: int

    def write(self, folder: Path) -> Path:
        """Write descriptors.npz."""
        path = folder / FILE
        with replacing_bytes(path) as file:
            np.savez_compressed(
                file,
                label_id=self.label_id,
                places=self.places,
                shares=self.shares,
                n_structures=np.array(self.n_structures),
            )
        return path


def places_of(points: Sequence[LabelledFrame], models: Seeing) -> Places | None:
    """Where all labelled structures lie for a model; None with fewer than five."""
    ordered = sorted(points, key=lambda point: point.label_id)
    chosen = ordered[:: max(1, -(-len(ordered) // MOST_STRUCTURES))]
    if len(chosen) < LEAST_STRUCTURES:
        return None
    places, shares = principal(models.descriptors([point.frame for point in chosen]))
    ids = np.array([point.label_id for point in chosen], dtype=np.int64)
    return Places(ids, places, shares, len(ordered))


def read_places(folder: Path) -> Places | None:
    """What stands in a folder; None where nothing does.

    Raises
    ------
    StoreError
        The file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    with reading_arrays(path) as arrays:
        return Places(arrays["label_id"], arrays["places"], arrays["shares"], int(arrays["n_structures"]))


def errors_by_set(found: "Mapping[Split, MeasuredModels]") -> list[dict[str, Any]]:
    """Errors of each member and of their mean on each set, as summary.json has them."""
    return [
        {"set": str(split), "model": name, **asdict(errors)}
        for split, measured in found.items()
        for name, errors in _by_model(measured)
    ]


def _by_model(measured: "MeasuredModels") -> list[tuple[str, Any]]:
    each = list(zip(measured.names, measured.errors.members, strict=True))
    return [*each, (MEAN, measured.errors.mean)] if len(each) > 1 else each
