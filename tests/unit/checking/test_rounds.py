"""What check says that structures which are made, and rounds of exploration, were understood to be."""

from pathlib import Path
from typing import Any

import pytest
from ase.build import bulk

from aims_pax.checking.understood import quantities
from aims_pax.settings import Project


def said(folder: Path, **explore: Any) -> dict[str, str]:
    stages: list[Any] = [{"collect": {"augment": {"inputs": True}}}, "converge", {"explore": explore}]
    reference = {"type": "ase-calculator", "calculator": "ase.calculators.emt:EMT"}
    md = {"stat_ensemble": "npt", "barostat": "c-rescale", "compressibility": 0.007}
    project = Project.of({"cu": bulk("Cu", cubic=True)}, stages=stages, reference=reference, md=md, folder=folder)
    return dict(quantities(project, project.stages))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "at the temperature of MD"),
        ({"temperature": [300]}, "at 300 K"),
        ({"temperature": [300, 1000]}, "at 300, 1000 K"),
        (
            {"temperature": [300, 1000], "pressure": [-5e8, 0, 1e9]},
            "at 300, 1000 K and -0.5, 0, 1 GPa along periodic directions",
        ),
    ],
)
def test_temperatures_and_pressures_are_told_one_from_another(tmp_path: Path, asked: Any, words: str) -> None:
    assert said(tmp_path, **asked)["explore"] == (
        f"MD from up to 20 training structures, {words}; 10 ps each, one member drives"
    )


def test_what_always_trains_is_told_with_the_split(tmp_path: Path) -> None:
    assert said(tmp_path)["  of these"] == "0.1 validate, 0.1 test; inputs, free atoms and dimers train"
