"""The properties that there are, by the words that ask for them."""

from typing import Final

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
from aims_pax.evaluation.properties.property import Property
from aims_pax.evaluation.properties.surface import SurfaceEnergies

PROPERTIES: Final[dict[str, Property]] = {
    one.NAME: one
    for one in (
        LatticeConstants(),
        EquationOfState(),
        ElasticConstants(),
        CohesiveEnergy(),
        VacancyEnergies(),
        DivacancyEnergies(),
        InterstitialEnergies(),
        SubstitutionEnergies(),
        BondRotationEnergies(),
        SurfaceEnergies(),
        Phonons(),
        BindingCurve(),
        StructureInMotion(),
    )
}
"""Each with its usual settings, in the order in which they are told."""

USUAL: Final = ("lattice", "eos", "elastic", "cohesive")
"""Those of small cells, which are asked for where nothing is said."""

DEAR: Final = (StructureInMotion.NAME,)
"""Those of MD, each of whose steps is a calculation: they are asked for by their names alone."""
