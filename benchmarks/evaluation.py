"""The figure of docs/evaluate.md: forces and relative energies of ethanol by two methods of tight binding and a third.

    python benchmarks/evaluation.py                     writes docs/images/evaluate_cumulative.png in 15 s
    python benchmarks/evaluation.py --folder somewhere  all tables and figures, somewhere else

Structures are the conformers of examples/quickstart, distorted at random. GFN2-xTB labels them, GFN1-xTB and IPEA1-xTB
predict, into files that `aims-pax evaluate --predicted` reads. Energies of each method are from its own for the first
conformer: their zeros have nothing to do with each other.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from tblite.ase import TBLite

import aims_pax as ap
from aims_pax.report.paper.sheet import PAPER_LOOK

ROOT = Path(__file__).parents[1]
FIGURE = ROOT / "docs" / "images" / "evaluate_cumulative.png"
REFERENCE = "GFN2-xTB"
METHODS = ("GFN1-xTB", "IPEA1-xTB")
N_STRUCTURES = 300
LARGEST_ANG = 0.08
"""Standard deviation of the largest distortion; the others are smaller, at random."""


def structures() -> list[Atoms]:
    """Conformers, distorted by different amounts."""
    conformers = read(ROOT / "examples" / "quickstart" / "conformers.xyz", ":")
    rng = np.random.default_rng(4)
    made = []
    for number in range(N_STRUCTURES):
        atoms = conformers[number % len(conformers)].copy()
        atoms.positions += rng.normal(0.0, LARGEST_ANG * rng.uniform(0.1, 1.0), atoms.positions.shape)
        made.append(atoms)
    return [conformers[0].copy(), *made]


def computed(images: list[Atoms], method: str) -> list[Atoms]:
    """The same with energies, from that of the first one, and forces; without the first one."""
    found, zero = [], None
    for atoms in images:
        atoms.calc = TBLite(method=method, verbosity=0)
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        zero = energy if zero is None else zero
        labelled = Atoms(atoms.numbers, atoms.positions, info={"config_type": atoms.info["conformer"]})
        labelled.calc = SinglePointCalculator(labelled, energy=energy - zero, forces=forces)
        found.append(labelled)
    return found[1:]


def main() -> None:
    """Compute, compare, and keep one of the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    wanted = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as temporary:
        folder = wanted or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for method in (REFERENCE, *METHODS):
            write(folder / f"{method}.xyz", computed(structures(), method), format="extxyz")
        predicted = [folder / f"{method}.xyz" for method in METHODS]
        found = ap.compare(predicted, folder / f"{REFERENCE}.xyz")
        print(found.text())
        if wanted is None:
            PAPER_LOOK["savefig.dpi"] = 150  # for a screen
        found.write(folder)
        if wanted is None:
            shutil.copy(folder / "cumulative.png", FIGURE)


if __name__ == "__main__":
    main()
