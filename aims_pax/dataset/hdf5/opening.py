"""HDF5 files of labelled structures, by what is in them."""

from pathlib import Path
from typing import Any, Final, Protocol

from aims_pax.dataset.entries import Keys
from aims_pax.dataset.hdf5.mace import BATCH, Groups
from aims_pax.dataset.hdf5.so3krates import Columns
from aims_pax.dataset.hdf5.trainspot import ITEM, Items

SUFFIXES: Final = (".h5", ".hdf5")

KINDS: Final = "MACE, SO3krates or AiiDA-TrainsPot"
"""Programs whose files are read."""

_SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"

FAULTS: Final = (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError)
"""What readers raise at a damaged file."""


class LabelledFile(Protocol):
    """A file of labelled structures, of which each can be read alone."""

    def __len__(self) -> int: ...

    def atoms(self, index: int) -> Any:
        """ASE's atoms of one structure. ValueError where it can't be read."""
        ...


def is_hdf5(path: Path) -> bool:
    """Whether a file is HDF5, by its name or its first bytes: AiiDA calls those of its repository psedata_*.npz."""
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(_SIGNATURE)) == _SIGNATURE
    except OSError:
        return False


def hdf5_file(path: Path, keys: Keys) -> LabelledFile:
    """A file, by what is in it. It stays open as long as the result lives.

    Raises
    ------
    ValueError
        h5py is not installed, or the file is of no kind that is known.
    """
    try:
        import h5py
    except ImportError:
        raise ValueError("h5py, which mace-torch brings, is not installed") from None
    file = h5py.File(path, "r")
    if str(file.attrs.get("format_version", "")) == "2.0" and "offsets" in file:
        return Columns(file)
    first = next(iter(file), "")
    if first.startswith(BATCH):
        return Groups(file, keys)
    if first.startswith(ITEM):
        return Items(file, keys)
    raise ValueError(
        "its groups are not those of MACE, and neither items of AiiDA-TrainsPot nor columns of SO3krates, version 2.0"
    )
