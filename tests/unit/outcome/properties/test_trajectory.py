"""`aims-pax validate --properties structure --against` a file of structures that were moved."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.io import write

from aims_pax import validate
from aims_pax.errors import UserError
from aims_pax.evaluation.blocks import difference_of
from aims_pax.evaluation.properties import Measured
from aims_pax.evaluation.properties.dynamics.structure import StructureInMotion
from aims_pax.outcome.properties.findings import PropertyFindings

BRIEF = StructureInMotion(time_ps=0.5, timestep_fs=5.0, friction_per_fs=0.05, length_ang=3.0)
"""MD of the cell as it is."""


def rattled(atoms: Atoms, n_structures: int, *, size: float = 1.0) -> list[Atoms]:
    """Structures around one, of a cell that is larger by this factor."""
    found = []
    for seed in range(n_structures):
        moved = atoms.copy()
        moved.set_cell(size * atoms.cell, scale_atoms=True)
        moved.rattle(0.1, seed=seed)
        found.append(moved)
    return found


def compared(file: Path, structures: dict[str, Atoms] | None = None, properties: object = None) -> PropertyFindings:
    """Copper by effective medium theory against a file."""
    return validate(
        structures or {"copper": bulk("Cu", cubic=True)}, EMT(), against=file, properties=properties or [BRIEF]
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_stands_in_the_place_of_the_reference(folder: Path) -> None:
    write(folder / "aimd.extxyz", rattled(bulk("Cu", cubic=True), 24))
    found = compared(folder / "aimd.extxyz")
    assert found.reference == "aimd.extxyz"
    rows = {row.key: row for row in found.rows}
    row = rows["cu-cu_first_peak_ang"]
    assert row.reference == pytest.approx(2.55, abs=0.1)
    difference = row.difference("EMT")
    assert difference == difference_of(np.array(row.blocks["EMT"]), np.array(row.reference_blocks)), "noise of its own"
    text = found.text()
    assert "aimd.extxyz: 24 structures of a run" in text
    assert "it should have been moved at 300 K like the others" in text
    assert "Å³ per atom" not in text


def test_runs_are_parted_and_another_density_is_told(folder: Path) -> None:
    frames = rattled(bulk("Cu", cubic=True), 12, size=1.02)
    for number, atoms in enumerate(frames):
        atoms.info["trajectory"] = number % 2
    write(folder / "aimd.extxyz", frames)
    found = compared(folder / "aimd.extxyz")
    (outcome,) = (one.outcome for one in found.entries if one.method == "aimd.extxyz")
    assert isinstance(outcome, Measured)
    assert [len(run) for run in outcome.course] == [6, 6]
    text = found.text()
    assert "12 structures of 2 runs" in text
    assert "its cell has 12.48 Å³ per atom, that of the others 11.76" in text


def test_what_a_file_can_not_be_compared_with_is_told(folder: Path) -> None:
    copper = bulk("Cu", cubic=True)
    write(folder / "md.extxyz", rattled(copper, 8))
    write(folder / "short.extxyz", rattled(copper, 3))
    write(folder / "nowhere.xyz", rattled(copper, 8), format="xyz")
    (folder / "broken.xyz").write_text("no structure\n", encoding="utf-8")
    (folder / "XDATCAR").write_text("Cu\n", encoding="utf-8")
    salt = bulk("NaCl", "rocksalt", a=5.6)
    other_order = salt[[1, 0]]
    write(folder / "salt.extxyz", [other_order] * 8)
    for file, structures, properties, told in (
        ("md.extxyz", {"water": molecule("H2O")}, None, "Structure 1 is Cu4, and no system has these atoms"),
        ("md.extxyz", {"water": molecule("H2O")}, None, "ase convert -n 0"),
        ("md.extxyz", {"a": copper, "b": copper}, None, "may be of a or of b, which have the same atoms"),
        ("md.extxyz", {"a": copper, "salt": salt}, None, "holds no structures of salt"),
        ("salt.extxyz", {"salt": salt}, None, "the order is another one"),
        ("short.extxyz", None, None, "holds 3 structures of copper"),
        ("nowhere.xyz", None, None, "has no cell, and copper is periodic"),
        ("broken.xyz", None, None, "No structure can be read"),
        ("XDATCAR", None, None, "If it is a trajectory: ase convert"),
        ("missing.extxyz", None, None, "with structure alone a file of structures"),
        ("md.extxyz", None, ["lattice", "structure"], "of which there is no lattice"),
    ):
        with pytest.raises(UserError, match=told):
            compared(folder / file, structures, properties)
