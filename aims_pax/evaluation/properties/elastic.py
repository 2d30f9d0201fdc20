"""The tensor of elasticity, by stresses of strained cells."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from aims_pax.evaluation.properties.effort import Effort
from aims_pax.evaluation.properties.property import Measured, Quantity, Unmeasurable, Usual
from aims_pax.evaluation.properties.shape import not_a_solid
from aims_pax.evaluation.properties.specimen import CellFreedom, Specimen
from aims_pax.evaluation.properties.symmetry import EXTRA, Symmetry, is_known, symmetry_of
from aims_pax.frame import FloatArray
from aims_pax.units import GIGAPASCAL_EV_PER_ANG3

if TYPE_CHECKING:
    from ase import Atoms

VOIGT: Final = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))

ASYMMETRY: Final = 0.01
"""Of the largest constant: what those that should be equal differ from their mean by is told from this on. Methods for
which no direction is special (pairs, effective medium theory, tight binding) came to 5e-4 at most."""


ZERO: Final = 1e-6
"""Of the largest constant: what is nearer to nothing is rounding, of what symmetry makes zero."""


@dataclass(frozen=True, slots=True)
class CrystalSystem:
    """Which constants symmetry leaves.

    Parameters
    ----------
    first : int
        Its first space group.
    name : str
    constants : tuple of tuple of two int
        Those that are told.
    equal : tuple of str
        What the others are, each by the one that is told.
    """

    first: int
    name: str
    constants: tuple[tuple[int, int], ...]
    equal: tuple[str, ...] = ()


OF_FIVE: Final = ((1, 1), (1, 2), (1, 3), (3, 3), (4, 4))
IN_PLANE: Final = ("C11 = C22", "C13 = C23", "C44 = C55")
ISOTROPIC: Final = (*IN_PLANE, "(C11 - C12) / 2 = C66")
OF_NINE: Final = (*((one, one) for one in range(1, 7)), (1, 2), (1, 3), (2, 3))
EVERY: Final = tuple((one, other) for one in range(1, 7) for other in range(one, 7))

SYSTEMS: Final = (
    CrystalSystem(195, "cubic", ((1, 1), (1, 2), (4, 4)), ("C11 = C22 = C33", "C12 = C13 = C23", "C44 = C55 = C66")),
    CrystalSystem(168, "hexagonal", OF_FIVE, ISOTROPIC),
    CrystalSystem(143, "trigonal", (*OF_FIVE, (1, 4), (1, 5)), (*ISOTROPIC, "C14 = -C24 = C56", "C15 = -C25 = -C46")),
    CrystalSystem(75, "tetragonal", (*OF_FIVE, (6, 6), (1, 6)), (*IN_PLANE, "C16 = -C26")),
    CrystalSystem(16, "orthorhombic", OF_NINE),
    CrystalSystem(3, "monoclinic", EVERY),
    CrystalSystem(1, "triclinic", EVERY),
)
"""Nye, Physical Properties of Crystals (1957), table 9. Constants of the lower classes (C14 beside C15, C16), and those
of monoclinic crystals that have a mirror, are zero in the higher ones, and are not told there."""


@dataclass(frozen=True, slots=True)
class ElasticConstants(Usual):
    """Elastic constants with relaxed atoms, and the moduli of a polycrystal.

    Parameters
    ----------
    strain : float
        Largest strain, to both sides.

    Notes
    -----
    C_ij is the slope of stress i by strain j, in Voigt's order, from two strains of each kind. The tensor is made
    symmetric, averaged over the rotations of the crystal, and told in spglib's standard setting; what it differed by
    from that is told, too. Moduli by Voigt, Reuss and Hill: Hill, Proc. Phys. Soc. A 65, 349 (1952).
    """

    strain: float = 0.005

    NAME: ClassVar = "elastic"
    TITLE: ClassVar = "elastic constants"

    def unfit(self, atoms: "Atoms") -> str | None:
        """A molecule, a slab: a cell with vacuum is not elastic."""
        return not_a_solid(atoms)

    def effort(self, atoms: "Atoms") -> Effort:
        """Six strains to both sides, relaxed."""
        return Effort(2 * len(VOIGT), 0, len(atoms))

    def measure(self, specimen: Specimen) -> Measured:
        """Constants that symmetry leaves, and moduli."""
        relaxed = specimen.relaxed
        tensor = np.zeros((6, 6))
        for kind in range(6):
            specimen.show(f"strain {kind + 1} of 6")
            up, down = (self._stress(specimen, relaxed, kind, sign * self.strain) for sign in (1.0, -1.0))
            tensor[:, kind] = (up - down) / (2 * self.strain)
        return elasticity(tensor / GIGAPASCAL_EV_PER_ANG3, symmetry_of(relaxed))

    def _stress(self, specimen: Specimen, relaxed: "Atoms", kind: int, strain: float) -> FloatArray:
        """Stress of a strained cell whose atoms are relaxed, eV/Å³."""
        deformation = np.eye(3)
        row, column = VOIGT[kind]
        deformation[row, column] += strain if row == column else strain / 2
        if row != column:
            deformation[column, row] += strain / 2
        strained = relaxed.copy()
        strained.set_cell(relaxed.cell.array @ deformation.T, scale_atoms=True)
        return specimen.stress(specimen.relax(strained, CellFreedom.FIXED, words=f"strain {kind + 1} of 6"))


def elasticity(tensor: FloatArray, symmetry: Symmetry | None) -> Measured:
    """Constants and moduli of a tensor as strains gave it, and what is to be known of them.

    Parameters
    ----------
    tensor : (6, 6), GPa
        Stresses by rows, strains by columns; neither symmetric nor that of the crystal to the last digit.
    symmetry : Symmetry or None
    """
    as_computed = tensor if symmetry is None else _by_two(_turned(_full(tensor), symmetry.to_standard))
    told = (tensor + tensor.T) / 2
    told = told if symmetry is None else symmetrized(told, symmetry)
    constants, equal = _constants(told, symmetry)
    softest, remarks = float(np.linalg.eigvalsh(told).min()), list[str]()
    if softest <= 0:
        remarks.append(f"it is not stable: a combination of strains has the modulus {softest:.1f} GPa")
    if not is_known():
        remarks.append(f"without spglib no symmetry is used: {EXTRA}")
    remarks += [*_asymmetry_said(as_computed, told), *equal]
    asymmetry = Quantity(
        "asymmetry_gpa",
        "largest difference from the crystal's symmetry",
        "GPa",
        float(np.abs(as_computed - told).max()),
        least=float("inf"),
        is_detail=True,
    )
    return Measured((*constants, *_moduli(told, softest), asymmetry), remarks=tuple(remarks))


def symmetrized(tensor: FloatArray, symmetry: Symmetry) -> FloatArray:
    """A tensor (6, 6) averaged over the rotations of a crystal, and turned into the standard setting."""
    full = _full(tensor)
    mean = np.mean([_turned(full, rotation) for rotation in symmetry.rotations], axis=0)
    return _by_two(_turned(mean, symmetry.to_standard))


def _by_two(full: FloatArray) -> FloatArray:
    """A tensor (3, 3, 3, 3) with two indices of Voigt (6, 6)."""
    return np.array([[full[(*one, *other)] for other in VOIGT] for one in VOIGT])


def _full(tensor: FloatArray) -> FloatArray:
    """The same with four indices of space (3, 3, 3, 3)."""
    full = np.zeros((3, 3, 3, 3))
    for one, (i, j) in enumerate(VOIGT):
        for other, (k, m) in enumerate(VOIGT):
            for a, b in {(i, j), (j, i)}:
                for c, d in {(k, m), (m, k)}:
                    full[a, b, c, d] = tensor[one, other]
    return full


def _turned(full: FloatArray, rotation: FloatArray) -> FloatArray:
    turned: FloatArray = np.einsum("ai,bj,ck,dm,ijkm->abcd", rotation, rotation, rotation, rotation, full)
    return turned


def _constants(tensor: FloatArray, symmetry: Symmetry | None) -> tuple[list[Quantity], list[str]]:
    """Those that symmetry leaves, and in a sentence what the others are."""
    number = 1 if symmetry is None else symmetry.number
    system = next(one for one in SYSTEMS if number >= one.first)
    largest = float(np.abs(tensor).max())
    found, vanishing = list[Quantity](), set[str]()
    for i, j in system.constants:
        value, words = float(tensor[i - 1, j - 1]), f"C{i}{j}"
        may_vanish = i != j and j > 3
        if may_vanish and abs(value) < ZERO * largest:
            vanishing.add(words)
        else:
            found.append(Quantity(f"c{i}{j}_gpa", words, "GPa", value, least=0.01 * largest))
    equal = [words for words in system.equal if words.partition(" ")[0] not in vanishing]
    return found, [f"{system.name}, with {', '.join(equal)}"] if equal else []


def _asymmetry_said(as_computed: FloatArray, told: FloatArray) -> Iterator[str]:
    """Where numbers that should be equal are not: the worst of them."""
    off, largest = np.abs(as_computed - told), float(np.abs(told).max())
    if off.max() <= ASYMMETRY * largest:
        return
    stress, strain = (int(one) for one in np.unravel_index(off.argmax(), off.shape))
    i, j = sorted((stress + 1, strain + 1))
    how = f" (stress {stress + 1} by strain {strain + 1})" if i != j else ""
    mean = float(told[stress, strain])
    yield (
        f"its numbers are less symmetric than the crystal: C{i}{j}{how} came out as {as_computed[stress, strain]:.4g} "
        f"GPa, and all that should be equal as {mean if abs(mean) > ZERO * largest else 0:.4g} GPa in the mean"
    )


def _moduli(tensor: FloatArray, softest: float) -> list[Quantity]:
    """Bulk and shear modulus by Hill, with Young's modulus and Poisson's ratio; none of what is not stable."""
    if softest <= 0:
        return []
    try:
        compliance = np.linalg.inv(tensor)
    except np.linalg.LinAlgError as error:
        raise Unmeasurable("the tensor of elasticity is singular") from error
    bulk = [tensor[:3, :3].sum() / 9, 1 / compliance[:3, :3].sum()]
    off, shear = tensor[0, 1] + tensor[0, 2] + tensor[1, 2], np.trace(tensor[3:, 3:])
    s_off = compliance[0, 1] + compliance[0, 2] + compliance[1, 2]
    shears = [
        (np.trace(tensor[:3, :3]) - off + 3 * shear) / 15,
        15 / (4 * np.trace(compliance[:3, :3]) - 4 * s_off + 3 * np.trace(compliance[3:, 3:])),
    ]
    b, g = float(np.mean(bulk)), float(np.mean(shears))
    details = {
        "bulk modulus (Voigt)": bulk[0],
        "bulk modulus (Reuss)": bulk[1],
        "shear modulus (Voigt)": shears[0],
        "shear modulus (Reuss)": shears[1],
    }
    return [
        Quantity("bulk_modulus_hill_gpa", "bulk modulus (Hill)", "GPa", b, least=0.1),
        Quantity("shear_modulus_hill_gpa", "shear modulus (Hill)", "GPa", g, least=0.1),
        Quantity("youngs_modulus_gpa", "Young's modulus", "GPa", 9 * b * g / (3 * b + g), least=0.1),
        Quantity("poissons_ratio", "Poisson's ratio", "", (3 * b - 2 * g) / (2 * (3 * b + g)), least=0.01),
        *(Quantity(_key(words), words, "GPa", float(one), least=0.1, is_detail=True) for words, one in details.items()),
    ]


def _key(words: str) -> str:
    return f"{words.lower().replace(' ', '_').replace('(', '').replace(')', '')}_gpa"
