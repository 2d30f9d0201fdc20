"""Which systems share a measured time."""

from pathlib import Path
from typing import Any

import pytest

from aims_pax.forecast import speed
from aims_pax.settings import Project, System, load_project

from ..settings.test_own import BASE, written

WATER = {"geometry": "water.xyz", "num_trajectories": 1}


def project(folder: Path, systems: dict[str, Any]) -> Project:
    return load_project(written(folder, {**BASE, "SYSTEMS": systems}))


def measure(system: System) -> float:
    return {"coarse": 1.0, "fine": 100.0, "other": 100.0}[system.name]


def test_systems_of_one_composition_share_a_time_only_if_they_are_labelled_in_the_same_way(tmp_path: Path) -> None:
    fine = {**WATER, "REFERENCE": {"accuracy": 0.01}}
    found, said = speed._by_system(project(tmp_path, {"coarse": WATER, "fine": fine, "like": fine}), measure)
    assert found == {"coarse": 1.0, "fine": 100.0, "like": 100.0}
    assert said == ""


def test_what_comes_late_is_estimated_by_what_is_labelled_in_the_same_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = {"geometry": "ions/pair.xyz", "num_trajectories": 1}
    systems = {"fine": {**pair, "REFERENCE": {"accuracy": 0.01}}, "coarse": WATER, "late": pair}
    clock = iter([0.0, 1.0, 99.0])
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(clock))
    folder = written(tmp_path, {**BASE, "SYSTEMS": systems})
    (folder / "ions/pair.xyz").write_text("2\n\nH 0 0 0\nH 0 0 0.74\n", encoding="utf-8")
    found, said = speed._by_system(load_project(folder), measure)
    assert found["late"] == pytest.approx(2 / 3), "not by the system of as many atoms, which is computed otherwise"
    assert said == "; 1 more systems by their number of atoms"
