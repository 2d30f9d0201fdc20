"""An input for i-PI, and the client that tells it forces."""

from pathlib import Path
from typing import Final

import numpy as np
from ase.io import write

from aims_pax.outcome.handover.handover import START, Handover, Target, Texts

BOX_ANG: Final = 30.0
"""i-PI always has a cell; that of a molecule means nothing."""

_INPUT: Final = """\
<simulation>
  <output prefix='md'>
    <properties stride='10' filename='out'>
      [step, time{{picosecond}}, conserved{{electronvolt}}, temperature{{kelvin}}, potential{{electronvolt}}{told}]
    </properties>
    <trajectory stride='10' filename='pos' format='ase'> positions </trajectory>
    <checkpoint stride='1000'/>
  </output>
  <total_steps> 10000 </total_steps>
  <prng> <seed> 4711 </seed> </prng>
  <ffsocket name='model' mode='unix' pbc='False'>
    <address> {address} </address>
    <consolidate_messages> False </consolidate_messages>
  </ffsocket>
  <system>
    <initialize nbeads='1'>  <!-- more for path integrals, with the thermostat pile_g in the place of svr -->
      <file mode='ase'> {start} </file>{cell}
      <velocities mode='thermal' units='kelvin'> {temperature_k:g} </velocities>
    </initialize>
    <forces> <force forcefield='model'/> </forces>
    <motion mode='dynamics'>
{dynamics}
    </motion>
    <ensemble>
      <temperature units='kelvin'> {temperature_k:g} </temperature>{pressure}
    </ensemble>
  </system>
</simulation>
"""

_THERMOSTAT: Final = "<thermostat mode='svr'> <tau units='femtosecond'> 100 </tau> </thermostat>"

_NVT: Final = """\
      <dynamics mode='nvt'>
        <timestep units='femtosecond'> {timestep_fs:g} </timestep>
        {thermostat}
      </dynamics>"""

_NPT: Final = """\
      <dynamics mode='npt'>
        <timestep units='femtosecond'> {timestep_fs:g} </timestep>
        {thermostat}
        <barostat mode='isotropic'> <tau units='femtosecond'> 1000 </tau> {thermostat} </barostat>
      </dynamics>"""

_CLIENT: Final = '''\
"""Tells i-PI energy, forces{and_stress}: python client.py, when i-PI listens (run.sh does both)"""

from ase.calculators.socketio import SocketClient
from ase.io import read
from model import calculator

atoms = read("{start}"){molecule}
atoms.calc = calculator()
SocketClient(unixsocket="{address}").run(atoms, use_stress={stress})
'''

_NO_CELL: Final = "  # without periodicity: the cell that i-PI sends means nothing"
_BOX: Final = f"\n      <cell mode='abc' units='angstrom'> [{BOX_ANG:g}, {BOX_ANG:g}, {BOX_ANG:g}] </cell>"

_RUN: Final = """\
#!/bin/sh
# i-PI moves the nuclei, client.py tells the forces.
cd "$(dirname "$0")" || exit 1
socket=/tmp/ipi_{address}
rm -f "$socket"
i-pi input.xml > ipi.out 2>&1 &
ipi=$!
while [ ! -S "$socket" ]; do
    kill -0 "$ipi" 2>/dev/null || {{ echo "i-PI has ended; see ipi.out"; exit 1; }}
    sleep 0.2
done
python client.py
wait "$ipi"
"""


def _texts(handover: Handover, folder: Path) -> Texts:
    conditions, crystal, address = handover.conditions, handover.is_crystal, handover.address(folder)
    pressure, motion, told = "", _NVT, ""
    if conditions.pressure_pa is not None:
        pressure = f"\n      <pressure units='megapascal'> {conditions.pressure_pa / 1e6:g} </pressure>"
        motion, told = _NPT, ", volume{angstrom3}"
    page = _INPUT.format(
        told=told,
        address=address,
        start=START,
        cell="" if handover.atoms.pbc.any() else _BOX,
        temperature_k=conditions.temperature_k,
        pressure=pressure,
        dynamics=motion.format(timestep_fs=conditions.timestep_fs, thermostat=_THERMOSTAT),
    )
    client = _CLIENT.format(
        and_stress=" and stress" if crystal else "",
        start=START,
        address=address,
        stress=crystal,
        molecule="" if handover.atoms.pbc.any() else _NO_CELL,
    )
    return {"input.xml": page, "client.py": client, "run.sh": _RUN.format(address=address)}


def _start(handover: Handover, folder: Path) -> None:
    """With its first vector along x and its second in the plane of x and y, as i-PI wants cells."""
    atoms = handover.atoms.copy()
    if atoms.pbc.any():
        standard, _ = atoms.cell.complete().standard_form()
        atoms.set_cell(np.array(standard), scale_atoms=True)
    write(folder / START, atoms, format="extxyz")


IPI: Final = Target("i-PI", "sh run.sh", "python -m pip install ipi", _texts, _start)
