"""Sets of whole groups of structures that come from one another."""

from pathlib import Path

import numpy as np
import pytest

from aims_pax.errors import UserError
from aims_pax.frame import Split
from aims_pax.gathering.division import Shares, divided

from .fake import CELL, SILICON, path_of, step, write
from .gathering import gathered

TENTHS = Shares.read("0.8,0.1,0.1")


def counts(groups: dict[int, int], shares: Shares, seed: int = 0) -> list[int]:
    found = divided(groups, shares, seed=seed)
    return [found.counts[split] for split in Split]


def test_single_points_are_divided_as_was_asked_for() -> None:
    assert counts(dict.fromkeys(range(100), 1), TENTHS) == [80, 10, 10]
    assert counts(dict.fromkeys(range(100), 1), Shares.read("50,20,30")) == [50, 20, 30]
    assert counts(dict.fromkeys(range(100), 1), Shares.read("70,20")) == [70, 20, 10]
    assert counts(dict.fromkeys(range(100), 1), Shares.read("0.9,0.1")) == [90, 10, 0]
    assert sum(counts(dict.fromkeys(range(9), 1), Shares.read("0.5,0.5"))) == 9


def test_counts_leave_the_rest_out_and_say_so() -> None:
    found = divided(dict.fromkeys(range(100), 1), Shares.read("50,20,10"), seed=0)
    assert found.n_unused == 20
    assert any("20 structures are in no set" in one.found for one in found.remarks())


def test_large_groups_even_out_by_small_ones() -> None:
    groups = {0: 500, 1: 60, 2: 30} | dict.fromkeys(range(3, 413), 1)
    assert counts(groups, TENTHS) == [800, 100, 100]


def test_a_seed_gives_one_division_and_another_seed_another() -> None:
    groups = dict.fromkeys(range(50), 1)
    first, again, other = (divided(groups, TENTHS, seed=seed).places for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_few_groups_leave_no_set_empty_and_are_told() -> None:
    found = divided({0: 100, 1: 100, 2: 100}, TENTHS, seed=0)
    assert [found.counts[split] for split in Split] == [100, 100, 100]
    words = " ".join(str(one) for one in found.remarks())
    assert "validation set has 100 structures where 30 were asked for" in words
    assert "test set is of one group" in words


def test_one_run_alone_trains_and_empty_sets_are_told() -> None:
    found = divided({0: 100}, TENTHS, seed=0)
    assert [found.counts[split] for split in Split] == [100, 0, 0]
    assert sum("set is empty" in one.found for one in found.remarks()) == 2


@pytest.mark.parametrize("text", ["0.5,0.1", "a,b", "1,2,3,4", "-1,2", "0,1", "nan,1", "0.8;0.2"])
def test_what_is_no_division_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no division of a set"):
        Shares.read(text)


def test_more_than_there_is_can_not_be_asked_for() -> None:
    with pytest.raises(UserError, match="30 structures are asked for, and there are 20"):
        divided(dict.fromkeys(range(20), 1), Shares.read("20,5,5"), seed=0)


def n_groups(folder: Path) -> int:
    return gathered(folder).compositions[0].n_groups


def test_steps_of_one_run_are_one_group_and_grid_points_are_each_their_own(tmp_path: Path) -> None:
    write(tmp_path / "md" / "FAKEOUT", path_of(6, seed=1))
    assert n_groups(tmp_path) == 1
    for number in range(4):
        strained = (1 + 0.01 * number) * np.array(CELL)
        places = (1 + 0.01 * number) * np.array(SILICON)
        write(tmp_path / "grid" / f"strain_{number}" / "FAKEOUT", [step(places=places, cell=strained)])
    assert n_groups(tmp_path) == 5


def test_single_points_of_one_folder_are_each_their_own(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path / f"frame_{number}.out", [step(0.3, seed=number)])
    assert n_groups(tmp_path) == 4


def test_runs_of_one_folder_are_one_group(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path / f"FAKEOUT.{number}", path_of(3, moved=0.3, seed=number))
    assert n_groups(tmp_path) == 1


def test_a_run_that_goes_on_from_another_belongs_to_it(tmp_path: Path) -> None:
    steps = path_of(8, moved=0.1, seed=4)
    write(tmp_path / "first" / "FAKEOUT", steps[:4])
    write(tmp_path / "second" / "FAKEOUT", steps[4:])
    write(tmp_path / "other" / "FAKEOUT", path_of(4, moved=0.5, seed=5))
    assert n_groups(tmp_path) == 2


def test_runs_that_share_their_start_alone_are_each_their_own(tmp_path: Path) -> None:
    for seed in (1, 2):
        write(tmp_path / f"{seed}" / "FAKEOUT", [step(), *path_of(3, moved=0.1, seed=seed)])
    assert n_groups(tmp_path) == 2


def test_a_run_that_begins_with_a_step_of_another_belongs_to_it(tmp_path: Path) -> None:
    steps = path_of(4, moved=0.5, seed=1)
    write(tmp_path / "a" / "FAKEOUT", steps)
    write(tmp_path / "b" / "FAKEOUT", [steps[1], *path_of(3, moved=0.2, seed=2)])
    assert n_groups(tmp_path) == 1
