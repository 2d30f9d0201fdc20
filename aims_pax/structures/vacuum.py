"""Empty space along directions in which a structure does not go on."""

from dataclasses import replace
from typing import Final

import numpy as np

from aims_pax.frame import FloatArray, Frame

SMALLEST_GAP_ANG: Final = 5.0
"""A gap of less may be a bond's length, a molecular crystal's or a layered one's."""


def with_vacuum(frame: Frame, vacuum_ang: float) -> Frame:
    """The same structure in the middle of at least so much vacuum, along each direction that is not periodic.

    Parameters
    ----------
    frame : Frame
        Lattice vectors of directions that are not periodic may be zero; they become normal to all others.
    vacuum_ang : float, Å
        0: the structure stays as it is. The space along a lattice vector is what the atoms leave of its height, the
        part of it that is normal to the other two vectors.
    """
    if frame.pbc.all() or not vacuum_ang:
        return frame
    cell, positions = _complete(frame.cell), frame.positions.copy()
    for axis in np.flatnonzero(~frame.pbc):
        height, places = _heights(cell)[axis], positions @ np.linalg.inv(cell)[:, axis]
        extent = float(np.ptp(places)) * height
        wanted = max(height, extent + vacuum_ang) if frame.cell[axis].any() else extent + vacuum_ang
        middle = (places.max() + places.min()) / 2
        cell = cell.copy()
        cell[axis] *= wanted / height
        positions += cell[axis] / 2 - middle * (height / wanted) * cell[axis]
    return replace(frame, cell=cell, positions=positions)


def with_opened_gaps(frame: Frame, *, r_max_ang: float, vacuum_ang: float) -> Frame:
    """A structure from MD whose wide gaps are vacuum: a layer that came off, a crystal that became a cluster.

    Parameters
    ----------
    frame : Frame
    r_max_ang : float, Å
        Cutoff of the models: what a gap wider than this has on its two sides does not feel each other.
    vacuum_ang : float, Å
        What the gap becomes.

    Returns
    -------
    Frame
        Along each periodic direction whose widest gap between atoms is above the larger of `r_max_ang` and 5 Å, the
        atoms are brought together on one side of the gap, in the middle of the vacuum, and the direction is no longer
        periodic. The frame itself where there is no such gap.

    Notes
    -----
    The widest gap between neighbours in the order along the lattice vector, across the border of the cell included: a
    slab that lies across the border has a gap in the cell's middle.
    """
    cell, positions, pbc = frame.cell.copy(), frame.positions.copy(), frame.pbc.copy()
    least = max(r_max_ang, SMALLEST_GAP_ANG)
    for axis in np.flatnonzero(frame.pbc):
        whole = _complete(cell)
        height = _heights(whole)[axis]
        places = positions @ np.linalg.inv(whole)[:, axis]
        wrapped = places % 1.0
        wrapped[wrapped >= 1.0] = 0.0  # of -1e-17
        order = np.sort(wrapped)
        gaps = np.diff(order, append=order[0] + 1.0)
        widest = int(gaps.argmax())
        gap = float(gaps[widest]) * height
        if gap <= least:
            continue
        first = order[(widest + 1) % len(order)]  # behind the gap
        together = (wrapped - first) % 1.0
        extent = height - gap
        vector = whole[axis] / height  # of a unit of height
        positions += ((together * height + vacuum_ang / 2) - places * height)[:, None] * vector
        cell[axis], pbc[axis] = vector * (extent + vacuum_ang), False
    return frame if (pbc == frame.pbc).all() else replace(frame, cell=cell, positions=positions, pbc=pbc)


def _complete(cell: FloatArray) -> FloatArray:
    from ase.geometry import complete_cell

    whole: FloatArray = np.array(complete_cell(cell), dtype=np.float64)
    return whole


def _heights(cell: FloatArray) -> FloatArray:
    """What of each lattice vector is normal to the other two, Å."""
    heights: FloatArray = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    return heights
