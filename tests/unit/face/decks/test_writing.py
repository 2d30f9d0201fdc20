"""Decks: what is written for each structure, what is refused, and that nothing is left of what was refused."""

import csv
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import read, write
from typer.testing import CliRunner, Result

from aims_pax.cli.program import program

SPECIES = Path(__file__).parents[3] / "aims" / "species"

ESPRESSO: dict[str, Any] = {
    "type": "espresso",
    "command": "srun pw.x",
    "pseudo_dir": "pseudo",
    "pseudopotentials": {"Si": "Si.upf"},
    "kspacing": 0.4,
    "parameters": {"input_data": {"ecutwfc": 30}},
}


def invoke(*words: object) -> Result:
    return CliRunner().invoke(program, [str(word) for word in words], env={"COLUMNS": "300"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pseudo").mkdir()
    (tmp_path / "pseudo" / "Si.upf").touch()
    write(tmp_path / "si.extxyz", bulk("Si", cubic=True))
    settings(tmp_path, ESPRESSO)
    return tmp_path


def settings(folder: Path, reference: dict[str, Any], **sections: Any) -> None:
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump({"REFERENCE": reference, **sections}), encoding="utf-8")


def deck(folder: Path, *words: object, structures: str = "si.extxyz") -> Result:
    return invoke("deck", folder / structures, "--settings", folder / "aims_PAX.yaml", "--out", folder / "deck", *words)


def written(folder: Path) -> list[dict[str, str]]:
    with (folder / "deck" / "deck.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_strains_have_folders_by_their_names_and_k_points_by_their_cells(folder: Path) -> None:
    wish = "{strain_grid: [-0.15, 0, 0.0005, 0.3]}"
    made = invoke("collect", folder / "si.extxyz", "--augment", wish, "--out", folder / "made.extxyz")
    assert made.exit_code == 0, made.output
    done = deck(folder, structures="made.extxyz")
    assert done.exit_code == 0, done.output
    rows = written(folder)
    values = ("-0.1500", "0.0000", "0.0005", "0.3000")
    assert [row["folder"] for row in rows] == [f"strain_XX_{v}/strain_YY_{v}/strain_ZZ_{v}" for v in values]
    assert [row["k_points"] for row in rows] == ["4 4 4", "3 3 3", "3 3 3", "3 3 3"]
    for row in rows:
        text = (folder / "deck" / row["folder"] / "espresso.pwi").read_text(encoding="utf-8")
        assert f"K_POINTS automatic\n{row['k_points']}" in text
        assert os.access(folder / "deck" / row["folder"] / "job.sh", os.X_OK)
    structures = read(folder / "deck" / "deck.extxyz", ":")
    assert [one.info["folder"] for one in structures] == [row["folder"] for row in rows]
    assert (structures[1].cell.array == bulk("Si", cubic=True).cell.array).all()


def test_job_script_is_what_cluster_asks_for(folder: Path) -> None:
    cluster = {"parsl_config": "slurm_node_per_label", "options": {"partition": "cpu", "worker_init": "module load qe"}}
    settings(folder, ESPRESSO, CLUSTER=cluster)
    done = deck(folder)
    assert "type: sbatch job.sh" in done.output
    script = (folder / "deck" / "si" / "job.sh").read_text(encoding="utf-8")
    assert script.startswith("#!/bin/bash\n#SBATCH --job-name=si\n")
    assert "#SBATCH --partition=cpu" in script
    assert script.endswith("module load qe\nsrun pw.x -in espresso.pwi > espresso.pwo 2> espresso.err\n")


def test_template_is_filled_and_the_shell_s_own_braces_are_left(folder: Path) -> None:
    template = folder / "template.sh"
    template.write_text(
        "#!/bin/sh\n#SBATCH -J {name}\nfor i in {1..3}; do echo ${i}; done\n{command}\n", encoding="utf-8"
    )
    done = deck(folder, "--job-script", template)
    assert "type: sbatch job.sh" in done.output
    script = (folder / "deck" / "si" / "job.sh").read_text(encoding="utf-8")
    assert script == (
        "#!/bin/sh\n#SBATCH -J si\nfor i in {1..3}; do echo ${i}; done\n"
        "srun pw.x -in espresso.pwi > espresso.pwo 2> espresso.err\n"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("#!/bin/sh\n{comand}\n", "{comand}, which nothing fills"),
        ("echo\n", "does not begin with #!"),
        ("#!/bin/sh\nsrun -n {ranks} {command}\n", "nothing says how many si needs"),
    ],
)
def test_template_that_can_not_be_filled_is_refused(folder: Path, text: str, words: str) -> None:
    (folder / "template.sh").write_text(text, encoding="utf-8")
    done = deck(folder, "--job-script", folder / "template.sh")
    assert done.exit_code == 2
    assert words in done.output
    assert not (folder / "deck").exists()


def test_template_without_a_command_is_taken_and_told(folder: Path) -> None:
    (folder / "template.sh").write_text("#!/bin/sh\nsrun my_own\n", encoding="utf-8")
    assert "It has no {command}" in deck(folder, "--job-script", folder / "template.sh").output


def test_what_is_there_is_not_overwritten(folder: Path) -> None:
    (folder / "deck").mkdir()
    (folder / "deck" / "mine.txt").write_text("mine", encoding="utf-8")
    done = deck(folder)
    assert done.exit_code == 2
    assert "not overwritten" in done.output
    assert [path.name for path in (folder / "deck").iterdir()] == ["mine.txt"]


def test_all_that_is_not_found_is_told_at_once_and_nothing_is_left(folder: Path) -> None:
    write(folder / "salt.extxyz", bulk("NaCl", "rocksalt", 5.64))
    vasp = {"type": "vasp", "command": "srun {ranks} vasp_std", "pseudo_dir": "pseudo", "parameters": {"xc": "PBE"}}
    settings(folder, {**vasp, "command": "srun vasp_std"})
    done = deck(folder, structures="salt.extxyz")
    assert done.exit_code == 2
    assert "No pseudopotential for Na" in done.output
    assert "No pseudopotential for Cl" in done.output
    assert not (folder / "deck").exists()
    settings(folder, vasp)
    assert "the command holds {ranks}" in deck(folder, structures="salt.extxyz").output.lower()


def test_methods_within_python_have_no_input(folder: Path) -> None:
    settings(folder, {"type": "tblite"})
    done = deck(folder)
    assert done.exit_code == 2
    assert "The method tblite reads no input file" in done.output
    assert "aims-pax relabel" in done.output


def test_dispersion_that_no_input_holds_is_told(folder: Path) -> None:
    settings(folder, {**ESPRESSO, "dispersion": {"method": "d2", "xc": "pbe"}})
    done = deck(folder)
    assert done.exit_code == 0, done.output
    assert "stands in no input" in done.output


def test_fhi_aims_gets_the_user_s_control_in_with_species_and_forces(folder: Path) -> None:
    write(folder / "water.extxyz", molecule("H2O"))
    (folder / "control.in").write_text("xc pbe\nrelativistic none\n", encoding="utf-8")
    settings(folder, {"type": "fhi-aims", "command": "srun aims.x", "species_dir": str(SPECIES)})
    done = deck(folder, structures="water.extxyz")
    assert done.exit_code == 0, done.output
    control = (folder / "deck" / "water" / "control.in").read_text(encoding="utf-8")
    assert "compute_forces .true." in control
    assert sorted(re.findall(r"^ *species +(\w+)", control, re.MULTILINE)) == ["H", "O"]
    assert len(read(folder / "deck" / "water" / "geometry.in")) == 3
    assert "srun aims.x > aims.out 2> aims.err" in (folder / "deck" / "water" / "job.sh").read_text(encoding="utf-8")


def test_free_atoms_are_computed_in_their_own_spin(folder: Path) -> None:
    atom = Atoms("Si")
    atom.info["config_type"] = "IsolatedAtom"
    write(folder / "atoms.extxyz", [bulk("Si"), atom])
    done = deck(folder, structures="atoms.extxyz")
    assert done.exit_code == 0, done.output
    text = (folder / "deck" / written(folder)[1]["folder"] / "espresso.pwi").read_text(encoding="utf-8")
    assert "tot_magnetization = 2" in " ".join(text.split())
