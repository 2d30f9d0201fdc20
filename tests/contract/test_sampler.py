"""Every sampler, by the suite that ships."""

from collections.abc import Sequence

from aims_pax.protocols import Driver, Sampler
from aims_pax.sampling import BatchedSampler
from aims_pax.testing.contracts import SamplerContract
from aims_pax.trajectory import TrajectoryStart


class TestBatchedSampler(SamplerContract):
    def make(self, starts: Sequence[TrajectoryStart], driver: Driver) -> Sampler:
        return BatchedSampler(starts, driver)


class TestBatchedSamplerWithoutSkin(SamplerContract):
    """Neighbour lists of its own for nearly every step."""

    def make(self, starts: Sequence[TrajectoryStart], driver: Driver) -> Sampler:
        return BatchedSampler(starts, driver, skin_ang=0.02)
