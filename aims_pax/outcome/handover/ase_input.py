"""A script for MD by ASE."""

from pathlib import Path
from typing import Final

from ase.io import write

from aims_pax.outcome.handover.handover import START, Handover, Target, Texts

_SCRIPT: Final = '''\
"""Molecular dynamics by ASE: python md.py [steps]"""

import sys

from ase import units
from ase.io import read
from ase.io.extxyz import write_extxyz
{imports}
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from ase.optimize import BFGS
from model import calculator

TEMPERATURE_K = {temperature_k:g}
TIMESTEP_FS = {timestep_fs:g}
{pressure}EVERY = 10  # steps between lines and frames
DEVIATION = "max_atomic_deviation"
N_STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000

atoms = read("{start}")
atoms.calc = calculator()
BFGS(atoms, logfile="relax.log").run(fmax=0.05, steps=100)

MaxwellBoltzmannDistribution(atoms, temperature_K=TEMPERATURE_K)
Stationary(atoms)
{dynamics}


def tell():
    """A line and a frame; of several models also the largest deviation of a force, eV/Å."""
    potential, kinetic = atoms.get_potential_energy(), atoms.get_kinetic_energy()
    step, total, kelvin = dynamics.nsteps, potential + kinetic, atoms.get_temperature()
    deviation = f"{{atoms.calc.results[DEVIATION]:11.4f}}" if DEVIATION in atoms.calc.results else ""
    print(f"{{step:8d}} {{potential:16.6f}} {{total:16.6f}} {{kelvin:9.1f}}{{deviation}}", flush=True)
    with open("md.extxyz", "a") as file:
        write_extxyz(file, atoms)


open("md.extxyz", "w").close()
heading = "  deviation" if DEVIATION in atoms.calc.results else ""
print(f"    step     potential, eV         total, eV       T, K{{heading}}")
dynamics.attach(tell, interval=EVERY)
dynamics.run(N_STEPS)
'''

_NVT: Final = """\
dynamics = Langevin(atoms, TIMESTEP_FS * units.fs, temperature_K=TEMPERATURE_K, friction=0.01 / units.fs)"""

_NPT: Final = """\
dynamics = IsotropicMTKNPT(
    atoms,
    TIMESTEP_FS * units.fs,
    temperature_K=TEMPERATURE_K,
    pressure_au=PRESSURE_GPA * units.GPa,
    tdamp=100 * units.fs,
    pdamp=1000 * units.fs,
)"""


def _texts(handover: Handover, _: Path) -> Texts:
    conditions = handover.conditions
    if conditions.pressure_pa is None:
        imports, pressure, dynamics = "from ase.md.langevin import Langevin", "", _NVT
    else:
        imports, dynamics = "from ase.md.nose_hoover_chain import IsotropicMTKNPT", _NPT
        pressure = f"PRESSURE_GPA = {conditions.pressure_pa / 1e9:g}\n"
    script = _SCRIPT.format(
        imports=imports,
        temperature_k=conditions.temperature_k,
        timestep_fs=conditions.timestep_fs,
        pressure=pressure,
        start=START,
        dynamics=dynamics,
    )
    return {"md.py": script}


def _start(handover: Handover, folder: Path) -> None:
    write(folder / START, handover.atoms, format="extxyz")


ASE: Final = Target("ASE", "python md.py", "", _texts, _start)
