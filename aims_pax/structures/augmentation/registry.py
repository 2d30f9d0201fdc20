"""The list of all sources that make structures from others."""

from typing import Any, Final

from aims_pax.structures.augmentation.alloys import Alloys
from aims_pax.structures.augmentation.clusters import Clusters
from aims_pax.structures.augmentation.dimers import Dimers
from aims_pax.structures.augmentation.displacements import Displacements
from aims_pax.structures.augmentation.distortions import Distortions
from aims_pax.structures.augmentation.drafts import Augmentation
from aims_pax.structures.augmentation.grids import StrainGrid
from aims_pax.structures.augmentation.inputs import Inputs
from aims_pax.structures.augmentation.isolated import IsolatedAtoms
from aims_pax.structures.augmentation.slabs import Slabs
from aims_pax.structures.augmentation.strains import Strains
from aims_pax.structures.augmentation.substitutions import Substitutions
from aims_pax.structures.augmentation.vacancies import Vacancies

SOURCES: Final[tuple[type[Augmentation[Any]], ...]] = (
    Inputs,
    IsolatedAtoms,
    Distortions,
    Strains,
    StrainGrid,
    Displacements,
    Vacancies,
    Clusters,
    Slabs,
    Substitutions,
    Alloys,
    Dimers,
)
"""In the order in which they run. Each is asked for by its `key` in `augment`, which holds its settings."""

EXCHANGED: Final = ("inputs", "distort", "slabs")
"""Sources among whose structures species are exchanged, as in AiiDA-TrainsPot."""
