#!/usr/bin/env python3
"""Stands in for the licensed program aims.x, so that every line of our path runs without it. It is not FHI-aims.

Reads control.in and geometry.in from the working directory, computes with GFN-xTB of tblite (not with the functional
that was asked for), and prints an aims.out of the form that FHI-aims' has. Honours charge, sc_iter_limit,
postprocess_anyway, compute_forces, analytical and numerical stress, spin collinear and Hirshfeld analyses (with the
charges of xTB and made-up volumes). Stops as FHI-aims does when xc, k_grid or a species is missing.

A comment ``# standin: MODE`` in control.in makes it fail: killed, aborted, cut-short, garbage (forces too large for
their columns), hanging, ends-badly (all is well but the exit code), no-forces, hartree-only (without the block that
gives the energy in full digits).
"""

import os
import re
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

BOHR, HARTREE = 0.52917721, 27.2113845
RULE = "-" * 60
NUMBERS = {"H": 1, "C": 6, "N": 7, "O": 8, "Si": 14, "Cu": 29}
FREE_VOLUMES = {1: 9.0, 6: 38.0, 7: 26.0, 8: 23.0, 14: 101.0, 29: 59.0}


@dataclass
class Control:
    """What of control.in matters here."""

    keywords: dict[str, list[str]] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    species: list[str] = field(default_factory=list)
    mode: str = "converged"

    def is_on(self, name: str) -> bool:
        return self.keywords.get(name, [".false."])[0].lower() == ".true."

    def has(self, *names: str) -> bool:
        return any(name in self.keywords for name in names)


@dataclass
class Geometry:
    """geometry.in in Å."""

    symbols: list[str]
    positions: np.ndarray
    cell: np.ndarray | None
    moments: dict[int, str]

    @property
    def numbers(self) -> np.ndarray:
        return np.array([NUMBERS[symbol] for symbol in self.symbols])


def say(text: str = "") -> None:
    print(text, flush=True)


def stop(routine: str, message: str) -> None:
    say(f"  *** {routine}: {message}")
    say()
    sys.exit(1)


def read_control() -> Control:
    control = Control()
    text = Path("control.in").read_text(encoding="latin-1")
    mode = re.search(r"#\s*standin:\s*(\S+)", text)
    control.mode = mode.group(1) if mode else control.mode
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        match words:
            case []:
                continue
            case ["species", name]:
                control.species.append(name)
            case ["output", *what]:
                control.outputs.append(" ".join(what))
            case [name, *values]:
                control.keywords[name] = values
    return control


def read_geometry() -> Geometry:
    cell, positions, symbols, moments = [], [], [], {}
    for line in Path("geometry.in").read_text(encoding="utf-8").splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["lattice_vector"]:
            cell.append([float(value) for value in words[1:4]])
        elif words[:1] == ["atom"]:
            positions.append([float(value) for value in words[1:4]])
            symbols.append(words[4])
        elif words[:1] == ["atom_frac"]:
            positions.append(np.array([float(value) for value in words[1:4]]) @ np.array(cell))
            symbols.append(words[4])
        elif words[:1] == ["initial_moment"]:
            moments[len(symbols)] = words[1]
    return Geometry(symbols, np.array(positions), np.array(cell) if cell else None, moments)


def say_header(control: Control, geometry: Geometry) -> None:
    n_atoms, spin = len(geometry.symbols), control.keywords.get("spin") == ["collinear"]
    electrons = geometry.numbers.sum() - float(control.keywords.get("charge", ["0"])[0])
    say(f"{RULE}\n          Invoking FHI-aims ...\n\n  (This is a stand-in for tests, not FHI-aims.)\n")
    say("  FHI-aims version      : 0standin")
    say("  Using        1 parallel tasks.\n")
    say("  The contents of control.in will be repeated verbatim below")
    sys.stdout.buffer.write(Path("control.in").read_bytes())  # whatever their encoding is
    say()
    say(f"  | Number of species                 : {len(set(geometry.symbols)):8d}")
    say(f"  | Number of atoms                   : {n_atoms:8d}")
    say(f"  | Number of spin channels           : {2 if spin else 1:8d}")
    say(f"{RULE}\n          Reading geometry description geometry.in.\n{RULE}")
    say(f"  The structure contains {n_atoms:8d} atoms,  and a total of {electrons:14.3f} electrons.\n")
    say("  Input geometry:")
    if geometry.cell is None:
        say("  | No unit cell requested.")
    else:
        say("  | Unit cell:")
        for vector in geometry.cell:
            say("  |   " + "".join(f"{value:17.8f}" for value in vector))
    say("  | Atomic structure:\n  |       Atom                x [A]            y [A]            z [A]")
    for index, (symbol, position) in enumerate(zip(geometry.symbols, geometry.positions, strict=True), start=1):
        say(f"  | {index:4d}: Species {symbol:2s}  " + "".join(f"{value:17.8f}" for value in position))
    if spin:
        say("\n  Initial moments and charges:\n  |  Atom   Moment         Charge        Species")
        default = control.keywords.get("default_initial_moment", ["0"])[0]
        for index, symbol in enumerate(geometry.symbols, start=1):
            say(f"  | {index:5d}  {geometry.moments.get(index, default):>12s}   0.000000E+00   {symbol}")
    if geometry.cell is not None:
        say(f"  | Number of k-points                             : {8:9d}")
    say(f"  | Number of Kohn-Sham states (occupied + empty): {int(electrons):8d}")


def refuse_what_fhi_aims_refuses(control: Control, geometry: Geometry) -> None:
    if not control.has("xc"):
        stop("read_control", "No exchange-correlation functional specified.")
    missing = sorted(set(geometry.symbols) - set(control.species))
    if missing:
        stop("read_geo", f"Species {', '.join(missing)} not defined in control.in.")
    if geometry.cell is not None and not control.has("k_grid", "k_grid_density", "k_points_external"):
        stop("read_control", "Periodic geometry in geometry.in, but no k_grid in control.in.")


def compute(control: Control, geometry: Geometry) -> dict[str, np.ndarray] | None:
    """Energy (eV), forces, stress and charges; None when self-consistency is not reached."""
    from tblite.exceptions import TBLiteRuntimeError
    from tblite.interface import Calculator

    periodic = geometry.cell is not None
    options = {"lattice": geometry.cell / BOHR, "periodic": np.array([True] * 3)} if periodic else {}
    charge = float(control.keywords.get("charge", ["0"])[0])
    method = "GFN1-xTB" if periodic else "GFN2-xTB"
    calculator = Calculator(method, geometry.numbers, geometry.positions / BOHR, charge=charge, **options)
    calculator.set("verbosity", 0)
    calculator.set("accuracy", 0.01)
    calculator.set("max-iter", min(250, int(control.keywords.get("sc_iter_limit", ["250"])[0])))
    try:
        result = calculator.singlepoint()
    except TBLiteRuntimeError:
        return None
    volume = abs(np.linalg.det(geometry.cell)) if periodic else np.inf
    return {
        "energy": result.get("energy") * HARTREE,
        "forces": -result.get("gradient") * HARTREE / BOHR,
        "stress": result.get("virial") * HARTREE / volume,
        "charges": result.get("charges"),
    }


def say_restart(control: Control, n_atoms: int) -> None:
    """A restarted mixer, after which FHI-aims prints a block with forces of zero and begins another cycle."""
    say("  Self-consistency cycle not yet converged - restarting mixer to attempt better convergence.")
    say_compact(control, -999.0, np.zeros((n_atoms, 3)))
    say(f"{RULE}\n          Begin self-consistency loop: Re-initialization.\n{RULE}")


def say_cycles(control: Control, n_atoms: int, numbers: dict[str, np.ndarray] | None) -> None:
    say(f"{RULE}\n          Begin self-consistency loop: Initialization.\n{RULE}")
    say("Convergence:    q app. |  density  | eigen (eV) | Etot (eV) | forces (eV/A) |       CPU time |     Clock time")
    n_cycles = 9 if numbers is not None else min(9, int(control.keywords.get("sc_iter_limit", ["9"])[0]))
    for cycle in range(1, n_cycles + 1):
        small = f"{10.0**-cycle:.2E}"
        seconds = "        0.010 s |        0.010 s"
        say(f"  SCF {cycle:4d} :  0.00E+00 |  {small} |  {small} |  {small} |             . |{seconds}")
        if cycle == 3:
            say_restart(control, n_atoms)
    energy = float(numbers["energy"]) if numbers is not None else -1000.0
    say("  Total energy components:")
    for name in ("Total energy                 ", "Electronic free energy       "):
        say(f"  | {name} : {energy / HARTREE:20.8f} Ha {energy:20.8f} eV")
    say(f"  | Electronic free energy per atom                       : {energy:20.8f} eV")
    if numbers is not None:
        say("\n  Self-consistency cycle converged.\n")
        return
    say("  * WARNING! SELF-CONSISTENCY CYCLE DID NOT CONVERGE")
    say("  * USING YOUR PRESELECTED ACCURACY CRITERIA.")
    say("  * DO NOT RELY ON ANY FINAL DATA WITHOUT FURTHER CHECKS.")
    if not control.is_on("postprocess_anyway"):
        stop("scf_solver", "SCF cycle not converged.")


def say_hirshfeld(geometry: Geometry, charges: np.ndarray) -> None:
    say("  Performing Hirshfeld analysis of fragment charges and moments.")
    for index, (symbol, charge) in enumerate(zip(geometry.symbols, charges, strict=True), start=1):
        free = FREE_VOLUMES[NUMBERS[symbol]]
        say(f"  {'-' * 70}\n  | Atom {index:5d}: {symbol}")
        say(f"  |   Hirshfeld charge        : {charge:15.8f}")
        say(f"  |   Free atom volume        : {free:15.8f}")
        say(f"  |   Hirshfeld volume        : {free * (1 - 0.1 * charge):15.8f}")
        say(f"  |   Hirshfeld dipole vector : {0.01:15.8f}   {0.0:15.8f}   {0.0:15.8f}")
        say(f"  |   Hirshfeld dipole moment : {0.01:15.8f}")


def say_stress(stress: np.ndarray, title: str = "Analytical stress tensor - Symmetrized") -> None:
    bar = f"  +{'-' * 67}+"
    say(f"{bar}\n  |{title:^67}|")
    say(f"  |                  Cartesian components [eV/A**3]                   |\n{bar}")
    say("  |                x                y                z                |")
    say(f"  |{' ' * 67}|")
    for axis, row in zip("xyz", stress, strict=True):
        say(f"  |  {axis} " + "".join(f"{value:17.8f}" for value in row) + "           |")
    say(f"  |{' ' * 67}|\n  |  Pressure: {-np.trace(stress) / 3:16.8f}   [eV/A**3]                           |\n{bar}")


def say_numerical_stress(stress: np.ndarray) -> None:
    """It comes from strained cells, after which FHI-aims returns to the structure itself."""
    say("  Calculation of numerical stress completed\n")
    say_stress(stress, "Numerical stress tensor")
    say(f"{RULE}\n          Begin self-consistency loop: Re-initialization.\n{RULE}")
    say("  Self-consistency cycle converged.\n")


def say_compact(control: Control, energy: float, forces: np.ndarray) -> None:
    if control.mode == "hartree-only":
        return
    say("\n  Energy and forces in a compact form:")
    say(f"  | Total energy uncorrected      : {energy:29.15E} eV")
    say(
        f"  | Total energy corrected        : {energy:29.15E} eV  "
        "<-- do not rely on this value for anything but (periodic) metals"
    )
    say(f"  | Electronic free energy        : {energy:29.15E} eV")
    if control.is_on("compute_forces") and control.mode != "no-forces":
        say("  Total atomic forces (unitary forces cleaned) [eV/Ang]:")
        for index, force in enumerate(forces, start=1):
            words = [f"{value:30.15E}" if control.mode != "garbage" else "*" * 30 for value in force]
            say(f"  | {index:4d} " + "".join(words))
    say()


def main() -> None:
    if int(os.environ.get("OMPI_COMM_WORLD_RANK", os.environ.get("PMI_RANK", "0"))) > 0:
        return  # mpiexec -n N: one of them prints
    control, geometry = read_control(), read_geometry()
    say_header(control, geometry)
    refuse_what_fhi_aims_refuses(control, geometry)
    match control.mode:
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hanging":
            time.sleep(600)
        case "aborted":
            stop("aims_allocate", "Allocation of array hamiltonian failed.")
    numbers = compute(control, geometry)
    say_cycles(control, len(geometry.symbols), numbers)
    if control.mode == "cut-short":
        return
    if control.is_on("compute_numerical_stress") and numbers is not None:
        say_numerical_stress(numbers["stress"])
    if numbers is None:
        n_atoms = len(geometry.symbols)
        numbers = {"energy": np.array(-1000.0), "forces": np.zeros((n_atoms, 3)), "stress": np.zeros((3, 3))}
    if control.has("vdw_correction_hirshfeld", "many_body_dispersion") or "hirshfeld" in control.outputs:
        say_hirshfeld(geometry, numbers.get("charges", np.zeros(len(geometry.symbols))))
    if control.is_on("compute_analytical_stress") and geometry.cell is not None:
        say_stress(numbers["stress"])
    say_compact(control, float(numbers["energy"]), numbers["forces"])
    say(f"  | Number of self-consistency cycles          : {9:12d}\n")
    say(f"          Have a nice day.\n{RULE}")
    if control.mode == "ends-badly":
        sys.exit(3)


if __name__ == "__main__":
    main()
