"""What the finished models say of the structures that they did not learn from, kept beside their errors.

Whoever draws a run later needs neither PyTorch nor the models for it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np

from aims_pax.dataset.durable import replacing_bytes
from aims_pax.errors import ShapeError, StoreError
from aims_pax.protocols import FramePrediction

FILE: Final = "predictions.npz"


@dataclass(frozen=True, slots=True, eq=False)
class SavedPredictions:
    """Predictions of all members on validation and test structures.

    Parameters
    ----------
    members : tuple of str
        Their names.
    product : int
        Which of them is handed over.
    by_label : mapping of int to FramePrediction
        By the run's own numbers of the labels.
    """

    members: tuple[str, ...]
    product: int
    by_label: Mapping[int, FramePrediction]

    def write(self, folder: Path) -> Path:
        """Write predictions.npz.

        Its arrays: `members`, `product`, `label_id` (n,), `n_atoms` (n,), `energies` (M, n) in eV, `forces`
        (M, all atoms, 3) in eV/Å, `has_stress` (n,), and of those that have one `stress` (M, ..., 6) in eV/Å³.
        """
        said = list(self.by_label.values())
        stresses = [one.stress for one in said if one.stress is not None]
        n_members = len(self.members)
        path = folder / FILE
        with replacing_bytes(path) as file:
            np.savez_compressed(
                file,
                members=np.array(self.members),
                product=np.array(self.product),
                label_id=np.array(list(self.by_label), dtype=np.int64),
                n_atoms=np.array([one.forces.shape[1] for one in said], dtype=np.int64),
                energies=np.stack([one.energies for one in said], axis=1) if said else np.zeros((n_members, 0)),
                forces=np.concatenate([one.forces for one in said], axis=1) if said else np.zeros((n_members, 0, 3)),
                has_stress=np.array([one.stress is not None for one in said], dtype=np.bool_),
                stress=np.stack(stresses, axis=1) if stresses else np.zeros((n_members, 0, 6)),
            )
        return path


@contextmanager
def reading_arrays(path: Path, *, advice: str = "") -> Iterator[Mapping[str, Any]]:
    """The arrays of a file of results, while the context lasts.

    Raises
    ------
    StoreError
        The file is damaged, or what was looked for is not there or of another shape.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            yield arrays
    except (OSError, BadZipFile, KeyError, IndexError, ValueError, ShapeError) as error:
        raise StoreError(f"{path}: can't be read ({error}){advice}") from error


def read_predictions(folder: Path) -> SavedPredictions | None:
    """What stands in predictions.npz of a folder; None where there is none, as of runs of earlier versions.

    Raises
    ------
    StoreError
        The file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    with reading_arrays(path, advice=". Remove it: figures do without") as arrays:
        energies, stress, has_stress = arrays["energies"], arrays["stress"], arrays["has_stress"]
        forces = np.split(arrays["forces"], np.cumsum(arrays["n_atoms"])[:-1], axis=1)
        place_of_stress = np.cumsum(has_stress) - 1
        by_label = {
            int(label_id): FramePrediction(
                energies[:, n], forces[n], stress[:, place_of_stress[n]] if has_stress[n] else None
            )
            for n, label_id in enumerate(arrays["label_id"])
        }
        return SavedPredictions(tuple(map(str, arrays["members"])), int(arrays["product"]), by_label)
