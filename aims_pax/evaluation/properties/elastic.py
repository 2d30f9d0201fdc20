"""The tensor of elasticity, by stresses of strained cells."""

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

HEXAGONAL: Final = ((1, 1), (1, 2), (1, 3), (3, 3), (4, 4))
INDEPENDENT: Final = (
    (195, ((1, 1), (1, 2), (4, 4))),
    (168, HEXAGONAL),
    (143, (*HEXAGONAL, (1, 4), (1, 5))),
    (75, (*HEXAGONAL, (6, 6), (1, 6))),
    (16, (*((one, one) for one in range(1, 7)), (1, 2), (1, 3), (2, 3))),
    (1, tuple((one, other) for one in range(1, 7) for other in range(one, 7))),
)
"""First space group of a crystal system, and its constants: Nye, Physical Properties of Crystals (1957), table 9.
Constants of the lower classes (C14 beside C15, C16) are zero in the higher ones, and are not told there."""


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
    symmetric, averaged over the rotations of the crystal, and told in spglib's standard setting. Moduli by Voigt,
    Reuss and Hill: Hill, Proc. Phys. Soc. A 65, 349 (1952).
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
        tensor = (tensor + tensor.T) / 2 / GIGAPASCAL_EV_PER_ANG3
        symmetry, remarks = symmetry_of(relaxed), list[str]()
        if symmetry is not None:
            tensor = symmetrized(tensor, symmetry)
        elif not is_known():
            remarks.append(f"without spglib no symmetry is used: {EXTRA}")
        softest = float(np.linalg.eigvalsh(tensor).min())
        if softest <= 0:
            remarks.append(f"it is not stable: a combination of strains has the modulus {softest:.1f} GPa")
        return Measured((*_constants(tensor, symmetry), *_moduli(tensor, softest)), remarks=tuple(remarks))

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


def symmetrized(tensor: FloatArray, symmetry: Symmetry) -> FloatArray:
    """A tensor (6, 6) averaged over the rotations of a crystal, and turned into the standard setting."""
    full = _full(tensor)
    mean = np.mean([_turned(full, rotation) for rotation in symmetry.rotations], axis=0)
    turned = _turned(mean, symmetry.to_standard)
    return np.array([[turned[(*one, *other)] for other in VOIGT] for one in VOIGT])


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


def _constants(tensor: FloatArray, symmetry: Symmetry | None) -> list[Quantity]:
    number = 1 if symmetry is None else symmetry.number
    wanted = next(constants for first, constants in INDEPENDENT if number >= first)
    largest = float(np.abs(tensor).max())
    found = []
    for i, j in wanted:
        value = float(tensor[i - 1, j - 1])
        is_zero_in_class = abs(value) < 1e-6 * largest
        if not is_zero_in_class:
            found.append(Quantity(f"c{i}{j}_gpa", f"C{i}{j}", "GPa", value, least=0.01 * largest))
    # C11, C22, C33 are what tables of several crystals have in common, also where symmetry makes some of them alike.
    others = [(i, i) for i in (2, 3) if (i, i) not in wanted]
    found += [
        Quantity(f"c{i}{j}_gpa", f"C{i}{j}", "GPa", float(tensor[i - 1, j - 1]), least=0.01 * largest, is_detail=True)
        for i, j in others
    ]
    return found


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
