"""Programs that ASE drives: how ASE's calculator of each is made, and how it says that it did not converge."""

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aims_pax.reference.programs.abinit import abinit_arguments
from aims_pax.reference.programs.cp2k import cp2k_arguments
from aims_pax.reference.programs.engine_run import EngineRun
from aims_pax.reference.programs.espresso import input_data, pseudopotentials, require_whole_tables
from aims_pax.reference.programs.precision import arguments_of
from aims_pax.settings.methods.engines import (
    AbinitSettings,
    BoxedEngineSettings,
    CastepSettings,
    Cp2kSettings,
    DftbSettings,
    EngineSettings,
    EspressoSettings,
    GpawSettings,
    MoleculeEngineSettings,
    NwchemSettings,
    OrcaSettings,
    SiestaSettings,
    VaspSettings,
)

if TYPE_CHECKING:
    from ase.calculators.calculator import BaseCalculator

STDERR: Final = "stderr.txt"
"""Where the error output of programs goes that ASE leaves on the terminal."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One row of the table.

    Parameters
    ----------
    title : str
        As labels name it.
    calculator : callable
        Makes ASE's calculator for one run.
    unconverged : str
        Pattern of what the program prints when self-consistency was not reached.
    outputs : tuple of str
        Patterns of the files to which it prints.
    install : str
        How it is installed.
    version : str
        Pattern of what it prints of its version, the only group.
    asked_by : tuple of str
        Arguments by which it tells its version and ends; none: there are no such.
    require_whole : callable or None
        Looks for gaps in what was printed for so many atoms, where ASE's reader does not.
    beginning : str or None
        Pattern of a line that each run prints once, whatever its number of ranks.
    """

    title: str
    calculator: Callable[[EngineRun], "BaseCalculator"]
    unconverged: str
    outputs: tuple[str, ...]
    install: str
    version: str
    asked_by: tuple[str, ...] = ()
    require_whole: Callable[[str, int], None] | None = None
    beginning: str | None = None


def _program(run: EngineRun) -> Any:
    """The profile of ASE's older calculators, which leave error output on the terminal."""
    from ase.calculators.calculator import StandardProfile

    class Program(StandardProfile):  # type: ignore[misc]
        def _call(self, calculator: Any, start: Callable[..., Any]) -> Any:
            with (run.folder / STDERR).open("wb") as errors:
                return super()._call(calculator, lambda *args, **kwargs: start(*args, stderr=errors, **kwargs))

    return Program(run.words)


def _abinit(run: EngineRun) -> "BaseCalculator":
    from ase.calculators.abinit import Abinit, AbinitProfile

    profile = AbinitProfile(run.words, pp_paths=[str(run.settings.pseudo_dir)])
    return Abinit(profile=profile, directory=run.folder, **abinit_arguments(run))


def _castep(run: EngineRun) -> "BaseCalculator":
    from ase.calculators.castep import Castep

    arguments = run.arguments(
        task="SinglePoint",
        calculate_stress=run.want_stress,
        write_checkpoint="none",
        # As ASE wants it said, to write the moments.
        **({"spin_polarized": "TRUE"} if run.is_magnetic or run.moment is not None else {}),
        **({"charge": run.charge} if run.charge else {}),
        **({} if run.moment is None else {"spin": run.moment, "spin_fix": -1}),
    )
    own = {key: arguments.pop(key) for key in ("find_pspots", "keyword_tolerance") if key in arguments}
    folder = run.settings.pseudo_dir
    calculator = Castep(
        directory=str(run.folder),
        castep_command=f"exec {run.words}",
        castep_pp_path=None if folder is None else str(folder),
        **{"keyword_tolerance": 3, "find_pspots": folder is not None, **own},
    )
    calculator._rename_existing_dir = False  # the folder of this attempt is there, and empty
    kpts, cell = arguments.pop("kpts", None), arguments.pop("cell", {})
    if run.centred is not None:
        kpts = {"size": run.centred, "gamma": True}
    if kpts is not None:
        calculator.set_kpts(kpts)
    # Not to the calculator itself: without CASTEP's list of keywords it drops those that it does not know.
    for key, value in cell.items():
        setattr(calculator.cell, key, value)
    for key, value in arguments.items():
        setattr(calculator.param, {"xc": "xc_functional", "ecut": "cut_off_energy"}.get(key, key), value)
    return calculator


def _cp2k(run: EngineRun) -> "BaseCalculator":
    from ase.calculators.cp2k import CP2K

    # CP2K's input has lines of limited length, and its project bears the label: no path may be in it.
    command = f"cd {shlex.quote(str(run.folder))} && exec {run.words} 2>{STDERR}"
    return CP2K(label="cp2k", command=command, **cp2k_arguments(run))


def _dftb(run: EngineRun) -> "BaseCalculator":
    from ase.calculators.dftb import Dftb

    folder = run.settings.pseudo_dir
    own = {} if folder is None else {"slako_dir": f"{folder}/"}
    arguments = run.arguments(**({"Hamiltonian_Charge": run.charge} if run.charge else {}))
    if run.is_periodic and run.centred is not None:
        arguments["kpts"] = {"size": run.centred, "gamma": True}
    return Dftb(label="dftb", directory=str(run.folder), profile=_program(run), **own, **arguments)


def _espresso(run: EngineRun) -> "BaseCalculator":
    from ase.calculators.espresso import Espresso, EspressoProfile

    elements = sorted(set(run.atoms.get_chemical_symbols()))
    data = input_data(run.settings, elements, n_atoms=len(run.atoms))
    data["control"] = {"tprnfor": True, "tstress": run.want_stress, **data["control"]}
    charge = {"tot_charge": run.charge} if run.charge else {}
    spin = {} if run.moment is None else {"nspin": 2, "tot_magnetization": run.moment}
    data["system"] = {**charge, **spin, **data["system"]}
    files = pseudopotentials(run.settings)
    arguments = run.arguments(pseudopotentials={element: files[element].file for element in elements})
    if arguments.get("kpts") == (1, 1, 1):
        arguments["kpts"] = None  # pw.x has faster routines for the Γ point alone
    return Espresso(
        profile=EspressoProfile(run.words, run.settings.pseudo_dir),
        directory=run.folder,
        **{**arguments, "input_data": data},
    )


def _gpaw(run: EngineRun) -> "BaseCalculator":
    from gpaw import GPAW

    return GPAW(txt=str(run.folder / "gpaw.txt"), **gpaw_arguments(run))


def gpaw_arguments(run: EngineRun) -> dict[str, Any]:
    """What GPAW's calculator is told."""
    mesh = {} if run.kpts is None else {"kpts": {"size": run.kpts, "gamma": True}}
    charge = {"charge": run.charge} if run.charge else {}
    given = arguments_of(run.settings, periodic=run.is_periodic)
    arguments = {**mesh, **charge, **given}
    if run.moment is not None:
        # At the sum of the initial moments. A molecule has whole occupations, a crystal GPAW's own smearing.
        width = 0.1 if run.is_periodic else 0.0
        occupations = given.get("occupations", {"name": "fermi-dirac", "width": width})
        arguments |= {"spinpol": True, "occupations": {**occupations, "fixmagmom": True}}
    return arguments


def _nwchem(run: EngineRun) -> "BaseCalculator":
    from ase.calculators.nwchem import NWChem

    # The multiplicity goes by the atoms' magnetic moments, from which ASE writes that of any theory.
    run.atoms.set_initial_magnetic_moments([(run.multiplicity or 1) - 1] + [0] * (len(run.atoms) - 1))
    return NWChem(label=str(run.folder / "nwchem"), profile=_program(run), **run.arguments(charge=run.charge))


def _orca(run: EngineRun) -> "BaseCalculator":
    from ase.calculators.orca import ORCA, OrcaProfile

    arguments = run.arguments(charge=run.charge, mult=run.multiplicity)
    method = arguments.get("orcasimpleinput", "")
    if "engrad" not in method.lower():
        arguments["orcasimpleinput"] = f"{method} EnGrad".strip()
    return ORCA(profile=OrcaProfile(run.words), directory=run.folder, **arguments)


def _siesta(run: EngineRun) -> "BaseCalculator":
    from ase.calculators.siesta import Siesta

    folder, spin = (
        str(run.settings.pseudo_dir),
        "collinear" if run.is_magnetic or run.moment is not None else "non-polarized",
    )
    arguments = run.arguments(pseudo_path=folder, spin=spin)
    fixed = {} if run.moment is None else {"Spin.Fix": True, "Spin.Total": run.moment}
    told = {**({"NetCharge": run.charge} if run.charge else {}), **fixed}
    if told:
        arguments["fdf_arguments"] = {**told, **arguments.get("fdf_arguments", {})}
    return Siesta(profile=_program(run), directory=str(run.folder), **arguments)


def _vasp(run: EngineRun) -> "BaseCalculator":
    from ase.calculators.vasp import Vasp

    os.environ[Vasp.VASP_PP_PATH] = str(run.settings.pseudo_dir)  # there is no other way to tell ASE
    run.atoms.pbc = True  # as VASP has all structures, and ASE refuses others
    charge = {"charge": run.charge} if run.charge else {}
    spin = {} if run.moment is None else {"ispin": 2, "nupdown": run.moment}
    arguments = run.arguments(**({} if run.kpts is None else {"gamma": True}), **charge, **spin)
    return Vasp(directory=str(run.folder), command=f"exec {run.words}", **arguments)


ENGINES: Final[Mapping[type[EngineSettings], Engine]] = {
    AbinitSettings: Engine(
        "ABINIT",
        _abinit,
        r"was not enough SCF cycles to converge|ScfConvergenceWarning",
        ("abinit.log", "abinit.err"),
        "apt install abinit, or conda-forge; https://abinit.org",
        version=r"^\.?(?:Version )?(\d+\.\d\S*)(?: of ABINIT|$)",
        asked_by=("--version",),
        beginning=r"^\.Version \S+ of ABINIT",
    ),
    CastepSettings: Engine(
        "CASTEP",
        _castep,
        r"max\. SCF cycles performed but system has not reached the groundstate|SCF loop did not converge",
        ("castep.castep", "castep.*.err"),
        "a licence from https://www.castep.org",
        version=r"CASTEP version (\S+)",
        asked_by=("--version",),
    ),
    Cp2kSettings: Engine(
        "CP2K",
        _cp2k,
        r"SCF run NOT converged",  # otherwise silent: the shell returns the energy of the last iteration
        ("cp2k.out", STDERR),
        "apt install cp2k, or conda-forge; https://www.cp2k.org",
        version=r"CP2K version (\S+)",
        asked_by=("--version",),
    ),
    DftbSettings: Engine(
        "DFTB+",
        _dftb,
        r"SCC is NOT converged",
        ("dftb.out", STDERR),
        "conda-forge, package dftbplus; https://dftbplus.org",
        version=r"DFTB\+ (?:release|version)\s+(\S+)",
        asked_by=("--version",),
    ),
    EspressoSettings: Engine(
        "Quantum ESPRESSO",
        _espresso,
        r"convergence NOT achieved",
        ("espresso.pwo", "espresso.err", "CRASH"),
        "apt install quantum-espresso, or conda-forge, package qe; https://www.quantum-espresso.org",
        version=r"Program PWSCF v\.(\d[\d.]*)",
        asked_by=("-in", "/dev/null"),
        require_whole=require_whole_tables,
        beginning=r"Program PWSCF v\.",
    ),
    GpawSettings: Engine(
        "GPAW",
        _gpaw,
        r"Did not converge!",
        ("gpaw.txt",),
        "pip install 'aims-pax[gpaw]'; needs a C compiler, libxc and BLAS: apt install libxc-dev libopenblas-dev",
        version=r"^ \|__\|\|  \| \|\|/\\\| - (\d\S*)",
    ),
    NwchemSettings: Engine(
        "NWChem",
        _nwchem,
        r"Calculation failed to converge|failed to converge",
        ("nwchem.nwo", STDERR),
        "apt install nwchem, or conda-forge; https://nwchemgit.github.io",
        version=r"\(NWChem\) (\d[\d.]*)",
        asked_by=("/dev/null",),
        beginning=r"\(NWChem\) \d",
    ),
    OrcaSettings: Engine(
        "ORCA",
        _orca,
        r"SCF NOT CONVERGED|Wavefunction not fully converged|not fully converged!",
        ("orca.out", "orca.err"),
        "free for academic use, from https://orcaforum.kofo.mpg.de",
        version=r"Program Version (\S+)",
    ),
    SiestaSettings: Engine(
        "SIESTA",
        _siesta,
        r"SCF_NOT_CONV|SCF did not converge",
        ("siesta.out", STDERR),
        "conda-forge, package siesta; https://siesta-project.org",
        version=r"Version\s*:\s*(\S+)",
        asked_by=("--version",),
    ),
    VaspSettings: Engine(
        "VASP",
        _vasp,
        r"EDIFF was not reached|The electronic self-consistency was not achieved",
        ("OUTCAR", "vasp.out"),
        "a licence from https://www.vasp.at",
        version=r"^ *vasp\.(\S+)",
    ),
}
"""Settings class of every program, and what is known of it."""


def is_for_molecules_only(kind: type[EngineSettings]) -> bool:
    """Whether structures may not be periodic."""
    return issubclass(kind, MoleculeEngineSettings) and not issubclass(kind, BoxedEngineSettings)
