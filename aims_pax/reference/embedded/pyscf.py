"""Density-functional theory and Hartree-Fock for molecules by PySCF: real ab initio on any laptop.

PySCF's own ASE calculator is not used: it runs one self-consistency cycle for the energy and another for the forces,
is tied to one composition, and says nothing of a cycle that did not converge.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.reference.calculation import Calculation, NotConverged, Observables, engine
from aims_pax.reference.electrons import ground_state_multiplicity, spin_problem
from aims_pax.reference.embedded.pyscf_names import basis_problems, core, functional_problem, orbitals
from aims_pax.settings.methods.reference import PyscfSettings
from aims_pax.units import BOHR_ANG, HARTREE_EV

MOLECULES_ONLY: Final = "PySCF labels molecules only; choose another REFERENCE.type for periodic structures"


@dataclass(frozen=True, slots=True)
class PyscfReference:
    """Labels by molecular DFT or Hartree-Fock: one molecule object and one SCF per label, nothing kept between."""

    settings: PyscfSettings

    @property
    def name(self) -> str:
        """Engine, version, functional, basis and what else decides the numbers."""
        settings = self.settings
        details = ["density fitting"] if settings.density_fit else []
        details += [] if self._is_hartree_fock else [f"grid level {settings.grid_level}"]
        if settings.charge != 0 or settings.multiplicity != 1:
            details += [f"charge {settings.charge:+d}", f"multiplicity {settings.multiplicity}"]
        return ", ".join([f"{engine('pyscf', 'PySCF')} {settings.xc}/{settings.basis}", *details])

    def problems(self, numbers: Sequence[int], *, periodic: bool) -> list[str]:
        """Missing package, crystals, elements without basis, unknown functionals, impossible spins."""
        if find_spec("pyscf") is None:
            return ["the Python package pyscf is not installed; install it with: pip install 'aims-pax[pyscf]'"]
        settings = self.settings
        found = []
        if periodic:
            found.append(MOLECULES_ONLY)
        found += basis_problems(settings.basis, [_symbol(number) for number in sorted(set(numbers))])
        if not self._is_hartree_fock:
            problem = functional_problem(settings.xc, is_corrected=settings.dispersion is not None)
            found += [] if problem is None else [problem]
        spin = spin_problem(numbers, charge=settings.charge, multiplicity=settings.multiplicity)
        return found if spin is None else [*found, spin]

    def label(self, frame: Frame, *, folder: Path, want_stress: bool) -> Label | LabelFailure:
        """One SCF and its analytical gradient. A molecule has no stress, so `want_stress` changes nothing."""
        calculation = Calculation(frame, folder, self.name, self.settings.max_force_ev_per_ang)
        return calculation.outcome(lambda: self._observables(frame))

    def isolated_atom_energy(self, number: int, *, folder: Path) -> float | None:
        """Energy of one neutral free atom, eV; None when it does not converge or has no basis."""
        multiplicity = ground_state_multiplicity(number)
        if multiplicity is None or orbitals(self.settings.basis, _symbol(number)) is None:
            return None
        atom = Frame("isolated atom", 0, 0, 0, np.array([number]), np.zeros((1, 3)))
        calculation = Calculation(atom, folder, self.name, self.settings.max_force_ev_per_ang)

        def compute() -> Observables:
            field = self._mean_field(atom, charge=0, multiplicity=multiplicity)
            # Degenerate open shells make the plain iteration oscillate; second-order steps bring it home.
            energy = field.kernel()
            if not field.converged:
                field = field.newton()
                energy = field.kernel()
            _require_convergence(field, self.settings.max_cycle)
            return Observables(energy=energy * HARTREE_EV, forces=np.zeros((1, 3)))

        outcome = calculation.outcome(compute)
        return outcome.energy if isinstance(outcome, Label) else None

    @property
    def _is_hartree_fock(self) -> bool:
        return self.settings.xc.upper() == "HF"

    def _observables(self, frame: Frame) -> Observables:
        if frame.pbc.any():
            raise ValueError(MOLECULES_ONLY)
        field = self._mean_field(frame, charge=self.settings.charge, multiplicity=self.settings.multiplicity)
        energy = field.kernel()
        _require_convergence(field, self.settings.max_cycle)
        gradient = field.nuc_grad_method()
        if not self._is_hartree_fock:
            # Without the response of the integration grid the forces are no derivative of the energy: on water they
            # sum to 1e-2 eV/Å instead of zero at grid level 1. It costs nothing that could be measured.
            gradient.grid_response = True
        forces = -gradient.kernel() * HARTREE_EV / BOHR_ANG
        dipole = field.dip_moment(unit="AU", verbose=0) * BOHR_ANG
        return Observables(energy=energy * HARTREE_EV, forces=forces, extras={"dipole": dipole})

    def _mean_field(self, frame: Frame, *, charge: int, multiplicity: int) -> Any:
        """PySCF's mean-field object for a structure, ready to run."""
        from pyscf import dft, gto, scf

        symbols = [_symbol(number) for number in frame.numbers]
        molecule = gto.M(
            atom=list(zip(symbols, (frame.positions / BOHR_ANG).tolist(), strict=True)),
            unit="Bohr",
            basis=dict.fromkeys(symbols, self.settings.basis),
            ecp={symbol: inner for symbol in set(symbols) if (inner := core(self.settings.basis, symbol))},
            charge=charge,
            spin=multiplicity - 1,
            verbose=0,
        )
        closed_shell = multiplicity == 1
        if self._is_hartree_fock:
            field = scf.RHF(molecule) if closed_shell else scf.UHF(molecule)
        else:
            field = (dft.RKS if closed_shell else dft.UKS)(molecule, xc=self.settings.xc)
            field.grids.level = self.settings.grid_level
        if self.settings.density_fit:
            field = field.density_fit()
        field.conv_tol = self.settings.conv_tol
        field.max_cycle = self.settings.max_cycle
        field.chkfile = None  # otherwise every label leaves a temporary file behind
        return field


def _require_convergence(field: Any, max_cycle: int) -> None:
    if not field.converged:
        raise NotConverged(f"SCF not converged in {max_cycle} cycles (REFERENCE.max_cycle)")


def _symbol(number: int) -> str:
    from ase.data import chemical_symbols

    return str(chemical_symbols[number])
