"""Every integrator, by the suite that ships."""

from aims_pax.protocols import Dynamics
from aims_pax.sampling.dynamics import (
    VELOCITY_VERLET,
    Bussi,
    CellRescaling,
    Fire,
    Langevin,
    MartynaTobiasKlein,
    NoseHoover,
    Shape,
)
from aims_pax.testing.contracts import IntegratorContract

FLEXIBLE, ISOTROPIC = Shape(isotropic=False), Shape(isotropic=True)
ALONG_C = Shape(isotropic=False, directions=(False, False, True))


class TestLangevin(IntegratorContract):
    POSITIONS_ARE_EXACT = True

    def dynamics(self) -> list[Dynamics]:
        return [Langevin(0.05), Langevin(0.01), VELOCITY_VERLET]


class TestVelocityVerlet(IntegratorContract):
    def dynamics(self) -> list[Dynamics]:
        return [VELOCITY_VERLET, Langevin(0.02)]


class TestNoseHoover(IntegratorContract):
    def dynamics(self) -> list[Dynamics]:
        return [NoseHoover(30.0), NoseHoover(50.0, n_links=1, n_loops=2), NoseHoover(20.0, n_links=5)]


class TestBussi(IntegratorContract):
    def dynamics(self) -> list[Dynamics]:
        return [Bussi(30.0), Bussi(100.0)]


class TestMartynaTobiasKlein(IntegratorContract):
    def dynamics(self) -> list[Dynamics]:
        return [
            MartynaTobiasKlein(FLEXIBLE, 30.0, 300.0),
            MartynaTobiasKlein(ISOTROPIC, 50.0, 200.0, n_links=1, n_pressure_links=5, n_loops=2),
            MartynaTobiasKlein(ALONG_C, 20.0, 100.0, n_links=4),
        ]


class TestCellRescaling(IntegratorContract):
    def dynamics(self) -> list[Dynamics]:
        return [
            CellRescaling(FLEXIBLE, 30.0, 300.0, 1.0),
            CellRescaling(ISOTROPIC, 50.0, 200.0, 2.0, is_stochastic=False),
            CellRescaling(ALONG_C, 20.0, 100.0, 3.0),
        ]


class TestFire(IntegratorContract):
    def dynamics(self) -> list[Dynamics]:
        return [Fire(shape=FLEXIBLE), Fire(0.02), Fire(0.05, shape=ISOTROPIC, max_move_ang=0.01)]
