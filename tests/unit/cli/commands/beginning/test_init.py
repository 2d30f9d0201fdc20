"""What ``aims-pax init`` takes and says."""

import os
import pty
import select
import sys
from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import write
from typer.testing import CliRunner

from aims_pax.cli.program import program
from aims_pax.settings import load_project

HYDROGEN = "2\n\nH 0 0 0\nH 0 0 0.74\n"


def said(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(program, ["init", *arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = [tmp_path / name for name in ("a.xyz", "b.xyz", "c.xyz")]
    for path in paths:
        path.write_text(HYDROGEN)
    return [str(path) for path in paths]


def test_every_geometry_counts_however_it_is_named(files: list[str], tmp_path: Path) -> None:
    a, b, c = files
    for number, words in enumerate(
        (["--geometry", a, "--geometry", b, "--geometry", c], ["--geometry", a, b, c], files)
    ):
        folder = tmp_path / str(number)
        output = said(str(folder), *words)
        assert [f"wrote {folder / 'geometry' / name}.xyz" in output for name in "abc"] == [True] * 3
        assert [system.name for system in load_project(folder).systems] == ["a", "b", "c"]


def test_what_was_read_is_said(tmp_path: Path) -> None:
    write(tmp_path / "si.cif", bulk("Si", cubic=True))
    write(tmp_path / "no_cell.xyz", bulk("Si", cubic=True), format="xyz")
    told = said(str(tmp_path / "one"), str(tmp_path / "si.cif"), "--strain", "0")
    assert told.startswith("si: Si8, 8 atoms, periodic\n")
    assert "Silicon heats up in MD by GFN1-xTB" in told
    told = said(str(tmp_path / "two"), str(tmp_path / "no_cell.xyz"))
    assert told.startswith("no_cell: Si8, 8 atoms, no cell, so a molecule\n")
    assert "Silicon" not in told


def test_placeholder_is_said(tmp_path: Path) -> None:
    assert "No --geometry was given: placeholder_ethanol.xyz is a placeholder." in said(str(tmp_path / "new"))


def test_what_a_program_still_needs_is_said(tmp_path: Path) -> None:
    output = said(str(tmp_path / "new"), "--reference", "siesta")
    assert "Before it can run, see to:\n- REFERENCE.command" in output
    assert "- the folder pseudo: a pseudopotential Element.psml of each element" in output


def test_unknown_reference_is_answered_like_any_other_mistake(tmp_path: Path) -> None:
    output = said(str(tmp_path / "new"), "--reference", "vapsi", code=2)
    assert output.startswith("One problem; nothing was started.\n\n--reference: 'vapsi' is not a reference")
    assert "Value error" not in output


# -- six questions --------------------------------------------------------------------------------------------


def answered(folder: Path, *lines: str, options: tuple[str, ...] = (), code: int = 0) -> str:
    text = "".join(f"{line}\n" for line in lines)
    result = CliRunner().invoke(program, ["init", str(folder), "--interactive", *options], input=text)
    assert result.exit_code == code, result.output
    return result.output


def texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("options", [(), ("--reference", "pyscf"), ("--reference", "espresso")])
def test_enter_alone_writes_what_init_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    said(str(tmp_path / "plain"), *options)
    output = answered(tmp_path / "asked", *[""] * 6, options=options)
    assert texts(tmp_path / "asked") == texts(tmp_path / "plain")
    assert output.endswith(f"Next: aims-pax check {tmp_path / 'asked'}\n")


def test_answers_are_what_is_written(tmp_path: Path) -> None:
    write(tmp_path / "mgo.cif", bulk("MgO", "rocksalt", a=4.21, cubic=True))
    lines = [str(tmp_path / "mgo.cif"), "tblite", "700 K, 2 GPa", "60", "3", "cpu"]
    output = answered(tmp_path / "new", *lines)
    assert "mgo: Mg4O4, 8 atoms, periodic" in output
    project = load_project(tmp_path / "new")
    md = project.settings.md
    assert project.active.max_train_set_size == 60
    assert (md.stat_ensemble, md.temperature, md.pressure) == ("npt", 700.0, 2e9)
    assert (project.settings.cluster.type, project.settings.cluster.max_workers) == ("local", 3)
    assert project.mace.misc.device == "cpu"


def test_a_batch_system_gets_a_ready_configuration(tmp_path: Path) -> None:
    output = answered(tmp_path / "new", "ethanol", "tblite", "", "", "slurm debug", "")
    cluster = load_project(tmp_path / "new").settings.cluster
    assert Path(cluster.parsl_config).stem == "slurm_packed"
    assert cluster.options["partition"] == "debug"
    assert "- CLUSTER.options: what your slurm wants" in output


def test_an_answer_that_will_not_do_is_asked_for_again_at_once(tmp_path: Path) -> None:
    wrong = {1: ("nowhere.xyz", "no such file"), 2: ("qmc", "is not a reference"), 3: ("warm", "is no temperature")}
    wrong |= {4: ("3", "a number from 20"), 5: ("there", "is no place for labels"), 6: ("gpu0", "is no device")}
    lines = [line for text, _ in wrong.values() for line in (text, "")]
    output = answered(tmp_path / "new", *lines)
    assert [words for _, words in wrong.values() if words not in output] == []
    assert (tmp_path / "new" / "mace.yaml").is_file()


def test_crystals_are_refused_where_the_reference_knows_molecules_alone(tmp_path: Path) -> None:
    write(tmp_path / "mgo.cif", bulk("MgO", "rocksalt", a=4.21, cubic=True))
    output = answered(tmp_path / "new", str(tmp_path / "mgo.cif"), "pyscf", "tblite", *[""] * 4)
    assert "pyscf labels molecules only" in output


def test_the_one_structure_file_of_this_folder_is_proposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.xyz").write_text(HYDROGEN)
    assert "[mine.xyz]" in answered(Path("new"), *[""] * 6)
    assert load_project(tmp_path / "new").systems[0].name == "mine"


@pytest.mark.parametrize("n_lines", [0, 1, 5])
def test_input_that_ends_too_early_leaves_nothing(tmp_path: Path, n_lines: int) -> None:
    output = answered(tmp_path / "new", *[""] * n_lines, code=2)
    assert "It ended before all six questions were answered." in output
    assert not (tmp_path / "new").exists()


def test_a_project_that_is_there_is_told_before_any_question(tmp_path: Path) -> None:
    said(str(tmp_path / "new"))
    output = answered(tmp_path / "new", code=2)
    assert "This file exists already." in output
    assert "Six questions" not in output


def test_ctrl_c_at_a_terminal_leaves_nothing(tmp_path: Path) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.execv(sys.executable, [sys.executable, "-m", "aims_pax", "init", "new", "--interactive"])
    seen = b""
    while b"[ethanol]" not in seen:
        seen += os.read(terminal, 4096)
    os.write(terminal, b"\x03")
    while True:
        if not select.select([terminal], [], [], 10)[0]:
            os.write(terminal, b"\x03")  # readline misses one that comes between its prompt and its wait for a key
            continue
        try:
            seen += os.read(terminal, 4096)
        except OSError:  # how a terminal tells that nobody holds its other end any more
            break
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 130
    assert b"Left because of Ctrl-C" in seen
    assert b"Traceback" not in seen
    assert list(tmp_path.iterdir()) == []
