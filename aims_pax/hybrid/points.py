"""``SEED.hybrid-md.xyz``: the structures that CASTEP has computed by both, of which the last is compared."""

import os
import re
import shlex
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import Final

from aims_pax.errors import Problem, UserError
from aims_pax.learner.checks import Differences

_PAIR: Final = re.compile(r'([A-Za-z_]\w*)=("[^"]*"|\S+)')


def path_of(seed: str, folder: Path) -> Path:
    return folder / f"{seed}.hybrid-md.xyz"


def last_differences(path: Path) -> Differences:
    """What model and reference differ by in the last structure of the file; of the rest nothing is read but its head.

    Raises
    ------
    UserError
        There is no such file, or its end is no whole structure with the values of both.
    """
    if not path.is_file():
        raise UserError(Problem(str(path), "CASTEP has written no structures to compare.", "", "Is this its folder?"))
    lines = _last_block(path)
    facts = {key: value.strip('"') for key, value in _PAIR.findall(lines[1])}
    try:
        columns = _columns(facts["Properties"])
        rows = [line.split() for line in lines[2:]]
        energy = abs(float(facts["FF_energy"]) - float(facts["QM_energy"]))
        found = [
            float(row[columns["FF_forces"] + axis]) - float(row[columns["QM_forces"] + axis])
            for row in rows
            for axis in range(3)
        ]
    except (KeyError, IndexError, ValueError) as cause:
        words = "Its last structure lacks energies or forces of QM or FF, or is not whole."
        raise UserError(Problem(str(path), words, "QM_energy, FF_energy, QM_forces, FF_forces")) from cause
    vmax = None
    if "QM_virial" in facts and "FF_virial" in facts and _first_has_virial(path):
        pairs = zip(_numbers(facts["FF_virial"]), _numbers(facts["QM_virial"]), strict=True)
        vmax = max(abs(one - other) for one, other in pairs) / len(rows)
    return Differences(
        ediff=energy / len(rows),
        fmax=max(abs(one) for one in found),
        frmse=sqrt(sum(one * one for one in found) / len(found)),
        vmax=vmax,
    )


def _last_block(path: Path) -> list[str]:
    """The lines of the last structure; all have as many atoms as the first."""
    with path.open("rb") as file:
        try:
            n_lines = int(file.readline()) + 2
        except ValueError as cause:
            raise UserError(Problem(str(path), "It does not begin with a number of atoms.")) from cause
        size, tail, block = file.seek(0, os.SEEK_END), b"", 1 << 16
        while tail.count(b"\n") <= n_lines and len(tail) < size:
            begin = max(0, size - len(tail) - block)
            file.seek(begin)
            tail = file.read(size - len(tail) - begin) + tail
    lines = tail.decode("utf-8").rstrip("\n").split("\n")[-n_lines:]
    if len(lines) < n_lines or lines[0].strip() != str(n_lines - 2):
        raise UserError(Problem(str(path), "Its last structure is not whole.", "", "Did CASTEP end while it wrote?"))
    return lines


def _first_has_virial(path: Path) -> bool:
    """As in the tool: virials are compared only where the first structure has them."""
    with path.open(encoding="utf-8") as file:
        file.readline()
        return "QM_virial" in file.readline()


def _columns(properties: str) -> dict[str, int]:
    """Where the columns of each name begin."""
    begins, place = {}, 0
    parts = properties.split(":")
    for name, _, width in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        begins[name] = place
        place += int(width)
    return begins


def _numbers(text: str) -> Sequence[float]:
    return [float(word) for word in shlex.split(text)]
