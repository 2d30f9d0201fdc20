"""Labelled structures as an HDF5 file that MACE trains on, with where each comes from.

Each structure is a group as MACE's preprocessing writes it, and says by attributes what extended XYZ says on its
comment line. All stand in one batch, since MACE takes all batches to be of one size. What many structures share
(weights, kinds) is written once and linked to.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import aims_pax
from aims_pax.dataset.durable import replacing_by_name
from aims_pax.dataset.foreign import NO_CONFIG_TYPE
from aims_pax.dataset.hdf5.mace import BATCH
from aims_pax.frame import LabelledFrame

UNITS: Final[Mapping[str, str]] = {
    "positions": "Å",
    "cell": "Å, rows are lattice vectors",
    "energy": "eV",
    "forces": "eV/Å",
    "stress": "eV/Å³, positive where a cell pulls (ASE); xx, yy, zz, yz, xz, xy",
    "dipole": "e Å",
    "charges": "e",
    "total_charge": "e",
    "total_spin": "2S + 1",
}
"""Attributes of the file."""

WEIGHED: Final = ("energy", "forces", "stress", "virials", "dipole", "charges")
"""Properties that MACE gives a weight: 1 where a structure has it, else 0, or zeros would be learned."""


MAX_COMPACT_BYTES: Final = 32 * 1024
"""Larger arrays do not fit beside their descriptions, for which HDF5 has 64 kB."""

MAX_ATTRIBUTES: Final = 32
"""So many stand in the header of a group. Beyond 8, HDF5 gives each group a heap and a tree of its own, 1.8 kB."""

MAX_SHARED: Final = 1000
"""Values of which it is remembered where they stand: cells may all be different."""


def write_hdf5(path: Path, labelled: Iterable[LabelledFrame]) -> int:
    """Write labelled structures; the number of them is the result. One at a time is held.

    The file appears complete or not at all. Each structure carries the attributes ``label_id``, ``split``, ``stage``,
    ``source``, ``system``, ``trajectory``, ``md_step``, ``generation``, ``reference`` and, where one alone uses it,
    ``member``.
    """
    import h5py

    with replacing_by_name(path) as unfinished, h5py.File(unfinished, "w", libver="latest") as file:
        file.attrs["program"] = f"aims_pax {aims_pax.__version__}"
        file.attrs.update({f"unit of {name}": unit for name, unit in UNITS.items()})
        batch = _Batch(file.create_group(f"{BATCH}0").id)
        for structure in labelled:
            batch.add(structure)
        return batch.n_written


class _Batch:
    """One group of structures, written by HDF5's own calls: h5py's usual ones take three times as long.

    Parameters
    ----------
    home : h5py.h5g.GroupID
    """

    def __init__(self, home: Any) -> None:
        from h5py import h5d, h5p, h5s, h5t

        self._home, self.n_written = home, 0
        self._shared: dict[tuple[str, object], Any] = {}
        self._layouts = h5p.create(h5p.DATASET_CREATE), h5p.create(h5p.DATASET_CREATE)
        self._layouts[True].set_layout(h5d.COMPACT)
        self._group = h5p.create(h5p.GROUP_CREATE)
        self._group.set_attr_phase_change(MAX_ATTRIBUTES, 0)
        for one in (*self._layouts, self._group):
            one.set_obj_track_times(False)
        self._numbers = {"f": h5t.IEEE_F64LE, "i": h5t.STD_I64LE}
        self._space = lru_cache(MAX_SHARED)(lambda shape: h5s.create_simple(shape) if shape else h5s.create(h5s.SCALAR))
        self._text = lru_cache(MAX_SHARED)(_text)

    def add(self, structure: LabelledFrame) -> None:
        """Write one structure."""
        from h5py import Group, h5g

        frame, label = structure.frame, structure.label
        said: dict[str, Any] = {"energy": label.energy, "forces": label.forces, "stress": label.stress}
        said |= {name: label.extras.get(name) for name in ("dipole", "charges")}
        said |= {"total_charge": frame.charge, "total_spin": frame.spin}
        properties = {name: np.asarray(value, np.float64) for name, value in said.items() if value is not None}
        group = h5g.create(self._home, f"config_{self.n_written}".encode(), gcpl=self._group)
        self._write(group, {"atomic_numbers": frame.numbers, "positions": frame.positions})
        self._write(h5g.create(group, b"properties"), properties)
        self._share(group, "cell", frame.cell.tobytes(), lambda: self._write(group, {"cell": frame.cell}))
        self._share(group, "pbc", frame.pbc.tobytes(), lambda: Group(group).create_dataset("pbc", data=frame.pbc))
        kind = frame.config_type or NO_CONFIG_TYPE
        self._share(group, "config_type", kind, lambda: Group(group).create_dataset("config_type", data=kind))
        self._share(group, "weight", 1.0, lambda: self._write(group, {"weight": np.array(1.0)}))
        weights = {name: np.array(float(name in properties)) for name in WEIGHED}
        where = "property_weights"
        present = tuple(map(float, weights.values()))
        self._share(group, where, present, lambda: self._write(h5g.create(group, where.encode()), weights))
        self._tell(group, _told_of(structure))
        self.n_written += 1

    def _share(self, group: Any, name: str, value: object, write: Callable[[], object]) -> None:
        """Link to what an earlier structure has written of the same value, or write it."""
        if (earlier := self._shared.get((name, value))) is not None:
            group.links.create_hard(name.encode(), earlier, name.encode())
            return
        write()
        if len(self._shared) >= MAX_SHARED:
            self._shared.clear()
        self._shared[name, value] = group

    def _write(self, home: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write numbers below a group."""
        from h5py import h5d, h5s

        for name, given in arrays.items():
            array = np.asarray(given, f"<{given.dtype.kind}8", order="C")
            kind, layout = self._numbers[array.dtype.kind], self._layouts[array.nbytes <= MAX_COMPACT_BYTES]
            dataset = h5d.create(home, name.encode(), kind, self._space(array.shape), layout)
            dataset.write(h5s.ALL, h5s.ALL, array, mtype=kind)

    def _tell(self, group: Any, facts: Mapping[str, int | str]) -> None:
        """Write attributes of a group."""
        from h5py import h5a

        for name, fact in facts.items():
            if isinstance(fact, int):
                kind, value = self._numbers["i"], np.array(fact, dtype=np.int64)
            else:
                value = np.array(fact.encode())
                kind = self._text(value.dtype.itemsize)
            h5a.create(group, name.encode(), kind, self._space(())).write(value, mtype=kind)


def _text(n_bytes: int) -> Any:
    """HDF5's type of UTF-8 of so many bytes."""
    from h5py import h5t

    kind = h5t.C_S1.copy()
    kind.set_size(n_bytes)
    kind.set_cset(h5t.CSET_UTF8)
    return kind


def _told_of(structure: LabelledFrame) -> dict[str, int | str]:
    """What is known of a structure besides its label."""
    frame = structure.frame
    facts: dict[str, int | str] = {
        "label_id": structure.label_id,
        "trajectory": frame.trajectory,
        "md_step": frame.md_step,
        "generation": frame.generation,
    }
    words = {
        "split": str(structure.split),
        "stage": structure.stage,
        "source": structure.source,
        "system": frame.system,
        "reference": structure.label.reference,
    }
    facts |= {name: said for name, said in words.items() if said}
    return facts if structure.member is None else facts | {"member": structure.member}
