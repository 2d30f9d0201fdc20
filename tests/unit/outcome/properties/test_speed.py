"""How fast MD is: sizes, what is told, what is written."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from aims_pax.departure import Departed, Reason
from aims_pax.evaluation.properties import Method
from aims_pax.outcome.properties import speed
from aims_pax.outcome.properties.speed import Speeds, Timed, exponent_of, sizes_of, timed

EMT_METHOD = Method("EMT", lambda _: EMT())


def runs(speeds: Sequence[float], *, n_threads: int = 1, method: str = "m") -> list[Timed]:
    return [Timed(method, "cu", 4 * 2**k, n_threads, one, 10) for k, one in enumerate(speeds)]


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "LEAST_S", 0.0)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_supercells_double_along_the_shortest_periodic_vector() -> None:
    slab = bulk("Cu", cubic=True)
    slab.pbc = (True, True, False)
    cells = list(sizes_of(slab, most_atoms=20))
    assert [len(one) for one in cells] == [4, 8, 16]
    assert cells[-1].cell.lengths() == pytest.approx([7.22, 7.22, 3.61])


def test_a_molecule_has_one_size() -> None:
    assert [len(one) for one in sizes_of(molecule("CH3OH"), most_atoms=100)] == [6]


def test_steps_are_counted_and_told_by_the_day() -> None:
    speeds = timed({"cu": bulk("Cu", cubic=True)}, [EMT_METHOD], most_atoms=8)
    assert [one.n_atoms for one in speeds.timed] == [4, 8]
    assert all(one.n_steps == speed.LEAST_STEPS and one.steps_per_s > 0 for one in speeds.timed)
    one = Timed("m", "cu", 4, 1, 1000.0, 10)
    assert one.ns_per_day == pytest.approx(86.4)  # a thousand steps of 1 fs in a second are 1 ps


def test_the_exponent_is_that_of_the_larger_sizes() -> None:
    small_are_all_alike = [100.0, 100.0, 100.0, 100.0, 50.0, 25.0, 12.5, 6.25]
    assert exponent_of(runs(small_are_all_alike)) == pytest.approx(1.0, abs=0.02)
    assert exponent_of(runs([8.0, 4.0, 2.0])) is None


def test_a_method_that_fails_ends_its_own_curve_alone() -> None:
    class OnlySmall(EMT):  # type: ignore[misc]
        def calculate(self, atoms: Atoms | None = None, *rest: Any) -> None:
            if len(atoms or self.atoms) > 4:
                raise RuntimeError("out of memory")
            super().calculate(atoms, *rest)

    methods = [Method("small", lambda _: OnlySmall()), EMT_METHOD]
    speeds = timed({"cu": bulk("Cu", cubic=True)}, methods, most_atoms=8)
    assert [(one.method, one.n_atoms) for one in speeds.timed] == [("small", 4), ("EMT", 4), ("EMT", 8)]
    assert "8 atoms of cu by small: RuntimeError: out of memory" in " ".join(speeds.text().split())


def test_other_curves_of_an_earlier_call_stay_and_the_same_is_replaced(tmp_path: Path) -> None:
    Speeds(tuple(runs([10.0, 5.0]))).write(tmp_path)
    Speeds(tuple(runs([18.0], n_threads=2))).write(tmp_path)
    Speeds(tuple(runs([11.0, 6.0]))).write(tmp_path)
    rows = list(csv.DictReader((tmp_path / "speed.csv").open()))
    told = {(row["threads"], row["atoms"]): float(row["steps_per_s"]) for row in rows}
    assert told == {("1", "4"): 11.0, ("1", "8"): 6.0, ("2", "4"): 18.0}
    assert (tmp_path / "speed.png").stat().st_size > 5000


def test_what_was_timed_is_kept_when_it_is_ended_early() -> None:
    said = []

    def show(words: str) -> None:
        said.append(words)
        if len(said) == 2:
            raise Departed(Reason.INTERRUPTED)

    assert [
        one.n_atoms for one in timed({"cu": bulk("Cu", cubic=True)}, [EMT_METHOD], most_atoms=8, show=show).timed
    ] == [4]
