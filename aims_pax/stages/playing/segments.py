"""How the atoms of a phase move: its settings as a program of the sampler."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from aims_pax.frame import FloatArray, Frame
from aims_pax.protocols import Bias, Dynamics
from aims_pax.sampling.bias import Load
from aims_pax.sampling.dynamics import Fire, Shape
from aims_pax.sampling.program import GIGAPASCAL, dynamics_of
from aims_pax.settings import MDSettings
from aims_pax.settings.workflow.geometry import Axis
from aims_pax.settings.workflow.run import (
    LoadSettings,
    PressureRampSettings,
    RampSettings,
    RegionSettings,
    RunSettings,
)
from aims_pax.structures.building.failure import NotBuilt
from aims_pax.structures.building.phase import Built
from aims_pax.trajectory import Held, Segment

PASCAL_PER_GPA: Final = 1e9
FS_PER_PS: Final = 1000.0
NEVER_AT_REST: Final = -1.0
"""Largest force of a relaxation that does not end, eV/Å: none is below it, not even that of a perfect crystal."""

AXES: Final[Mapping[str, int]] = {"x": 0, "y": 1, "z": 2, "a": 0, "b": 1, "c": 2}


def program_of_phase(run: RunSettings, md: MDSettings, built: Built) -> tuple[Segment, ...]:
    """What a trajectory does in a phase that begins with a structure.

    A relaxation that has come to its end goes on downhill: that it is in its second segment says that it has.

    Parameters
    ----------
    md : MDSettings
        How atoms move where the phase says nothing.
    """
    frame = built.frame
    if run.lines is not None:  # LAMMPS takes temperature, pressure and time step alone
        own = md.model_copy(update=_said(run, frame) | {"stat_ensemble": "nve"})
        pressure = _pressures(run)[0] * GIGAPASCAL
        return (Segment(dynamics_of(own), own.timestep, own.temperature, pressure_ev_per_ang3=pressure),)
    own = md.model_copy(update=_said(run, frame))
    segment = Segment(
        _dynamics(run, own, frame),
        own.timestep,
        own.temperature,
        n_steps=run.most_steps,
        pressure_ev_per_ang3=_pressures(run)[0] * GIGAPASCAL,
        held=tuple(_held(run, built)),
        biases=tuple(_biases(run, built)),
    )
    if isinstance(segment.dynamics, Fire):
        endless = replace(segment.dynamics, max_force_ev_per_ang=NEVER_AT_REST)
        return segment, replace(segment, dynamics=endless, n_steps=None)
    if isinstance(run.temperature, RampSettings):
        segment = replace(segment, final_temperature_k=run.temperature.stop)
    if isinstance(run.pressure, PressureRampSettings):
        segment = replace(segment, final_pressure_ev_per_ang3=run.pressure.stop * GIGAPASCAL)
    return (segment,)


def _said(run: RunSettings, frame: Frame) -> dict[str, object]:
    """What a phase says in the place of MD."""
    axes = tuple(axis for axis, repeats in zip("abc", frame.pbc, strict=True) if repeats)
    said: dict[str, object] = {"pressure": _pressures(run)[0] * PASCAL_PER_GPA, "pressure_directions": axes or None}
    said |= run.couplings
    if run.type != "relax":
        said["stat_ensemble"] = run.type
    if run.timestep is not None:
        said["timestep"] = run.timestep
    if run.temperature is not None:
        said["temperature"] = run.temperature.start if isinstance(run.temperature, RampSettings) else run.temperature
    return said


def _pressures(run: RunSettings) -> tuple[float, float]:
    """At the beginning and the end, GPa."""
    if isinstance(run.pressure, PressureRampSettings):
        return run.pressure.start, run.pressure.stop
    return run.pressure or 0.0, run.pressure or 0.0


def _dynamics(run: RunSettings, md: MDSettings, frame: Frame) -> Dynamics:
    if run.type != "relax":
        return dynamics_of(md)
    a, b, c = frame.pbc.tolist()
    shape = Shape(isotropic=False, directions=(a, b, c)) if run.relax_cell else None
    return Fire(run.max_force, shape=shape)


def _held(run: RunSettings, built: Built) -> Iterator[Held]:
    """Groups that stay, and those that are led."""
    for group in run.hold:
        yield Held(atoms_of_region(group, built, "z"))
    for pull in run.pull:
        if pull.velocity is None:
            continue
        along = unit_vector(built.frame, pull.axis)
        x, y, z = (float(part) for part in along * pull.velocity / FS_PER_PS)
        led_x, led_y, led_z = (bool(part) for part in np.abs(along) > 1e-12)
        yield Held(atoms_of_region(pull, built, pull.axis), (led_x, led_y, led_z), (x, y, z))


def _biases(run: RunSettings, built: Built) -> Iterator[Bias]:
    for load in run.load:
        yield Load(atoms_of_region(load, built, load.axis), _load_force(load, built.frame))
    for pull in run.pull:
        if pull.force is not None:
            yield Load(atoms_of_region(pull, built, pull.axis), _along(built.frame, pull.axis, pull.force))


def _load_force(load: LoadSettings, frame: Frame) -> tuple[float, float, float]:
    """Force on the whole group, eV/Å: that of a wall is its pressure on the area that is normal to the axis."""
    if load.force is not None:
        return load.force
    assert load.pressure is not None, "a load has a force or a pressure"
    return _along(frame, load.axis, -load.pressure * GIGAPASCAL * area(frame, load.axis))


def _along(frame: Frame, axis: Axis, size: float) -> tuple[float, float, float]:
    x, y, z = (float(part) for part in unit_vector(frame, axis) * size)
    return x, y, z


def unit_vector(frame: Frame, axis: Axis) -> FloatArray:
    """Of an axis: x, y, z of space, or that of a lattice vector."""
    if axis in "xyz":
        unit: FloatArray = np.eye(3)[AXES[axis]]
        return unit
    vector: FloatArray = frame.cell[AXES[axis]]
    return vector / float(np.linalg.norm(vector))


def area(frame: Frame, axis: Axis) -> float:
    """Of the cell's face that the two other vectors span, as it is seen along an axis, Å²."""
    first, second = (frame.cell[k] for k in range(3) if k != AXES[axis])
    return float(abs(np.cross(first, second) @ unit_vector(frame, axis)))


def atoms_of_region(region: RegionSettings, built: Built, axis: Axis) -> tuple[int, ...]:
    """The atoms that belong to a group, ascending.

    Raises
    ------
    NotBuilt
        It holds none.
    """
    frame = built.frame
    named = region.atoms is not None or region.elements is not None or region.above or region.below
    chosen = np.full(frame.n_atoms, not named, dtype=np.bool_)
    if named:
        chosen[[atom for atom in region.of(frame) if atom < frame.n_atoms]] = True
    heights = frame.positions @ unit_vector(frame, axis)
    if region.top is not None:
        chosen &= heights >= heights.max() - region.top
    if region.bottom is not None:
        chosen &= heights <= heights.min() + region.bottom
    if region.molecule is not None:
        own = np.zeros(frame.n_atoms, dtype=np.bool_)
        own[list(built.parts.get(region.molecule, ()))] = True
        chosen &= own
    found = tuple(np.flatnonzero(chosen).tolist())
    if not found:
        raise NotBuilt("A group of the phase holds no atom of its structure.", "Correct its Top, Above or Molecule.")
    return found
