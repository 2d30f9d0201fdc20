"""Systems of one project that are labelled by different methods."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aims_pax.checking.methods import methods_apart
from aims_pax.settings import load_project
from aims_pax.settings.methods.engines import NwchemSettings

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


def test_parameters_of_programs_are_compared_one_by_one(tmp_path: Path) -> None:
    project = load_project(written(tmp_path, BASE))
    plans = project.settings.systems
    told = ({"ecutwfc": 40, "kpts": [2, 2, 2]}, {"ecutwfc": 60, "kpts": [1, 1, 1]})
    references = [NwchemSettings(parameters=parameters) for parameters in told]
    changed = {name: replace(plan, reference=one) for (name, plan), one in zip(plans.items(), references, strict=True)}
    project = replace(project, settings=replace(project.settings, systems=changed))
    assert [doubt.found for doubt in methods_apart(project)] == [
        "ammonium and water are labelled by methods that differ in parameters.ecutwfc."
    ]
