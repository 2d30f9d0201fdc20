"""Molecular dynamics of a specimen: the same starts and noise for every method, so that kept labels are found again."""

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from aims_pax.atoms import frame_of
from aims_pax.evaluation.properties.property import Unmeasurable
from aims_pax.evaluation.properties.specimen import CellFreedom, Specimen, require_finite, require_sound
from aims_pax.evaluation.thermostat import LOOK_FS, hottest_k, settling_ps
from aims_pax.frame import Frame

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, slots=True)
class Motion:
    """Langevin dynamics at constant volume.

    Parameters
    ----------
    temperature_k : float
    time_ps, timestep_fs : float
    friction_per_fs : float
    seed : int
        Of velocities and noise.
    spacing_fs : float
        Between two structures that are kept.
    """

    temperature_k: float
    time_ps: float
    timestep_fs: float
    friction_per_fs: float
    seed: int
    spacing_fs: float

    @property
    def n_steps(self) -> int:
        """Each is a calculation; the start is one more."""
        return max(1, round(1000 * self.time_ps / self.timestep_fs))

    @property
    def settling_ps(self) -> float:
        """At the beginning, which remembers the start: a tenth, or three times the time of the thermostat."""
        return settling_ps(1 / self.friction_per_fs, self.time_ps)

    @property
    def every(self) -> int:
        """Steps between two structures that are kept."""
        return max(1, round(self.spacing_fs / self.timestep_fs))

    @property
    def n_unsettled(self) -> int:
        """Steps after which structures are kept."""
        return ceil(1000 * self.settling_ps / self.timestep_fs - 1e-9)

    @property
    def n_kept(self) -> int:
        """Structures that are kept."""
        return max(0, (self.n_steps - self.n_unsettled) // self.every)


def moved(specimen: Specimen, atoms: "Atoms", motion: Motion) -> list[Frame]:
    """Structures of an MD run by the method of a specimen, without its beginning.

    All methods get the same velocities and the same noise, and a method that is asked again the very same structures.

    Raises
    ------
    Unmeasurable
        It does not hold: atoms fall onto each other, heat up, or have forces that are none.

    Notes
    -----
    Integrator of :mod:`ase.md.langevin`: Vanden-Eijnden & Ciccotti, Chem. Phys. Lett. 429, 310 (2006), Eq. 23.
    """
    from ase import units
    from ase.md.langevin import Langevin

    rng, found = np.random.default_rng(motion.seed), list[Frame]()
    look_every = max(1, round(LOOK_FS / motion.timestep_fs))
    with specimen.computing(atoms) as moving:
        widths = np.sqrt(moving.get_masses() * units.kB * motion.temperature_k)
        moving.set_momenta(rng.standard_normal((len(moving), 3)) * widths[:, None])
        thermostat = Langevin(
            moving,
            motion.timestep_fs * units.fs,
            temperature_K=motion.temperature_k,
            friction=motion.friction_per_fs / units.fs,
            fixcm=False,
            rng=rng,
        )
        for step, _ in enumerate(thermostat.irun(motion.n_steps)):
            specimen.show(f"MD, step {step} of {motion.n_steps}")
            require_finite(moving, CellFreedom.FIXED)
            if step % look_every == 0:
                require_sound(moving, 0.0, words="moved")
            n_settled = step - motion.n_unsettled
            if n_settled > 0 and n_settled % motion.every == 0:
                _require_cool(moving, motion, time_ps=step * motion.timestep_fs / 1000)
                found.append(frame_of(moving, system=specimen.name))
    return found


def _require_cool(atoms: "Atoms", motion: Motion, *, time_ps: float) -> None:
    """Raise where no fluctuation of so few atoms makes them so hot."""
    temperature_k = float(atoms.get_temperature())
    if temperature_k > hottest_k(motion.temperature_k, len(atoms)):
        raise Unmeasurable(
            f"its MD heated up to {temperature_k:.0f} K within {time_ps:.2f} ps, where it should be at "
            f"{motion.temperature_k:g} K"
        )
