"""What ``aims-pax collect --from`` asks, writes, says and refuses; and what it writes of files as they are."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.db import connect
from ase.io import read, write
from typer.testing import CliRunner

import aims_pax as ap
from aims_pax.cli.program import program
from aims_pax.settings.systems import read_systems
from aims_pax.testing.databases.server import KEY, Databases


@pytest.fixture(autouse=True)
def databases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Databases]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("PMG_MAPI_KEY", raising=False)
    with Databases() as serving:
        monkeypatch.setenv("AIMS_PAX_MP_URL", serving.address)
        monkeypatch.setenv("MP_API_KEY", KEY)
        yield serving


def said(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(program, ["collect", *words])
    assert result.exit_code == code, result.output
    return result.output


def test_entry_is_written_as_it_is_with_what_is_said_of_it() -> None:
    words = said("--from", "mp", "--id", "mp-22862", "--out", "nacl.extxyz")
    assert [line.split() for line in words.splitlines()[:2]] == [
        ["formula", "atoms", "space", "group", "eV/atom", "eV/atom", "above", "hull"],
        ["mp-22862", "NaCl", "2", "Fm-3m", "-3.3900", "0.0000"],
    ]
    assert "wrote nacl.extxyz (1 structure)" in words
    (atoms,) = read("nacl.extxyz", ":")
    assert atoms.get_chemical_symbols() == ["Na", "Cl"]
    assert atoms.get_distance(0, 1, mic=True) == pytest.approx(2.82)
    info = atoms.info
    assert (info["system"], info["mp_formula"], info["mp_is_stable"]) == ("mp-22862", "NaCl", True)
    assert info["mp_uncorrected_energy_per_atom"] == -3.39
    assert info["mp_database_version"] == "2026.1.1"
    assert info["database_query"] == "material_ids=mp-22862"
    assert info["database_date"].startswith("20")
    assert info["database_date"].endswith("Z")


def test_energy_of_a_database_is_no_label() -> None:
    said("--from", "mp", "--formula", "NaCl")
    for atoms in read("collected.extxyz", ":"):
        assert atoms.calc is None
        assert not {"energy", "REF_energy"} & set(atoms.info)


def test_project_starts_from_the_file_without_asking_again(databases: Databases) -> None:
    said("--from", "mp", "--formula", "NaCl", "--out", "nacl.extxyz")
    n_asked = len(databases.questions)
    systems = read_systems(Path.cwd(), Path("nacl.extxyz"))
    assert [system.name for system in systems] == ["nacl-0", "nacl-1"]
    assert [system.remarks for system in systems] == [(), ()]
    assert len(databases.questions) == n_asked


def test_what_is_made_of_entries_tells_where_they_come_from_and_no_energies() -> None:
    augment = "{supercell: {shortest_image: 7.9, max_atoms: 20}, inputs: true, distort: 2}"
    words = said("--from", "mp", "--formula", "NaCl", "--limit", "1", "--augment", augment)
    assert "mp-22862     NaCl" in words
    assert "distort      2     2" in words
    made = read("collected.extxyz", ":")
    assert [atoms.info["config_type"] for atoms in made] == ["supercell", "distorted", "distorted"]
    assert len(made[0]) == 16
    for atoms in made:
        assert atoms.info["database_id"] == atoms.info["system"] == "mp-22862"
        assert not any(name.startswith("mp_") for name in atoms.info)


def test_file_holds_what_python_gives(databases: Databases) -> None:
    said("--from", databases.optimade, "--chemsys", "Al-O,Si", "--max-atoms", "10")
    fetched = ap.fetch(databases.optimade, chemsys=["Al-O", "Si"], max_atoms=10)
    written = {atoms.info["system"]: atoms for atoms in read("collected.extxyz", ":")}
    assert list(written) == list(fetched.named()) == ["mp-27", "mp-149", "mp-1143"]
    for name, atoms in fetched.named().items():
        np.testing.assert_array_equal(written[name].positions, atoms.positions)
        told = {key: value for key, value in atoms.info.items() if key != "database_date"}
        assert told.items() <= written[name].info.items()
    assert "mp-1143    Al4O6     10" in str(fetched)
    made = ap.collect(fetched.named(), {"inputs": True})
    assert {frame.system for frame in made.frames} == set(written)


def test_dry_run_asks_and_writes_nothing(databases: Databases) -> None:
    words = said("--from", "mp", "--elements", "O", "--dry-run")
    assert "nothing was written; without --dry-run: 2 structures in collected.extxyz" in words
    assert len(databases.questions) == 2
    assert not Path("collected.extxyz").exists()


def test_key_stands_nowhere(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = said("--from", "mp", "--formula", "Si")
    monkeypatch.setenv("MP_API_KEY", KEY[::-1])
    words += said("--from", "mp", "--formula", "Si", "--out", "other.extxyz", code=2)
    monkeypatch.delenv("MP_API_KEY")
    (tmp_path / "mine").write_text(KEY)
    words += said("--from", "mp", "--formula", "Si", "--out", "other.extxyz", "--key-file", "mine", code=2)
    assert "chmod 600 mine" in words
    words += said("--from", "mp", "--formula", "Si", "--out", "other.extxyz", "--key-file", KEY, code=2)
    written = "".join(path.read_text() for path in tmp_path.iterdir() if path.name != "mine")
    asked = "".join(f"{one.path}{one.said}" for one in databases.questions)
    assert "mp_formula=Si" in written
    assert not [key for key in (KEY, KEY[::-1]) if key in words + written + asked]


def test_key_of_a_file_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MP_API_KEY")
    (tmp_path / "mine").write_text(f"{KEY}\n")
    (tmp_path / "mine").chmod(0o600)
    assert "wrote collected.extxyz (2 structures)" in said("--from", "mp", "--formula", "Si", "--key-file", "mine")


def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_asked(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MP_API_KEY")
    Path("there.xyz").write_text("mine")
    words = ("--from", "mp", "--formula", "nacl", "--limit", "0", "--augment", "{distrot: 2}", "--out", "there.xyz")
    output = said(*words, code=2)
    assert "5 problems; nothing was started." in output
    for found in ("augment.distrot is not a setting", "--formula: nacl is no formula", "--limit: 0 is asked for"):
        assert found in output
    assert "none was found" in output
    assert "--out there.xyz: This file exists" in output
    assert databases.questions == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], "FILE...: No structures are named."),
        (["--formula", "NaCl", "--max-atoms", "3"], "--formula, --max-atoms: This is asked of a database, and none is"),
        (["--key-file", "x"], "--key-file: This is asked of a database, and none is named."),
        (["POSCAR", "--from", "mp", "--id", "mp-1"], "--from mp: Files and a database can't be named together."),
        (["--from", "mp"], "--from: It is not said what is wanted."),
        (["--from", "materials", "--formula", "Si"], "--from: materials is no address of the web."),
        (["--from", "mp", "--filter", "nsites=2"], "interface takes no filter of OPTIMADE."),
        (["--from", "mp", "--id", "22862"], "--id: 22862 is not the name of an entry"),
        (["--from", "http://localhost:1", "--id", "x", "--key-file", "y"], "--key-file: Databases that speak OPTIMADE"),
        (["--from", "http://localhost:1", "--formula", "Si", "--above-hull", "0"], "--above-hull: The distance"),
        (["--from", "mp", "--formula", "UO2"], "Nothing that it has fits: formula=UO2"),
        (["POSCAR", "--augment", "nothing"], "Allowed: none, a YAML file, or a mapping"),
    ],
)
def test_mistakes_are_told(words: list[str], found: str) -> None:
    assert found in said(*words, code=2)
    assert not Path("collected.extxyz").exists()


POSCAR = """by turns
1.0
4.212 0 0
0 4.212 0
0 0 4.212
Mg O Mg O
1 1 1 1
Direct
0 0 0
0.5 0 0
0.5 0.5 0
0 0.5 0
"""


def crystals() -> list[Atoms]:
    return [bulk("Cu", cubic=True), bulk("MgO", "rocksalt", a=4.212), bulk("Si")]


@pytest.mark.parametrize("name", ["all.cif", "all.extxyz", "all.db", "all.json", "all.traj"])
def test_all_structures_of_a_file_are_taken_as_they_are(name: str) -> None:
    if name.endswith((".db", ".json")):
        with connect(name) as rows:
            for atoms in crystals():
                rows.write(atoms, key_value_pairs={"phase": "solid"})
    else:
        write(name, crystals())
    said(name, "--augment", "none", "--out", "out.extxyz")
    taken = read("out.extxyz", ":")
    assert [str(atoms.symbols) for atoms in taken] == ["Cu4", "MgO", "Si2"]
    for one, other in zip(taken, crystals(), strict=True):
        np.testing.assert_allclose(one.cell.cellpar(), other.cell.cellpar(), rtol=1e-6)
        np.testing.assert_allclose(one.get_all_distances(mic=True), other.get_all_distances(mic=True), atol=1e-5)


def test_sites_of_a_poscar_that_interleave_keep_their_places() -> None:
    Path("POSCAR").write_text(POSCAR)
    said("POSCAR", "--augment", "none")
    atoms = read("collected.extxyz")
    assert atoms.get_chemical_symbols() == ["Mg", "O", "Mg", "O"]
    np.testing.assert_allclose(atoms.positions[:, :2] / 2.106, [[0, 0], [1, 0], [1, 1], [0, 1]], atol=1e-12)


def test_none_leaves_molecules_without_a_cell() -> None:
    write("water.xyz", molecule("H2O"))
    said("water.xyz", "--augment", "none")
    atoms = read("collected.extxyz")
    assert not atoms.cell.any()
    np.testing.assert_allclose(atoms.positions, molecule("H2O").positions, atol=1e-7)
