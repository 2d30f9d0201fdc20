"""D2 beside Quantum ESPRESSO's own, and its derivatives beside differences of its energies."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.units import Ry

from aims_pax.atoms import frame_of
from aims_pax.frame import Frame
from aims_pax.reference.calculation import Observables
from aims_pax.reference.dispersion import Dispersion
from aims_pax.reference.grimme_2006 import HEAVIEST, SCALES
from aims_pax.settings.methods.dispersion import DispersionSettings

CUT = DispersionSettings(method="d2", xc="pbe", cutoff=9.0)


def layers() -> Atoms:
    """Graphite, one atom of which is oxygen and out of its plane."""
    a, c = 2.46, 6.70
    cell = [[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]]
    places = [[0, 0, 0.25], [1 / 3, 2 / 3, 0.25], [0, 0, 0.75], [2 / 3, 1 / 3, 0.77]]
    return Atoms("C3O", cell=cell, scaled_positions=places, pbc=True)


def of(atoms: Atoms, settings: DispersionSettings = CUT) -> Observables:
    return Dispersion(settings).observables(frame_of(atoms, system=""), want_stress=True)


def test_it_is_that_of_quantum_espresso() -> None:
    """vdw_corr = 'grimme-d2' of pw.x 6.7 for this cell: -0.03133177 Ry, summed up to 200 Bohr."""
    found = of(layers(), DispersionSettings(method="d2", xc="pbe", cutoff=100.0))
    assert found.energy / Ry == pytest.approx(-0.03133177, rel=1e-4)


def test_two_atoms_are_the_formula() -> None:
    found = of(Atoms("CH", positions=[[0, 0, 0], [0, 0, 3.0]]), DispersionSettings(method="d2", xc="blyp"))
    c6, radius = 5.130, 1.452 + 1.001
    assert found.energy == pytest.approx(-1.2 * c6 / 3.0**6 / (1 + np.exp(-20 * (3.0 / radius - 1))), rel=1e-3)
    assert found.stress is None


@pytest.mark.parametrize("atoms", [molecule("CH3CH2OH"), layers(), bulk("NaCl", "rocksalt", a=5.6)])
def test_forces_are_the_derivative(atoms: Atoms) -> None:
    atoms = atoms.copy()
    atoms.rattle(0.05, seed=1)
    found = of(atoms)
    step = 1e-4
    for axis in range(3):
        moved = [atoms.copy() for _ in range(2)]
        for sign, one in zip((-1, 1), moved, strict=True):
            one.positions[1, axis] += sign * step
        slope = (of(moved[1]).energy - of(moved[0]).energy) / (2 * step)
        assert found.forces[1, axis] == pytest.approx(-slope, abs=1e-8)
    np.testing.assert_allclose(found.forces.sum(axis=0), 0, atol=1e-12)


def test_stress_is_the_derivative_by_strain() -> None:
    atoms = layers()
    stress = of(atoms).stress
    assert stress is not None
    step = 1e-5
    for voigt, (row, column) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
        energies = []
        for sign in (-1, 1):
            strain = np.eye(3)
            strain[row, column] += sign * step / 2
            strain[column, row] += sign * step / 2
            strained = atoms.copy()
            strained.set_cell(atoms.cell @ strain, scale_atoms=True)
            energies.append(of(strained).energy)
        assert stress[voigt] == pytest.approx((energies[1] - energies[0]) / (2 * step) / atoms.get_volume(), abs=1e-7)


def test_what_it_does_not_know_is_told() -> None:
    assert Dispersion(CUT).problems([1, 6, HEAVIEST]) == []
    assert "beyond Z = 54" in Dispersion(CUT).problems([6, 55])[0]
    with pytest.raises(ValueError, match="beyond Z = 54"):
        Dispersion(CUT).observables(Frame("Cs", 0, 0, 0, np.array([55]), np.zeros((1, 3))), want_stress=False)
    unknown = DispersionSettings(method="d2", xc="revpbe")
    assert f"it knows {', '.join(SCALES)}" in Dispersion(unknown).problems([6])[0]
    for key, value in (("damping", "bj"), ("three_body", True)):
        with pytest.raises(ValueError, match="D2 has no choice of it"):
            DispersionSettings.model_validate({"method": "d2", "xc": "pbe", key: value})
