"""The example of a workflow is read back without problems, and no file is lost for it."""

from pathlib import Path

import pytest
from ase.build import bulk, molecule
from ase.io import write
from typer.testing import CliRunner

from aims_pax.cli.program import program
from aims_pax.settings import load_project
from aims_pax.settings.words.page import reference_pages
from aims_pax.settings.workflow.reading import read_workflow
from aims_pax.settings.workflow.run import RampSettings


def said(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(program, ["init", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def saved(path: Path, name: str) -> str:
    atoms = bulk(name, cubic=True) if name in ("Cu", "Si") else molecule(name)
    write(path, atoms)
    return str(path)


@pytest.mark.parametrize(
    ("names", "options", "system", "n_atoms", "hottest"),
    [
        (["H2O"], (), "first", 3, 1000),
        (["Si"], ("--strain", "0"), "first", 8, 3000),
        (["Si"], (), "first", 8, 3000),
        (["Cu", "Si"], (), "first", 8, 3000),
        ([], (), "placeholder_ethanol", 9, 1000),
    ],
)
def test_a_new_workflow_is_read_back(
    tmp_path: Path, names: list[str], options: tuple[str, ...], system: str, n_atoms: int, hottest: int
) -> None:
    places = [tmp_path / f"{place}.xyz" for place in ("first", "second")]
    files = [saved(path, name) for path, name in zip(places, names, strict=False)]
    folder = tmp_path / "project"
    output = said(str(folder), *files, "--workflow", *options)
    assert f"wrote {folder / 'workflow.yaml'}" in output
    assert "STAGES:\n  - explore: {workflow: [workflow.yaml]}" in output
    flow = read_workflow(folder / "workflow.yaml", systems=[one.name for one in load_project(folder).systems])
    (frame,) = flow.structures.values()
    assert (flow.system, frame.n_atoms, flow.sampling) == (system, n_atoms, 100)
    relaxed, melted, quenched = (phase.settings.run for phase in flow.phases)
    assert relaxed.type == "relax"
    assert melted.temperature == RampSettings(start=300, stop=hottest)
    assert quenched.temperature == RampSettings(start=hottest, stop=300)


def test_a_structure_that_is_there_and_has_an_odd_name_is_named_from_there(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    file = saved(folder / "it's 300 K: yes.xyz", "H2O")
    said(str(folder), file, "--workflow")
    (path,) = read_workflow(folder / "workflow.yaml", systems=["any"]).structures
    assert path == folder / "it's 300 K: yes.xyz"


def test_a_workflow_that_is_there_stays(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "workflow.yaml").write_text("mine")
    output = said(str(folder), "--workflow", code=2)
    assert f"{folder / 'workflow.yaml'}: This file exists already." in output
    assert [path.name for path in folder.iterdir()] == ["workflow.yaml"]
    assert (folder / "workflow.yaml").read_text() == "mine"
    said(str(folder))
    assert (folder / "workflow.yaml").read_text() == "mine"


def test_the_examples_of_the_page_are_read(tmp_path: Path) -> None:
    write(tmp_path / "Diamond_4x4x4.xyz", bulk("C") * (4, 4, 4))
    write(tmp_path / "silica.xyz", bulk("Si", cubic=True))
    write(tmp_path / "h2o.xyz", molecule("H2O"))
    write(tmp_path / "o2.xyz", molecule("O2"))
    parts = reference_pages()["settings/workflow.md"].split("```")
    examples = [part.removeprefix("yaml\n") for part in parts if part.startswith("yaml\n")]
    assert len(examples) == 2
    for number, text in enumerate(examples):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text, encoding="utf-8")
        assert len(read_workflow(file, systems=["any"]).phases) == 3 - number
