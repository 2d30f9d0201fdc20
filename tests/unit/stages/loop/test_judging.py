"""A committee judges structures that another driver has led to."""

import numpy as np
import pytest
from ase.calculators.emt import EMT

from aims_pax.committee import CommitteeForces
from aims_pax.protocols import Driver
from aims_pax.sampling import VELOCITY_VERLET, BatchedSampler, CalculatorForces, TrajectoryStart
from aims_pax.stages.loop.judging import opinions, opinions_with_stress
from aims_pax.testing.contracts.structures import cluster, crystal, rattled
from aims_pax.testing.drivers import Bonds, LennardJones
from aims_pax.testing.springs import Knowledge, Nature, Springs

MEMBERS = [Knowledge(1), Knowledge(2)]

DRIVERS: dict[str, Driver] = {
    "without pairs": CalculatorForces(EMT),
    "of shorter reach": LennardJones(depth_ev=0.4, diameter_ang=2.2, cutoff=2.8),
    "of longer reach": Bonds(cutoff=6.0),
    "the committee itself": CommitteeForces(Springs(Nature(Bonds(cutoff=5.0)), MEMBERS)),
}


@pytest.mark.parametrize("driver", DRIVERS.values(), ids=DRIVERS)
def test_a_committee_sees_all_its_pairs_whatever_drives(driver: Driver) -> None:
    structures = [rattled(cluster(), 1), rattled(crystal(), 2), rattled(cluster(), 3)]
    committee = Springs(Nature(Bonds(cutoff=5.0)), MEMBERS)
    starts = [TrajectoryStart.steady(one, VELOCITY_VERLET, 300.0, 1.0, 3) for one in structures]
    sampler = BatchedSampler(starts, driver)
    sampler.advance([0, 1, 2], 4)
    frames = [sampler.frame(index) for index in (2, 1)]
    with_stress = opinions_with_stress(committee, sampler, [2, 1])
    for found in (opinions(committee, sampler, [2, 1]), with_stress):
        for frame, expected in zip(frames, committee.predict(frames, want_stress=True), strict=True):
            opinion = found[frame.trajectory]
            np.testing.assert_allclose(opinion.energies, expected.energies, atol=1e-10)
            np.testing.assert_allclose(opinion.forces, expected.forces, atol=1e-10)
    assert with_stress[2].stress is None
    expected = committee.predict([frames[1]], want_stress=True)[0]
    assert expected.stress is not None
    np.testing.assert_allclose(with_stress[1].stress, expected.stress, atol=1e-12)
