"""Collective variables as they are written, and what they are of a structure."""

from math import degrees
from typing import Any

import numpy as np
import pytest
from ase.build import bulk, molecule

from aims_pax.atoms import frame_of
from aims_pax.batch import AtomBatch
from aims_pax.frame import Frame
from aims_pax.sampling.bias.measurement import Measurement
from aims_pax.sampling.program import variable_of
from aims_pax.settings.motion.variables import ANGULAR, VariableSettings


def structures() -> list[Frame]:
    """A molecule, and a sheared crystal whose atoms have wandered through its faces."""
    crystal = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    crystal.rattle(0.3, seed=1)
    crystal.set_cell(crystal.cell.array + 0.8 * np.eye(3, k=1), scale_atoms=True)
    crystal.positions[[1, 4]] += np.array([[1.0], [-2.0]]) * crystal.cell.array[0]
    return [frame_of(molecule("CH3CH2OH"), system="ethanol"), frame_of(crystal, system="salt")]


@pytest.mark.parametrize("frame", structures(), ids=lambda frame: frame.system)
@pytest.mark.parametrize(
    "written",
    [
        {"distance": [0, 4]},
        {"angle": [2, 0, 1]},
        {"dihedral": [3, 0, 1, 5]},
        {"coordination": {"atoms": "0-2", "partners": [3, "5-7"], "reach": 2.4}},
        {"place": {"atoms": "1-4", "along": "y"}},
    ],
    ids=lambda written: next(iter(written)),
)
def test_what_check_says_of_a_variable_is_what_md_takes_it_for(frame: Frame, written: dict[str, Any]) -> None:
    variable = VariableSettings.model_validate(written)
    batch = AtomBatch.from_frames([frame], None)
    measurement = Measurement.of([(0, variable_of(variable, frame))], n_atoms=[frame.n_atoms], pbc=batch.pbc)
    (value,) = measurement.read(batch).values.tolist()
    assert variable.value_of(frame) == pytest.approx(degrees(value) if variable.name in ANGULAR else value, abs=1e-8)


def test_its_atoms_are_named() -> None:
    ethanol, _ = structures()
    variable = VariableSettings.model_validate({"dihedral": [0, 1, 2, 3]})
    assert variable.said_of(ethanol) == "dihedral C0-C1-O2-H3"
