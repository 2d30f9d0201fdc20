"""What MD with a thermostat is like: how long it remembers its start, and how hot it may become."""

from math import sqrt
from typing import Final

LOOK_FS: Final = 10.0
"""Time between looks at bonds and temperature. The period of an O-H bond is 9 fs, and what has torn stays torn."""

HOT: Final = 3.0
"""Temperature, in temperatures of the run, that no thermostat allows; more for few atoms."""

FLUCTUATION_SIGMAS: Final = 8.0
"""Standard deviations of the temperature of few atoms that count as heat: sqrt(2 / degrees of freedom) is one."""

UNSETTLED_SHARE: Final = 0.1
"""Of a run, at its beginning: it remembers the structure that it began from."""


def settling_ps(relaxation_fs: float, length_ps: float) -> float:
    """Time of a run at its beginning that says nothing: a tenth of it, or three times its thermostat's."""
    return max(3e-3 * relaxation_fs, UNSETTLED_SHARE * length_ps)


def hottest_k(temperature_k: float, n_atoms: int) -> float:
    """Up to which temperature so many atoms fluctuate that are kept at one, K."""
    return temperature_k * max(HOT, 1.0 + FLUCTUATION_SIGMAS * sqrt(2 / (3 * n_atoms)))
