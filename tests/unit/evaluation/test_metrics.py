"""Errors of known deviations are the known numbers."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from aims_pax.errors import ShapeError
from aims_pax.evaluation import Evaluation, evaluate, evaluation_json, evaluation_table
from aims_pax.frame import FloatArray, Label


@dataclass(frozen=True)
class Said:
    energies: FloatArray
    forces: FloatArray
    stress: FloatArray | None


def label(n_atoms: int, stress: FloatArray | None = None) -> Label:
    return Label(-10.0, np.zeros((n_atoms, 3)), stress, "exact", 0.0)


def two_members(with_stress: bool) -> Evaluation:
    """Member 0 is 2 eV and 0.1 eV/Å too high, member 1 as much too low; the second structure is predicted exactly."""
    sign = np.array([1.0, -1.0])
    stress = np.full(6, 0.5) if with_stress else None
    off = Said(-10 + 2 * sign, 0.1 * sign[:, None, None] * np.ones((2, 2, 3)), np.full((2, 6), 0.7))
    exact = Said(np.full(2, -10.0), np.zeros((2, 4, 3)), None)
    return evaluate([label(2, stress), label(4)], [off, exact])


def test_energies_count_per_atom_and_structure() -> None:
    first = two_members(False).members[0]
    assert first.n_structures == 2
    assert first.energy_mae_ev_per_atom == pytest.approx(0.5)
    assert first.energy_rmse_ev_per_atom == pytest.approx(np.sqrt(0.5))


def test_forces_count_per_component() -> None:
    first = two_members(False).members[0]
    assert first.force_mae_ev_per_ang == pytest.approx(0.1 * 6 / 18)
    assert first.force_rmse_ev_per_ang == pytest.approx(0.1 * np.sqrt(6 / 18))


def test_mean_of_opposite_members_is_exact() -> None:
    mean = two_members(False).mean
    assert mean.energy_rmse_ev_per_atom == pytest.approx(0.0)
    assert mean.force_rmse_ev_per_ang == pytest.approx(0.0)


def test_stress_counts_where_both_sides_know_it() -> None:
    assert two_members(True).mean.stress_mae_ev_per_ang3 == pytest.approx(0.2)
    assert two_members(False).mean.stress_mae_ev_per_ang3 is None


def test_table_is_in_milli_units_and_leaves_out_what_is_not_known() -> None:
    text = evaluation_table(two_members(False), names=["a.model", "b.model"])
    assert "stress" not in text
    assert text.splitlines()[2].split() == ["a.model", "500.00", "707.11", "33.33", "57.74"]
    assert text.splitlines()[-1].startswith("committee mean")
    assert "meV/Å³" in evaluation_table(two_members(True), names=["a", "b"])


def test_the_product_stands_first_with_the_member_that_it_is() -> None:
    text = evaluation_table(two_members(False), names=["run_1", "run_2"], product=("run.model", 1))
    first, _, second, _ = text.splitlines()[2:]
    assert first.startswith("run.model (is run_2)")
    assert first.split()[-4:] == second.split()[-4:]
    read = evaluation_json(two_members(False), names=["run_1", "run_2"], product=("run.model", 1))
    assert read["product"] == {"model": "run.model", **read["members"]["run_2"]}


def test_json_holds_every_member_and_the_mean() -> None:
    read = json.loads(json.dumps(evaluation_json(two_members(True), names=["a", "b"])))
    assert set(read["members"]) == {"a", "b"}
    assert read["members"]["a"]["force_mae_ev_per_ang"] == pytest.approx(0.1 / 3)


def test_predictions_of_other_structures_are_refused() -> None:
    said = Said(np.zeros(1), np.zeros((1, 3, 3)), None)
    with pytest.raises(ShapeError, match="do not fit"):
        evaluate([label(2)], [said])
    with pytest.raises(ShapeError, match="can't be compared"):
        evaluate([label(2)], [])
