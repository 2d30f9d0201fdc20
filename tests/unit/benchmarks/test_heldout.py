"""Structures that nobody picked, their labels one by one, and errors by loop with their intervals."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import read

from aims_pax.frame import FailureReason, Label, LabelFailure

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def heldout() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield importlib.import_module("heldout")
    sys.modules.pop("heldout")


@pytest.fixture(scope="module")
def frames(heldout: ModuleType) -> list[Atoms]:
    motion = heldout.Motion(temperatures_k=(300.0, 900.0), n_frames=2, apart_fs=4.0)
    starts = {"cu": bulk("Cu", cubic=True), "al": bulk("Al", cubic=True)}
    return list(heldout.moved(starts, EMT(), motion, seed=1))


def by_emt(atoms: Atoms) -> Label:
    atoms = atoms.copy()
    atoms.calc = EMT()
    return Label(atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(), "emt", 0.0)


def measured(errors: list[tuple[float, float]], *, of_crystals: bool = True) -> SimpleNamespace:
    """Two models, of which one is too high and one too low about these errors of the energy and of all forces."""
    labels, said = [], []
    for energy, force in errors:
        spread = np.array([-1.0, 1.0])
        stress = np.zeros(6) if of_crystals else None
        labels.append(Label(5.0, np.zeros((2, 3)), stress, "exact", 0.0))
        forces = (force + spread)[:, None, None] * np.ones((2, 2, 3))
        said.append(
            SimpleNamespace(energies=5.0 + 2 * energy + spread, forces=forces, stress=forces[:, 0, :1] * np.ones(6))
        )
    return SimpleNamespace(labels=labels, predictions=said)


def test_frames_are_those_of_each_start_at_each_temperature_at_equal_times(frames: list[Atoms]) -> None:
    told = [(one.info["system"], one.info["trajectory"], one.info["md_step"]) for one in frames]
    assert told == [
        (name, 2 * row + column, step)
        for row, name in enumerate(("cu", "al"))
        for column in range(2)
        for step in (4, 8)
    ]
    assert all(one.calc is None for one in frames)
    assert len({one.positions.tobytes() for one in frames}) == 8


def test_labels_that_are_missing_are_added_and_no_label_is_computed_twice(
    heldout: ModuleType, frames: list[Atoms], tmp_path: Path
) -> None:
    file, asked = tmp_path / "md.extxyz", []

    def label(atoms: Atoms) -> Label | LabelFailure:
        asked.append((atoms.info["trajectory"], atoms.info["md_step"]))
        if len(asked) == 4:
            raise SystemExit("stopped")
        return by_emt(atoms)

    with pytest.raises(SystemExit, match="stopped"):
        heldout.label_all(frames, file, label)
    with file.open("a", encoding="utf-8") as started:
        started.write("4\nLattice=")  # killed while it wrote
    assert heldout.label_all(frames, file, label) == []
    assert len(asked) == 9
    found: Any = read(file, ":")
    assert [heldout._identity(one) for one in found] == [heldout._identity(one) for one in frames]
    for one, frame in zip(found, frames, strict=True):
        assert one.info["REF_energy"] == pytest.approx(by_emt(frame).energy, abs=1e-6)
        np.testing.assert_allclose(one.arrays["REF_forces"], by_emt(frame).forces, atol=1e-6)
        assert one.info["REF_stress"].shape == (3, 3)
        stress = by_emt(frame).stress
        assert stress is not None
        assert one.info["REF_stress"][1, 2] == pytest.approx(stress[3], abs=1e-6)


def test_what_cannot_be_labelled_is_told_and_tried_again(
    heldout: ModuleType, frames: list[Atoms], tmp_path: Path
) -> None:
    def fails(atoms: Atoms) -> LabelFailure:
        return LabelFailure(next(iter(FailureReason)), "no convergence")

    file = tmp_path / "md.extxyz"
    assert heldout.label_all(frames[:1], file, fails) == ["cu, trajectory 0: no convergence"]
    assert heldout.label_all(frames[:1], file, by_emt) == []
    assert len(read(file, ":")) == 1


def test_errors_are_those_of_the_mean_of_the_models_over_all_components(heldout: ModuleType) -> None:
    points = {
        "before": heldout.squares(measured([(3.0, 0.3), (4.0, 0.4)])),
        "after": heldout.squares(measured([(0.3, 0.15), (0.4, 0.2)])),
    }
    rows = {row["quantity"]: row for row in heldout.rows_of(points, [[0], [1]])}
    assert rows["energy"]["rmse"] == pytest.approx({"before": 1000 * 12.5**0.5, "after": 100 * 12.5**0.5})
    assert rows["forces"]["rmse"] == pytest.approx({"before": 1000 * 0.125**0.5, "after": 500 * 0.125**0.5})
    assert rows["forces"]["last_over_first"] == pytest.approx(0.5)
    assert rows["stress"]["rmse"] == pytest.approx(rows["forces"]["rmse"])
    assert rows["energy"]["interval"] == {"before": None, "after": None}  # of two structures


def test_stress_of_what_is_no_crystal_is_left_out(heldout: ModuleType) -> None:
    point = heldout.squares(measured([(1.0, 1.0)] * 4, of_crystals=False))
    assert {row["quantity"] for row in heldout.rows_of({"made": point}, [[0], [1], [2], [3]])} == {"energy", "forces"}


def test_errors_that_were_zero_have_no_ratio(heldout: ModuleType) -> None:
    points = {
        "before": heldout.squares(measured([(0.0, 0.0)] * 4)),
        "after": heldout.squares(measured([(1.0, 1.0)] * 4)),
    }
    row = heldout.rows_of(points, [[0], [1], [2], [3]])[0]
    assert row["last_over_first"] is row["last_over_first_interval"] is None
    assert row["rmse"] == pytest.approx({"before": 0.0, "after": 1000.0})
    assert list(heldout.lines_of("test", [row])) == [
        "test             4  energy, meV/atom       0.0 (0.0 to 0.0)         1000.0 (1000.0 to 1000.0)"
    ]


def test_the_interval_of_a_ratio_is_narrow_where_the_same_structures_are_hard_at_both_points(
    heldout: ModuleType,
) -> None:
    rng = np.random.default_rng(3)
    hard = np.exp(rng.normal(size=40))
    first = heldout.squares(measured([(one, one) for one in hard]))["energy"]
    last = heldout.squares(measured([(one / 2, one / 2) for one in hard]))["energy"]
    before, after, ratio = heldout.intervals([first, last])
    assert before[0] < heldout.rmse(first) < before[1]
    assert before[1] / before[0] > 1.5
    assert after == pytest.approx([edge / 2 for edge in before])
    assert ratio == pytest.approx([0.5, 0.5])


def test_the_interval_covers_the_truth_about_as_often_as_it_says(heldout: ModuleType) -> None:
    rng, hits = np.random.default_rng(5), 0
    for _ in range(100):
        errors = rng.normal(size=60)
        low, high = heldout.intervals([heldout.Squares(errors**2, np.ones(60))])[0]
        hits += low < 1.0 < high
    assert hits >= 85  # 95 are promised, a little less is known of a percentile bootstrap of squares, sd 2


def test_frames_of_a_trajectory_are_one_block_and_what_was_made_is_one_by_itself(heldout: ModuleType) -> None:
    told = [("a", 0, 5), ("a", 0, 9), ("b", 0, 5), ("a", 1, 5), ("a", -1, 0), ("a", -1, 0)]
    some = [SimpleNamespace(system=name, trajectory=number, md_step=step) for name, number, step in told]
    assert heldout.blocks_of(some) == [[0, 1], [2], [3], [4], [5]]
