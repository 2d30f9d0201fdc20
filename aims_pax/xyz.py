"""The text of single structures within a file in extended XYZ format, in the spelling that ASE understands.

Other programs and people write ``pbc=T T F`` without quotes, ``PBC`` and ``lattice``, atomic numbers, and labels such
as Fe1. ASE takes the first for periodicity along all three vectors and the others for remarks, so all of them are
rewritten here, and refused where they could mean two things. So are truth values of a move_mask: of some spellings ASE
makes atoms that move, of others such that don't.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final, TextIO

_DELIMITERS: Final = {"'": "'", '"': '"', "{": "}", "[": "]"}
_INSIDE: Final = "\0"
_OPEN: Final = "\1"
_HIDDEN: Final = re.compile(r"\b(?:pbc|lattice|properties)\s*=", re.IGNORECASE)

_TRUTH: Final = {
    **dict.fromkeys(("t", "true", "1", ".true.", "yes"), "T"),
    **dict.fromkeys(("f", "false", "0", ".false.", "no"), "F"),
}
_FLAG: Final = "(?:" + "|".join(re.escape(word) for word in _TRUTH) + ")"
_NUMBER: Final = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_KEY: Final = re.compile(
    rf"(?<!\S)(?P<key>pbc|lattice|properties|cell)\s*=\s*(?P<value>{_INSIDE}+"
    rf"|{_FLAG}(?:[\s,]+{_FLAG}){{1,2}}(?=\s|$)|{_NUMBER}(?:[\s,]+{_NUMBER}){{2,8}}(?=\s|$)|\S+)",
    re.IGNORECASE,
)
_CANONICAL: Final = {"pbc": "pbc", "lattice": "Lattice", "properties": "Properties"}

_COLUMN: Final = re.compile(r"([^:]+):([A-Za-z]):(\d+)")
_COLUMN_NAMES: Final = {
    **dict.fromkeys(("symbol", "element", "elements", "atom_type", "atom_types"), "species"),
    **dict.fromkeys(("position", "coords", "coordinates", "xyz"), "pos"),
    **dict.fromkeys(("z", "atomic_number", "atomic_numbers"), "Z"),
    "move_mask": "move_mask",
}
"""What other programs call the columns that ASE knows by one name."""

_LABEL: Final = re.compile(r"([A-Za-z][a-z]?)(?:\d+\w*|_\w+|\d*[+-]\d*|\*+|'+)")
"""A symbol with what tells atoms of one element apart: Fe1, O_w, Na+. CA1 is none: calcium, or a carbon's place."""


def blocks(file: TextIO) -> Iterator[str]:
    """The text of each structure, from its number of atoms to its last line.

    ASE's own search for structures ends silently at an empty line, and does not end at a damaged count of atoms.

    Raises
    ------
    ValueError
        The file is not made of whole structures, or a structure can be read in two ways; the message tells the line.
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
        block = header + "".join(_tidied(lines, line=n_lines + 1))
        n_lines += len(lines)
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


def _tidied(lines: list[str], *, line: int) -> Iterator[str]:
    """Comment line and atoms of a structure, in ASE's spelling; `line` is the number of the comment line."""
    comment, columns = _tidied_comment(lines[0], line=line)
    n_columns, n_present = sum(width for _, _, width in columns), len(lines[1].split())
    if n_columns > n_present:  # ASE would make a place for each of them
        raise ValueError(f"line {line}: Properties announce {n_columns} columns, and the first atom has {n_present}")
    yield comment
    names, atoms = [name for name, _, _ in columns], lines[1:]
    if "move_mask" in names:
        place, width = _place(columns, "move_mask")
        if width not in (1, 3):
            raise ValueError(f"line {line}: move_mask has {width} columns, and should have one or three")
        atoms = [_with_truth(text, range(place, place + width), line + n) for n, text in enumerate(atoms, start=1)]
    if columns and "species" not in names:
        yield from atoms
        return
    place, _ = _place(columns, "species") if columns else (0, 1)
    yield from _with_symbols(atoms, place, comment, line=line + 1)


def _place(columns: list[tuple[str, str, int]], name: str) -> tuple[int, int]:
    """The first of the words of a line that belong to a column, and how many they are."""
    index = [one for one, _, _ in columns].index(name)
    return sum(width for _, _, width in columns[:index]), columns[index][2]


def _with_truth(text: str, places: range, line: int) -> str:
    """A line of an atom with T and F in these places."""
    words = text.split()
    for place in places:
        word = words[place] if place < len(words) else "T"
        if word.lower() not in _TRUTH:
            raise ValueError(f"line {line}: move_mask is {word[:40]}, and should be T for what moves, or F")
        text = text if word in ("T", "F") else _replaced(text, place, word, {word: _TRUTH[word.lower()]})
    return text


def _tidied_comment(comment: str, *, line: int) -> tuple[str, list[tuple[str, str, int]]]:
    """A comment line in ASE's spelling, and the name, type and width of each column that it announces."""
    found: dict[str, str] = {}
    columns: list[tuple[str, str, int]] = []
    tidied, end, masked = "", 0, _masked(comment)
    if masked.rstrip("\n").endswith(_OPEN) and _HIDDEN.search(comment[masked.index(_OPEN) :]):
        column = masked.index(_OPEN) + 1
        raise ValueError(
            f"line {line}: the {comment[column - 1]} in column {column} is not closed, and hides what follows"
        )
    for match in _KEY.finditer(masked):
        written, key = match["key"], match["key"].lower()
        if key in found:
            raise ValueError(f"line {line}: {found[key]} and {written} are the same, and both stand here")
        found[key] = written
        value = comment[match.start("value") : match.end("value")]
        if key == "properties":
            columns = _columns(value)
            value = ":".join(f"{name}:{kind}:{width}" for name, kind, width in columns) or value
        elif key == "pbc":
            value = _periodicity(value, line=line)
        elif key == "lattice" and value[0] not in _DELIMITERS:
            value = f'"{value}"'
        tidied += f"{comment[end : match.start()]}{_CANONICAL.get(key, written)}={value}"
        end = match.end()
    if "cell" in found and "lattice" not in found:
        raise ValueError(f"line {line}: lattice vectors are called Lattice in extended XYZ, not {found['cell']}")
    return tidied + comment[end:], columns


def _masked(comment: str) -> str:
    """The same line with everything within quotes or brackets, and these, made unreadable; as ASE finds them.

    What follows a quote or bracket that is never closed is made another letter.
    """
    masked, closing, escaped, start = "", "", False, 0
    for letter in comment:
        if escaped or closing or letter == "\\" or letter in _DELIMITERS:
            masked += _INSIDE
        else:
            masked += letter
        if escaped:
            escaped = False
        elif letter == "\\":
            escaped = True
        elif closing:
            closing = "" if letter == closing else closing
        else:
            closing, start = _DELIMITERS.get(letter, ""), len(masked) - 1
    return masked[:start] + masked[start:].replace(_INSIDE, _OPEN) if closing else masked


def _words(value: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", value.strip("\"'{}[]")) if word]


def _periodicity(value: str, *, line: int) -> str:
    words = [word.lower() for word in _words(value)]
    if len(words) == 1 and re.fullmatch("[tf]{3}", words[0]):
        words = list(words[0])
    if len(words) not in (1, 3) or not all(word in _TRUTH for word in words):
        raise ValueError(f'line {line}: pbc is {value[:40]}, and should be three truth values, such as pbc="T T F"')
    return '"' + " ".join(_TRUTH[word] for word in (words * 3)[:3]) + '"'


def _columns(value: str) -> list[tuple[str, str, int]]:
    columns = [(name.lstrip(":"), kind, int(width)) for name, kind, width in _COLUMN.findall(value.strip("\"'{}[]"))]
    present = {name for name, _, _ in columns}
    if present & {"species", "symbols"}:
        present |= {"species", "symbols"}
    if present & {"pos", "positions"}:
        present |= {"pos", "positions"}
    if present & {"Z", "numbers"}:
        present |= {"Z", "numbers"}
    renamed = []
    for name, kind, width in columns:
        meant = "species" if name == "symbols" else _COLUMN_NAMES.get(name.lower(), name)
        kind = "L" if meant == "move_mask" else kind
        renamed.append((meant if meant not in present or name == "symbols" else name, kind, width))
    return renamed


def _with_symbols(lines: list[str], place: int, comment: str, *, line: int) -> Iterator[str]:
    """Lines of atoms with symbols of elements in the column `place`, where numbers or labels stand there."""
    written = [words[place] if len(words := text.split(None, place + 1)) > place else "" for text in lines]
    meant = {word: symbol for word in set(written) if (symbol := _symbol(word)) is not None}
    numbers = sorted({int(word) for word in meant if word.isdecimal()})
    if numbers and ("Atoms. Timestep" in comment or numbers == list(range(1, len(numbers) + 1))):
        first = next(line + index for index, word in enumerate(written) if word.isdecimal())
        raise ValueError(
            f"line {first}: the atoms are called {', '.join(map(str, numbers[:5]))}, which may be atomic numbers or "
            "the numbers that LAMMPS gives to types of atoms; write symbols of elements"
        )
    for text, word in zip(lines, written, strict=True):
        yield _replaced(text, place, word, meant) if word in meant else text


def _symbol(word: str) -> str | None:
    """The symbol that a number or a label stands for; None for what is a symbol already, or nothing known."""
    if not word or (word.isalpha() and len(word) <= 2):
        return None
    from ase.data import atomic_numbers, chemical_symbols  # imports much

    if word.isdecimal():
        return chemical_symbols[int(word)] if 0 < int(word[:9]) < len(chemical_symbols) else None
    label = _LABEL.fullmatch(word)
    symbol = label[1].capitalize() if label else ""
    return symbol if atomic_numbers.get(symbol, 0) > 0 else None


def _replaced(text: str, place: int, word: str, meant: Mapping[str, str]) -> str:
    start = -1
    for match in islice(re.finditer(r"\S+", text), place + 1):
        start = match.start()
    return text[:start] + meant[word] + text[start + len(word) :]
