"""Slips in programs, and in what acts on atoms."""

import re
from pathlib import Path
from typing import Any

import pytest

from aims_pax.checking.asked import Asked
from aims_pax.checking.remarks import doubts
from aims_pax.errors import SettingsError
from aims_pax.frame import Stage

from .test_remarks import MGO, project

BOTH = (Stage.INITIAL, Stage.ACTIVE)


def told(folder: Path, **md: Any) -> list[str]:
    """What of MD is doubted."""
    one = project(folder, atoms=MGO, changes={"REFERENCE": {"method": "GFN1-xTB"}, "MD": md})
    return [str(doubt) for doubt in doubts(Asked(one, BOTH)) if "MD." in doubt.found]


@pytest.mark.parametrize(
    ("md", "words"),
    [
        ({"program": [{"steps": 5, "temperature": 9000}, {}]}, "MD.program.temperature is 9000 K"),
        ({"program": [{"steps": 5, "final_temperature": 0.1}, {}]}, "MD.program.final_temperature is 0.1 K"),
        ({"program": [{"steps": 5, "stat_ensemble": "npt", "pressure": 1.5}, {}]}, "MD.program.pressure is 1.5 Pa"),
        ({"program": [{"steps": 5, "thermostat": "bussi", "tdamp": 1.0}, {}]}, "MD.program.tdamp is 1 fs"),
        ({"hold": {"atoms": 0, "velocity": [0, 0, 500]}}, "MD.hold.0 leads atoms at 500 Å/ps, 50 km/s"),
        ({"hold": {"atoms": 1}, "load": {"atoms": 0, "force": [0, 9, 0]}}, "MD.load.0 pulls each of its atoms by 9"),
        (
            {"restraints": {"variable": {"angle": [0, 1, 2]}, "center": 10, "stiffness": 5}},
            "MD.restraints.0: angle Mg0-O1-Mg2 is",
        ),
        (
            {"program": [{"steps": 5, "restraints": {"variable": {"distance": [0, 1]}, "center": 9, "stiffness": 5}}]},
            "MD.program.0.restraints.0: distance Mg0-O1 is",
        ),
    ],
)
def test_slips_are_doubted_where_they_are_written(tmp_path: Path, md: dict[str, Any], words: str) -> None:
    assert any(words in doubt for doubt in told(tmp_path, **md)), told(tmp_path, **md)


def test_what_is_usual_is_not_doubted(tmp_path: Path) -> None:
    usual = {
        "hold": {"atoms": 0, "velocity": [0, 0, 0.5]},
        "load": {"atoms": 1, "force": [0, 0, 0.2]},
        "restraints": {"variable": {"dihedral": [0, 1, 2, 3]}, "center": 0, "stiffness": 0.1},
        "program": [{"steps": 5, "final_temperature": 500}, {"stat_ensemble": "relax", "steps": 9}, {}],
    }
    assert told(tmp_path, **usual) == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"stat_ensemble": "npt"}, "MD.program.0.stat_ensemble is npt, and start is a molecule"),
        ({"stat_ensemble": "relax", "relax_cell": True}, "MD.program.0.relax_cell is true, and start is a molecule"),
    ],
)
def test_an_entry_that_moves_a_cell_needs_one(tmp_path: Path, entry: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(words)):
        project(tmp_path, changes={"MD": {"program": [{"steps": 5, **entry}, {}]}})
