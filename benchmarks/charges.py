"""Seven charged, open-shell and periodic structures by every engine that can: charge and spin must arrive.

Each is labelled twice, with the charge and spin that it should have and with others; energies must differ. Charge and
spin come with the structure, as they do in datasets that are labelled again. Needs PySCF, Quantum ESPRESSO or GPAW for
what these compute; what is not installed is left out.

    python benchmarks/charges.py [--engines tblite pyscf espresso gpaw] [--pseudo-dir FOLDER]
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk, molecule

from aims_pax.atoms import frame_of
from aims_pax.frame import Frame, Label
from aims_pax.reference.registry import build_reference
from aims_pax.settings.methods.engines import EspressoSettings, GpawSettings
from aims_pax.settings.methods.reference import PyscfSettings, TbliteSettings

UPF = {
    "H": "H.pbe-kjpaw.UPF",
    "C": "C.pbe-n-kjpaw_psl.0.1.UPF",
    "N": "N.pbe-n-kjpaw_psl.0.1.UPF",
    "O": "O.pbe-kjpaw.UPF",
    "Fe": "Fe.pbe-nd-rrkjus.UPF",
}
LEAST_EV = 0.01
"""A smaller difference is none."""


@dataclass(frozen=True)
class Case:
    """A structure, its charge and multiplicity, and others that it is compared with."""

    name: str
    atoms: Atoms
    charge: int
    multiplicity: int
    other: tuple[int, int]


def doped_diamond() -> Atoms:
    """Eight atoms of diamond, one of them nitrogen."""
    atoms = bulk("C", cubic=True)
    atoms.numbers[0] = 7
    return atoms


def cases() -> list[Case]:
    """Seven: anion, cation, radicals, triplet, charged defect, ferromagnet."""
    ammonium = Atoms("NH4", 0.59 * np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]))
    return [
        Case("OH-", molecule("OH"), -1, 1, (0, 2)),
        Case("NH4+", ammonium, 1, 1, (0, 2)),
        Case("NO2 doublet", molecule("NO2"), 0, 2, (-1, 1)),
        Case("CH2 triplet", molecule("CH2_s1A1d"), 0, 3, (0, 1)),
        Case("CH3 radical", molecule("CH3"), 0, 2, (1, 1)),
        Case("C7N+ crystal", doped_diamond(), 1, 1, (0, 2)),
        Case("bcc Fe, 4 muB", bulk("Fe", cubic=True), 0, 5, (0, 1)),
    ]


def settings_of(engine: str, pseudo_dir: Path) -> Any:
    """Coarse, but for what charge and spin do."""
    match engine:
        case "tblite":
            return TbliteSettings()
        case "pyscf":
            return PyscfSettings(grid_level=1)
        case "espresso":
            return EspressoSettings(
                pseudo_dir=pseudo_dir,
                pseudopotentials=UPF,
                protocol="fast",
                kspacing=0.6,
                molecule_box=8.5,
                parameters={"input_data": {"ecutwfc": 25.0, "ecutrho": 150.0, "mixing_beta": 0.3}},
            )
    return GpawSettings(kspacing=0.6, molecule_box=8.5, parameters={"mode": {"name": "pw", "ecut": 250}, "xc": "PBE"})


def can(engine: str, frame: Frame) -> bool:
    """Whether an engine is for such a structure at all."""
    if engine == "tblite":
        return not frame.pbc.any() or frame.n_atoms >= 8
    return engine != "pyscf" or not frame.pbc.any()


def rows(engine: str, pseudo_dir: Path) -> Iterator[tuple[Case, list[float | str], float]]:
    """Each case with its two energies, or the words of a failure; and the seconds that they took."""
    reference = build_reference(settings_of(engine, pseudo_dir))
    for case in cases():
        start = frame_of(case.atoms, system=case.name)
        if not can(engine, start):
            continue
        began, found = time.perf_counter(), list[float | str]()
        for charge, spin in ((case.charge, case.multiplicity), case.other):
            with tempfile.TemporaryDirectory() as folder:
                own = replace(start, charge=charge, spin=spin)
                label = reference.label(own, folder=Path(folder) / "label", want_stress=False)
            found.append(label.energy if isinstance(label, Label) else f"{label.reason}: {label.message[:60]}")
        yield case, found, time.perf_counter() - began


def main() -> int:
    """Print the table; the result is how many energies do not differ as they must."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="+", default=["tblite", "pyscf", "espresso", "gpaw"])
    parser.add_argument("--pseudo-dir", type=Path, default=Path("/usr/share/espresso/pseudo"))
    asked, n_wrong = parser.parse_args(), 0
    energy = f"{'q, 2S+1':>8} {'E, eV':>14}"
    print(f"{'engine':9} {'structure':14} {energy}   {energy} {'less, eV':>9} {'s':>6}")
    for engine in asked.engines:
        missing = build_reference(settings_of(engine, asked.pseudo_dir)).problems([8, 1, 1], periodic=False)
        if missing:
            print(f"{engine:9} left out: {missing[0]}")
            continue
        for case, found, seconds in rows(engine, asked.pseudo_dir):
            told = [f"{charge:+d}, {spin}" for charge, spin in ((case.charge, case.multiplicity), case.other)]
            said = [f"{one:14.4f}" if isinstance(one, float) else one for one in found]
            difference = found[0] - found[1] if all(isinstance(one, float) for one in found) else 0.0  # type: ignore[operator]
            is_wrong = abs(difference) < LEAST_EV
            n_wrong += is_wrong
            print(
                f"{engine:9} {case.name:14} {told[0]:>8} {said[0]}   {told[1]:>8} {said[1]} {difference:9.3f} "
                f"{seconds:6.1f}{'  NOT TOLD' if is_wrong else ''}",
                flush=True,
            )
    return n_wrong


if __name__ == "__main__":
    sys.exit(main())
