"""Protocols: what each word means in the input of each program, and that what the user says wins."""

import json
from pathlib import Path
from typing import Any

import pytest
from ase import Atoms
from ase.build import bulk
from pydantic import ValidationError

from aims_pax.atoms import frame_of
from aims_pax.frame import Frame
from aims_pax.reference.programs.engines import EngineReference, k_mesh
from aims_pax.reference.programs.precision import PRECISIONS, SPACINGS
from aims_pax.settings.methods.engines import (
    ENGINE_SETTINGS,
    AbinitSettings,
    CastepSettings,
    Cp2kSettings,
    DftbSettings,
    EngineSettings,
    EspressoSettings,
    GpawSettings,
    KPointEngineSettings,
    SiestaSettings,
    VaspSettings,
)

from ..test_programs import POTCAR, SILICON, WATER

PROTOCOLS = ("fast", "balanced", "stringent")
GRIDS = {"fast": 9, "balanced": 14, "stringent": 21}
"""Of silicon's primitive cell, whose |b| is 2π sqrt(3) / 5.43 Å = 2.004 1/Å: over 0.25, 0.15 and 0.10, rounded up."""


def settings_of(kind: str, folder: Path, *, protocol: str | None, **parameters: Any) -> EngineSettings:
    """Any program's, without anything that a protocol says."""
    (folder / "Si.psml").write_text("of silicon", encoding="utf-8")
    for element in ("Si", "H", "O"):
        (folder / f"{element}.psp8").touch()
        hints = {"low": {"ecut": 14.0}, "normal": {"ecut": 18.0}, "high": {"ecut": 24.0}}
        (folder / f"{element}.djrepo").write_text(json.dumps({"hints": hints}), encoding="utf-8")
    (folder / "potpaw" / "Si").mkdir(parents=True, exist_ok=True)
    (folder / "potpaw" / "Si" / "POTCAR").write_text(POTCAR, encoding="utf-8")
    given: dict[str, Any] = {"protocol": protocol, "parameters": parameters}
    match kind:
        case "abinit":
            return AbinitSettings(
                **given | {"parameters": {"pps": "psp8", "xc": "PBE", **parameters}}, pseudo_dir=folder
            )
        case "castep":
            return CastepSettings(**given | {"parameters": {"xc": "PBE", **parameters}})
        case "cp2k":
            return Cp2kSettings(**given | {"parameters": {"xc": "PBE", **parameters}})
        case "dftb+":
            return DftbSettings(**given | {"parameters": {"Hamiltonian_": "xTB", **parameters}})
        case "gpaw":
            return GpawSettings(**given)
        case "siesta":
            return SiestaSettings(**given | {"parameters": {"xc": "PBE", **parameters}}, pseudo_dir=folder)
        case _:
            return VaspSettings(**given | {"parameters": {"xc": "LDA", **parameters}}, pseudo_dir=folder)


def written(settings: EngineSettings, folder: Path, *, frame: Frame = SILICON) -> str:
    """All input of a structure, one keyword a line, with single spaces."""
    deck = folder / "deck"
    deck.mkdir(parents=True)
    EngineReference(settings).write_input(frame, folder=deck, want_stress=True)
    names = ("abinit.in", "castep.cell", "castep.param", "cp2k.inp", "dftb_in.hsd", "run.py", "siesta.fdf")
    files = [deck / name for name in (*names, "INCAR", "KPOINTS") if (deck / name).is_file()]
    lines = [" ".join(line.split()) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return "\n".join(lines)


SAID = {
    "abinit": {
        "fast": ["tolvrs 1e-07", "nstep 100", "ecut 380.9", "ngkpt\n9 9 9"],
        "balanced": ["tolvrs 1e-09", "nstep 200", "ecut 489.8", "ngkpt\n14 14 14"],
        "stringent": ["tolvrs 1e-10", "nstep 300", "ecut 653.0", "ngkpt\n21 21 21"],
        "all": ["occopt 7", "tsmear 0.21769", "fband 2.0", "nshiftk 1\n", "shiftk\n0.0 0.0 0.0"],
    },
    "castep": {
        "fast": ["BASIS_PRECISION: MEDIUM", "KPOINT_MP_GRID: 9 9 9", "KPOINT_MP_OFFSET: 0.000000 0.000000"],
        "balanced": [
            "BASIS_PRECISION: FINE",
            "ELEC_ENERGY_TOL: 1e-06",
            "KPOINT_MP_GRID: 14 14 14",
            "0.035714 0.035714",
        ],
        "stringent": ["BASIS_PRECISION: PRECISE", "ELEC_ENERGY_TOL: 1e-08", "GRID_SCALE: 2", "FINE_GRID_SCALE: 3"],
        "all": [],
    },
    "cp2k": {
        "fast": ["CUTOFF [eV] 5.4422", "REL_CUTOFF 30", "EPS_DEFAULT 1.0E-10", "EPS_SCF 1.0E-6", "9 9 9 0 0 0"],
        "balanced": ["CUTOFF [eV] 8.163", "REL_CUTOFF 40", "EPS_DEFAULT 1.0E-12", "14 14 14 0.0357142"],
        "stringent": ["CUTOFF [eV] 3.2653", "REL_CUTOFF 80", "EPS_DEFAULT 1.0E-16", "EPS_SCF 1.0E-7", "21 21 21 0 0 0"],
        "all": ["&SMEAR ON", "METHOD FERMI_DIRAC", "ELECTRONIC_TEMPERATURE [K] 710.5", "ADDED_MOS 20", "MAX_SCF 300"],
    },
    "dftb+": {
        "fast": ["9 0 0\n0 9 0\n0 0 9\n0 0 0"],
        "balanced": ["14 0 0\n0 14 0\n0 0 14\n1.0 1.0 1.0"],  # a whole step, and thus none
        "stringent": ["21 0 0\n0 21 0\n0 0 21\n0 0 0"],
        "all": [],
    },
    "gpaw": {
        "fast": ["'size': (9, 9, 9)", "'ecut': 340"],
        "balanced": ["'size': (14, 14, 14)", "'ecut': 600"],
        "stringent": ["'size': (21, 21, 21)", "'ecut': 800"],
        "all": ["'gamma': True", "'name': 'pw'", "'name': 'fermi-dirac', 'width': 0.06122"],
    },
    "siesta": {
        "fast": ["MeshCutoff 2721.1", "PAO.EnergyShift 0.2 eV", "DZ", "SCF.DM.Tolerance 0.001", "\n9 0 0 0.0"],
        "balanced": ["MeshCutoff 5442.2", "PAO.EnergyShift 0.05 eV", "DZP", "SCF.DM.Tolerance 0.0001", "\n14 0 0 0.0"],
        "stringent": ["MeshCutoff 11564.8", "PAO.EnergyShift 0.05 eV", "DZP", "SCF.DM.Tolerance 1e-05", "\n21 0 0 0.0"],
        "all": ["ElectronicTemperature 25 meV"],
    },
    "vasp": {
        "fast": ["PREC = Single", "EDIFF = 1.00e-04", "\n9 9 9"],
        "balanced": ["PREC = Normal", "EDIFF = 1.00e-05", "NELMIN = 4", "\n14 14 14"],
        "stringent": ["PREC = Accurate", "EDIFF = 1.00e-06", "NELMIN = 6", "ENCUT = 550", "\n21 21 21"],
        "all": ["ISMEAR = 0", "SIGMA = 0.2", "Gamma"],
    },
}
"""What stands in the input of silicon, by program and word."""


def test_every_program_that_samples_the_zone_has_the_three_words() -> None:
    sampling = {kind for kind in ENGINE_SETTINGS.values() if issubclass(kind, KPointEngineSettings)}
    assert sampling == PRECISIONS.keys()
    assert {kind.split("+")[0] for kind in SAID} | {"espresso"} == {
        name.split("+")[0] for name, kind in ENGINE_SETTINGS.items() if kind in sampling
    }
    for kind, by_word in PRECISIONS.items():
        assert tuple(by_word) == PROTOCOLS
        spacings = [precision.kspacing for precision in by_word.values()]
        assert spacings == ([0.30, 0.15, 0.10] if kind is EspressoSettings else list(SPACINGS.values()))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", SAID)
def test_what_a_word_means_stands_in_the_input(kind: str, protocol: str, tmp_path: Path) -> None:
    settings = settings_of(kind, tmp_path, protocol=protocol)
    text = written(settings, tmp_path)
    for line in [*SAID[kind][protocol], *SAID[kind]["all"]]:
        assert line in text, text
    assert isinstance(settings, KPointEngineSettings)
    assert k_mesh(bulk("Si"), settings) == (GRIDS[protocol],) * 3


OWN: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "abinit": (
        {"ecut": 300, "toldfe": 1e-9, "smearing": ["fermi-dirac", 0.1], "kpts": [4, 4, 4]},
        ["ecut 300 eV", "toldfe 1e-09 eV", "occopt 3", "tsmear 0.1 eV", "ngkpt 4 4 4"],
        ["tolvrs", "occopt 7", "21 21 21"],
    ),
    "castep": (
        {"cut_off_energy": 400, "elec_energy_tol": 1e-7, "cell": {"kpoint_mp_spacing": 0.05}},
        ["CUT_OFF_ENERGY: 400", "ELEC_ENERGY_TOL: 1e-07", "KPOINT_MP_SPACING: 0.05", "GRID_SCALE: 2"],
        ["BASIS_PRECISION", "KPOINT_MP_GRID"],
    ),
    "cp2k": (
        {
            "cutoff": 5000,
            "inp": "&FORCE_EVAL\n&DFT\n&MGRID\nrel_cutoff 55\n&END\n&SCF\n&SMEAR ON\nWINDOW_SIZE 0.01\n&END\n&END\n"
            "&KPOINTS\nSCHEME GAMMA\n&END\n&END\n&END",
        },
        ["CUTOFF [eV] 5.000", "rel_cutoff 55", "WINDOW_SIZE 0.01", "SCHEME GAMMA", "EPS_DEFAULT 1.0E-16"],
        ["REL_CUTOFF 80", "FERMI_DIRAC", "MACDONALD"],
    ),
    "gpaw": (
        {"mode": {"name": "pw", "ecut": 250}, "occupations": {"name": "marzari-vanderbilt", "width": 0.2}},
        ["'ecut': 250", "'name': 'marzari-vanderbilt', 'width': 0.2", "(21, 21, 21)"],
        ["800", "fermi-dirac"],
    ),
    "siesta": (
        {"basis_set": "TZP", "fdf_arguments": {"mesh-cutoff": "300 Ry", "dm_tolerance": 1e-6}},
        ["mesh-cutoff 300 Ry", "dm.tolerance 1e-06", "TZP", "PAO.EnergyShift 0.05", "ElectronicTemperature 25 meV"],
        ["SCF.DM.Tolerance", "11564"],
    ),
    "vasp": (
        {"encut": 400, "ismear": -5, "kspacing": 0.4},
        ["ENCUT = 400", "ISMEAR = -5", "KSPACING = 0.4", "PREC = Accurate"],
        ["ENCUT = 550", "ISMEAR = 0", "21 21 21"],
    ),
}
"""Arguments of a user's own beside `stringent`: what then stands in the input, and what does not."""


@pytest.mark.parametrize("kind", OWN)
def test_what_the_user_says_wins_word_by_word(kind: str, tmp_path: Path) -> None:
    parameters, there, gone = OWN[kind]
    text = written(settings_of(kind, tmp_path, protocol="stringent", **parameters), tmp_path)
    for line in there:
        assert line in text, text
    for line in gone:
        assert line not in text, text


def test_kspacing_wins_over_the_protocol_alone(tmp_path: Path) -> None:
    settings = settings_of("vasp", tmp_path, protocol="balanced").model_copy(update={"kspacing": 0.51})
    text = written(settings, tmp_path)
    assert "4 4 4" in text
    assert "EDIFF = 1.00e-05" in text


@pytest.mark.parametrize("mode", ["pw", {"name": "pw"}, "lcao", {"name": "fd"}])
def test_cutoff_of_plane_waves_is_none_of_another_basis(mode: Any, tmp_path: Path) -> None:
    text = written(settings_of("gpaw", tmp_path, protocol="balanced", mode=mode), tmp_path)
    assert ("'ecut': 600" in text) is ("pw" in str(mode))


@pytest.mark.parametrize("kind", ["abinit", "castep", "cp2k", "gpaw", "siesta", "vasp"])
def test_without_a_protocol_nothing_is_added(kind: str, tmp_path: Path) -> None:
    parameters = {"mode": "pw"} if kind == "gpaw" else {}
    settings = settings_of(kind, tmp_path, protocol=None, **parameters)
    text = written(settings, tmp_path).upper()
    for word in ("TOLVRS", "TSMEAR", "ECUT", "BASIS_PRECISION", "SMEAR", "EPS_", "TOLERANCE", "EDIFF", "PREC ="):
        assert word not in text, text
    assert "'protocol'" not in settings.identity
    assert "protocol=" not in EngineReference(settings).name


@pytest.mark.parametrize("kind", ["abinit", "castep", "cp2k", "gpaw"])
def test_molecules_have_the_gamma_point_and_no_smearing_but_that_of_abinit(kind: str, tmp_path: Path) -> None:
    text = written(settings_of(kind, tmp_path, protocol="fast"), tmp_path, frame=WATER)
    there = {"abinit": "ngkpt\n1 1 1", "castep": "KPOINT_MP_GRID: 1 1 1", "cp2k": "EPS_SCF", "gpaw": "'ecut': 340"}
    assert there[kind] in text, text
    for word in ("SMEAR", "fermi-dirac", "kpts", "KPOINTS"):
        assert word not in text, text
    assert ("occopt 7" in text) is (kind == "abinit")


def test_a_supercell_of_two_by_two_by_two_has_half_the_points_along_each_vector() -> None:
    cube, settings = bulk("Si", cubic=True), GpawSettings(protocol="balanced")
    assert k_mesh(cube, settings) == (8, 8, 8)  # 2π / 5.43 Å / 0.15 1/Å = 7.7
    assert k_mesh(cube * (2, 2, 2), settings) == (4, 4, 4)


def test_more_states_are_there_to_be_filled_in_larger_cells(tmp_path: Path) -> None:
    large = frame_of(bulk("Si", cubic=True) * (2, 2, 1), system="large")
    assert "ADDED_MOS 64" in written(settings_of("cp2k", tmp_path, protocol="fast"), tmp_path, frame=large)


# -- cutoffs of ABINIT ------------------------------------------------------------------------------------------------


def test_cutoff_of_abinit_is_the_largest_that_its_pseudopotentials_recommend(tmp_path: Path) -> None:
    settings = settings_of("abinit", tmp_path, protocol="stringent")
    harder = {"hints": {"high": {"ecut": 40.0}}}
    (tmp_path / "O.djrepo").write_text(json.dumps(harder), encoding="utf-8")
    assert "ecut 1088.4" in written(settings, tmp_path, frame=WATER)
    assert EngineReference(settings).input_problems([8, 1, 1], periodic=False) == []


def test_cutoff_of_paw_datasets_is_their_own_with_a_denser_grid_beside(tmp_path: Path) -> None:
    # The head of a dataset of the JTH table, as ABINIT's own tests have it.
    head = '<?xml  version="1.0"?>\n<paw_dataset version="0.7">\n<pw_ecut low="10.00" medium="12.00" high="15.00"/>\n'
    settings = settings_of("abinit", tmp_path, protocol="balanced", pps="pawxml")
    (tmp_path / "Si.GGA_PBE-JTH.xml").write_text(head, encoding="utf-8")
    text = written(settings, tmp_path)
    assert "\necut 326.5" in text
    assert "pawecutdg 653.0" in text


@pytest.mark.parametrize(
    "written_in", ["nothing", "{}", '{"hints": {"low": {"ecut": null}}}', "not JSON", '{"hints": 3}']
)
def test_cutoff_that_nobody_knows_is_asked_for(written_in: str, tmp_path: Path) -> None:
    settings = settings_of("abinit", tmp_path, protocol="fast")
    (tmp_path / "Si.djrepo").write_text(written_in, encoding="utf-8")
    (problem,) = EngineReference(settings).input_problems([14], periodic=True)
    assert "set ecut (eV) in REFERENCE.parameters" in problem
    for said in ({"ecut": 400}, {"raw": ["ecut 20"]}, {"accuracy": 3}):
        told = settings.model_copy(update={"parameters": {**settings.parameters, **said}})
        assert EngineReference(told).input_problems([14], periodic=True) == []


# -- what can't be meant together -------------------------------------------------------------------------------------


def test_orbital_transformation_is_refused_for_crystals_and_not_for_molecules() -> None:
    transformed = "&FORCE_EVAL\n&DFT\n&SCF\n&OT\nMINIMIZER DIIS\n&END OT\n&END SCF\n&END DFT\n&END FORCE_EVAL"
    settings = Cp2kSettings(protocol="fast", parameters={"inp": transformed})
    (problem,) = EngineReference(settings).input_problems([14], periodic=True)
    assert "REFERENCE.parameters.inp has &OT" in problem
    assert EngineReference(settings).input_problems([8, 1, 1], periodic=False) == []
    assert EngineReference(Cp2kSettings(parameters={"inp": transformed})).input_problems([14], periodic=True) == []


def test_input_of_cp2k_that_ends_too_often_is_told() -> None:
    settings = Cp2kSettings(protocol="fast", parameters={"inp": "&FORCE_EVAL\n&END\n&END\n&DFT\n&END"})
    (problem,) = EngineReference(settings).input_problems([14], periodic=True)
    assert "more &END than sections" in problem


@pytest.mark.parametrize("said", [{"kspacing": 0.3}, {"parameters": {"kpts": [4, 4, 4]}}])
def test_k_points_of_dftb_are_not_said_twice(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="both say how dense k points are"):
        DftbSettings(protocol="fast", **said)


def test_gpaw_needs_no_mode_beside_a_protocol() -> None:
    assert EngineReference(GpawSettings(protocol="fast")).input_problems([14], periodic=True) == []
    assert EngineReference(GpawSettings()).input_problems([14], periodic=True) != []


def test_a_protocol_is_part_of_the_name_of_a_method() -> None:
    fast, balanced = (EngineReference(GpawSettings(protocol=word)).name for word in ("fast", "balanced"))
    assert "protocol='fast'" in fast
    assert fast != balanced


@pytest.mark.parametrize("kind", ["abinit", "siesta", "vasp", "castep"])
def test_free_atoms_stay_at_the_gamma_point(kind: str, tmp_path: Path) -> None:
    reference = EngineReference(settings_of(kind, tmp_path, protocol="balanced")).for_free_atom(14)
    assert reference is not None
    text = written(reference.settings, tmp_path, frame=frame_of(Atoms("Si"), system="atom"))
    ones = {"abinit": "ngkpt 1 1 1", "siesta": "\n1 0 0", "vasp": "\n1 1 1", "castep": "KPOINT_MP_GRID: 1 1 1"}
    assert ones[kind] in text, text
