"""Structure files as ASE reads them, without what it would lose in silence."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aims_pax.errors import Problem
from aims_pax.settings.reading.relaxation import aims_relaxation, hold_cartesian, hold_scaled, vasp_flags
from aims_pax.settings.reading.unreadable import Unreadable
from aims_pax.spoken import Spoken, spoken_of
from aims_pax.xyz import blocks

if TYPE_CHECKING:
    from ase import Atoms

_MARKS: Final = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""How text files of some editors begin, and the encoding that this stands for."""

_AIMS_ATOMS: Final = ("atom", "atom_frac", "lattice_vector")
_AIMS_KEYWORDS: Final = (
    *_AIMS_ATOMS,
    *("initial_moment", "initial_charge", "constrain_relaxation", "velocity", "empty", "pseudocore", "multipole"),
    *("homogeneous_field", "isotope", "trust_radius", "hessian_file", "hessian_block", "hessian_block_lv"),
    *("hessian_block_lv_atom", "symmetry_n_params", "symmetry_params", "symmetry_lv", "symmetry_frac"),
)

_FIXED_VECTORS: Final = "fixed lattice vectors"
"""Where ASE's atoms keep which lattice vectors their file holds."""

_FULL: Final = 0.999
"""Occupancy from which a site counts as full; files round."""

_PART: Final = r"([A-Z][a-z]?)(\d{1,6}(?:\.\d{1,6})?)?"
_FORMULA: Final = re.compile(rf"(?:{_PART}\s*)+")
_SAME_PROPORTION: Final = 0.005


def images(file: Path) -> list["Atoms"]:
    """All structures of a file.

    Raises
    ------
    Unreadable
        The file is empty, or ASE would read another structure than the one that was meant.
    Exception
        Whatever ASE's readers raise.
    """
    from ase.io import read
    from ase.io.formats import open_with_compression

    with _plain(file) as path:
        with open_with_compression(str(path), "rb") as stream:
            content = stream.read()
        if not content.strip():
            raise Unreadable("No structure can be read here: the file is empty.", "", "Put a structure into it.")
        text = content.decode("utf-8", errors="replace")
        kind = _kind(path, text)
        _require_meaning(kind, text)
        if kind == "extxyz":
            # A letter that is not in UTF-8 stands in a remark: a place where atoms are would not be read at all.
            return [read(StringIO(block), index=0, format="extxyz") for block in blocks(StringIO(text, newline=None))]
        if kind == "aims":
            return [_of_aims(text)]
        flags = vasp_flags(text) if kind == "vasp" else None
        # water@300K.cif is a name
        found = read(path, index=":", format=kind or None, do_not_split_by_at_sign=True)
    if not isinstance(found, list):
        return []
    if flags is not None and len(found) == 1:
        hold_scaled(found[0], flags)
    return _with_declarations(found, kind, text)


def declared(atoms: "Atoms") -> Spoken:
    """Charge and spin that the file of these atoms speaks of."""
    return spoken_of({**(getattr(atoms.calc, "parameters", None) or {}), **atoms.info})


def fixed_vectors(atoms: "Atoms") -> str:
    """Lattice vectors, of a, b and c, that the file of these atoms holds in a relaxation: ``ab``."""
    return str(atoms.info.get(_FIXED_VECTORS, ""))


def _of_aims(text: str) -> "Atoms":
    """The structure of geometry.in, with what is held there."""
    from ase.io.aims import read_aims

    said = aims_relaxation(text)
    atoms: Atoms = read_aims(StringIO(said.rest))
    if said.fixed.any():
        hold_cartesian(atoms, said.fixed)
    if said.vectors:
        atoms.info[_FIXED_VECTORS] = said.vectors
    return atoms


def written_formula(file: Path) -> tuple[str, float]:
    """The formula of a CIF, and its formula units in a cell; empty and 0 where it says none, or has several blocks."""
    from ase.io.cif import parse_cif

    with _plain(file) as path:
        found = list(parse_cif(StringIO(path.read_bytes().decode("utf-8", errors="replace"))))
    if len(found) != 1:
        return "", 0.0
    said, units = found[0].get("_chemical_formula_sum"), found[0].get("_cell_formula_units_z")
    return said if isinstance(said, str) else "", _number(units) or 0.0


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError):
        return None


@contextmanager
def _plain(file: Path) -> Iterator[Path]:
    """The same file, or one of its name in plain UTF-8 where it begins with a byte-order mark."""
    from ase.io.formats import open_with_compression

    with open_with_compression(str(file), "rb") as stream:
        start = stream.read(3)
        encoding = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
        content = b"" if encoding is None else start + stream.read()
    if encoding is None:
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        name = file.stem if file.suffix in (".gz", ".bz2", ".xz") else file.name
        (Path(folder) / name).write_text(content.decode(encoding, errors="replace"), encoding="utf-8")
        yield Path(folder) / name


def _kind(path: Path, text: str) -> str:
    """ASE's name of the file's format; empty when ASE has to find out, or to say that it can't."""
    from ase.io.formats import UnknownFileTypeError, filetype, ioformats

    try:
        kind = str(filetype(str(path)))
    except UnknownFileTypeError:
        kind = ""
    if kind in ioformats:
        return kind
    first = next((words[0] for line in text.splitlines() if (words := line.partition("#")[0].split())), "")
    return "aims" if first in _AIMS_ATOMS else ""  # such as geometry.in.next_step


def _require_meaning(kind: str, text: str) -> None:
    """Refuse what ASE's readers skip, fill or guess."""
    if kind == "aims":
        _require_aims_keywords(text)
    elif kind in ("cif", "mmcif"):
        _require_full_sites(text)
    elif kind == "proteindatabank":
        _require_full_atoms(text)
    elif kind == "lammps-data" and not re.search(r"^\s*Masses\b", text, re.MULTILINE):
        raise Unreadable("The file has no section Masses, which would tell the elements of its types of atoms.", *_AS)
    elif kind == "lammps-dump-text" and not re.search(r"^ITEM: ATOMS\b.*\belement\b", text, re.MULTILINE):
        raise Unreadable("The file has no column element, and its types of atoms are not elements.", *_AS)


_AS: Final = ("a file that names elements", "Convert it to extended XYZ with symbols of elements.")


def _require_aims_keywords(text: str) -> None:
    """geometry.in: a misspelt keyword would be skipped, and its atom or vector with it."""
    fraction, is_periodic = None, False
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        is_periodic |= words[0] == "lattice_vector"
        fraction = number if fraction is None and words[0] == "atom_frac" else fraction
        meant = get_close_matches(words[0].lower(), _AIMS_ATOMS, n=1, cutoff=0.6)
        if words[0] not in _AIMS_KEYWORDS and meant:
            found = f"{words[0]} is no keyword of geometry.in."
            raise Unreadable(found, ", ".join(_AIMS_ATOMS), f"Did you mean {meant[0]}?", line=number)
        if words[0].startswith("symmetry_"):
            found = f"{words[0]} is about a relaxation that keeps a symmetry, which MD would not keep."
            advice = "Remove these lines. Atoms can be held: constrain_relaxation."
            raise Unreadable(found, "", advice, line=number)
        if words[0] in ("atom", "atom_frac") and len(words) > 4 and not _is_symbol(words[4]):
            found = f"{words[4]} is not an element, and species with names of their own can't be used."
            raise Unreadable(
                found, "symbols of elements", "Write the element, and name its species by it.", line=number
            )
    if fraction is not None and not is_periodic:
        advice = "Add the lattice, or write atom with positions in Å."
        raise Unreadable("atom_frac needs lattice vectors, and there are none.", "", advice, line=fraction)


def _is_symbol(word: str) -> bool:
    from ase.data import atomic_numbers

    return word in atomic_numbers


def _require_full_sites(text: str) -> None:
    """CIF: ASE fills a site with the element of its largest occupancy."""
    from ase.io.cif import parse_cif

    said: list[str] = []
    for block in parse_cif(StringIO(text)):
        for dot in ("_", "."):
            occupancies = _column(block.get(f"_atom_site{dot}occupancy"))
            labels = _column(block.get(f"_atom_site{dot}label")) or _column(block.get(f"_atom_site{dot}type_symbol"))
            labels = labels or _column(block.get(f"_atom_site{dot}id"))
            for index, written in enumerate(occupancies):
                occupancy = _occupancy(written)
                if occupancy is not None and abs(occupancy - 1) > 1 - _FULL:
                    said.append(f"{labels[index] if index < len(labels) else f'number {index + 1}'} ({occupancy:g})")
    _refuse_occupancies(said, "site")


def _column(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [] if values is None else [values]


def _occupancy(written: Any) -> float | None:
    """A number, or one with its uncertainty, 0.50(2); None for the ? and . of a CIF."""
    if isinstance(written, str):
        match = re.match(r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?", written.strip())
        return float(match[0]) if match else None
    return _number(written)


def _require_full_atoms(text: str) -> None:
    """PDB: ASE takes all places of an atom that has several."""
    said = []
    for line in text.splitlines():
        if line.startswith(("ATOM", "HETATM")):
            occupancy = _occupancy(line[54:60])
            if occupancy is not None and 0 < occupancy < _FULL:  # zero is what many programs write for all atoms
                said.append(f"{line[12:16].strip()} {line[6:11].strip()} ({occupancy:g})")
    _refuse_occupancies(said, "atom")


def _refuse_occupancies(said: list[str], what: str) -> None:
    if said:
        more = f" and {len(said) - 5} more" if len(said) > 5 else ""
        found = f"The structure is disordered: occupancies other than 1 of the {what}{'s' * (len(said) > 1)} "
        advice = (
            "Make an ordered structure of it (a supercell with sites filled or left empty, one of several places of an "
            "atom), for example with pymatgen or supercell, and name that file."
        )
        raise Unreadable(f"{found}{', '.join(said[:5])}{more}.", "sites that are full (1)", advice)


def _with_declarations(found: list["Atoms"], kind: str, text: str) -> list["Atoms"]:
    """The same structures, and the charge of an MDL file, which ASE skips."""
    if kind in ("mol", "sdf") and len(found) == 1:
        charges = re.findall(r"^M  CHG\s+\d+((?:\s+\d+\s+[-+]?\d+)+)", text, re.MULTILINE)
        if charges:
            found[0].info["charge"] = sum(int(word) for row in charges for word in row.split()[1::2])
    return found


def formula_remarks(atoms: "Atoms", file: Path) -> Iterator[Problem]:
    """A cell of other contents than the CIF's own formula: hydrogens or symmetry that the file lacks."""
    said, units = written_formula(file)
    if not _FORMULA.fullmatch(said):
        return
    formula = {symbol: float(number or 1) for symbol, number in re.findall(_PART, said)}
    there = atoms.symbols.formula.count()
    n_atoms = sum(formula.values())
    same = (
        n_atoms > 0
        and set(there) == set(formula)
        and all(
            abs(there[symbol] / len(atoms) - number / n_atoms) < _SAME_PROPORTION for symbol, number in formula.items()
        )
    )
    if n_atoms and not same:
        found = (
            f"The cell that was read holds {atoms.symbols.formula.format('hill')}, and the file's formula is {said}."
        )
        yield Problem(file.name, found, "", "Are hydrogen atoms, or solvent, missing from its list of sites?")
    elif n_atoms and units and len(atoms) != units * n_atoms and len(atoms) * 3 != units * n_atoms:
        found = f"The cell that was read holds {len(atoms)} atoms; its formula and Z say {units * n_atoms:g}."
        yield Problem(file.name, found, "", "Are operations of its symmetry missing from the file?")
