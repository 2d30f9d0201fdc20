"""What is found in a pool, and how wrong a committee is about its structures."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from aims_pax.dataset.entries import Keys
from aims_pax.dataset.stock import Stock
from aims_pax.frame import Label
from aims_pax.learner.journal import from_text, to_text
from aims_pax.protocols import FramePrediction
from aims_pax.stages.stock.errors import error_of
from aims_pax.stages.stock.survey import Survey, surveyed

E0 = {1: -13.5, 6: -1030.0, 8: -2040.0}


def labelled(symbols: str, binding_ev: float = 0.0) -> Atoms:
    rng = np.random.default_rng(len(symbols))
    atoms = Atoms(symbols)
    atoms.positions = rng.normal(size=(len(atoms), 3))
    atoms.info["REF_energy"] = sum(E0[int(z)] for z in atoms.numbers) + binding_ev
    atoms.arrays["REF_forces"] = rng.normal(size=(len(atoms), 3))
    return atoms


def free(symbol: str, energy_ev: float) -> Atoms:
    atom = Atoms(symbol)
    atom.info |= {"REF_energy": energy_ev, "config_type": "IsolatedAtom"}
    return atom


def survey_of(folder: Path, *images: Atoms) -> Survey:
    write(folder / "pool.extxyz", images, format="extxyz")
    seen: list[int] = []
    survey = surveyed(Stock([folder / "pool.extxyz"], Keys()), seen=seen.append)
    assert seen == list(range(1, len(images) + 1))
    assert from_text(Survey, to_text(survey)) == survey
    return survey


def test_energies_of_elements_are_fitted_to_all_structures(tmp_path: Path) -> None:
    survey = survey_of(tmp_path, *map(labelled, ("OH2", "CH4", "CO2", "C2H6O")))
    assert {number: pytest.approx(energy, abs=1e-6) for number, energy in survey.energies_ev} == E0
    assert survey.fitted == (1, 6, 8)


def test_free_atoms_are_taken_as_they_are_and_the_rest_is_fitted(tmp_path: Path) -> None:
    survey = survey_of(tmp_path, free("O", -2039.0), labelled("OH2", -1.0), labelled("OH2", -1.0))
    assert dict(survey.energies_ev) == {1: pytest.approx(-14.5), 8: -2039.0}
    assert (survey.fitted, survey.n_free_atoms, survey.n_labelled) == ((1,), 1, 2)


def test_one_composition_does_not_tell_its_elements_apart_and_still_adds_up(tmp_path: Path) -> None:
    energies = dict(survey_of(tmp_path, *[labelled("OH2")] * 3).energies_ev)
    assert energies[8] + 2 * energies[1] == pytest.approx(E0[8] + 2 * E0[1])


def test_structures_that_can_not_be_learned_are_counted_and_named(tmp_path: Path) -> None:
    lame = [labelled("OH2") for _ in range(7)]
    for atoms in lame:
        del atoms.arrays["REF_forces"]
    survey = survey_of(tmp_path, labelled("CH4"), *lame)
    assert (survey.n_faults, survey.n_labelled, len(survey.faults)) == (7, 1, 5)
    assert survey.faults[0] == "pool.extxyz, structure 2: has no REF_forces"
    assert [number for number, _ in survey.energies_ev] == [1, 6]


@pytest.mark.parametrize(("error_type", "expected"), [("forces", 0.2), ("energy", 1.0), ("both", 0.6)])
def test_error_of_a_structure_is_the_mean_of_its_members_errors(error_type: str, expected: float) -> None:
    """Members that are wrong in opposite directions are wrong, although their mean is right."""
    label = Label(-10.0, np.zeros((2, 3)), None, "test", 0.0)
    forces = np.stack([np.full((2, 3), 0.2), np.full((2, 3), -0.2)])
    said = FramePrediction(np.array([-8.0, -12.0]), forces, None)
    assert error_of(said, label, error_type) == pytest.approx(expected)
