"""The process that has quippy: it reads questions, computes, and ends when nobody asks any more.

Started as a program; imports neither PyTorch nor the rest of the package.
"""

import os
import sys
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from aims_pax.committee.gap.potential import LABEL
from aims_pax.committee.hosted.messages import Block, read_block, write_block


def main() -> int:
    """Answer until the input ends."""
    # Fortran prints to where standard output goes: that is kept for answers alone.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    questions = sys.stdin.buffer
    potentials: dict[str, Any] = {}
    while True:
        try:
            question = read_block(questions)
        except EOFError:
            return 0
        _answer(question, potentials, answers)


def _answer(question: Block, potentials: dict[str, Any], answers: BinaryIO) -> None:
    kind = str(question["kind"])
    try:
        if kind == "load":
            _load(question, potentials)
            write_block(answers, {"ok": True})
        elif kind == "compute":
            write_block(answers, _computed(question, potentials))
        else:
            write_block(answers, {"error": f"there is no question {kind!r}"})
    except (RuntimeError, ValueError, KeyError) as error:  # what quippy raises when QUIP returns an error
        write_block(answers, {"error": f"{type(error).__name__}: {error}"})


def _load(question: Block, potentials: dict[str, Any]) -> None:
    """Have the potentials of these keys, and no others."""
    from quippy.potential import Potential

    keys = [str(key) for key in question["keys"]]
    for key in set(potentials) - set(keys):
        del potentials[key]
    for key in keys:
        if key not in potentials:
            text = question[f"content of {key}"].tobytes().decode()
            potentials[key] = Potential(f"IP GAP label={LABEL}", param_str=text)


def _computed(question: Block, potentials: dict[str, Any]) -> dict[str, npt.NDArray[np.float64]]:
    """Energies (K, B) in eV, forces (K, N, 3) in eV/Å and stress (K, B, 6) in eV/Å³; NaN for what can't be computed."""
    from ase import Atoms

    ends = np.cumsum(question["n_atoms"])
    keys, n_structures = [str(key) for key in question["keys"]], len(ends)
    want_stress = bool(question["want_stress"])
    energies = np.full((len(keys), n_structures), np.nan)
    forces = np.full((len(keys), int(ends[-1]), 3), np.nan)
    stress = np.full((len(keys), n_structures, 6), np.nan)
    for row, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        positions, cell, pbc = question["positions"][start:end], question["cells"][row], question["pbc"][row]
        if not (np.isfinite(positions).all() and np.isfinite(cell).all()):
            continue
        atoms = Atoms(question["numbers"][start:end], positions, cell=cell if pbc.any() else None, pbc=pbc)
        if pbc.any():
            atoms.set_cell(atoms.cell.complete())
        with_stress = want_stress and bool(pbc.any())
        wanted = ["energy", "forces", *(["stress"] if with_stress else [])]
        for index, key in enumerate(keys):
            calculator = potentials[key]
            calculator.reset()
            try:
                calculator.calculate(atoms, properties=wanted)
            except RuntimeError as error:  # QUIP's own, for this structure
                print(f"structure {row}: {error}", file=sys.stderr, flush=True)
                continue
            energies[index, row] = calculator.results["energy"]
            forces[index, start:end] = calculator.results["forces"]
            if with_stress:
                stress[index, row] = calculator.results["stress"]
    return {"energies": energies, "forces": forces, "stress": stress}


if __name__ == "__main__":
    sys.exit(main())
