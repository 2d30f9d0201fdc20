"""Dispersion laid over a force model."""

import numpy as np
import pytest

from aims_pax.batch import AtomBatch
from aims_pax.committee import PushedForces
from aims_pax.frame import Frame
from aims_pax.reference.dispersion import Dispersion
from aims_pax.sampling import CalculatorForces, DispersedForces
from aims_pax.settings.methods.dispersion import DispersionSettings
from aims_pax.testing.contracts.structures import crystal, rattled
from aims_pax.testing.springs import Knowledge, Nature, Springs

from .test_calculator import Fragile, new_argon_calculator

pytest.importorskip("dftd3")

CORRECTION = Dispersion(DispersionSettings(xc="pbe", cutoff=12.0))


def test_forces_are_the_model_s_and_the_correction_s(cluster: Frame) -> None:
    model = CalculatorForces(new_argon_calculator)
    batch = AtomBatch.from_frames([cluster, cluster], None)
    bare_energies, bare_forces = model.energies_forces(batch)
    energies, forces = DispersedForces(model, CORRECTION).energies_forces(batch)
    added = CORRECTION.observables(cluster, want_stress=False)
    np.testing.assert_allclose(energies.numpy(), bare_energies.numpy() + added.energy, atol=1e-12)
    np.testing.assert_allclose(forces.numpy(), bare_forces.numpy() + np.tile(added.forces, (2, 1)), atol=1e-12)
    assert abs(added.energy) > 1e-4


def test_structure_that_the_model_can_t_do_stays_without_forces(cluster: Frame) -> None:
    stretched = Frame("", 1, 0, 0, cluster.numbers, cluster.positions + 10.0, cluster.cell, cluster.pbc)
    batch = AtomBatch.from_frames([stretched], None)
    energies, forces = DispersedForces(CalculatorForces(Fragile), CORRECTION).energies_forces(batch)
    assert energies.isnan().all()
    assert forces.isnan().all()


def test_a_cell_feels_a_bias_and_the_correction() -> None:
    models = PushedForces(Springs(Nature(), [Knowledge(1), Knowledge(2)]), [2.0], [crystal()])
    batch = AtomBatch.from_frames([rattled(crystal(), 1)], models.cutoff)
    added = CORRECTION.observables(rattled(crystal(), 1), want_stress=True)
    assert added.stress is not None
    bare, stress = (one.energies_forces_stress(batch)[2] for one in (models, DispersedForces(models, CORRECTION)))
    np.testing.assert_allclose(stress.numpy(), bare.numpy() + added.stress, atol=1e-12)
