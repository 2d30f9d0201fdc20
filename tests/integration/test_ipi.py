"""i-PI itself moves atoms that are flown, with the input of docs/fly.md."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from uuid import uuid4
from xml.etree import ElementTree

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.socketio import SocketClient, actualunixsocketname
from ase.io import read, write
from ase.md.velocitydistribution import Stationary
from ase.md.verlet import VelocityVerlet

import aims_pax as ap

from ..docs.cells import DOCS
from ..processes import within
from .flights import LOOSE, SMALL, water

I_PI = Path(sys.executable).with_name("i-pi")
pytestmark = pytest.mark.skipif(not I_PI.is_file(), reason="needs the package ipi")

N_STEPS = 16
QUICK = {**LOOSE, "tolerances": {"ediff": 1.0, "frmse": 5.0}, "refit": {"first_epochs": 10, "epochs": 2}}
"""How good the models are is not what is asked here."""

NVE = "<dynamics mode='nve'> <timestep units='femtosecond'> 0.5 </timestep> </dynamics>"
NPT = """
<dynamics mode='npt'>
  <timestep units='femtosecond'> 1 </timestep>
  <thermostat mode='svr'> <tau units='femtosecond'> 100 </tau> </thermostat>
  <barostat mode='isotropic'> <tau units='femtosecond'> 500 </tau> </barostat>
</dynamics>
"""


def input_of_the_page(motion: str, *, properties: str) -> ElementTree.Element:
    """That of docs/fly.md for a few steps of other dynamics, which tells all of them."""
    [text] = re.findall(r"^```xml\n(.*?)^```", (DOCS / "fly.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    page = ElementTree.fromstring(text)
    set_text(page, "total_steps", str(N_STEPS))
    set_text(page, "output/properties", properties)
    for output in page.findall("output/*"):
        output.set("stride", "1")
    [holder] = page.findall("system/motion")
    holder[:] = [ElementTree.fromstring(motion)]
    return page


def set_text(page: ElementTree.Element, path: str, text: str) -> ElementTree.Element:
    [element] = page.findall(path)
    element.text = text
    return element


def molecular_input(atoms: Atoms, folder: Path) -> ElementTree.Element:
    """NVE from the positions and velocities of atoms."""
    moving = atoms.copy()
    moving.positions = atoms.get_velocities()
    for name, told in (("start", atoms), ("velocities", moving)):
        write(folder / f"{name}.xyz", told, format="xyz", fmt="%22.15f")  # extxyz has eight digits
    page = input_of_the_page(NVE, properties="[step, conserved{ase}, potential{ase}]")
    set_text(page, "system/initialize/velocities", "velocities.xyz").attrib.update(mode="xyz", units="ase")
    return page


@contextmanager
def served(page: ElementTree.Element, folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """i-PI in a folder, which listens; its address and its process. It is ended with what it has left."""
    address = f"aims-pax-{uuid4().hex[:12]}"
    set_text(page, "ffsocket/address", address)
    (folder / "input.xml").write_bytes(ElementTree.tostring(page))
    with (folder / "ipi.out").open("wb") as out:
        command = [sys.executable, str(I_PI), "input.xml"]
        server = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
    said = (folder / "ipi.out").read_text
    try:
        within(60, lambda: "polling thread" in said() or server.poll() is not None)
        assert server.poll() is None, said()
        yield address, server
    finally:
        server.kill()
        server.wait()
        Path(actualunixsocketname(address)).unlink(missing_ok=True)


def ended(server: "subprocess.Popen[bytes]", folder: Path) -> np.ndarray:
    """The table of i-PI, which has come to its end; a row for each step."""
    assert server.wait(timeout=60) == 0, (folder / "ipi.out").read_text()
    table = np.loadtxt(folder / "water.out")
    assert table[:, 0].tolist() == list(range(N_STEPS + 1))
    return table


def test_i_pi_moves_atoms_as_ase_does(tmp_path: Path) -> None:
    flown = water()
    Stationary(flown)  # i-PI takes the momentum of the whole away
    alone = flown.copy()
    with (
        served(molecular_input(flown, tmp_path), tmp_path) as (address, server),
        ap.fly(flown, folder=tmp_path / "flight", mace=SMALL, **QUICK) as flying,  # type: ignore[arg-type]
    ):
        SocketClient(unixsocket=address, timeout=60).run(flown, use_stress=False)
        table = ended(server, tmp_path)
        assert flying.n_steps == N_STEPS + 1
        assert len(flying.checks) == 2
        flying.export(tmp_path / "out")
    labelled = read(tmp_path / "out" / "labels.xyz", ":")
    assert not any(atoms.cell.any() or atoms.pbc.any() for atoms in labelled), "i-PI's cell is none of the molecule's"

    energies, positions = [], []
    with ap.fly(alone, folder=tmp_path / "by_ase", mace=SMALL, **QUICK):  # type: ignore[arg-type]
        for _ in VelocityVerlet(alone, 0.5 * units.fs).irun(N_STEPS):
            energies.append(alone.get_potential_energy())
            positions.append(alone.positions.copy())
    moved = [atoms.arrays["positions"] for atoms in read(tmp_path / "water.pos_0.extxyz", ":")]
    # The units of the two differ in the eighth digit, and training makes more of that: 1e-5 Å were seen.
    np.testing.assert_allclose(moved, positions, atol=1e-4)
    np.testing.assert_allclose(table[:, 2], energies, atol=1e-3)


def test_python_is_begun_again_while_i_pi_waits(tmp_path: Path) -> None:
    arguments = {"folder": tmp_path / "flight", "mace": SMALL, **QUICK}
    atoms = water()
    with served(molecular_input(atoms, tmp_path), tmp_path) as (address, server):
        with ap.fly(atoms, **arguments) as flying:  # type: ignore[arg-type]
            client = SocketClient(unixsocket=address, timeout=60)
            with closing(client.irun(atoms, use_stress=False)) as structures:
                assert len(list(islice(structures, 10))) == 10
        with ap.fly(atoms := water(), **arguments) as flying:  # type: ignore[arg-type]
            SocketClient(unixsocket=address, timeout=60).run(atoms, use_stress=False)
            assert flying.n_reference == 7 + len(flying.checks)
            assert len(flying.checks) >= 1
        table = ended(server, tmp_path)
    # The models took over, at another energy; nothing else has happened to it.
    assert np.abs(np.diff(table[8:, 1])).max() < 1e-3


def test_i_pi_moves_cells(tmp_path: Path) -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(0.98 * atoms.cell, scale_atoms=True)
    atoms.rattle(0.05, seed=1)
    write(tmp_path / "start.xyz", atoms)
    page = input_of_the_page(NPT, properties="[step, volume{ase}, potential{ase}, virial_md{ase}]")
    [initialize], [cell] = page.findall("system/initialize"), page.findall("system/initialize/cell")
    initialize.remove(cell)
    ElementTree.SubElement(page.findall("system/ensemble")[0], "pressure").text = "0"
    mace = {**SMALL, "GENERAL": {"compute_stress": True}}
    emt = {"type": "ase-calculator", "calculator": "ase.calculators.emt:EMT"}
    said = []
    with (
        served(page, tmp_path) as (address, server),
        ap.fly(atoms, emt, folder=tmp_path / "flight", mace=mace, **QUICK) as flying,  # type: ignore[arg-type]
    ):
        for _ in SocketClient(unixsocket=address, timeout=60).irun(atoms, use_stress=True):
            stress = atoms.get_stress()[[0, 1, 2, 5, 4, 3]]  # i-PI: xx, yy, zz, xy, xz, yz
            said.append([atoms.get_volume(), atoms.get_potential_energy(), *-stress])
        table = ended(server, tmp_path)
        assert len(flying.checks) == 2
    assert np.ptp(table[:, 1]) > 0.1
    np.testing.assert_allclose(table[:, 1:], said, atol=1e-5)
