"""Geometry and settings of a run of DFTB+, which stand in files beside its outputs."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from aims_pax.calculations.dftb.hsd import Node, hsd_of
from aims_pax.calculations.elements import number_of
from aims_pax.calculations.method import Aspect, Method
from aims_pax.calculations.numerals import number, table, whole
from aims_pax.frame import FloatArray, IntArray
from aims_pax.units import BOHR_ANG, BOLTZMANN_EV_PER_K, HARTREE_EV

PROGRAM: Final = "DFTB+"
INPUTS: Final = ("dftb_pin.hsd", "dftb_in.hsd")
"""The first is what DFTB+ wrote of the second, with all defaults."""
LAST_GEOMETRY: Final = "geo_end.gen"
_GEN: Final = re.compile(r"^\s*Geometry\s*=?\s*(?:\{\s*)?GenFormat\s*=?\s*\{", re.IGNORECASE | re.MULTILINE)
_INCLUDED: Final = re.compile(r"(?:\s*#[^\n]*\n)*\s*<<<\s*[\"']?([^\"'\s}]+)[\"']?")
_EV: Final = MappingProxyType({"": HARTREE_EV, "hartree": HARTREE_EV, "ha": HARTREE_EV, "au": HARTREE_EV, "ev": 1.0,
                               "electronvolt": 1.0, "kelvin": BOLTZMANN_EV_PER_K, "k": BOLTZMANN_EV_PER_K,
                               "rydberg": HARTREE_EV / 2, "ry": HARTREE_EV / 2})  # fmt: skip
_ANG: Final = MappingProxyType({"": BOHR_ANG, "au": BOHR_ANG, "bohr": BOHR_ANG, "angstrom": 1.0, "aa": 1.0})


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """Atoms as an input has them.

    Parameters
    ----------
    numbers : (n_atoms,) int
    positions : (n_atoms, 3), Å
    cell : (3, 3), Å
        Zeros for a molecule.
    pbc : three truth values
    """

    numbers: IntArray
    positions: FloatArray
    cell: FloatArray
    pbc: tuple[bool, bool, bool]


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """What the files beside an output tell.

    Parameters
    ----------
    method : Method
    geometry : Geometry or None
    charge : int or None
    moves_atoms, moves_cell : bool
        Whether the run may have gone elsewhere.
    remarks : tuple of str
    """

    method: Method
    geometry: Geometry | None = None
    charge: int | None = None
    moves_atoms: bool = True
    moves_cell: bool = True
    remarks: tuple[str, ...] = ()


def companions(path: Path) -> tuple[Path, ...]:
    """Files beside an output that its geometry and settings are read from."""
    return tuple(one for name in (*INPUTS, LAST_GEOMETRY, "results.tag") if (one := path.parent / name).is_file())


def setup_of(path: Path) -> Setup:
    """What is told of the run whose output this is."""
    for name in INPUTS:
        text = _text(path.parent / name)
        if text is not None:
            tree = hsd_of(text)
            geometry = _geometry(text, path.parent)
            lost = () if geometry is not None else (_lost(text, path.parent, name),)
            driver = tree.at("Driver")
            return Setup(
                method=_method(tree, geometry),
                geometry=geometry,
                charge=whole(tree.at("Hamiltonian", "Charge").value or "0"),
                moves_atoms=driver.value.lower() not in ("", "none"),
                moves_cell=driver.at("LatticeOpt").is_yes or driver.at("Barostat").value.lower() not in ("", "none"),
                remarks=(f"Geometry and settings are those of {name}.", *lost),
            )
    names = " or ".join(INPUTS)
    return Setup(
        Method(PROGRAM, aspects=MappingProxyType({Aspect.PROGRAM: PROGRAM})),
        remarks=(f"The geometry can't be known: DFTB+ writes it into its input alone, and no {names} lies beside it.",),
    )


def last_geometry(path: Path) -> Geometry | None:
    """The one that a relaxation or MD wrote last."""
    text = _text(path.parent / LAST_GEOMETRY)
    return None if text is None else _of_gen(text)


def moved(geometry: Geometry, atoms: IntArray, positions: FloatArray) -> Geometry:
    """The same with some atoms elsewhere, Å."""
    elsewhere = geometry.positions.copy()
    elsewhere[atoms] = positions
    return replace(geometry, positions=elsewhere)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _geometry(text: str, folder: Path) -> Geometry | None:
    """The section Geometry: a GEN file, or explicit coordinates; what it includes lies in the same folder."""
    start = _GEN.search(text)
    if start is None:
        return _explicit(hsd_of(text).at("Geometry"))
    included = _INCLUDED.match(text[start.end() :])
    inner = text[start.end() :] if included is None else _text(folder / included[1])
    return None if inner is None else _of_gen(inner)


def _lost(text: str, folder: Path, name: str) -> str:
    """Why there is no geometry."""
    start = _GEN.search(text)
    included = None if start is None else _INCLUDED.match(text[start.end() :])
    if included is not None and not (folder / included[1]).is_file():
        return f"The geometry of {name} is in {included[1]}, which does not lie beside it."
    return f"The geometry of {name} is in no format that is read."


def _of_gen(text: str) -> Geometry | None:
    from ase.io.gen import read_gen

    lines = [line.partition("#")[0] for line in text.split("}")[0].splitlines()]
    whole_lines = [line for line in lines if line.strip()]
    if not whole_lines or whole_lines[0].split()[-1:] not in (["C"], ["S"], ["F"]):
        return None
    try:
        return _of_atoms(read_gen(io.StringIO("\n".join(whole_lines) + "\n")))
    except (ValueError, IndexError, KeyError, TypeError):
        return None


def _explicit(node: Node) -> Geometry | None:
    """Coordinates with the numbers of their types before them; without a unit they are in Bohr."""
    types = [number_of(name) or 0 for name in " ".join(node.at("TypeNames").rows).split()]
    coordinates = node.at("TypesAndCoordinates")
    rows = table(coordinates.rows, (len(coordinates.rows), 4), (8,))
    unit = _ANG.get(coordinates.unit.lower())
    vectors = node.at("LatticeVectors")
    cell = table(vectors.rows, (3, 3), (8,))
    cell_unit = _ANG.get(vectors.unit.lower())
    is_periodic = node.at("Periodic").is_yes
    if rows is None or unit is None or not set(rows[:, 0]) <= set(range(1, len(types) + 1)) or 0 in types:
        return None
    if is_periodic and (cell is None or cell_unit is None):
        return None
    numbers = np.array(types, dtype=np.int64)[rows[:, 0].astype(np.int64) - 1]
    box = cell_unit * cell if is_periodic and cell is not None and cell_unit is not None else np.zeros((3, 3))
    return Geometry(numbers, unit * rows[:, 1:], box, (is_periodic,) * 3)


def _of_atoms(atoms: Any) -> Geometry | None:
    numbers = np.asarray(atoms.numbers, dtype=np.int64)
    positions = np.asarray(atoms.positions, dtype=np.float64)
    cell = np.asarray(atoms.cell.array, dtype=np.float64)
    is_finite = bool(np.isfinite(positions).all() and np.isfinite(cell).all()) and len(numbers) > 0
    periodic = bool(atoms.pbc.any())
    return Geometry(numbers, positions, cell if periodic else np.zeros((3, 3)), (periodic,) * 3) if is_finite else None


def _method(tree: Node, geometry: Geometry | None) -> Method:
    hamiltonian = tree.at("Hamiltonian")
    told = {
        Aspect.PROGRAM: PROGRAM,
        Aspect.FUNCTIONAL: _hamiltonian(hamiltonian),
        Aspect.DISPERSION: hamiltonian.at("Dispersion").value or "none",
        Aspect.POTENTIALS: "; ".join(_parameters(hamiltonian.at("SlaterKosterFiles"), geometry)),
        Aspect.SMEARING: _smearing(hamiltonian.at("Filling")),
        Aspect.SPIN: "not polarised" if not hamiltonian.at("SpinPolarisation").value else "polarised",
        Aspect.RELATIVITY: "spin-orbit coupling" if hamiltonian.at("SpinOrbit").children else "",
        Aspect.HUBBARD: "DFTB+U" if hamiltonian.at("OrbitalPotential").children else "none",
        Aspect.SOLVATION: hamiltonian.at("Solvation").value or "none",
        Aspect.ACCURACY: ", ".join(_corrections(hamiltonian)),
    }
    aspects = MappingProxyType({aspect: text for aspect, text in told.items() if text})
    return Method(PROGRAM, aspects=aspects, mesh=_mesh(hamiltonian.at("KPointsAndWeights")))


def _hamiltonian(node: Node) -> str:
    if node.value.lower() == "xtb":
        return node.at("Method").value
    third = any(node.at(name).is_yes for name in ("ThirdOrder", "ThirdOrderFull"))
    order = "DFTB3" if third else "DFTB2" if node.at("SCC").is_yes else "DFTB1, not self-consistent"
    screened = node.at("RangeSeparated").value or node.at("Hybrid").value
    return f"{order}, {screened}" if screened.lower() not in ("", "none") else order


def _parameters(node: Node, geometry: Geometry | None) -> Iterator[str]:
    """Sets of Slater-Koster files, which are the folders that people keep them in."""
    from ase.data import chemical_symbols

    elements = [] if geometry is None else sorted({chemical_symbols[number] for number in geometry.numbers})
    for element in elements:
        file = node.at(f"{element}-{element}").value
        folder = str(PurePosixPath(file).parent) if file else node.at("Prefix").value.rstrip("/")
        if folder:
            yield f"{element} {PurePosixPath(folder).name}"


def _smearing(node: Node) -> str:
    width = number(node.at("Temperature").value or "0")
    unit = _EV.get(node.at("Temperature").unit.lower())
    return f"{node.value or 'Fermi'} {width * unit:.4g} eV" if width is not None and unit is not None else ""


def _corrections(node: Node) -> Iterator[str]:
    if (damping := node.at("HCorrection")).value.lower() not in ("", "none"):
        yield f"HCorrection {damping.value} {damping.at('Exponent').value}".strip()
    if (halogens := node.at("HalogenXCorr")).is_yes:
        yield f"HalogenXCorr {halogens.value}"


def _mesh(node: Node) -> tuple[int, int, int] | None:
    rows = [[number(word) for word in row.split()] for row in node.rows[:3]]
    if node.value.lower() != "supercellfolding" or len(rows) != 3 or any(len(row) != 3 for row in rows):
        return None
    matrix = np.array([[value if value is not None else np.nan for value in row] for row in rows])
    if not np.isfinite(matrix).all() or np.count_nonzero(matrix - np.diag(np.diag(matrix))):
        return None
    a, b, c = (round(float(value)) for value in np.diag(matrix))
    return a, b, c
