"""Systems of one project that are labelled by different methods."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aims_pax.checking.methods import methods_apart
from aims_pax.settings import load_project
from aims_pax.settings.methods.engines import NwchemSettings

from ...aims.standin import SPECIES
from ..settings.test_own import BASE, SYSTEMS, written


def doubts_of(folder: Path, reference: dict[str, Any]) -> list[str]:
    own = {**SYSTEMS["ammonium"], "REFERENCE": reference}
    project = load_project(written(folder, {**BASE, "SYSTEMS": {"water": SYSTEMS["water"], "ammonium": own}}))
    return [doubt.found for doubt in methods_apart(project)]


@pytest.mark.parametrize("reference", [{}, {"max_iterations": 99}, {"max_force_ev_per_ang": 20.0}])
def test_what_does_not_move_the_energy_may_differ(reference: dict[str, Any], tmp_path: Path) -> None:
    assert doubts_of(tmp_path, reference) == []


@pytest.mark.parametrize(
    ("reference", "said"),
    [({"method": "GFN2-xTB"}, "method"), ({"type": "pyscf"}, "type"), ({"accuracy": 0.1}, "accuracy")],
)
def test_methods_whose_energies_lie_apart_are_doubted(reference: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert doubts_of(tmp_path, reference) == [f"ammonium and water are labelled by methods that differ in {said}."]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("xc hse06 0.11\nhse_unit bohr\n", ["control.in: hse_unit", "control.in: xc"]),
        ("xc pbe\nspin none\nsc_accuracy_rho 1e-6\n", []),
    ],
)
def test_control_files_of_two_functionals_are_doubted(lines: str, said: list[str], tmp_path: Path) -> None:
    settings = {
        **BASE,
        "REFERENCE": {"type": "fhi-aims", "command": "aims.x", "control": "pbe.in", "species_dir": "species"},
        "SYSTEMS": {
            "water": {"geometry": "water.xyz", "num_trajectories": 1},
            "other": {"geometry": "water.xyz", "num_trajectories": 1, "REFERENCE": {"control": "other.in"}},
        },
    }
    shutil.copytree(SPECIES, tmp_path / "species")
    (tmp_path / "pbe.in").write_text("xc pbe\n", encoding="utf-8")
    (tmp_path / "other.in").write_text(lines, encoding="utf-8")
    found = list(methods_apart(load_project(written(tmp_path, settings))))
    expected = [f"other and water are labelled by methods that differ in {', '.join(said)}."] if said else []
    assert [doubt.found for doubt in found] == expected


def test_parameters_of_programs_are_compared_one_by_one(tmp_path: Path) -> None:
    project = load_project(written(tmp_path, BASE))
    plans = project.settings.systems
    told = ({"system": {"ecutwfc": 40, "nspin": 2}, "kpts": [2, 2, 2]}, {"system": {"ecutwfc": 60}, "kpts": [1, 1, 1]})
    references = [NwchemSettings(parameters=parameters) for parameters in told]
    changed = {name: replace(plan, reference=one) for (name, plan), one in zip(plans.items(), references, strict=True)}
    project = replace(project, settings=replace(project.settings, systems=changed))
    assert [doubt.found for doubt in methods_apart(project)] == [
        "ammonium and water are labelled by methods that differ in parameters.ecutwfc."
    ]
