"""No structure file gives anything but structures or a message, and no structure of a broken file is left out."""

from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.constraints import FixAtoms, FixCartesian, FixScaled
from ase.io import write
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.dataset.extxyz import read_extxyz
from aims_pax.errors import StructureError
from aims_pax.settings.systems import CLOSEST_ANG, read_systems

from .mutations import harmed_text
from .outcomes import counts, require_said, share, within_limits
from .projects import DIAMOND


def _written(name: str, atoms: Any, kind: str, **options: Any) -> tuple[str, str]:
    stream: Any = StringIO()
    write(stream, atoms, format=kind, **options)
    return name, stream.getvalue()


def _cif() -> tuple[str, str]:
    with TemporaryDirectory() as folder:
        write(Path(folder, "a.cif"), bulk("NaCl", "rocksalt", a=5.64, cubic=True))
        return "a.cif", Path(folder, "a.cif").read_text(encoding="utf-8")


WATER, SALT = molecule("H2O"), bulk("NaCl", "rocksalt", a=5.64)
HELD = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
HELD.set_constraint([FixAtoms([0]), FixCartesian([1], (True, False, False)), FixScaled([2], (False, False, True))])

STRUCTURES: Final = dict(
    [
        _written("a.xyz", [WATER, WATER], "xyz"),
        _written("a.extxyz", [SALT, WATER], "extxyz"),
        ("geometry.in", DIAMOND),
        ("held.in", "atom 0 0 0 O\n  constrain_relaxation x\natom 0 0 1 H\n  constrain_relaxation .true.\n"),
        _written("POSCAR", SALT, "vasp"),
        _written("held.poscar", HELD, "vasp"),
        _written("held.extxyz", HELD, "extxyz"),
        _written("a.pdb", WATER, "proteindatabank"),
        _written("a.gen", SALT, "gen"),
        _cif(),
    ]
)
"""File names and contents of the formats that people bring."""

_LABELLED: Final = (
    'Lattice="4.0 0.0 0.0 0.0 4.0 0.0 0.0 0.0 4.0" Properties=species:S:1:pos:R:3:REF_forces:R:3 REF_energy=-1.5 '
    'REF_stress="0.1 0.0 0.0 0.0 0.1 0.0 0.0 0.0 0.1" pbc="T T T"'
)
DATASET: Final = f"""\
2
{_LABELLED}
Na 0.0 0.0 0.0 0.1 0.2 0.3
Cl 2.0 2.0 2.0 -0.1 -0.2 -0.3
1
Properties=species:S:1:pos:R:3:REF_forces:R:3 REF_energy=-0.5 REF_dipole="0.0 0.0 1.0" system=atom member=0
H 0.0 0.0 0.0 0.0 0.0 0.0
"""


@pytest.mark.parametrize("name", STRUCTURES)
def test_what_is_harmed_here_is_right_before(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(STRUCTURES[name], encoding="utf-8")
    assert read_systems(tmp_path, tmp_path / name)


@share(1.0)
@given(data=st.data(), name=st.sampled_from(sorted(STRUCTURES)))
def test_structure_files_are_used_or_refused(data: st.DataObject, name: str) -> None:
    content = data.draw(harmed_text(STRUCTURES[name]))
    with TemporaryDirectory() as folder, within_limits():
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            systems = read_systems(Path(folder), path)
        except StructureError as error:
            require_said(error.problems)
            counts["refused"] += 1
            return
    assert systems
    for system in systems:
        assert np.isfinite(system.frame.positions).all()
        assert np.isfinite(system.frame.cell).all()
        assert (system.frame.numbers > 0).all()
        assert system.fixed is None or (system.fixed.shape == system.frame.positions.shape and system.fixed.any())
        gaps = np.linalg.norm(system.frame.positions[:, None] - system.frame.positions[None], axis=2)
        assert (gaps[~np.eye(len(gaps), dtype=bool)] >= CLOSEST_ANG).all()
    counts["used"] += 1


@share(0.5)
@given(data=st.data())
def test_datasets_are_used_or_refused(data: st.DataObject) -> None:
    content = data.draw(harmed_text(DATASET))
    with TemporaryDirectory() as folder, within_limits():
        path = Path(folder) / "train.extxyz"
        path.write_bytes(content)
        try:
            pairs = read_extxyz(path)
        except StructureError as error:
            require_said(error.problems)
            counts["refused"] += 1
            return
    assert pairs
    for frame, label in pairs:
        assert label.forces.shape == frame.positions.shape == (frame.n_atoms, 3)
        assert np.isfinite(label.forces).all()
        assert np.isfinite(label.energy)
        assert label.stress is None or np.isfinite(label.stress).all()
    counts["used"] += 1


@pytest.mark.parametrize("end", range(len(DATASET.splitlines())))
def test_dataset_that_ends_early_loses_whole_structures_or_is_refused(end: int, tmp_path: Path) -> None:
    path = tmp_path / "train.extxyz"
    path.write_text("".join(DATASET.splitlines(keepends=True)[:end]), encoding="utf-8")
    if end == 4:  # between two structures: nobody can see that there was another one
        assert len(read_extxyz(path)) == 1
        return
    with pytest.raises(StructureError, match=r"ends within this structure|holds no structure"):
        read_extxyz(path)
