"""The raw files of so3krates-torch, which the authors of aims-PAX use."""

from typing import Any

import numpy as np

from aims_pax.dataset.hdf5.values import atoms_of


class Columns:
    """SO3krates' raw files, version 2.0: columns of all atoms and all structures, and where each structure begins."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._offsets = np.asarray(file["offsets"])

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def atoms(self, index: int) -> Any:
        """ASE's atoms of one structure; its label has the names that it was written with."""
        file, (start, end) = self._file, self._offsets[index : index + 2].tolist()
        found: dict[str, Any] = {}
        for home, rows in (("properties/info", index), ("properties/arrays", slice(start, end))):
            for key, column in file.get(home, {}).items():
                value = np.asarray(column[rows])
                found[key] = value if np.isfinite(value).all() else None  # what a structure lacks is NaN
        kinds = file.get("config_metadata/config_type")
        found["config_type"] = None if kinds is None else kinds[index]
        of_atoms = {name: file[name][start:end] for name in ("atomic_numbers", "positions")}
        return atoms_of({**of_atoms, "cell": file["cell"][index], "pbc": file["pbc"][index]}, found)
