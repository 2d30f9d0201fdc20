"""Labelled structures in HDF5: the files of MACE's preprocessing, and the columns of SO3krates that the authors use."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from aims_pax.dataset.entries import Keys
from aims_pax.dataset.foreign import virials_key

SUFFIXES: Final = (".h5", ".hdf5")

BATCH: Final = "config_batch_"
"""How MACE calls its groups of structures."""


def hdf5_file(path: Path, keys: Keys) -> "Groups | Columns":
    """A file, by what is in it. It stays open as long as the result lives.

    Raises
    ------
    ValueError
        h5py is not installed, or the file is of neither kind.
    """
    try:
        import h5py
    except ImportError:
        raise ValueError("h5py, which mace-torch brings, is not installed") from None
    file = h5py.File(path, "r")
    if str(file.attrs.get("format_version", "")) == "2.0" and "offsets" in file:
        return Columns(file)
    if any(name.startswith(BATCH) for name in file):
        return Groups(file, keys)
    raise ValueError("its groups are neither those of MACE nor the columns of SO3krates, version 2.0")


class Groups:
    """MACE's: a group for each structure, with properties by MACE's own names."""

    def __init__(self, file: Any, keys: Keys) -> None:
        self._file = file
        self._names = {
            "energy": keys.energy,
            "forces": keys.forces,
            "stress": keys.stress,
            "virials": virials_key(keys.stress),
            "dipole": keys.dipole,
            "charges": keys.charges,
            "total_charge": keys.total_charge,
            "total_spin": keys.total_spin,
        }
        batches = sorted((name for name in file if name.startswith(BATCH)), key=_number)
        self._places = [(batch, name) for batch in batches for name in sorted(file[batch], key=_number)]

    def __len__(self) -> int:
        return len(self._places)

    def atoms(self, index: int) -> Any:
        """ASE's atoms of one structure, with its label by the names of the project's keys."""
        batch, name = self._places[index]
        group = self._file[batch][name]
        properties = {
            self._names[key]: _value(group["properties"][key]) for key in self._names.keys() & group["properties"]
        }
        return _atoms(
            {name: _value(group.get(name)) for name in ("atomic_numbers", "positions", "cell", "pbc")},
            {**properties, "config_type": _value(group.get("config_type"))},
        )


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
        return _atoms({**of_atoms, "cell": file["cell"][index], "pbc": file["pbc"][index]}, found)


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])


def _value(dataset: Any) -> Any:
    """The content of a dataset; None where there is none, or MACE says so."""
    value = None if dataset is None else dataset[()]
    return None if isinstance(value, bytes) and value == b"None" else value


def _atoms(structure: Mapping[str, Any], found: Mapping[str, Any]) -> Any:
    from ase import Atoms

    pbc = structure["pbc"]
    atoms = Atoms(
        numbers=structure["atomic_numbers"],
        positions=structure["positions"],
        cell=structure["cell"],
        pbc=False if pbc is None else pbc,
    )
    # In one place, columns too: whether forces of three atoms or a stress of nine numbers is told by the name.
    atoms.info.update({key: _text(value) for key, value in found.items() if value is not None})
    return atoms


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
