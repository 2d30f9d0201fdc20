"""What a trajectory starts from, where it is, and how that is kept."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from aims_pax.errors import StoreError
from aims_pax.frame import FloatArray, Frame


class StatisticalEnsemble(StrEnum):
    """What a trajectory keeps constant."""

    NVT = "nvt"
    """Particles, volume and temperature: Langevin dynamics."""
    NVE = "nve"
    """Particles, volume and energy: velocity Verlet."""


@dataclass(frozen=True, slots=True)
class TrajectoryStart:
    """How one trajectory begins and goes on.

    Parameters
    ----------
    frame : Frame
        The structure at step 0.
    ensemble : StatisticalEnsemble
    temperature_k : float, K
        Of the initial momenta and, in NVT, of the thermostat.
    timestep_fs : float, fs
    friction_per_fs : float, 1/fs
        Friction of the Langevin thermostat; without meaning in NVE.
    seed : int
        Not negative. Trajectories of one seed still have independent noise: the index of the trajectory within
        the sampler is part of its stream.
    """

    frame: Frame
    ensemble: StatisticalEnsemble
    temperature_k: float
    timestep_fs: float
    friction_per_fs: float
    seed: int


@dataclass(frozen=True, slots=True)
class Advanced:
    """What became of one trajectory that was asked to advance.

    Parameters
    ----------
    trajectory : int
    md_step : int
        Steps that it has made in all.
    problem : str or None
        Why it stopped early, with numbers; it stands at its last sound structure and needs to be rewound.
    lacks_forces : bool
        Whether it stopped because its driver failed, for a reason of its own that `problem` tells.
    """

    trajectory: int
    md_step: int
    problem: str | None = None
    lacks_forces: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class TrajectoryCheckpoint:
    """A point of phase space that a trajectory can go back to.

    Parameters
    ----------
    md_step : int
        Steps made when it was taken; for the record, since a rewound trajectory does not count backwards.
    positions : (n_atoms, 3), Å
    momenta : (n_atoms, 3), eV fs/Å
    """

    md_step: int
    positions: FloatArray
    momenta: FloatArray

    def to_bytes(self) -> bytes:
        return pack_arrays({"md_step": np.array(self.md_step), "positions": self.positions, "momenta": self.momenta})

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The checkpoint that :meth:`to_bytes` wrote; StoreError when it is damaged."""
        arrays = unpack_arrays(content, ("md_step", "positions", "momenta"))
        return cls(int(arrays["md_step"]), arrays["positions"], arrays["momenta"])


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays by name as one portable block of bytes, without pickle."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(arrays))
    return buffer.getvalue()


def unpack_arrays(content: bytes, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """The named arrays of such a block; StoreError when it is damaged or lacks one of them."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: archive[name] for name in names}
    except (BadZipFile, KeyError, ValueError, EOFError, OSError) as cause:
        raise StoreError(f"a saved sampling state of {len(content)} bytes can't be read: {cause}") from cause
