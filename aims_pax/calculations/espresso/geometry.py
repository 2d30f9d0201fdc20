"""Cells and positions as pw.x prints them, each in the units that its heading names."""

import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from aims_pax.calculations.lines import Lines
from aims_pax.calculations.numerals import even_reals, number_after, reals, stacked
from aims_pax.frame import BoolArray, FloatArray
from aims_pax.units import BOHR_ANG

_AXIS: Final = re.compile(r"\s*a\(\d\)\s*=\s*\((.*)\)\s*")
_SITE: Final = re.compile(r"\s*(?:\d+|\*+)\s+(\S+)\s+(?:\S+\s+)?tau\(\s*(?:\d+|\*+)\)\s*=\s*\((.*)\)\s*")
_ATOM: Final = re.compile(r"\s*([A-Za-z]\S*)\s+(.*)")


@dataclass(slots=True)
class Geometry:
    """The geometry that is computed next.

    Parameters
    ----------
    alat_ang : float or None
        The lattice constant that other lengths are told in, Å.
    is_new : bool
        Whether positions were printed since the step before.
    cell_varies : bool
        Whether each geometry must come with a cell of its own.
    """

    alat_ang: float | None = None
    cell: FloatArray | None = None
    labels: list[str] = field(default_factory=list)
    positions: FloatArray | None = None
    fixed: BoolArray | None = None
    is_new: bool = False
    cell_varies: bool = False
    _cell_is_new: bool = False
    _is_of_card: bool = False

    @property
    def cell_is_known(self) -> bool:
        """Whether the cell holds for what comes next: it is constant, or was printed after the step before."""
        return self._cell_is_new or not self.cell_varies

    def use(self) -> None:
        """The geometry is that of the step which begins."""
        self.is_new = self._cell_is_new = self._is_of_card = False

    def read_alat(self, line: str) -> None:
        """`celldm(1)=   8.680892  celldm(2)= ...` or `(alat=  8.68089159)`, bohr."""
        alat = number_after(line, "=")
        self.alat_ang = alat * BOHR_ANG if alat is not None and alat > 0.0 else None

    def read_axes(self, lines: Lines) -> FloatArray | None:
        """The table `crystal axes`, in units of alat, which is what is given back."""
        rows: list[list[float] | None] = []
        while len(rows) < 3 and (found := _AXIS.fullmatch(lines.peek() or "")) is not None:
            next(lines)
            rows.append(reals(found.group(1), 3))
        axes = stacked(rows, 3)
        if not self._is_of_card:
            self.cell = None if axes is None or self.alat_ang is None else axes * self.alat_ang
            self._cell_is_new = self.cell is not None
        return axes

    def read_sites(self, line: str, lines: Lines, *, n_atoms: int | None) -> None:
        """The table `site n.`; a card that was printed just before has more digits, and stays."""
        rows: list[list[float] | None] = []
        labels = []
        while (found := _SITE.fullmatch(lines.peek() or "")) is not None and len(rows) != n_atoms:
            next(lines)
            labels.append(found.group(1))
            rows.append(even_reals(found.group(2), 3))
        if ("alat" not in line and "a_0" not in line) or self._is_of_card:
            return
        found_rows = stacked(rows, n_atoms)
        self.labels, self.fixed = labels, None
        self.positions = None if found_rows is None or self.alat_ang is None else found_rows * self.alat_ang
        self.is_new = True

    def read_cell_card(self, line: str, lines: Lines) -> None:
        """`CELL_PARAMETERS (alat= 8.68089159)`, `(angstrom)`, `(bohr)` and three rows."""
        rows = stacked([reals(one, 3) for one in lines.take(3)], 3)
        if "=" in line:
            self.read_alat(line)
        unit = self._unit(line)
        self.cell = None if rows is None or unit is None else rows * unit
        self.positions = None
        self.cell_varies = True
        self._cell_is_new = self.cell is not None

    def read_position_card(self, line: str, lines: Lines, *, n_atoms: int | None) -> None:
        """`ATOMIC_POSITIONS (crystal)` and a row for each atom, with zeros behind it where it is held fixed."""
        rows: list[list[float] | None] = []
        labels: list[str] = []
        masks = []
        while len(rows) != n_atoms and (found := _ATOM.fullmatch(lines.peek() or "")) is not None:
            values = reals(found.group(2), 6) or reals(found.group(2), 3)
            if values is None and found.group(2).strip()[:1] not in set("-.0123456789*N"):
                break
            next(lines)
            labels.append(found.group(1))
            rows.append(None if values is None else values[:3])
            masks.append([False] * 3 if values is None or len(values) < 6 else [one == 0.0 for one in values[3:]])
        if not self.cell_is_known:
            self.cell = None
        self.labels, self.fixed = labels, np.array(masks, dtype=bool) if any(map(any, masks)) else None
        self.positions = self._cartesian(line, stacked(rows, n_atoms))
        self.is_new = self._is_of_card = True

    def _cartesian(self, line: str, rows: FloatArray | None) -> FloatArray | None:
        if rows is None:
            return None
        if "crystal" in line.lower():
            return None if self.cell is None else rows @ self.cell
        unit = self._unit(line)
        return None if unit is None else rows * unit

    def _unit(self, line: str) -> float | None:
        heading = line.lower()
        if "angstrom" in heading:
            return 1.0
        if "bohr" in heading:
            return BOHR_ANG
        return self.alat_ang if "alat" in heading or "(" not in heading else None
