"""Every property, by the suite that ships."""

import pytest
from ase import Atoms
from ase.build import bulk, graphene, molecule

from aims_pax.evaluation.properties import PROPERTIES, Property
from aims_pax.evaluation.properties.binding import BindingCurve
from aims_pax.evaluation.properties.cohesive import CohesiveEnergy
from aims_pax.evaluation.properties.defects.divacancy import DivacancyEnergies
from aims_pax.evaluation.properties.defects.interstitial import InterstitialEnergies
from aims_pax.evaluation.properties.defects.rotation import BondRotationEnergies
from aims_pax.evaluation.properties.defects.substitution import SubstitutionEnergies
from aims_pax.evaluation.properties.defects.vacancy import VacancyEnergies
from aims_pax.evaluation.properties.dynamics.structure import StructureInMotion
from aims_pax.evaluation.properties.elastic import ElasticConstants
from aims_pax.evaluation.properties.equation_of_state import EquationOfState
from aims_pax.evaluation.properties.lattice import LatticeConstants
from aims_pax.evaluation.properties.phonons import Phonons
from aims_pax.evaluation.properties.surface import SurfaceEnergies
from aims_pax.testing.contracts import PropertyContract


class OfSolids(PropertyContract):
    """Molecules have none."""

    def unfit(self) -> Atoms | None:
        return molecule("H2O")


class TestLatticeConstants(OfSolids):
    def make(self) -> Property:
        return LatticeConstants()


class TestEquationOfState(OfSolids):
    def make(self) -> Property:
        return EquationOfState(n_volumes=5)


class TestElasticConstants(OfSolids):
    def make(self) -> Property:
        return ElasticConstants()


class TestCohesiveEnergy(PropertyContract):
    def make(self) -> Property:
        return CohesiveEnergy()

    def unfit(self) -> Atoms | None:
        return Atoms("Cu")


class TestVacancyEnergies(OfSolids):
    def make(self) -> Property:
        return VacancyEnergies(distance_ang=6.0)


class TestDivacancyEnergies(OfSolids):
    def make(self) -> Property:
        return DivacancyEnergies(distance_ang=6.0)


class TestBondRotationEnergies(OfSolids):
    """A sheet of hexagons of carbon, which EMT holds together loosely."""

    def make(self) -> Property:
        return BondRotationEnergies(distance_ang=6.0)

    def fit(self) -> Atoms:
        return graphene(a=2.2, vacuum=6.0)

    def unfit(self) -> Atoms | None:
        return bulk("Cu", cubic=True)


class TestInterstitialEnergies(OfSolids):
    def make(self) -> Property:
        return InterstitialEnergies(distance_ang=6.0, n_holes=1)


class TestSubstitutionEnergies(OfSolids):
    def make(self) -> Property:
        return SubstitutionEnergies(distance_ang=6.0, elements=("Ag",))


class TestSurfaceEnergies(OfSolids):
    def make(self) -> Property:
        return SurfaceEnergies(indices=((1, 1, 1),), thickness_ang=6.0)


class TestPhonons(OfSolids):
    def make(self) -> Property:
        pytest.importorskip("phonopy")
        return Phonons(length_ang=6.0)


class TestBindingCurve(OfSolids):
    """Planes of copper, each with its bonds, too far apart for any between them."""

    def make(self) -> Property:
        return BindingCurve(n_distances=12, nearest=0.5)

    def fit(self) -> Atoms:
        plane = bulk("Cu", "hcp", a=2.5, c=8.0)
        del plane[1]
        plane.set_cell([*plane.cell.array[:2], [0.0, 0.0, 3.9]])
        return plane


class TestStructureInMotion(PropertyContract):
    def make(self) -> Property:
        return StructureInMotion(time_ps=0.28, timestep_fs=5.0, friction_per_fs=0.2, length_ang=3.0)

    def unfit(self) -> Atoms | None:
        return Atoms("Cu")


def test_no_property_is_left_out() -> None:
    tried = {type(suite().make()) for suite in OfSolids.__subclasses__()} | {CohesiveEnergy, StructureInMotion}
    assert tried == {type(one) for one in PROPERTIES.values()}


def test_properties_are_called_by_their_names() -> None:
    assert all(name == one.NAME and one.TITLE for name, one in PROPERTIES.items())
