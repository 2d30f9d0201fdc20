"""Which steps are learned, and what is told of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aims_pax.errors import StructureError

from .fake import CELL, SILICON, Settings, atom, molecule, path_of, step, write
from .gathering import gathered, reasons, said, warned

BAD: list[tuple[dict[str, Any], str]] = [
    ({"energy": None}, "MISSING"),
    ({"forces": None}, "MISSING"),
    ({"numbers": None}, "MISSING"),
    ({"flaws": ["it is of a machine-learned force field"]}, "FLAWED"),
    ({"convergence": "not reached"}, "NOT_CONVERGED"),
    ({"convergence": "not reached", "energy": None, "forces": None}, "NOT_CONVERGED"),
    ({"convergence": "not reached", "energy": None, "flaws": ["its charge is no whole one"]}, "FLAWED"),
    ({"energy": float("nan")}, "NOT_FINITE"),
    ({"stress": [float("inf")] * 6}, "NOT_FINITE"),
    ({"numbers": [14, 0]}, "ABSURD"),
    ({"cell": np.zeros((3, 3)).tolist()}, "ABSURD"),
    ({"forces": [[2e4, 0, 0], [-2e4, 0, 0]]}, "ABSURD"),
    ({"stress": [50.0] * 6}, "ABSURD"),
    ({"positions": [[0, 0, 0], [0.8, 0, 0]]}, "TOO_NEAR"),
    ({"positions": [[0, 0, 0], [2.72, 2.72, 0.3]]}, "TOO_NEAR"),
]


@pytest.mark.parametrize(("changes", "reason"), BAD, ids=lambda value: str(value)[:40])
def test_a_step_that_can_not_be_learned_is_left_out_with_its_reason(
    changes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    write(tmp_path / "FAKEOUT", [step(0.05, seed=1), step(0.05, **changes), step(0.05, seed=2)])
    found = gathered(tmp_path)
    assert reasons(found) == [("FAKEOUT", 2, reason)]
    assert found.n_structures == 2


def test_the_last_step_is_the_last_one_and_never_an_earlier_one(tmp_path: Path) -> None:
    write(tmp_path / "good" / "FAKEOUT", [step(0.05, convergence="not reached"), step(0.05, seed=1)])
    write(tmp_path / "bad" / "FAKEOUT", [step(0.05), step(0.05, convergence="not reached")])
    found = gathered(tmp_path, steps="last")
    assert found.n_structures == 1
    assert reasons(found) == [("bad/FAKEOUT", 2, "NOT_CONVERGED")]


def test_every_third_step_counts_from_the_first(tmp_path: Path) -> None:
    write(tmp_path / "FAKEOUT", path_of(8))
    found = gathered(tmp_path, steps="every:3")
    assert (found.n_structures, found.accounts[0].n_wanted, found.accounts[0].n_steps) == (3, 3, 8)


def test_forces_above_a_limit_are_left_out_when_a_limit_is_given_and_told_without(tmp_path: Path) -> None:
    write(tmp_path / "FAKEOUT", [step(0.05), step(forces=[[60, 0, 0], [-60, 0, 0]])])
    assert any("above 50 eV/Å" in one for one in said(gathered(tmp_path)))
    assert reasons(gathered(tmp_path, max_force=20.0)) == [("FAKEOUT", 2, "LARGE_FORCE")]


def test_forces_that_do_not_sum_to_zero_are_told(tmp_path: Path) -> None:
    write(tmp_path / "FAKEOUT", [step(forces=[[0.5, 0, 0], [-0.45, 0, 0]])])
    found = gathered(tmp_path)
    assert found.n_structures == 1
    assert "forces don't sum to zero: above 5 meV/Å an atom" in said(found)


def test_forces_of_held_atoms_that_are_zero_are_warned_of(tmp_path: Path) -> None:
    held = [[True] * 3, [False] * 3]
    write(tmp_path / "FAKEOUT", [step(forces=[[0, 0, 0], [0.3, 0, 0]], fixed=held)])
    assert "printed as zero" in warned(gathered(tmp_path))[0]


def test_energies_that_are_not_the_work_of_the_forces_are_warned_of(tmp_path: Path) -> None:
    right = [step(0.02 * (5 - number), seed=3) for number in range(5)]
    wrong = [one | {"forces": (-np.array(one["forces"])).tolist()} for one in right]
    write(tmp_path / "right" / "FAKEOUT", right)
    assert not said(gathered(tmp_path / "right"))
    write(tmp_path / "wrong" / "FAKEOUT", wrong)
    assert "don't follow the work" in warned(gathered(tmp_path / "wrong"))[0]


def test_energy_far_from_its_composition_is_warned_of(tmp_path: Path) -> None:
    write(tmp_path / "FAKEOUT", [*path_of(4), step(0.05, seed=7, energy=-50.0)])
    assert "more than 3 eV an atom from the median" in warned(gathered(tmp_path))[0]


def test_what_readers_remark_is_counted_over_files(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / f"{number}" / "FAKEOUT", [step(0.05, seed=number)], is_cut=True)
    words = gathered(tmp_path).text()
    assert "3 files: not finished: whole steps are taken." in words


def test_remarks_that_differ_by_their_numbers_are_told_once(tmp_path: Path) -> None:
    write(tmp_path / "FAKEOUT", [step(0.05, seed=one, remarks=[f"the entropy is {one}.5 meV"]) for one in range(4)])
    assert "4 steps of 1 file: the entropy is 0.5 meV.\n  such as FAKEOUT step 1" in gathered(tmp_path).text()


def test_crystals_without_stress_are_told(tmp_path: Path) -> None:
    write(tmp_path / "FAKEOUT", [step(stress=None), molecule()])
    assert said(gathered(tmp_path)) == ["no stress was printed"]


def test_a_cut_file_without_a_step_is_left_out_as_a_file(tmp_path: Path) -> None:
    write(tmp_path / "a" / "FAKEOUT", [step()])
    write(tmp_path / "b" / "FAKEOUT", [], is_cut=True)
    assert reasons(gathered(tmp_path)) == [("b/FAKEOUT", None, "NO_STEP")]


def test_another_output_is_read_where_the_better_one_is_empty_and_not_where_it_is_bad(tmp_path: Path) -> None:
    for folder, steps in (("empty", []), ("bad", [step(convergence="not reached")])):
        write(tmp_path / folder / "fakerun.xml", steps, is_cut=not steps)
        write(tmp_path / folder / "FAKEOUT", [step(0.05, seed=1)])
    found = gathered(tmp_path)
    assert found.n_structures == 1
    assert reasons(found) == [("bad/fakerun.xml", 1, "NOT_CONVERGED"), ("empty/fakerun.xml", None, "NO_STEP")]
    assert "read in the place of a better output, which gave nothing" in said(found)


def test_a_reader_that_fails_costs_its_file_and_no_other(tmp_path: Path) -> None:
    write(tmp_path / "a" / "FAKEOUT", [step(0.05, seed=1), step(convergence="not reached"), step(defect="TOTEN")])
    write(tmp_path / "b" / "FAKEOUT", [step(0.05, seed=2)])
    write(tmp_path / "c" / "fakerun.xml", [step(0.05, seed=3), step(defect="TOTEN")])
    write(tmp_path / "c" / "FAKEOUT", [step(0.05, seed=3)])
    found = gathered(tmp_path, out=tmp_path / "set.extxyz")
    assert found.n_structures == 2
    assert [one.n_kept for one in found.accounts] == [0, 1, 0, 1]
    assert reasons(found) == [("a/FAKEOUT", None, "READER_FAILED"), ("c/fakerun.xml", None, "READER_FAILED")]
    assert "its reader failed: KeyError: 'TOTEN'" in found.text()
    assert "a/FAKEOUT" not in (tmp_path / "set.extxyz").read_text()


def test_tables_fit_a_terminal_whatever_reasons_say(tmp_path: Path) -> None:
    write(tmp_path / "FAKEOUT", [step(), step(0.05, flaws=["positions are those of another step, " * 5])])
    write(tmp_path / ("deep/" * 20) / "FAKEOUT", [step(0.05, seed=4)])
    table = gathered(tmp_path).text().split("\n\n")[2].splitlines()
    assert table[0] == "   steps  files  left out"
    assert len(table) > 3
    assert max(map(len, table)) <= 100


def test_nothing_that_can_be_learned_is_refused_with_the_reasons(tmp_path: Path) -> None:
    write(tmp_path / "FAKEOUT", [step(convergence="not reached")])
    found = gathered(tmp_path)
    with pytest.raises(StructureError, match="No step of 1 outputs can be learned: not converged"):
        found.require_set()


def test_a_large_cell_is_looked_at_for_near_atoms_too(tmp_path: Path) -> None:
    repeats = np.array([(a, b, c) for a in range(6) for b in range(6) for c in range(6)])
    places = (np.array(SILICON)[None] + (repeats @ np.array(CELL))[:, None]).reshape(-1, 3)
    near = places.copy()
    near[-1] = near[0] + [0.5, 0.5, 0]
    for name, positions in (("far", places), ("near", near)):
        cell = (6 * np.array(CELL)).tolist()
        write(tmp_path / name / "FAKEOUT", [step(places=positions, cell=cell, symbols=[14] * len(places))])
    assert reasons(gathered(tmp_path)) == [("near/FAKEOUT", 1, "TOO_NEAR")]


@pytest.mark.parametrize(
    ("side", "mesh", "is_free"),
    [
        (10.0, (1, 1, 1), True),
        (10.0, None, True),
        (6.0, None, False),
        (10.0, (2, 2, 2), False),
        (3.0, (1, 1, 1), False),
    ],
)
def test_an_atom_is_free_with_space_around_it_at_one_k_point(
    side: float, mesh: tuple[int, int, int] | None, is_free: bool, tmp_path: Path
) -> None:
    alone = atom(14, -100.0, pbc=[True] * 3, cell=(side * np.eye(3)).tolist(), forces=[[0, 0, 0]])
    write(tmp_path / "FAKEOUT", [alone], settings=Settings(mesh=mesh))
    assert bool(gathered(tmp_path).free_atoms_ev) is is_free
