"""Layers that are pulled apart: energy against their distance."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from aims_pax.evaluation.properties.effort import Effort
from aims_pax.evaluation.properties.property import AsGiven, Line, Measured, Panel, Quantity, Unmeasurable, Usual
from aims_pax.evaluation.properties.shape import VACUUM_ANG, heights, layer_gaps
from aims_pax.evaluation.properties.specimen import Specimen
from aims_pax.frame import FloatArray

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, slots=True)
class BindingCurve(Usual, AsGiven):
    """Energy of rigid layers against the distance between them.

    Parameters
    ----------
    axis : int or None
        Lattice vector (0, 1, 2) across the layers; None: the one along which no bond crosses the widest gap.
    nearest, farthest_ang : float
        From this share of the distance that was given to that many Å beyond it, where energies are zero.
    n_distances : int
    """

    axis: int | None = None
    nearest: float = 0.85
    farthest_ang: float = 6.0
    n_distances: int = 25

    NAME: ClassVar = "binding"
    TITLE: ClassVar = "interlayer binding"

    def unfit(self, atoms: "Atoms") -> str | None:
        """What has no layers."""
        if self._across(atoms) is not None:
            return None
        if self.axis is not None:
            return f"no gap without bonds is found along lattice vector {self.axis}"
        return "it has no layers: bonds cross every plane of it, or there is vacuum between two layers"

    def effort(self, atoms: "Atoms") -> Effort:
        """Each distance."""
        return Effort(0, self.n_distances, len(atoms))

    def measure(self, specimen: Specimen) -> Measured:
        """Distance and depth of the minimum, of the layers as they were given."""
        across = self._across(specimen.atoms)
        assert across is not None, "an unfit structure is not measured"
        atoms, given_ang = specimen.atoms, across.distance_ang
        near = np.linspace(self.nearest * given_ang, 1.3 * given_ang, 2 * self.n_distances // 3)
        far = np.geomspace(1.3 * given_ang, given_ang + self.farthest_ang, self.n_distances - len(near) + 1)[1:]
        distances: FloatArray = np.concatenate([near, far])
        energies = []
        for number, distance in enumerate(distances, start=1):
            specimen.show(f"distance {number} of {len(distances)}")
            energies.append(specimen.energy(_pulled(atoms, across, float(distance) - given_ang)))
        area = float(atoms.cell.volume) / heights(atoms)[across.axis]
        per_area = 1000 * (np.array(energies) - energies[-1]) / (area * across.n_gaps)
        best, depth, x, y = _minimum(distances, per_area)
        per_atom = -depth * area * across.n_gaps / len(atoms)
        return Measured(
            (
                Quantity("distance_ang", "distance of layers", "Å", best),
                Quantity("binding_mev_per_ang2", "binding energy", "meV/Å²", -depth, least=0.1),
                Quantity("binding_mev_per_atom", "binding energy", "meV/atom", per_atom, least=0.5),
            ),
            panels=(
                Panel(
                    "binding",
                    "",
                    "distance between layers (Å)",
                    "energy against parted layers (meV/Å²)",
                    (Line(distances, per_area, marks=True), Line(x, y)),
                ),
            ),
        )

    def _across(self, atoms: "Atoms") -> "_Across | None":
        wanted = range(3) if self.axis is None else (self.axis,)
        found = [one for axis in wanted if atoms.pbc[axis] and (one := _across_of(atoms, axis)) is not None]
        return max(found, key=lambda one: one.distance_ang, default=None)


@dataclass(frozen=True, slots=True, eq=False)
class _Across:
    """The gaps along a lattice vector: each ends where the fractional coordinate of an atom is above a place."""

    axis: int
    places: FloatArray
    ends_cell: bool
    distance_ang: float

    @property
    def n_gaps(self) -> int:
        return len(self.places) + self.ends_cell


def _across_of(atoms: "Atoms", axis: int) -> _Across | None:
    places, is_free = layer_gaps(atoms, axis)
    widths = np.append(np.diff(places), 1.0 + places[0] - places[-1])
    lengths = widths * heights(atoms)[axis]
    is_gap = is_free & (lengths < VACUUM_ANG)
    if not is_gap.any():
        return None
    middles = (places + widths / 2)[is_gap]
    ends_cell = bool(is_gap[-1])
    return _Across(axis, middles[:-1] if ends_cell else middles, ends_cell, float(lengths[is_gap].mean()))


def _pulled(atoms: "Atoms", across: _Across, further_ang: float) -> "Atoms":
    """The layers as they are, each farther from the one below it."""
    axis, cell = across.axis, atoms.cell.array.copy()
    normal = np.cross(cell[(axis + 1) % 3], cell[(axis + 2) % 3])
    normal /= np.linalg.norm(normal)
    normal *= np.sign(normal @ cell[axis])
    scaled = atoms.get_scaled_positions(wrap=True)
    n_below = (scaled[:, axis, None] > across.places).sum(axis=1)
    pulled = atoms.copy()
    pulled.positions = scaled @ cell + further_ang * n_below[:, None] * normal
    cell[axis] += further_ang * across.n_gaps * normal
    pulled.set_cell(cell, scale_atoms=False)
    return pulled


def _minimum(x: FloatArray, y: FloatArray) -> tuple[float, float, FloatArray, FloatArray]:
    """Place and depth of the minimum of a spline through points, and the spline."""
    from scipy.interpolate import CubicSpline

    lowest = int(np.argmin(y))
    if lowest == 0:
        raise Unmeasurable(f"the layers bind at {x[0]:.2f} Å or nearer, the nearest distance that was looked at")
    if lowest == len(y) - 1:
        raise Unmeasurable("the layers do not bind: the energy has no minimum between the nearest and the farthest")
    fine = np.linspace(x[0], x[-1], 2000)
    curve = np.asarray(CubicSpline(x, y)(fine), dtype=np.float64)
    inside = (fine > x[lowest - 1]) & (fine < x[lowest + 1])
    best = int(np.flatnonzero(inside)[np.argmin(curve[inside])])
    return float(fine[best]), float(curve[best]), fine, curve
