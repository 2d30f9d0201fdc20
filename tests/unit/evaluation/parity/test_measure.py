from dataclasses import dataclass
from math import cos, radians, sin, sqrt

import numpy as np
import pytest

from aims_pax.errors import ShapeError
from aims_pax.evaluation.parity import (
    MARKS,
    QUANTITIES,
    Matched,
    Measure,
    Method,
    curve_of,
    groupings_of,
    measured_rows,
)
from aims_pax.evaluation.parity.matched import PER_BLOCK
from aims_pax.evaluation.parity.quantity import COMPONENT, ENERGY
from aims_pax.frame import FloatArray, Frame, IntArray, Label

ANGLE, LONGER = 30.0, 1.2
WATER = np.array([8, 1, 1])


@dataclass(frozen=True)
class Said:
    """What some members say of one structure."""

    energies: FloatArray
    forces: FloatArray
    stress: FloatArray | None = None


def frame(number: int, numbers: IntArray = WATER, config_type: str = "") -> Frame:
    return Frame("water", 0, number, 0, numbers, np.zeros((len(numbers), 3)), config_type=config_type)


def label(energy: float, forces: FloatArray, stress: FloatArray | None = None) -> Label:
    return Label(energy, forces, stress, "made up", 0.0)


def turned() -> Matched:
    """Two water molecules: predicted forces are 30° off and a fifth longer, energies 0.1 and -0.2 eV/atom off."""
    reference = np.tile([1.0, 0.0, 0.0], (3, 1))
    predicted = np.tile([LONGER * cos(radians(ANGLE)), LONGER * sin(radians(ANGLE)), 0.0], (3, 1))
    labels = [label(energy, reference, np.full(6, 0.01)) for energy in (-10.0, -12.0)]
    said = [Said(np.array([e]), predicted[None], np.full((1, 6), 0.03)) for e in (-9.7, -12.6)]
    return Matched((Method("model", (0,)),), [frame(0), frame(1)], labels, said)


def measures(matched: Matched, *, kind: str = "all", group: str = "all") -> dict[str, Measure]:
    rows = measured_rows(matched, groupings_of(matched))
    return {row.quantity.key: row.measure for row in rows if (row.kind, row.group) == (kind, group)}


def test_energies_are_told_by_atom_and_in_total() -> None:
    found = measures(turned())
    assert found["energy_per_atom"].mae == pytest.approx(0.15)
    assert found["energy_per_atom"].rmse == pytest.approx(sqrt(0.025))
    assert found["energy_per_atom"].mean_error == pytest.approx(-0.05)
    assert found["energy"].r2 == pytest.approx(1 - (0.3**2 + 0.6**2) / 2)
    assert found["energy"].mae == pytest.approx(0.45)
    assert found["energy_per_atom"].below == pytest.approx({50: 0.15, 80: 0.18, 90: 0.19, 95: 0.195})
    assert found["energy_per_atom"].largest == pytest.approx(0.2)


def test_forces_that_are_turned_and_longer_are_told_as_such() -> None:
    found = measures(turned())
    difference = sqrt(1 + LONGER**2 - 2 * LONGER * cos(radians(ANGLE)))
    assert found["force_angle"].mae == pytest.approx(ANGLE)
    assert found["force_length"].mae == pytest.approx(LONGER - 1)
    assert found["force_difference"].rmse == pytest.approx(difference)
    assert found["force_rms"].mae == pytest.approx((LONGER - 1) / sqrt(3))
    assert found["force_component"].rmse == pytest.approx(difference / sqrt(3))
    assert found["force_component"].n_values == 18
    assert found["stress"].mae == pytest.approx(0.02)


def test_labels_that_are_all_the_same_have_no_r2() -> None:
    found = measures(turned())
    assert found["stress"].r2 is None
    assert found["force_angle"].r2 is None
    assert found["force_component"].r2 is not None


def test_forces_too_small_to_point_anywhere_have_no_angle() -> None:
    tiny = label(-1.0, np.array([[1e-3, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]]))
    said = Said(np.array([-1.0]), np.array([[[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]]))
    found = measures(Matched((Method("model", (0,)),), [frame(0)], [tiny], [said]))["force_angle"]
    assert found.n_values == 2
    assert found.largest == pytest.approx(180.0)


def many(n: int) -> tuple[Matched, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Structures of two members, with energies far from zero; labels and mean predictions of energies and forces."""
    rng = np.random.default_rng(3)
    energies, forces = -3e5 + rng.normal(0, 1e-3, n), rng.normal(0, 1, (n, 3, 3))
    said_energies = energies[:, None] + rng.normal(0, 1e-3, (n, 2))
    said_forces = forces[:, None] + rng.normal(0, 0.1, (n, 2, 3, 3))
    matched = Matched(
        (Method("one", (0,)), Method("mean", (0, 1))),
        [frame(number) for number in range(n)],
        [label(float(energy), force) for energy, force in zip(energies, forces, strict=True)],
        [Said(*pair) for pair in zip(said_energies, said_forces, strict=True)],
    )
    return matched, energies, said_energies.mean(axis=1), forces.ravel(), said_forces.mean(axis=1).ravel()


def test_what_passes_by_in_blocks_is_what_all_of_it_would_give() -> None:
    matched, energies, said_energies, forces, said_forces = many(2 * PER_BLOCK + 5)
    found = {
        row.quantity.key: row.measure
        for row in measured_rows(matched, groupings_of(matched))
        if row.method == "mean" and row.kind == "all"
    }
    for key, reference, predicted in (("energy", energies, said_energies), ("force_component", forces, said_forces)):
        errors = predicted - reference
        one = found[key]
        assert one.mae == pytest.approx(np.abs(errors).mean(), rel=1e-12)
        assert one.rmse == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-12)
        assert one.r2 == pytest.approx(1 - (errors**2).sum() / ((reference - reference.mean()) ** 2).sum(), rel=1e-6)
        assert list(one.below.values()) == pytest.approx(np.percentile(np.abs(errors), MARKS))
        assert one.largest == np.abs(errors).max()
    shares = np.array([0.0, 50.0, 100.0])
    assert curve_of(matched, matched.methods[1], COMPONENT, shares) == pytest.approx(
        np.percentile(np.abs(said_forces - forces), shares)
    )


def test_interval_holds_the_mean_and_narrows_with_more_structures() -> None:
    widths = []
    for n in (60, 600):
        one = measures_of_first(many(n)[0])
        assert one.mae_interval is not None
        assert one.mae_interval[0] < one.mae < one.mae_interval[1]
        widths.append(one.mae_interval[1] - one.mae_interval[0])
    assert widths[1] < widths[0]


def measures_of_first(matched: Matched) -> Measure:
    return measured_rows(matched, groupings_of(matched), [COMPONENT])[0].measure


def test_a_single_structure_has_no_interval() -> None:
    matched = turned()
    alone = Matched(matched.methods, matched.frames[:1], matched.labels[:1], matched.predictions[:1])
    assert measures(alone)["energy"].mae_interval is None


def test_elements_are_told_by_themselves() -> None:
    forces = np.zeros((3, 3))
    said = np.array([[[0.3, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    matched = Matched((Method("model", (0,)),), [frame(0)], [label(0.0, forces)], [Said(np.zeros(1), said)])
    assert measures(matched, kind="element", group="O")["force_component"].mae == pytest.approx(0.1)
    assert measures(matched, kind="element", group="H")["force_component"].mae == 0.0
    assert "energy" not in measures(matched, kind="element", group="H")


def test_kinds_and_compositions_are_told_where_there_are_several() -> None:
    methane = np.array([1, 6, 1, 1, 1])
    frames = [frame(0, config_type="bulk"), frame(1), frame(2, methane, config_type="bulk")]
    labels = [label(0.0, np.zeros((one.n_atoms, 3))) for one in frames]
    said = [Said(np.array([0.3 * n]), np.zeros((1, one.n_atoms, 3))) for n, one in enumerate(frames)]
    matched = Matched((Method("model", (0,)),), frames, labels, said)
    kinds = {grouping.kind: grouping.names for grouping in groupings_of(matched)}
    assert kinds["config_type"] == ("bulk", "none")
    assert kinds["composition"] == ("H2O", "CH4")
    assert "system" not in kinds, "all are of one"
    assert measures(matched, kind="composition", group="CH4")["energy_per_atom"].mae == pytest.approx(0.12)
    assert measures(matched, kind="config_type", group="none")["energy_per_atom"].mae == pytest.approx(0.1)


def test_many_small_groups_become_one() -> None:
    frames = [frame(0, np.full(n, 1)) for n in (*range(1, 61), 1, 2)]
    labels = [label(0.0, np.zeros((one.n_atoms, 3))) for one in frames]
    said = [Said(np.zeros(1), np.zeros((1, one.n_atoms, 3))) for one in frames]
    matched = Matched((Method("model", (0,)),), frames, labels, said)
    (grouping,) = [one for one in groupings_of(matched) if one.kind == "composition"]
    assert len(grouping.names) == 40
    assert "21 others" in grouping.names
    assert "H" in grouping.names


def test_what_a_method_does_not_tell_is_left_out_of_its_errors() -> None:
    matched = turned()
    said = [
        Said(np.array([*one.energies, 0.0]), np.concatenate([one.forces, np.full((1, 3, 3), np.nan)]))
        for one in matched.predictions
    ]
    both = Matched((*matched.methods, Method("silent", (1,))), matched.frames, matched.labels, said)
    rows = measured_rows(both, groupings_of(both), QUANTITIES)
    assert {row.quantity.key for row in rows if row.method == "silent"} == {"energy", "energy_per_atom"}
    assert {row.quantity.key for row in rows} == {one.key for one in QUANTITIES} - {"stress"}
    assert all(np.isfinite(row.measure.rmse) for row in rows)


def test_a_row_is_plain_values_with_its_unit() -> None:
    matched = turned()
    record = measured_rows(matched, groupings_of(matched), [ENERGY])[0].record()
    assert record["unit"] == "eV/atom"
    assert record["below_95_percent"] == pytest.approx(0.195)
    assert (record["group_kind"], record["group"]) == ("all", "all")


def test_labels_and_predictions_of_different_numbers_are_a_defect() -> None:
    matched = turned()
    with pytest.raises(ShapeError, match="do not belong together"):
        Matched(matched.methods, matched.frames, matched.labels[:1], matched.predictions)
