"""What can't be had is a value that says why: never a traceback, never a number that is none."""

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, PropertyNotImplementedError
from ase.calculators.emt import EMT

from aims_pax.evaluation.properties import (
    PROPERTIES,
    Measured,
    Method,
    Property,
    Unmeasured,
    elastic,
    measured,
    symmetry,
)
from aims_pax.evaluation.properties.lattice import LatticeConstants

from .crystals import copper, effective_medium, lennard_jones, specimen


class Broken(EMT):  # type: ignore[misc]
    """Does what a calculator may do."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way

    def calculate(self, *arguments: Any, **named: Any) -> None:
        if self.way == "raises":
            raise ZeroDivisionError("no volume")
        if self.way == "ends the program":
            raise SystemExit(3)
        super().calculate(*arguments, **named)
        if self.way == "is not finite":
            self.results["forces"] = np.full_like(self.results["forces"], np.nan)
            self.results["energy"] = float("nan")

    def get_stress(self, *arguments: Any, **named: Any) -> Any:
        if self.way == "has no stress":
            raise PropertyNotImplementedError("stress not implemented")
        return super().get_stress(*arguments, **named)


def broken(way: str) -> Method:
    calculator = Broken(way)
    return Method("it", lambda _: calculator)


@pytest.mark.parametrize(("facts", "told"), [({"charge": 1}, "charge +1"), ({"spin": 3}, "multiplicity 3")])
@pytest.mark.parametrize("name", ["structure", "vacancy", "phonons"])
def test_a_cell_with_a_charge_or_spin_of_its_own_is_not_repeated(name: str, facts: dict[str, int], told: str) -> None:
    charged = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    charged.info |= facts
    reason = PROPERTIES[name].unfit(charged)
    assert reason is not None
    assert f"its {told} is that of one cell" in reason
    assert PROPERTIES[name].unfit(bulk("NaCl", "rocksalt", a=5.64, cubic=True)) is None


@pytest.mark.parametrize("name", [name for name in PROPERTIES if name not in ("cohesive", "binding", "structure")])
def test_properties_of_solids_are_none_of_a_molecule(name: str) -> None:
    outcome = measured(PROPERTIES[name], specimen(molecule("H2O"), effective_medium()))
    assert isinstance(outcome, Unmeasured)
    assert str(outcome).startswith("not for this structure: ")


def test_the_atomization_energy_of_a_molecule_is_one() -> None:
    outcome = measured(PROPERTIES["cohesive"], specimen(molecule("H2O"), effective_medium()))
    assert isinstance(outcome, Measured)


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("raises", "it: ZeroDivisionError: no volume"),
        ("ends the program", "it: SystemExit: 3"),
        ("is not finite", "not finite"),
        ("has no stress", "it gives no stress"),
    ],
)
@pytest.mark.parametrize("wanted", [PROPERTIES["lattice"], PROPERTIES["elastic"]], ids=lambda one: one.NAME)
def test_whatever_a_calculator_does_is_told(wanted: Property, way: str, words: str) -> None:
    outcome = measured(wanted, specimen(copper(), broken(way)))
    assert isinstance(outcome, Unmeasured)
    assert str(outcome).startswith("failed: ")
    assert words in outcome.reason


def test_a_relaxation_that_failed_is_not_tried_again_for_the_next_property() -> None:
    one = specimen(copper(), broken("raises"))
    first = measured(PROPERTIES["lattice"], one)
    one.method.calculator(copper()).way = "works"
    assert measured(PROPERTIES["elastic"], one) == first


def test_a_cell_that_explodes_is_told_by_its_volumes() -> None:
    outcome = measured(LatticeConstants(), specimen(bulk("Cu"), lennard_jones(sigma=6.0, epsilon=0.1, rc=20.0)))
    assert isinstance(outcome, Unmeasured)
    assert "exploded" in outcome.reason
    assert "Å³" in outcome.reason


def test_elements_that_a_method_does_not_know_are_its_failure() -> None:
    outcome = measured(LatticeConstants(), specimen(bulk("Si"), effective_medium()))
    assert isinstance(outcome, Unmeasured)
    assert "No EMT-potential for Si" in outcome.reason


class Holes(Calculator):  # type: ignore[misc]
    """Atoms that attract each other down to nothing."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms: Atoms | None = None, *arguments: Any, **named: Any) -> None:
        super().calculate(atoms, *arguments, **named)
        assert self.atoms is not None
        between = self.atoms.positions[1] - self.atoms.positions[0]
        self.results = {"energy": float(between @ between), "forces": np.array([2 * between, -2 * between])}


def test_atoms_that_fall_into_a_hole_of_a_model_are_told() -> None:
    calculator = Holes()
    outcome = measured(PROPERTIES["cohesive"], specimen(molecule("H2"), Method("it", lambda _: calculator)))
    assert isinstance(outcome, Unmeasured)
    assert "fell onto each other" in outcome.reason


def test_without_spglib_all_constants_are_told_as_they_are_and_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (symmetry, elastic):
        monkeypatch.setattr(module, "is_known", lambda: False)
    outcome = measured(PROPERTIES["elastic"], specimen(copper(), effective_medium()))
    assert isinstance(outcome, Measured)
    found = {one.key: one.value for one in outcome.quantities}
    assert {"c11_gpa", "c22_gpa", "c33_gpa", "c12_gpa", "c44_gpa"} <= set(found)
    assert found["c11_gpa"] == pytest.approx(found["c33_gpa"], rel=1e-3)
    assert "aims-pax[properties]" in outcome.remarks[0]
