"""`validate` in STAGES: properties of materials by the models that are handed over, and by the reference."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Final

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Field

from aims_pax.settings.augmentation.words import ElementsOrNone, Faces, source
from aims_pax.settings.reading.kinds import Count, ExistingFiles, Kind, Positive, Seed, Whole
from aims_pax.settings.section import Contradiction, Section

_PLAIN: Final = Kind("true, false, or a mapping of settings")


class LatticeSettings(Section):
    """Lattice constants of the relaxed cell."""


class EquationOfStateSettings(Section):
    """Energy against volume."""

    span: Annotated[float, Gt(0), Lt(0.5)] = Field(
        0.06, description="Volumes from 1 - span to 1 + span of the relaxed one."
    )
    n_volumes: Annotated[int, Ge(5), Le(1000), Whole] = Field(9, description="Volumes.")


class ElasticSettings(Section):
    """Stresses of strained cells."""

    strain: Annotated[float, Gt(0), Lt(0.1)] = Field(0.005, description="Largest strain, to both sides.")


class CohesiveSettings(Section):
    """Energy against free atoms."""


class VacancySettings(Section):
    """Crystals that lack an atom."""

    distance_ang: Positive = Field(8.0, description="Distance of a vacancy from its images, at least, Å.")
    most_atoms: Count = Field(300, description="Atoms in the supercell; the distance gives way.")


class DivacancySettings(Section):
    """Crystals that lack two neighbours."""

    distance_ang: Positive = Field(8.0, description="Distance of a pair of vacancies from its images, at least, Å.")
    most_atoms: Count = Field(300, description="Atoms in the supercell; the distance gives way.")


class InterstitialSettings(Section):
    """Crystals with an atom too many, in their largest holes."""

    distance_ang: Positive = Field(8.0, description="Distance of an interstitial from its images, at least, Å.")
    most_atoms: Count = Field(300, description="Atoms in the supercell; the distance gives way.")
    n_holes: Count = Field(2, description="Kinds of holes, the largest ones.")
    elements: ElementsOrNone = Field((), description="What is put there; each element of the structure when not given.")


class SubstitutionSettings(Section):
    """Crystals with an atom of another kind on a site."""

    distance_ang: Positive = Field(8.0, description="Distance of a substitution from its images, at least, Å.")
    most_atoms: Count = Field(300, description="Atoms in the supercell; the distance gives way.")
    elements: ElementsOrNone = Field(
        (), description="What is put there; when not given, antisites and exchanges of a compound's own elements."
    )


class BondRotationSettings(Section):
    """Flat sheets of hexagons, of which a bond is turned by 90°."""

    distance_ang: Positive = Field(8.0, description="Distance of a turned bond from its images, at least, Å.")
    most_atoms: Count = Field(300, description="Atoms in the supercell; the distance gives way.")


class SurfaceSettings(Section):
    """Crystals that are cut."""

    indices: Faces = Field(
        ((1, 0, 0), (1, 1, 0), (1, 1, 1)), description="Miller indices of the surfaces, of the conventional cell."
    )
    thickness_ang: Positive = Field(12.0, description="Thickness of a slab, at least, Å.")
    vacuum_ang: Positive = Field(15.0, description="Vacuum between a slab and its image, Å.")
    most_atoms: Count = Field(300, description="Atoms in a slab; one of more is left out, which is told.")


class PhononSettings(Section):
    """Forces of displaced atoms. It needs phonopy and spglib, of the extra aims-pax[properties]."""

    length_ang: Positive = Field(10.0, description="Length of the supercell, at least, Å.")
    displacement_ang: Annotated[float, Gt(0), Lt(0.5)] = Field(0.01, description="Displacement of an atom, Å.")
    most_atoms: Count = Field(400, description="Atoms in the supercell; its length gives way.")


class BindingSettings(Section):
    """Energy of rigid layers against their distance."""

    axis: Annotated[int, Ge(0), Le(2), Whole] | None = Field(
        None, description="Lattice vector across the layers, from 0. When not given it is found."
    )
    nearest: Annotated[float, Gt(0), Lt(1)] = Field(
        0.85, description="Smallest distance, as a fraction of that in the structure."
    )
    farthest_ang: Positive = Field(
        6.0, description="What is added to the distance at most, where energies are zero, Å."
    )
    n_distances: Annotated[int, Ge(12), Le(1000), Whole] = Field(25, description="Distances.")


class StructureSettings(Section):
    """MD by the model and by the reference, each of whose steps is a calculation."""

    temperature_k: Positive = Field(300.0, description="Temperature of the MD, K.")
    time_ps: Positive = Field(2.0, description="Length of the MD, ps; its beginning is left out.")
    timestep_fs: Positive | None = Field(
        None, description="Time step, fs. When not given 1 fs, and 0.5 fs where there is hydrogen."
    )
    friction_per_fs: Positive = Field(0.01, description="Friction of the Langevin thermostat, 1/fs.")
    length_ang: Positive = Field(10.0, description="Length of the supercell, at least, Å.")
    most_atoms: Count = Field(200, description="Atoms in the supercell; its length gives way.")
    seed: Seed = Field(1, description="Seed of velocities and noise, which are those of model and reference alike.")


class ValidateSettings(Section):
    """Properties of materials by the model that is handed over, beside those by the reference through its pool.

    It comes last, and changes neither models nor dataset. What the reference computes for it is kept, and is in no set.
    A property that is not named is not computed; without any, those of small cells are: lattice, eos, elastic and
    cohesive.
    """

    ALIASES: ClassVar = {
        "equation_of_state": "eos",
        "elastic_constants": "elastic",
        "surfaces": "surface",
        "antisite": "substitution",
    }

    structures: ExistingFiles | None = Field(
        None,
        description="Files of the structures; several of one composition are phases. The starting structures when not "
        "given.",
    )
    lattice: Annotated[LatticeSettings | None, source(), _PLAIN] = Field(
        None, description="Lengths and angles of the conventional cell, relaxed."
    )
    eos: Annotated[EquationOfStateSettings | None, source(), _PLAIN] = Field(
        None, description="Equation of state: volume, bulk modulus, energies of phases."
    )
    elastic: Annotated[ElasticSettings | None, source(), _PLAIN] = Field(
        None, description="Elastic constants, and the moduli of a polycrystal."
    )
    cohesive: Annotated[CohesiveSettings | None, source(), _PLAIN] = Field(
        None, description="Cohesive energy; of a molecule its atomization energy."
    )
    vacancy: Annotated[VacancySettings | None, source(), _PLAIN] = Field(
        None, description="Formation energies of vacancies."
    )
    divacancy: Annotated[DivacancySettings | None, source(), _PLAIN] = Field(
        None, description="Formation energies of two vacancies side by side."
    )
    interstitial: Annotated[InterstitialSettings | None, source(), _PLAIN] = Field(
        None, description="Formation energies of interstitials."
    )
    substitution: Annotated[SubstitutionSettings | None, source(), _PLAIN] = Field(
        None, description="Energies of antisites, exchanges and foreign atoms."
    )
    stone_wales: Annotated[BondRotationSettings | None, source(), _PLAIN] = Field(
        None, description="Formation energies of turned bonds in sheets of hexagons."
    )
    surface: Annotated[SurfaceSettings | None, source(), _PLAIN] = Field(None, description="Energies of surfaces.")
    phonons: Annotated[PhononSettings | None, source(), _PLAIN] = Field(
        None, description="Bands and density of states of vibrations."
    )
    binding: Annotated[BindingSettings | None, source(), _PLAIN] = Field(
        None, description="Binding of layers by their distance."
    )
    structure: Annotated[StructureSettings | None, source(), _PLAIN] = Field(
        None, description="Radial distributions, bond angles, neighbours and rings at a temperature, by MD."
    )

    @property
    def named(self) -> Mapping[str, Section]:
        """What is to be computed, by name; empty where nothing was named."""
        return {key: one for key in PROPERTY_KEYS if (one := getattr(self, key)) is not None}

    def contradictions(self) -> Iterator[Contradiction]:
        said = [key for key in PROPERTY_KEYS if self.is_set(key)]
        if said and not self.named:
            found = f"No property is left: {', '.join(said)} {'are' if len(said) > 1 else 'is'} false."
            yield Contradiction(said[0], found, f"Name one of {', '.join(PROPERTY_KEYS)}, or leave all out.")


PROPERTY_KEYS: Final = tuple(key for key in ValidateSettings.model_fields if key != "structures")
"""The settings that are properties, by the words of `aims-pax validate`."""
