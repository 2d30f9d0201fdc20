"""Every bias, by the suite that ships."""

import itertools

from aims_pax.protocols import Bias, Variable
from aims_pax.sampling.bias import (
    Angle,
    Coordination,
    Dihedral,
    Distance,
    Load,
    MeanPosition,
    Metadynamics,
    Restraint,
    Tempering,
)
from aims_pax.testing.contracts import BiasContract

WITHIN: list[Variable] = [
    Distance((0, 5)),
    Angle((1, 6, 3)),
    Dihedral((0, 1, 3, 7)),
    Coordination((0, 1, 2), (2, 3, 4, 5), 2.1),
]


class TestRestraint(BiasContract):
    def biases(self) -> list[Bias]:
        return [Restraint(variable, 1.1 + 0.1 * k, 2.0 + k) for k, variable in enumerate(WITHIN)]


class TestRestraintInSpace(BiasContract):
    HAS_STRESS = False

    def biases(self) -> list[Bias]:
        return [
            Restraint(MeanPosition((2, 4, 5), (0.0, 3.0, -1.0)), 0.4, 1.5),
            Restraint(MeanPosition((7,), (1, 0, 0)), 9, 2),
        ]


class TestLoad(BiasContract):
    HAS_STRESS = False

    def biases(self) -> list[Bias]:
        return [Load((0, 3), (0.1, 0.0, -0.3)), Load((1,), (0.0, 2.0, 0.0))]


class TestMetadynamics(BiasContract):
    def biases(self) -> list[Bias]:
        pairs = itertools.pairwise(WITHIN)
        alone = [Metadynamics((one,), (0.3,), 0.1, 3, Tempering(4.0, 600.0)) for one in WITHIN]
        return [*alone, *(Metadynamics(both, (0.4, 0.3), 0.2, 2) for both in pairs)]
