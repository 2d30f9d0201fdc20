"""Structures that have a spin of their own are looked at with it, before they are labelled."""

from pathlib import Path

import numpy as np
import pytest

from aims_pax.checking.check import labelling_problems
from aims_pax.errors import Problem, SettingsError
from aims_pax.frame import Frame
from aims_pax.settings.labelling import LabellingFiles, labelling_project
from aims_pax.settings.systems import System

OH = np.array([8, 1])


def told(folder: Path, *, charge: int | None = None, spin: int | None = None) -> list[Problem]:
    """What stands in the way of labelling a hydroxyl by tight binding, whose multiplicity is 1 unless it is told."""
    (folder / "aims_PAX.yaml").write_text("REFERENCE: {type: tblite}\n")
    frame = Frame("hydroxyl", 0, 0, 0, OH, np.diag([0.0, 0.97, 0.0])[:2], charge=charge, spin=spin)
    files = LabellingFiles(folder / "aims_PAX.yaml")
    project = labelling_project(files, [System("hydroxyl", frame, Path("made.extxyz"))], want_stress=False)
    return list(labelling_problems(project))


def test_radical_that_says_so_can_be_labelled(tmp_path: Path) -> None:
    assert told(tmp_path, charge=0, spin=2) == []
    assert told(tmp_path, spin=2) == []


def test_radical_that_says_nothing_or_what_can_not_be_is_told(tmp_path: Path) -> None:
    for wrong in ({}, {"charge": 0, "spin": 1}, {"charge": 1, "spin": 2}):
        with pytest.raises(SettingsError, match=r"electrons can't have REFERENCE\.multiplicity"):
            told(tmp_path, **wrong)
