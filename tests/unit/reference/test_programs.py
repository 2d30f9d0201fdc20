"""Programs that ASE drives: what they are given to read, and what becomes of each way in which they end."""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from pydantic import ValidationError

from aims_pax.atoms import atoms_of, frame_of
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.protocols import Reference
from aims_pax.reference.catalogue import catalogue
from aims_pax.reference.programs.cp2k import about_no_point, with_k_points
from aims_pax.reference.programs.engine_output import version_printed
from aims_pax.reference.programs.engine_table import ENGINES
from aims_pax.reference.programs.engines import EngineReference, k_mesh
from aims_pax.reference.programs.espresso import input_data
from aims_pax.reference.registry import build_reference
from aims_pax.settings.methods.engines import (
    ENGINE_SETTINGS,
    AbinitSettings,
    CastepSettings,
    Cp2kSettings,
    DftbSettings,
    EngineSettings,
    EspressoSettings,
    GpawSettings,
    NwchemSettings,
    OrcaSettings,
    SiestaSettings,
    VaspSettings,
)
from aims_pax.settings.methods.reference import REFERENCE_SETTINGS

from ... import programs

SILICON = frame_of(bulk("Si"), system="silicon")
WATER = frame_of(molecule("H2O"), system="water")


def stand_in(folder: Path, *, printed: dict[str, str] | None = None, ends: str = "sys.exit(0)") -> str:
    """A program that writes files into its working folder and ends as told."""
    script = folder / "program"
    lines = [f"#!{sys.executable}", "import os, signal, sys", f"for name, text in {printed or {}!r}.items():"]
    script.write_text("\n".join([*lines, "    open(name, 'w').write(text)", ends, ""]), encoding="utf-8")
    script.chmod(0o755)
    return str(script)


POTCAR = "PAW Si\n TITEL  = PAW Si\n LULTRA\n IUNSCR\n RPACOR\n POMASS =   28.085; ZVAL   =    4.000    mass\n"


def settings_of(kind: str, folder: Path, *, command: str) -> EngineSettings:
    """Any program's, with what it needs in files."""
    common = {"command": command}
    (folder / "Si.psf").touch()
    (folder / "14si.pspgth").touch()
    (folder / "potpaw" / "Si").mkdir(parents=True, exist_ok=True)
    (folder / "potpaw" / "Si" / "POTCAR").write_text(POTCAR, encoding="utf-8")
    angular = {"Hamiltonian_MaxAngularMomentum_": "", "Hamiltonian_MaxAngularMomentum_Si": '"p"'}
    match kind:
        case "abinit":
            return AbinitSettings(**common, pseudo_dir=folder, kspacing=0.51, parameters={"pps": "pspgth", "ecut": 300})
        case "castep":
            return CastepSettings(
                **common, kspacing=0.51, parameters={"xc": "PBE", "cut_off_energy": 300, "cell": {"fix_com": True}}
            )
        case "cp2k":
            return Cp2kSettings(**common, parameters={"xc": "PBE"})
        case "dftb+":
            return DftbSettings(**common, pseudo_dir=folder, kspacing=0.51, parameters=angular)
        case "espresso":
            files = {"Si": "Si.upf", "H": "H.upf", "O": "O.upf"}
            data = {"input_data": {"ecutwfc": 30}}
            return EspressoSettings(**common, pseudo_dir=folder, pseudopotentials=files, parameters=data)
        case "nwchem":
            return NwchemSettings(**common, charge=1, multiplicity=2, parameters={"xc": "PBE", "basis": "3-21G"})
        case "orca":
            return OrcaSettings(**common, charge=1, multiplicity=2, parameters={"orcasimpleinput": "PBE def2-SVP"})
        case "siesta":
            return SiestaSettings(**common, pseudo_dir=folder, kspacing=0.51, parameters={"xc": "PBE"})
        case _:
            return VaspSettings(**common, pseudo_dir=folder, kspacing=0.51, parameters={"xc": "LDA", "encut": 300})


def labelled(reference: Reference, folder: Path, *, kind: str = "") -> Label | LabelFailure:
    frame = WATER if kind in ("nwchem", "orca", "cp2k") else SILICON
    return reference.label(frame, folder=folder / "label", want_stress=True)


def failure(reference: Reference, folder: Path, *, kind: str = "") -> LabelFailure:
    result = labelled(reference, folder, kind=kind)
    assert isinstance(result, LabelFailure), result
    return result


MOMENTS = {
    "abinit": {"abinit.in": ["nsppol 2", "0.00000000000000 0.00000000000000 1.50000000000000"]},
    "castep": {"castep.cell": ["SPIN=1.5"], "castep.param": ["SPIN_POLARIZED: TRUE"]},
    "espresso": {"espresso.pwi": ["nspin = 2", "starting_magnetization(1) = 1.5"]},
    "siesta": {"siesta.fdf": ["Spin collinear", "DM.InitSpin", "1 1.5"]},
    "vasp": {"INCAR": ["ISPIN = 2", "MAGMOM = 2*1.5000"]},
}


@pytest.mark.parametrize("kind", MOMENTS)
def test_initial_moments_reach_the_program(kind: str, tmp_path: Path) -> None:
    settings = settings_of(kind, tmp_path, command=stand_in(tmp_path))
    failure(EngineReference(settings.model_copy(update={"magnetic_moments": {"Si": 1.5}})), tmp_path, kind=kind)
    for name, lines in MOMENTS[kind].items():
        text = " ".join((tmp_path / "label" / name).read_text(encoding="utf-8").split())
        for line in lines:
            assert line in text, text


CHARGED = {
    "abinit": {"abinit.in": ["cellcharge -2", "nsppol 2", "spinmagntarget 2"]},
    "castep": {"castep.param": ["CHARGE: -2", "SPIN_POLARIZED: TRUE", "SPIN: 2", "SPIN_FIX: -1"]},
    "dftb+": {"dftb_in.hsd": ["Charge = -2"]},
    "espresso": {"espresso.pwi": ["tot_charge = -2", "nspin = 2", "tot_magnetization = 2"]},
    "nwchem": {"nwchem.nwi": ["charge -2", "mult 3"]},
    "orca": {"orca.inp": ["*xyz -2 3"]},
    "siesta": {"siesta.fdf": ["NetCharge -2", "Spin collinear", "Spin.Fix", "Spin.Total 2"]},
    "vasp": {"INCAR": ["NELECT = 10", "ISPIN = 2", "NUPDOWN = 2"]},
}
"""Two electrons more than protons, and two of them unpaired."""


@pytest.mark.parametrize("kind", CHARGED)
def test_charge_and_multiplicity_reach_the_program(kind: str, tmp_path: Path) -> None:
    settings = settings_of(kind, tmp_path, command=stand_in(tmp_path))
    told = {"charge": -2} | ({} if kind == "dftb+" else {"multiplicity": 3})
    failure(EngineReference(settings.model_copy(update=told)), tmp_path, kind=kind)
    for name, lines in CHARGED[kind].items():
        text = " ".join((tmp_path / "label" / name).read_text(encoding="utf-8").split())
        for line in lines:
            assert line.lower() in text.lower(), text


PROGRAMS = sorted(set(ENGINE_SETTINGS) - {"gpaw"})
WITHOUT_SHELL = sorted(set(PROGRAMS) - {"cp2k"})
"""CP2K talks to ASE, and writes no input before its shell has answered."""

WRITTEN = {
    "abinit": {"abinit.in": ["ngkpt 4 4 4", "optstress 1", "ecut 300 eV", "14si.pspgth"]},
    "castep": {
        "castep.cell": ["KPOINT_MP_GRID: 4 4 4", "FIX_COM: True"],
        "castep.param": ["TASK: SinglePoint", "CALCULATE_STRESS: True", "CUT_OFF_ENERGY: 300", "XC_FUNCTIONAL: PBE"],
    },
    "dftb+": {"dftb_in.hsd": ["SupercellFolding", "4 0 0", "CalculateForces = Yes", "Prefix ="]},
    "espresso": {
        "espresso.pwi": [
            "14 14 14",
            "tstress          = .true.",
            "tprnfor          = .true.",
            "degauss          = 0.02",
        ]
    },
    "nwchem": {"nwchem.nwi": ["charge 1", "mult 2", "task dft gradient", "xc xpbe96 cpbe96"]},
    "orca": {"orca.inp": ["! PBE def2-SVP EnGrad", "*xyz 1 2"]},
    "siesta": {"siesta.fdf": ["kgrid_Monkhorst_Pack", "4         0         0", "PBE"]},
    "vasp": {"KPOINTS": ["Gamma", "4 4 4"], "INCAR": ["ENCUT = 300"], "POTCAR": ["PAW Si"], "POSCAR": ["Si"]},
}


@pytest.mark.parametrize("kind", WITHOUT_SHELL)
def test_program_finds_its_input_in_the_folder(kind: str, tmp_path: Path) -> None:
    settings = settings_of(kind, tmp_path, command=stand_in(tmp_path))
    found = failure(EngineReference(settings), tmp_path, kind=kind)
    assert found.reason is FailureReason.CRASHED  # it wrote nothing that could be read
    for name, lines in WRITTEN[kind].items():
        text = " ".join((tmp_path / "label" / name).read_text(encoding="utf-8").split())
        for line in lines:
            assert " ".join(line.split()) in text, text


@pytest.mark.parametrize("kind", PROGRAMS)
def test_missing_program_is_a_problem_and_a_failure_of_its_own_kind(kind: str, tmp_path: Path) -> None:
    settings = settings_of(kind, tmp_path, command="no-such-program-here -s")
    reference = EngineReference(settings)
    problems = "\n".join(reference.problems([14, 14], periodic=False))
    assert "the program no-such-program-here was not found on this machine" in problems
    assert "; install it" in problems
    assert failure(reference, tmp_path, kind=kind).reason is FailureReason.MISSING_EXECUTABLE


LAST_WORDS = {
    "abinit": ("abinit.log", "scprqt:  WARNING -\n  nstep=  2 was not enough SCF cycles to converge;"),
    "castep": (
        "castep.castep",
        "*Warning* max. SCF cycles performed but system has not reached the groundstate.",
    ),
    "dftb+": ("dftb.out", "ERROR!\n-> SCC is NOT converged, maximal SCC iterations exceeded"),
    "espresso": ("espresso.pwo", "     convergence NOT achieved after   2 iterations: stopping"),
    "nwchem": ("nwchem.nwo", " Calculation failed to converge"),
    "orca": ("orca.out", " *  SCF NOT CONVERGED AFTER 125 CYCLES  *"),
    "siesta": ("siesta.out", "SCF_NOT_CONV: SCF did not converge in maximum number of steps (required)."),
    "vasp": ("OUTCAR", " The electronic self-consistency was not achieved in the given"),
}


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("kind", WITHOUT_SHELL)
def test_program_that_says_it_did_not_converge_gives_no_label(kind: str, code: int, tmp_path: Path) -> None:
    name, words = LAST_WORDS[kind]
    # ASE's own reading of standard output must not hide it: the words are written to the file itself at the end.
    ends = f"print({words!r}); sys.exit({code})"
    command = stand_in(tmp_path, printed={name: words}, ends=ends)
    found = failure(EngineReference(settings_of(kind, tmp_path, command=command)), tmp_path, kind=kind)
    assert found.reason is FailureReason.NOT_CONVERGED, found.message
    assert (tmp_path / "label" / "failure.txt").is_file()


@pytest.mark.parametrize("kind", WITHOUT_SHELL)
def test_program_that_is_killed_says_so(kind: str, tmp_path: Path) -> None:
    command = stand_in(tmp_path, ends="os.kill(os.getpid(), signal.SIGKILL)")
    found = failure(EngineReference(settings_of(kind, tmp_path, command=command)), tmp_path, kind=kind)
    assert ENGINES[ENGINE_SETTINGS[kind]].title in found.message
    if kind in ("castep", "vasp"):  # there ASE keeps the signal to itself
        assert found.reason is FailureReason.CRASHED
        return
    assert found.reason is FailureReason.OUT_OF_MEMORY  # nobody here sends that signal: the system does
    assert "ended by SIGKILL" in found.message


def test_program_s_own_words_stand_in_the_message(tmp_path: Path) -> None:
    said = "%%%%%\n     Error in routine c_bands (1):\n     too many bands are not usable\n%%%%%"
    command = stand_in(tmp_path, ends=f"print({said!r}); sys.exit(3)")
    found = failure(EngineReference(settings_of("espresso", tmp_path, command=command)), tmp_path)
    assert "Error in routine c_bands (1): too many bands are not usable" in found.message
    assert "exit code 3" in found.message


def test_launcher_s_refusal_stands_in_the_message(tmp_path: Path) -> None:
    said = "mpirun has detected an attempt to run as root.\nWe reiterate our advice against doing so."
    command = stand_in(tmp_path, ends=f"print({said!r}, file=sys.stderr); sys.exit(1)")
    found = failure(EngineReference(settings_of("espresso", tmp_path, command=command)), tmp_path)
    assert "attempt to run as root" in found.message


def test_output_that_makes_no_sense_is_cut_short(tmp_path: Path) -> None:
    command = stand_in(tmp_path, ends="print('\\x00garbage' * 100); sys.exit(0)")
    found = failure(EngineReference(settings_of("espresso", tmp_path, command=command)), tmp_path)
    assert found.reason is FailureReason.CUT_SHORT


@pytest.mark.parametrize("dies", ["sys.exit(1)", "os.kill(os.getpid(), signal.SIGKILL)", "sys.exit(0)"])
def test_cp2k_shell_that_dies_leaves_no_program_behind(dies: str, tmp_path: Path) -> None:
    talk = (
        "print('* READY', flush=True)\n"
        "for line in sys.stdin:\n"
        "    if line.startswith('VERSION'): print('CP2K Shell Version: 7.0', flush=True)\n"
        f"    if line.startswith('LOAD'):\n        print('ERROR: out of luck', file=sys.stderr); {dies}\n"
        "    if not line.startswith('*') : print('* READY', flush=True)\n"
    )
    command = stand_in(tmp_path, ends=talk)
    found = failure(EngineReference(settings_of("cp2k", tmp_path, command=command)), tmp_path, kind="cp2k")
    assert found.reason is FailureReason.CRASHED
    assert children() == set()


def children() -> set[str]:
    """Commands of this process's children that are still alive."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                command = (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
            if int(fields[1]) == os.getpid() and "program" in command:
                found.add(command)
    return found


@pytest.mark.parametrize(
    ("kind", "name", "printed", "expected"),
    [
        ("abinit", "abinit.log", ".Version 9.6.2 of ABINIT \n", "9.6.2"),
        ("castep", "castep.castep", " CASTEP version 20.11\n", "20.11"),
        ("cp2k", "cp2k.out", " CP2K| version string:      CP2K version 2023.1\n", "2023.1"),
        ("dftb+", "dftb.out", "|  DFTB+ release 22.2\n", "22.2"),
        ("espresso", "espresso.pwo", "     Program PWSCF v.6.7MaX starts on 21Nov\n", "6.7"),
        ("gpaw", "gpaw.txt", " |__||  | ||/\\| - 26.7.0\n", "26.7.0"),
        ("nwchem", "nwchem.nwo", "   Northwest Computational Chemistry Package (NWChem) 7.0.2\n", "7.0.2"),
        ("orca", "orca.out", "     Program Version 5.0.4 -  RELEASE  -\n", "5.0.4"),
        ("siesta", "siesta.out", "Version         : 4.1.5\n", "4.1.5"),
        ("vasp", "OUTCAR", " vasp.6.3.2 27Jun22 (build Aug 10 2022)\n", "6.3.2"),
    ],
)
def test_version_is_read_from_the_output(kind: str, name: str, printed: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(printed, encoding="utf-8")
    assert version_printed(ENGINES[ENGINE_SETTINGS[kind]], tmp_path) == expected


# -- k points, cells, spins -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kspacing", "n"), [(0.51, 4), (0.5, 5), (0.3, 7), (10.0, 1)])
def test_k_points_are_no_farther_apart_than_asked(kspacing: float, n: int) -> None:
    # |b| of silicon's primitive cell is 2π sqrt(3) / 5.43 Å = 2.004 1/Å.
    assert k_mesh(bulk("Si"), GpawSettings(kspacing=kspacing)) == (n, n, n)


def test_directions_that_are_not_periodic_get_one_k_point() -> None:
    slab = bulk("Si", cubic=True)
    slab.pbc = [True, True, False]
    assert k_mesh(slab, GpawSettings(kspacing=0.4)) == (3, 3, 1)


def test_k_points_of_cp2k_join_the_user_s_own_input() -> None:
    written = "&FORCE_EVAL\n&DFT\n&SCF\nEPS_SCF 1e-8\n&END SCF\n&END DFT\n&END FORCE_EVAL"
    lines = [line.strip() for line in with_k_points(written, about_no_point((2, 3, 4))).splitlines()]
    assert lines.count("&FORCE_EVAL") == lines.count("&DFT") == 1
    assert "EPS_SCF 1e-8" in lines
    assert lines[lines.index("&KPOINTS") + 1] == "SCHEME MONKHORST-PACK 2 3 4"
    assert k_mesh(atoms_of(SILICON), Cp2kSettings(kspacing=0.51)) == (4, 4, 4)
    assert k_mesh(atoms_of(SILICON), Cp2kSettings()) is None


def test_k_points_of_cp2k_are_not_said_twice() -> None:
    kpoints = "&FORCE_EVAL\n&DFT\n&KPOINTS\nSCHEME MONKHORST-PACK 2 2 2\n&END\n&END\n&END"
    assert Cp2kSettings(parameters={"inp": kpoints}).says_k_points
    with pytest.raises(ValidationError, match="both say the same thing"):
        Cp2kSettings(kspacing=0.5, parameters={"inp": kpoints})


def test_k_points_of_the_user_s_own_are_left_alone() -> None:
    assert k_mesh(bulk("Si"), GpawSettings(kspacing=0.51, parameters={"kpts": {"size": [2, 2, 2]}})) is None


def test_molecule_is_put_into_the_middle_of_its_box(tmp_path: Path) -> None:
    settings = settings_of("espresso", tmp_path, command=stand_in(tmp_path))
    run = EngineReference(settings)._run(WATER, tmp_path, want_stress=False, command=[])
    assert run.atoms.cell.lengths() == pytest.approx([15.0] * 3)
    assert (run.atoms.positions.min(axis=0) + run.atoms.positions.max(axis=0)) / 2 == pytest.approx([7.5] * 3)
    np.testing.assert_allclose(run.atoms.get_all_distances(), atoms_of(WATER).get_all_distances(), atol=1e-12)


def test_molecule_that_is_too_large_for_its_box_is_a_failure_that_says_so(tmp_path: Path) -> None:
    long = frame_of(Atoms("H2", positions=[[0, 0, 0], [0, 0, 12.0]]), system="long")
    settings = settings_of("espresso", tmp_path, command=stand_in(tmp_path))
    found = EngineReference(settings).label(long, folder=tmp_path / "label", want_stress=False)
    assert isinstance(found, LabelFailure)
    assert "REFERENCE.molecule_box = 15 Å" in found.message


@pytest.mark.parametrize("kind", ["nwchem", "orca"])
def test_molecular_programs_refuse_crystals_and_impossible_spins(kind: str, tmp_path: Path) -> None:
    settings = settings_of(kind, tmp_path, command=stand_in(tmp_path))
    problems = EngineReference(settings).problems([8, 1, 1], periodic=True)
    assert any("molecules only" in problem for problem in problems)
    neutral = settings.model_copy(update={"charge": 0})
    assert any("REFERENCE.multiplicity" in one for one in EngineReference(neutral).problems([8, 1, 1], periodic=False))


# -- Quantum ESPRESSO -----------------------------------------------------------------------------------------------


def test_protocol_gives_k_spacing_smearing_and_threshold_and_the_user_wins(tmp_path: Path) -> None:
    fast = EspressoSettings(pseudo_dir=tmp_path, protocol="fast", parameters={"input_data": {"ecutwfc": 30}})
    assert k_mesh(bulk("Si"), fast) == (7, 7, 7)
    data = input_data(fast, ["Si"], n_atoms=2)
    assert data["system"] == {"ecutwfc": 30, "occupations": "smearing", "smearing": "cold", "degauss": 0.0275}
    assert data["electrons"]["conv_thr"] == pytest.approx(0.8e-9)
    own = {"input_data": {"SYSTEM": {"ecutwfc": 30, "occupations": "fixed"}, "conv_thr": 1e-12}}
    data = input_data(fast.model_copy(update={"parameters": own, "kspacing": 0.5}), ["Si"], n_atoms=2)
    assert data["system"] == {"ecutwfc": 30, "occupations": "fixed"}
    assert data["electrons"]["conv_thr"] == 1e-12
    assert k_mesh(bulk("Si"), fast.model_copy(update={"kspacing": 0.51})) == (4, 4, 4)


def test_library_of_pseudopotentials_brings_files_and_cutoffs(tmp_path: Path) -> None:
    table = {
        "Si": {"filename": "Si.upf", "cutoff_wfc": 30.0, "cutoff_rho": 240.0},
        "O": {"filename": "O.upf", "cutoff_wfc": 75.0, "cutoff_rho": 600.0},
    }
    (tmp_path / "SSSP_1.3.0_PBE_precision.json").write_text(json.dumps(table), encoding="utf-8")
    for name in ("Si.upf", "O.upf"):
        (tmp_path / name).touch()
    settings = EspressoSettings(pseudo_dir=tmp_path, command=stand_in(tmp_path))
    assert EngineReference(settings).problems([14, 8, 8], periodic=True) == []
    system = input_data(settings, ["O", "Si"], n_atoms=3)["system"]
    assert (system["ecutwfc"], system["ecutrho"]) == (75.0, 600.0)


def test_missing_pseudopotentials_cutoffs_and_unknown_keys_are_problems(tmp_path: Path) -> None:
    settings = EspressoSettings(
        pseudo_dir=tmp_path,
        pseudopotentials={"Si": "Si.upf"},
        command=stand_in(tmp_path),
        parameters={"input_data": {"ecutwcf": 30}},
    )
    reference = EngineReference(settings)
    assert any("no pseudopotential is named for O" in one for one in reference.problems([14, 8], periodic=True))
    problems = "\n".join(reference.problems([14], periodic=True))
    assert f"{tmp_path / 'Si.upf'} was not found" in problems
    assert "the cutoff is not known: set ecutwfc" in problems
    assert "ecutwcf in REFERENCE.parameters.input_data is no keyword of pw.x" in problems
    for name in ("Si.pbe.UPF", "S.pbe.UPF", "Sn_r.upf", "Si_r.upf", "Si.txt"):
        (tmp_path / name).touch()
    there = "\n".join(reference.problems([14], periodic=True))
    assert f"{tmp_path / 'Si.upf'} was not found; there are Si.pbe.UPF, Si_r.upf" in there
    gone = EngineReference(settings.model_copy(update={"pseudo_dir": tmp_path / "gone"}))
    assert any("REFERENCE.pseudo_dir" in problem for problem in gone.problems([14], periodic=True))


# -- real programs, where they are ----------------------------------------------------------------------------------


def needs(settings: EngineSettings) -> None:
    reason = programs.missing(settings)
    if reason is not None:
        pytest.skip(reason)


@pytest.mark.parametrize(
    ("settings", "frame"),
    [
        pytest.param(programs.nwchem(dft={"iterations": 2}), WATER, id="nwchem"),
        pytest.param(programs.espresso(electron_maxstep=2), SILICON, id="espresso"),
        pytest.param(programs.abinit(nstep=2), SILICON, id="abinit"),
        pytest.param(programs.cp2k(max_scf=2, cutoff=2000), WATER, id="cp2k"),
    ],
)
def test_unconverged_calculation_of_a_real_program_is_no_label(
    settings: EngineSettings, frame: Frame, tmp_path: Path
) -> None:
    needs(settings)
    found = EngineReference(settings).label(frame, folder=tmp_path / "label", want_stress=False)
    assert isinstance(found, LabelFailure)
    assert found.reason is FailureReason.NOT_CONVERGED, found.message


def test_gpaw_gives_the_same_on_one_rank_and_on_two(tmp_path: Path) -> None:
    needs(programs.gpaw())
    mpiexec = Path(sys.executable).with_name("mpiexec")
    if not mpiexec.is_file() or find_spec("mpi4py") is None:
        pytest.skip("needs mpi4py and its mpiexec, from the extra asi")
    results = []
    for launch in (None, f"{mpiexec} -n 2"):
        reference = build_reference(programs.gpaw().model_copy(update={"launch": launch}))
        result = reference.label(SILICON, folder=tmp_path / "label", want_stress=True)
        assert isinstance(result, Label), result
        results.append(result)
        reference.close()  # type: ignore[attr-defined]
    one, two = results
    assert two.energy == pytest.approx(one.energy, abs=1e-8)
    np.testing.assert_allclose(two.forces, one.forces, atol=1e-6)
    np.testing.assert_allclose(two.stress, one.stress, atol=1e-8)


def test_gpaw_that_does_not_converge_gives_no_label(tmp_path: Path) -> None:
    needs(programs.gpaw())
    reference = build_reference(programs.gpaw(maxiter=3))
    found = reference.label(SILICON, folder=tmp_path / "label", want_stress=False)
    reference.close()  # type: ignore[attr-defined]
    assert isinstance(found, LabelFailure)
    assert found.reason is FailureReason.NOT_CONVERGED


def test_free_atoms_of_a_molecular_program_have_their_own_spin(tmp_path: Path) -> None:
    settings = programs.nwchem(xc="hfexch", basis="6-311G")
    needs(settings)
    energy = EngineReference(settings).isolated_atom_energy(1, folder=tmp_path)
    assert energy == pytest.approx(-13.6057, abs=0.01)  # -1/2 Hartree in a finite basis
    assert list(tmp_path.iterdir()) == []


FREE_ATOM = {
    "abinit": {"abinit.in": ["nsppol 2", "spinmagntarget 2", "ngkpt 1 1 1"]},
    "castep": {"castep.param": ["SPIN_POLARIZED: TRUE", "SPIN: 2", "SPIN_FIX: -1"]},
    "espresso": {"espresso.pwi": ["nspin = 2", "tot_magnetization = 2", "K_POINTS gamma", "nat = 1", "15.0"]},
    "siesta": {"siesta.fdf": ["Spin collinear", "Spin.Fix", "Spin.Total 2"]},
    "vasp": {"INCAR": ["ISPIN = 2", "NUPDOWN = 2"]},
}


@pytest.mark.parametrize("kind", FREE_ATOM)
def test_free_atom_of_a_crystal_s_program_is_alone_in_its_box_with_the_spin_of_its_ground_state(
    kind: str, tmp_path: Path
) -> None:
    settings = settings_of(kind, tmp_path, command=stand_in(tmp_path))
    told = {"magnetic_moments": {"Si": -1.0}, "parameters": {**settings.parameters, "kpts": [4, 4, 4]}}
    assert EngineReference(settings.model_copy(update=told)).isolated_atom_energy(14, folder=tmp_path) is None
    for name, lines in FREE_ATOM[kind].items():
        text = " ".join((tmp_path / "free-atom-14" / name).read_text(encoding="utf-8").split())
        for line in lines:
            assert line.lower() in text.lower(), text
        assert "4 4 4" not in text


def test_a_slab_is_handed_to_vasp_as_periodic_which_has_no_others(tmp_path: Path) -> None:
    slab = bulk("Si", cubic=True)
    slab.set_cell([5.43, 5.43, 15.0])
    slab.pbc = (True, True, False)
    settings = settings_of("vasp", tmp_path, command=stand_in(tmp_path))
    EngineReference(settings).label(frame_of(slab, system="slab"), folder=tmp_path / "label", want_stress=False)
    assert (tmp_path / "label" / "KPOINTS").read_text(encoding="utf-8").splitlines()[3].split() == ["3", "3", "1"]


@pytest.mark.parametrize(
    "said",
    [
        {"system": {"tot_magnetization": 1}},
        {"system": {"tot_charge": 1}},
        {"system": {"nspin": 1}},
        {"system": {"nspin": 4}},
    ],
)
def test_free_atom_is_not_computed_where_parameters_say_the_spin_of_all(
    said: dict[str, object], tmp_path: Path
) -> None:
    command = stand_in(tmp_path, ends="open('started', 'w')")
    settings = settings_of("espresso", tmp_path, command=command)
    told = {"parameters": {"input_data": {**said, "control": {}}}}
    assert EngineReference(settings.model_copy(update=told)).isolated_atom_energy(14, folder=tmp_path) is None
    assert not (tmp_path / "free-atom-14").exists()


def test_free_atom_of_a_molecular_program_is_not_computed_in_the_spin_that_parameters_say_of_all(
    tmp_path: Path,
) -> None:
    settings = OrcaSettings(command=stand_in(tmp_path), parameters={"orcasimpleinput": "PBE def2-SVP", "mult": 1})
    assert EngineReference(settings).isolated_atom_energy(8, folder=tmp_path) is None
    assert not (tmp_path / "free-atom-8").exists()


def test_free_hydrogen_of_quantum_espresso_is_a_doublet(tmp_path: Path) -> None:
    settings = programs.espresso()
    needs(settings)
    spins_differ = settings.parameters["input_data"] | {"nspin": 2}
    settings = settings.model_copy(update={"parameters": {"input_data": spins_differ}})
    energy = EngineReference(settings).isolated_atom_energy(1, folder=tmp_path)
    # PBE: -13.60 eV, in a small box and with a small cutoff; with electrons paired it is 0.9 eV above.
    assert energy == pytest.approx(-13.6, abs=0.3)
    assert not (tmp_path / "free-atom-1").exists()


def test_catalogue_knows_every_reference_and_finds_those_that_are_here() -> None:
    found = {one.type: one for one in catalogue()}
    assert list(found) == list(REFERENCE_SETTINGS)
    assert found["tblite"].version is not None
    assert found["orca"].stress == "molecules only"
    assert all(one.install for one in found.values())
    for kind in ("espresso", "nwchem", "cp2k", "abinit"):
        if found[kind].where is not None:
            assert found[kind].version is not None, kind


def test_gpaw_that_is_not_installed_says_how_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aims_pax.reference.programs.engines.find_spec", lambda name: None)
    (problem,) = EngineReference(GpawSettings(parameters={"mode": "fd"})).problems([14], periodic=True)
    assert "pip install 'aims-pax[gpaw]'" in problem


def test_gpaw_without_its_mode_is_a_problem() -> None:
    problems = EngineReference(GpawSettings()).problems([14], periodic=True)
    assert any("REFERENCE.parameters.mode" in problem for problem in problems)
