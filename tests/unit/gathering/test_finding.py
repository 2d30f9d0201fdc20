"""Which files are read of folders."""

import gzip
from pathlib import Path

import pytest

from aims_pax.errors import StructureError
from aims_pax.gathering.finding import find

from .fake import step, write


def names(*paths: Path) -> list[str]:
    return [one.name for one in find(paths).outputs]


def test_outputs_are_known_by_what_they_hold_whatever_they_are_called(tmp_path: Path) -> None:
    write(tmp_path / "deep" / "er" / "anything.dat", [step()])
    (tmp_path / "FAKEOUT").write_text("not an output\n")
    found = find([tmp_path])
    assert [one.name for one in found.outputs] == ["deep/er/anything.dat"]
    assert found.n_unknown == 1


def test_numbers_in_names_count_as_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        write(tmp_path / f"run_{number}" / "FAKEOUT", [step()])
    assert names(tmp_path) == ["run_1/FAKEOUT", "run_9/FAKEOUT", "run_10/FAKEOUT"]


def test_of_outputs_of_one_calculation_the_preferred_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    for name in ("FAKEOUT", "fakerun.xml"):
        write(tmp_path / name, [step()])
    with gzip.open(tmp_path / "FAKEOUT.gz", "wt") as file:
        file.write((tmp_path / "FAKEOUT").read_text())
    found = find([tmp_path])
    assert [one.name for one in found.outputs] == ["fakerun.xml"]
    assert [(one.name, read.name) for one, read in found.passed_over] == [
        ("FAKEOUT", "fakerun.xml"),
        ("FAKEOUT.gz", "fakerun.xml"),
    ]


def test_several_calculations_in_one_folder_are_told_apart_by_their_names(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path / f"FAKEOUT.{number}", [step()])
        write(tmp_path / f"fakerun.{number}.xml", [step()])
    write(tmp_path / "FAKEOUT.3", [step()])
    assert names(tmp_path) == ["FAKEOUT.3", "fakerun.1.xml", "fakerun.2.xml"]


def test_single_points_beside_each_other_are_all_read(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / f"frame_{number}.out", [step()])
    assert len(names(tmp_path)) == 3


def test_a_file_that_is_named_is_read_though_another_is_preferred(tmp_path: Path) -> None:
    write(tmp_path / "fakerun.xml", [step()])
    assert names(write(tmp_path / "FAKEOUT", [step()])) == ["FAKEOUT"]


def test_links_are_followed_and_lead_nowhere_twice(tmp_path: Path) -> None:
    write(tmp_path / "a" / "FAKEOUT", [step()])
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    assert names(tmp_path) == ["a/FAKEOUT"]


def test_all_that_is_named_and_can_not_be_read_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("text")
    with pytest.raises(StructureError, match="no output that is known") as told:
        find([tmp_path / "notes", tmp_path / "missing"])
    assert [Path(one.where).name for one in told.value.problems] == ["notes", "missing"]
    assert "FAKE (FAKEOUT; fakerun.xml)" in told.value.problems[0].allowed


def test_names_count_from_the_folder_that_all_have_in_common(tmp_path: Path) -> None:
    write(tmp_path / "a" / "x" / "FAKEOUT", [step()])
    write(tmp_path / "b" / "x" / "FAKEOUT", [step()])
    assert names(tmp_path / "a", tmp_path / "b" / "x") == ["a/x/FAKEOUT", "b/x/FAKEOUT"]
    assert names(tmp_path / "a") == ["x/FAKEOUT"]
