"""What a trajectory starts from, where it is, and how that is kept."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from aims_pax.errors import ShapeError, StoreError
from aims_pax.frame import FloatArray, Frame

if TYPE_CHECKING:
    from aims_pax.protocols.bias import Bias
    from aims_pax.protocols.motion import Dynamics


class StatisticalEnsemble(StrEnum):
    """What a trajectory keeps constant."""

    NVT = "nvt"
    """Particles, volume and temperature."""
    NVE = "nve"
    """Particles, volume and energy."""
    NPT = "npt"
    """Particles, pressure and temperature."""
    RELAXATION = "relaxation"
    """Nothing: the atoms go downhill."""


@dataclass(frozen=True, slots=True)
class Held:
    """Atoms that forces don't move: they stay, or go on at a velocity of their own.

    Parameters
    ----------
    atoms : tuple of int
        Counted from 0.
    directions : tuple of three bool
        Along which of x, y and z; along the others they move as all do.
    velocity_ang_per_fs : tuple of three float, Å/fs
        Along those directions. What moves them does work: nothing is conserved then.
    """

    atoms: tuple[int, ...]
    directions: tuple[bool, bool, bool] = (True, True, True)
    velocity_ang_per_fs: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a program: how atoms move, and for how long. Temperature and pressure may rise or fall evenly.

    Parameters
    ----------
    dynamics : Dynamics
        The ensemble, with the settings of its thermostat and barostat.
    timestep_fs : float, fs
    temperature_k : float, K
        At its beginning: of the thermostat, and of momenta that are drawn.
    n_steps : int or None
        MD steps; None: it has no end, or ends by itself, as a relaxation does.
    final_temperature_k : float or None, K
        At its end; None: as at the beginning.
    pressure_ev_per_ang3, final_pressure_ev_per_ang3 : float, eV/Å³
        The same of the pressure that a barostat holds.
    held : tuple of Held
        Atoms that are not free; of one that stands in several, the last says how it moves.
    biases : tuple of Bias
        What is laid over the forces that drive it.

    Raises
    ------
    ShapeError
        Atoms are held in a cell that moves, which would move them.
    """

    dynamics: "Dynamics"
    timestep_fs: float
    temperature_k: float
    n_steps: int | None = None
    final_temperature_k: float | None = None
    pressure_ev_per_ang3: float = 0.0
    final_pressure_ev_per_ang3: float | None = None
    held: tuple[Held, ...] = ()
    biases: tuple["Bias", ...] = ()

    def __post_init__(self) -> None:
        if self.held and self.dynamics.wants_stress:
            raise ShapeError("atoms can't be held where the cell moves")

    def moves_as(self, other: "Segment") -> bool:
        """Whether nothing has to begin anew where the other one follows it."""
        return (self.dynamics, self.held) == (other.dynamics, other.held)

    @property
    def ramps(self) -> bool:
        """Whether temperature or pressure change on the way."""
        return (self.final_temperature_k, self.final_pressure_ev_per_ang3) != (None, None)

    def temperature_at(self, step: int) -> float:
        """Temperature (K) of a step, counted from the beginning of the segment."""
        return self._between(self.temperature_k, self.final_temperature_k, step)

    def pressure_at(self, step: int) -> float:
        """Pressure (eV/Å³) of a step, counted from the beginning of the segment."""
        return self._between(self.pressure_ev_per_ang3, self.final_pressure_ev_per_ang3, step)

    def _between(self, first: float, last: float | None, step: int) -> float:
        if last is None or self.n_steps is None:
            return first
        return first + (last - first) * min(step + 1, self.n_steps) / self.n_steps


@dataclass(frozen=True, slots=True)
class TrajectoryStart:
    """How one trajectory begins and goes on.

    Parameters
    ----------
    frame : Frame
        The structure at step 0.
    program : tuple of Segment
        What it does, one after another; after the last one, it begins again with the first, where it then stands.
    seed : int
        Not negative. Trajectories of one seed still have independent noise: the index of the trajectory within
        the sampler is part of its stream.
    stream : int or None
        Taken in the place of this index, for one that may come to stand at another in another sampler.
    """

    frame: Frame
    program: tuple[Segment, ...]
    seed: int
    stream: int | None = None

    @classmethod
    def steady(cls, frame: Frame, dynamics: "Dynamics", temperature_k: float, timestep_fs: float, seed: int) -> Self:
        """One that does the same all the time."""
        return cls(frame, (Segment(dynamics, timestep_fs, temperature_k),), seed)


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
    cell : (3, 3), Å, or None
        None: that of its start, in what earlier versions wrote.
    own : (n_own,) or None
        What its integrator keeps besides: thermostat and barostat; None: as at the beginning.
    segment, segment_step : int
        Which segment of its program it was in, and how many steps of it had been made.
    """

    md_step: int
    positions: FloatArray
    momenta: FloatArray
    cell: FloatArray | None = None
    own: FloatArray | None = None
    segment: int = 0
    segment_step: int = 0

    def to_bytes(self) -> bytes:
        arrays = {
            "md_step": np.array(self.md_step),
            "positions": self.positions,
            "momenta": self.momenta,
            "place": np.array([self.segment, self.segment_step]),
        }
        further = {"cell": self.cell, "own": self.own}
        return pack_arrays(arrays | {name: array for name, array in further.items() if array is not None})

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The checkpoint that :meth:`to_bytes` wrote; StoreError when it is damaged."""
        arrays = unpack_arrays(content, ("md_step", "positions", "momenta"), further=("cell", "own", "place"))
        segment, segment_step = arrays["place"].tolist() if "place" in arrays else (0, 0)
        return cls(
            int(arrays["md_step"]),
            arrays["positions"],
            arrays["momenta"],
            arrays.get("cell"),
            arrays.get("own"),
            segment,
            segment_step,
        )


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays by name as one portable block of bytes, without pickle."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(arrays))
    return buffer.getvalue()


def unpack_arrays(content: bytes, names: tuple[str, ...], *, further: tuple[str, ...] = ()) -> dict[str, NDArray[Any]]:
    """The named arrays of such a block, and further ones that it has; StoreError when it is damaged or lacks a name."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            there = [name for name in further if name in archive]
            return {name: archive[name] for name in (*names, *there)}
    except (BadZipFile, KeyError, ValueError, EOFError, OSError) as cause:
        raise StoreError(f"a saved sampling state of {len(content)} bytes can't be read: {cause}") from cause
