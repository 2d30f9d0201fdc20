"""What is asked of every part of a kind, as tests for pytest: for the parts of this package, and for those of others.

Each suite is a class. Whoever writes a driver derives ``class TestMine(DriverContract)`` from it, says in one method
how a driver is made, and has all its tests. ``tests/contract`` in the sources does this for every part that there is.
Failures show their values where a conftest.py calls ``pytest.register_assert_rewrite("aims_pax.testing.contracts")``
before anything is imported from here.
"""

from aims_pax.testing.contracts.bias import BiasContract
from aims_pax.testing.contracts.committee import CommitteeContract
from aims_pax.testing.contracts.driver import DriverContract
from aims_pax.testing.contracts.integrator import IntegratorContract
from aims_pax.testing.contracts.pool import PoolContract
from aims_pax.testing.contracts.property import PropertyContract
from aims_pax.testing.contracts.sampler import SamplerContract
from aims_pax.testing.contracts.source import SourceContract
from aims_pax.testing.contracts.validator import ValidatorContract

__all__ = [
    "BiasContract",
    "CommitteeContract",
    "DriverContract",
    "IntegratorContract",
    "PoolContract",
    "PropertyContract",
    "SamplerContract",
    "SourceContract",
    "ValidatorContract",
]
