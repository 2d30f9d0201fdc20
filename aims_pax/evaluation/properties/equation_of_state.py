"""Energy against volume, and what a fit to it says."""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from aims_pax.evaluation.properties.effort import Effort
from aims_pax.evaluation.properties.property import Line, Measured, Panel, Quantity, Unmeasurable, Usual
from aims_pax.evaluation.properties.shape import not_a_solid
from aims_pax.evaluation.properties.specimen import CellFreedom, Specimen
from aims_pax.frame import FloatArray
from aims_pax.units import GIGAPASCAL_EV_PER_ANG3

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, slots=True)
class EquationOfState(Usual):
    """Volume, bulk modulus and energy of a phase.

    Parameters
    ----------
    span : float
        Volumes from 1 - span to 1 + span of the relaxed one.
    n_volumes : int

    Notes
    -----
    Birch, Phys. Rev. 71, 809 (1947), third order, as :mod:`ase.eos` fits it. At each volume the shape of the cell and
    the atoms are relaxed.
    """

    span: float = 0.06
    n_volumes: int = 9

    NAME: ClassVar = "eos"
    TITLE: ClassVar = "equation of state"

    def unfit(self, atoms: "Atoms") -> str | None:
        """A molecule, a slab: their volume is vacuum."""
        return not_a_solid(atoms)

    def effort(self, atoms: "Atoms") -> Effort:
        """Each volume relaxed."""
        return Effort(self.n_volumes, 0, len(atoms))

    def measure(self, specimen: Specimen) -> Measured:
        """V0, B0, its derivative, and E0 among phases."""
        relaxed, n_atoms = specimen.relaxed, len(specimen.atoms)
        volumes, energies = [], []
        for number, share in enumerate(np.linspace(1 - self.span, 1 + self.span, self.n_volumes), start=1):
            strained = relaxed.copy()
            strained.set_cell(relaxed.cell * share ** (1 / 3), scale_atoms=True)
            words = f"volume {number} of {self.n_volumes}"
            strained = specimen.relax(strained, CellFreedom.SHAPE, words=words)
            volumes.append(strained.cell.volume / n_atoms)
            energies.append(specimen.energy(strained) / n_atoms)
        x, y = np.array(volumes), np.array(energies)
        fit = _fitted(x, y)
        return Measured(
            quantities=(
                Quantity("volume_ang3_per_atom", "volume", "Å³/atom", fit.volume_ang3),
                Quantity("bulk_modulus_gpa", "bulk modulus", "GPa", fit.bulk_modulus_gpa, least=0.1),
                Quantity("bulk_modulus_derivative", "its derivative by pressure", "", fit.derivative),
                Quantity(
                    "energy_mev_per_atom", "energy", "meV/atom", 1000 * fit.energy_ev, least=1.0, is_of_phase=True
                ),
            ),
            panels=(
                Panel(
                    key="energy",
                    title="",
                    x_label="volume (Å³/atom)",
                    y_label="energy above minimum (meV/atom)",
                    lines=(
                        Line(x, 1000 * (y - fit.energy_ev), marks=True),
                        Line(fit.x, 1000 * (fit.y - fit.energy_ev)),
                    ),
                ),
            ),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    volume_ang3: float
    energy_ev: float
    bulk_modulus_gpa: float
    derivative: float
    x: FloatArray
    y: FloatArray


def _fitted(volumes: FloatArray, energies: FloatArray) -> _Fit:
    """The curve through some points, refused where it has no minimum among them."""
    from ase.eos import EquationOfState as Fit
    from ase.eos import birchmurnaghan

    fit = Fit(volumes, energies, eos="birchmurnaghan")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a covariance that nobody asks for
            volume, energy, modulus = fit.fit()
    except (RuntimeError, ValueError) as error:
        raise Unmeasurable(f"no equation of state fits energies against volumes ({error})") from error
    if not volumes.min() < volume < volumes.max() or modulus <= 0:
        raise Unmeasurable("the energies have no minimum within the volumes that were tried")
    x = np.linspace(volumes.min(), volumes.max(), 100)
    return _Fit(
        float(volume),
        float(energy),
        float(modulus) / GIGAPASCAL_EV_PER_ANG3,
        float(fit.eos_parameters[2]),
        x,
        np.asarray(birchmurnaghan(x, *fit.eos_parameters)),
    )
