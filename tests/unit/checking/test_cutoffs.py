"""Cutoffs that follow from the elements of a structure."""

from pathlib import Path
from typing import Any

import pytest
from ase import Atoms
from ase.build import bulk, molecule

from aims_pax.checking.asked import Asked
from aims_pax.checking.cutoffs import cutoffs
from aims_pax.errors import Doubt

from .test_meshes import DIAMOND, asked_of

SILICON, CARBIDE = bulk("Si", cubic=True), bulk("SiC", "zincblende", a=4.36, cubic=True)
VASP = {"type": "vasp", "pseudo_dir": ".", "protocol": "balanced"}
ENCUT = {"encut": 520}


def told(folder: Path, reference: dict[str, Any], *cells: Atoms) -> list[Doubt]:
    asked: Asked = asked_of(folder, reference, *cells)
    return list(cutoffs(asked))


def test_crystals_of_other_elements_have_another_cutoff_and_it_is_told(tmp_path: Path) -> None:
    (doubt,) = told(tmp_path, VASP, SILICON, CARBIDE, DIAMOND)
    assert "encut is not said" in doubt.found
    assert "Si (c0) and C (c2) are not alike" in doubt.found
    assert "Write encut into REFERENCE.parameters" in doubt.advice
    assert doubt.where.startswith("aims_PAX.yaml, line ")


@pytest.mark.parametrize(
    ("reference", "keyword"),
    [
        ({"type": "castep", "protocol": "fast"}, "cut_off_energy"),
        ({"type": "abinit", "protocol": "fast", "pseudo_dir": "."}, "ecut"),
        ({"type": "espresso", "pseudo_dir": "."}, "ecutwfc"),
    ],
)
def test_each_program_is_told_by_its_own_keyword(reference: dict[str, Any], keyword: str, tmp_path: Path) -> None:
    (doubt,) = told(tmp_path / "unsaid", reference, SILICON, CARBIDE)
    assert doubt.found.startswith(f"{keyword} is not said")
    said: dict[str, Any] = {"input_data": {"system": {keyword: 50}}} if keyword == "ecutwfc" else {keyword: 500}
    assert told(tmp_path / "said", {**reference, "parameters": said}, SILICON, CARBIDE) == []


@pytest.mark.parametrize(
    "reference",
    [
        {**VASP, "parameters": ENCUT},
        {**VASP, "protocol": "stringent"},
        {"type": "vasp", "pseudo_dir": ".", "kspacing": 0.2},
        {"type": "gpaw", "protocol": "fast"},
        {"type": "tblite"},
    ],
    ids=["said", "of the protocol", "no protocol", "of the program", "none"],
)
def test_one_cutoff_for_all_is_left_alone(reference: dict[str, Any], tmp_path: Path) -> None:
    assert told(tmp_path, reference, SILICON, CARBIDE) == []


def test_molecules_and_crystals_of_the_same_elements_are_left_alone(tmp_path: Path) -> None:
    assert told(tmp_path, VASP, SILICON, SILICON * (2, 1, 1), molecule("H2O")) == []
