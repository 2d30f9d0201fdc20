"""Every integrator, by the suite that ships."""

from aims_pax.protocols import Dynamics
from aims_pax.sampling.dynamics import VELOCITY_VERLET, Langevin
from aims_pax.testing.contracts import IntegratorContract


class TestLangevin(IntegratorContract):
    def dynamics(self) -> list[Dynamics]:
        return [Langevin(0.05), Langevin(0.01), VELOCITY_VERLET]


class TestVelocityVerlet(IntegratorContract):
    def dynamics(self) -> list[Dynamics]:
        return [VELOCITY_VERLET, Langevin(0.02)]
