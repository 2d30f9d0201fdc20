"""The groups of MACE's preprocessing, which its training reads, and which our exports have, too."""

from typing import Any, Final

from aims_pax.dataset.entries import Keys
from aims_pax.dataset.foreign import virials_key
from aims_pax.dataset.hdf5.values import atoms_of, number_in

BATCH: Final = "config_batch_"
"""How MACE calls its groups of structures."""


def properties_of(keys: Keys) -> dict[str, str]:
    """MACE's names of properties, and those of a project's keys."""
    return {
        "energy": keys.energy,
        "forces": keys.forces,
        "stress": keys.stress,
        "virials": virials_key(keys.stress),
        "dipole": keys.dipole,
        "charges": keys.charges,
        "total_charge": keys.total_charge,
        "total_spin": keys.total_spin,
    }


class Groups:
    """MACE's: a group for each structure, with properties by MACE's own names; our exports say more by attributes."""

    def __init__(self, file: Any, keys: Keys) -> None:
        self._file = file
        self._names = properties_of(keys)
        batches = sorted((name for name in file if name.startswith(BATCH)), key=number_in)
        self._places = [(batch, name) for batch in batches for name in sorted(file[batch], key=number_in)]

    def __len__(self) -> int:
        return len(self._places)

    def atoms(self, index: int) -> Any:
        """ASE's atoms of one structure, with its label by the names of the project's keys."""
        batch, name = self._places[index]
        group = self._file[batch][name]
        properties = {
            self._names[key]: _value(group["properties"][key]) for key in self._names.keys() & group["properties"]
        }
        return atoms_of(
            {name: _value(group.get(name)) for name in ("atomic_numbers", "positions", "cell", "pbc")},
            {**group.attrs, **properties, "config_type": _value(group.get("config_type"))},
        )


def _value(dataset: Any) -> Any:
    """The content of a dataset; None where there is none, or MACE says so."""
    value = None if dataset is None else dataset[()]
    return None if isinstance(value, bytes) and value == b"None" else value
