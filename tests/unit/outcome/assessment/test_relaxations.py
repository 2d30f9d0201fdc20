"""Relaxations are read by the readers of finished calculations, and by ASE where there is none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from aims_pax.calculations.lines import Lines, opened
from aims_pax.calculations.reader import Steps
from aims_pax.calculations.registry import reader_of
from aims_pax.errors import StructureError
from aims_pax.outcome.assessment.relaxation import read_relaxations

OUTPUTS = Path(__file__).parents[3] / "data" / "outputs"


def test_an_output_is_read_as_gather_reads_it() -> None:
    [file] = (OUTPUTS / "nwchem").glob("*relax*")
    reader = reader_of(file)
    assert reader is not None
    with opened(file) as lines:
        steps = [step for step in reader.steps(lines) if step.energy is not None and step.positions is not None]
    [found] = read_relaxations([file]).found
    assert found.energy_ev.tolist() == [step.energy for step in steps]
    assert found.n_steps > 2
    assert found.max_force_ev_per_ang[-1] < found.max_force_ev_per_ang[0]


def test_a_reader_that_fails_is_told_with_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def steps(lines: Lines) -> Steps:
        raise KeyError(next(lines)[:0] or "TOTEN")

    [file] = (OUTPUTS / "nwchem").glob("*relax*")
    reader = reader_of(file)
    assert reader is not None
    broken = replace(reader, steps=steps)
    monkeypatch.setattr("aims_pax.outcome.assessment.relaxation.reader_of", lambda path: broken)
    with pytest.raises(StructureError, match=r"relax.*Its reader failed \(KeyError: 'TOTEN'\)"):
        read_relaxations([file])


def test_a_trajectory_of_ase_is_read_by_ase(tmp_path: Path) -> None:
    steps = []
    for energy in (-1.0, -2.0):
        atoms = Atoms("H2", [[0, 0, 0], [0, 0, 0.8]])
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=np.full((2, 3), -0.1 * energy))
        steps.append(atoms)
    write(tmp_path / "relax.traj", steps)
    [found] = read_relaxations([tmp_path / "relax.traj"]).found
    assert found.energy_ev.tolist() == [-1.0, -2.0]
    assert np.allclose(found.max_force_ev_per_ang, [0.1 * 3**0.5, 0.2 * 3**0.5])
