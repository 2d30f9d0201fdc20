"""The text of single structures within a file in extended XYZ format."""

import re
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, TextIO

_PROPERTIES: Final = re.compile(r"\bProperties\s*=\s*(\"[^\"]*\"|'[^']*'|\S+)")
_N_COLUMNS: Final = re.compile(r":\w:(\d+)")


def blocks(file: TextIO) -> Iterator[str]:
    """The text of each structure, from its number of atoms to its last line.

    ASE's own search for structures ends silently at an empty line, and does not end at a damaged count of atoms.

    Raises
    ------
    ValueError
        The file is not made of whole structures; the message tells the line.
    """
    block, n_lines = "", 0
    for header in file:
        n_lines += 1
        if block and header.lstrip().startswith("VEC"):  # a lattice vector in the form of Tinker's relatives
            block += header
        if not header.strip() or header.lstrip().startswith("VEC"):
            continue
        if block:
            yield block
            block = ""
        if not header.strip().isdecimal() or int(header) == 0:
            raise ValueError(f"line {n_lines}: a number of atoms should stand here, not {header.strip()[:40]!r}")
        n_atoms = int(header)
        lines = list(islice(file, min(n_atoms + 1, sys.maxsize)))
        if len(lines) < n_atoms + 1:
            raise ValueError(f"line {n_lines}: the file ends within this structure of {n_atoms} atoms")
        _require_columns(lines[0], lines[1], line=n_lines + 1)
        n_lines += len(lines)
        block = header + "".join(lines)
    if block:
        yield block


def drop_cut_off(path: Path) -> None:
    """Remove the last structure of a file when it is not whole, as a kill or a full disk leaves it.

    A file that is spoiled elsewhere stays as it is.
    """
    with path.open("r+b") as file:
        whole = 0
        while header := file.readline():
            if not header.strip().isdigit():
                return
            lines = list(islice(file, int(header) + 1))
            if len(lines) <= int(header) or not lines[-1].endswith(b"\n"):
                file.truncate(whole)
                return
            whole = file.tell()


def _require_columns(comment: str, first_atom: str, *, line: int) -> None:
    """Refuse a structure that announces more columns than it has, for each of which ASE would make a place."""
    announced = _PROPERTIES.search(comment)
    if announced is None:
        return
    n_columns, n_present = sum(map(int, _N_COLUMNS.findall(announced.group(1)))), len(first_atom.split())
    if n_columns > n_present:
        raise ValueError(f"line {line}: Properties announce {n_columns} columns, and the first atom has {n_present}")
