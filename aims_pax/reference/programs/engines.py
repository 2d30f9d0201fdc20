"""Programs of electronic structure, each by ASE's calculator for it, all by the same adapter."""

import os
import shlex
import shutil
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aims_pax.atoms import atoms_of
from aims_pax.frame import FailureReason, FloatArray, Frame, Label, LabelFailure
from aims_pax.reference.ase_adapter import extras
from aims_pax.reference.calculation import Calculation, EngineFailed, NotConverged, Observables
from aims_pax.reference.electrons import ground_state_multiplicity, spin_problem
from aims_pax.reference.process.leash import NOT_HERE, leashed, missing_program
from aims_pax.reference.programs.abinit import abinit_problems
from aims_pax.reference.programs.by_hand import Written, write_run
from aims_pax.reference.programs.cp2k import cp2k_problems
from aims_pax.reference.programs.engine_output import judged, require_whole, version_printed
from aims_pax.reference.programs.engine_run import EngineRun
from aims_pax.reference.programs.engine_table import ENGINES, Engine, is_for_molecules_only
from aims_pax.reference.programs.espresso import espresso_problems
from aims_pax.reference.programs.precision import k_spacing
from aims_pax.settings.methods.charges import told_by
from aims_pax.settings.methods.engines import (
    AbinitSettings,
    BoxedEngineSettings,
    Cp2kSettings,
    CrystalEngineSettings,
    EngineSettings,
    EspressoSettings,
    GpawSettings,
    KPointEngineSettings,
    MoleculeEngineSettings,
    box_problem,
)
from aims_pax.settings.methods.keywords import fixes_spin, flat

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import BaseCalculator


@dataclass(frozen=True, slots=True)
class EngineReference:
    """Labels by a program that is started anew for each of them, in the label's folder."""

    settings: EngineSettings

    @property
    def name(self) -> str:
        """Program and all settings that decide the numbers; a label adds the version that computed it."""
        engine = ENGINES[type(self.settings)]
        ours = {"max_force_ev_per_ang", "walltime_s", "command", "launch", "type", "pseudo_dir", "dispersion"}
        decisive = {
            key: value
            for key, value in self.settings.model_dump(exclude_defaults=True, exclude=ours).items()
            if value is not None
        }
        if isinstance(self.settings, EspressoSettings):
            decisive["protocol"] = self.settings.protocol
        told = ", ".join(f"{key}={value!r}" for key, value in sorted(decisive.items())).replace("; ", ";")
        return f"{engine.title} by ASE {version('ase')}" + (f": {told}" if told else "")

    def problems(self, numbers: Sequence[int], *, periodic: bool) -> list[str]:
        """Missing program, package, pseudopotentials or cutoffs, impossible spins, crystals for a molecular program."""
        engine = ENGINES[type(self.settings)]
        found = []
        missing = self._missing()
        if missing is not None:
            advice = f"install it ({engine.install})" + (", or set REFERENCE.command" if self._command else "")
            found.append(f"{engine.title} is needed: {missing}; {advice}")
        return found + self.input_problems(numbers, periodic=periodic)

    def input_problems(self, numbers: Sequence[int], *, periodic: bool) -> list[str]:
        """The same without the program, which input can be written without."""
        settings, engine, found = self.settings, ENGINES[type(self.settings)], list[str]()
        folder = getattr(settings, "pseudo_dir", None)
        if folder is not None and not os.path.isdir(folder):
            found.append(f"the folder {folder} (REFERENCE.pseudo_dir) was {NOT_HERE}")
        elif isinstance(settings, EspressoSettings):
            found += espresso_problems(settings, _symbols(numbers))
        elif isinstance(settings, AbinitSettings):
            found += abinit_problems(settings, numbers)
        if isinstance(settings, Cp2kSettings):
            found += cp2k_problems(settings, periodic=periodic)
        if isinstance(settings, GpawSettings) and settings.protocol is None and "mode" not in settings.parameters:
            found.append("GPAW needs REFERENCE.parameters.mode; plane waves, for example: mode: {name: pw, ecut: 400}")
        if periodic and is_for_molecules_only(type(settings)):
            found.append(f"{engine.title} labels molecules only; choose another REFERENCE.type for periodic structures")
        if isinstance(settings, MoleculeEngineSettings):
            told = told_by(settings)
            charge, multiplicity = int(told.charge or 0), int(told.multiplicity or 1)
            spin = spin_problem(numbers, charge=charge, multiplicity=multiplicity)
            found += [] if spin is None else [spin]
        return found

    def label(self, frame: Frame, *, folder: Path, want_stress: bool) -> Label | LabelFailure:
        """One self-consistent calculation with its forces, and for crystals its stress."""
        calculation = Calculation(frame, folder, self.name, self.settings.max_force_ev_per_ang)
        outcome = calculation.outcome(lambda: self._observables(frame, folder, want_stress=want_stress))
        if isinstance(outcome, LabelFailure):
            return outcome
        told = version_printed(ENGINES[type(self.settings)], folder)
        return outcome if told is None else replace(outcome, reference=f"{self.name}; version {told}")

    def isolated_atom_energy(self, number: int, *, folder: Path) -> float | None:
        """Energy of one neutral free atom, eV, in the spin of its ground state; None where that can't be told.

        Programs that sample the Brillouin zone have the atom in the middle of `molecule_box`, at the Γ point, with the
        smearing of all other labels: a shell that is partly filled is spherical.
        """
        reference, own = self.for_free_atom(number), folder / f"free-atom-{number}"
        if reference is None:
            return None
        atom = Frame("isolated atom", 0, 0, 0, np.array([number]), np.zeros((1, 3)))
        outcome = reference.label(atom, folder=own, want_stress=False)
        if isinstance(outcome, Label):
            shutil.rmtree(own, ignore_errors=True)
            return outcome.energy
        return None

    def for_free_atom(self, number: int) -> "EngineReference | None":
        """What computes a neutral free atom in the spin of its ground state; None where that can't be told."""
        settings, multiplicity = self._for_free_atom(), ground_state_multiplicity(number)
        if multiplicity is None or settings is None:
            return None
        return EngineReference(settings.model_copy(update={"charge": 0, "multiplicity": multiplicity}))

    def write_input(self, frame: Frame, *, folder: Path, want_stress: bool) -> Written:
        """The very files that a label of this frame would begin with, in an existing folder; starts nothing.

        Raises
        ------
        Exception
            What the structure or the files of pseudopotentials stand in the way of, in ASE's words.
        """
        self._require_suited(frame)
        return write_run(self._run(frame, folder.absolute(), want_stress=want_stress, command=self._command))

    def _for_free_atom(self) -> EngineSettings | None:
        """The settings without what belongs to other structures; None where the program has no key for the spin, or
        `parameters` say one that holds for all structures."""
        settings = self.settings
        if told_by(settings).owned:
            return None
        if isinstance(settings, MoleculeEngineSettings):
            return settings
        if not isinstance(settings, CrystalEngineSettings):
            return None
        if any(fixes_spin(name, value) for name, value in flat(settings.parameters)):
            return None
        gamma = {**settings.parameters, "kpts": (1, 1, 1)}
        return settings.model_copy(update={"parameters": gamma, "magnetic_moments": {}})

    def _observables(self, frame: Frame, folder: Path, *, want_stress: bool) -> Observables:
        engine, folder, words = ENGINES[type(self.settings)], folder.absolute(), self._command
        self._require_suited(frame)
        command = leashed(_located(words)) if words else []
        run = self._run(frame, folder, want_stress=want_stress, command=command)
        folder.mkdir(parents=True, exist_ok=True)
        with judged(engine, folder):
            seen = _computed(engine, run)
        require_whole(engine, folder, n_atoms=frame.n_atoms)
        return seen

    def _require_suited(self, frame: Frame) -> None:
        if frame.pbc.any() and is_for_molecules_only(type(self.settings)):
            raise ValueError(f"{ENGINES[type(self.settings)].title} labels molecules only")

    def _run(self, frame: Frame, folder: Path, *, want_stress: bool, command: list[str]) -> EngineRun:
        """One calculation as the table wants it."""
        settings = self.settings
        atoms = atoms_of(frame)
        if isinstance(settings, BoxedEngineSettings) and atoms.cell.rank == 0:
            _put_into_box(atoms, settings.molecule_box)
        kpts = None
        if isinstance(settings, CrystalEngineSettings):
            atoms.set_initial_magnetic_moments(_initial_moments(atoms, settings))
        if isinstance(settings, KPointEngineSettings) and frame.pbc.any():
            kpts = k_mesh(atoms, settings)
        return EngineRun(
            settings=settings,
            folder=folder,
            command=command,
            atoms=atoms,
            kpts=kpts,
            want_stress=want_stress and settings.STRESS and bool(frame.pbc.all()),
            charge=getattr(settings, "charge", None) or 0,
            multiplicity=getattr(settings, "multiplicity", 1),
        )

    @property
    def _command(self) -> list[str]:
        """Words of the command; empty for GPAW, which is no program."""
        return shlex.split(getattr(self.settings, "command", ""))

    def _missing(self) -> str | None:
        """Words for what is not there; None when all is."""
        if isinstance(self.settings, GpawSettings):
            needed = ["gpaw"] if self.settings.launch is None else ["gpaw", "mpi4py"]
            without = [package for package in needed if find_spec(package) is None]
            return f"the Python package {without[0]} is not installed" if without else None
        return missing_program(self._command)


def k_mesh(atoms: "Atoms", settings: KPointEngineSettings) -> tuple[int, int, int] | None:
    """Points along each reciprocal vector; None when the user's `parameters` name them, or nothing does.

    Notes
    -----
    n_i = ceil(\\|b_i\\| / kspacing), where b_i holds 2π; 1 along directions that are not periodic.
    """
    spacing = k_spacing(settings)
    if spacing is None or "kpts" in settings.parameters:
        return None
    lengths = 2 * np.pi * np.linalg.norm(atoms.cell.reciprocal(), axis=1)
    # Rounded first, so that a spacing which divides the length is not one more for the last bit.
    counts = np.maximum(1, np.ceil(np.round(lengths / spacing, 5))).astype(int)
    mesh = np.where(atoms.pbc, counts, 1)
    return int(mesh[0]), int(mesh[1]), int(mesh[2])


def _computed(engine: Engine, run: EngineRun) -> Observables:
    """The numbers of one calculation; the calculator is closed whatever happens."""
    calculator = None
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")  # ASE's advice to those who call it
            calculator = engine.calculator(run)
            return _results(calculator, run)
    finally:
        close = getattr(calculator, "close", None)
        if close is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                close()


def _results(calculator: "BaseCalculator", run: EngineRun) -> Observables:
    wanted = run.wanted
    run.atoms.calc = calculator  # CASTEP's input is written by way of it
    if isinstance(run.settings, GpawSettings):
        for quantity in wanted:  # GPAW keeps the wave functions between them
            calculator.get_property(quantity, run.atoms)
    else:
        from ase.calculators.calculator import all_changes

        # All at once: asked for one after the other, files would be written and the program started for each.
        calculator.calculate(run.atoms, wanted, list(all_changes))
    if getattr(calculator, "converged", None) is False:
        raise NotConverged("the program says that self-consistency was not reached")
    results: dict[str, Any] = calculator.results
    missing = [quantity for quantity in wanted if results.get(quantity) is None]
    if missing:
        raise EngineFailed(FailureReason.CRASHED, f"the output holds no {' and no '.join(missing)}")
    energy = results.get("free_energy")
    return Observables(
        energy=results["energy"] if energy is None else energy,
        forces=results["forces"],
        stress=results["stress"] if run.want_stress else None,
        extras=extras(results, periodic=bool(run.atoms.pbc.any())),
    )


def _initial_moments(atoms: "Atoms", settings: CrystalEngineSettings) -> FloatArray:
    """Moment of each atom, µB, (n_atoms,): those of the elements, and as many more as a fixed total moment asks for."""
    by_element = settings.magnetic_moments
    moments = np.array([by_element.get(symbol, 0.0) for symbol in atoms.get_chemical_symbols()])
    if settings.multiplicity is not None:
        lacking = settings.multiplicity - 1 - moments.sum()
        carriers = moments != 0 if moments.any() else np.ones(len(moments), dtype=bool)
        moments[carriers] += lacking / carriers.sum()
    return moments


def _put_into_box(atoms: "Atoms", edge: float) -> None:
    """A molecule at the centre of a cube.

    Raises
    ------
    ValueError
        It is too large for it.
    """
    if (problem := box_problem(atoms.positions, edge)) is not None:
        raise ValueError(problem)
    lowest, highest = atoms.positions.min(axis=0), atoms.positions.max(axis=0)
    atoms.cell = np.eye(3) * edge
    atoms.positions += edge / 2 - (lowest + highest) / 2


def _located(command: list[str]) -> list[str]:
    """The command with the full path of its program, which ORCA needs and nobody minds."""
    return [shutil.which(command[0]) or command[0], *command[1:]]


def _symbols(numbers: Sequence[int]) -> list[str]:
    from ase.data import chemical_symbols

    return [str(chemical_symbols[number]) for number in sorted({int(number) for number in numbers})]
