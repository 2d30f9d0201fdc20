"""Starting structures: where they are found, and which are refused."""

import gzip
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any

import pytest

from aims_pax.errors import StructureError
from aims_pax.settings.systems import read_systems

HYDROGEN = "2\n\nH 0 0 0\nH 0 0 0.74\n"
CRYSTAL = '2\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 pbc="T T T"\nNa 0 0 0\nCl 2 2 2\n'


def test_geometry_in_is_read_in_the_syntax_of_fhi_aims(folder: Any) -> None:
    folder.file(
        "geometry.in", "lattice_vector 4 0 0\nlattice_vector 0 4 0\nlattice_vector 0 0 4\natom_frac 0 0 .5 Na\n"
    )
    (system,) = read_systems(folder.path, None)
    assert system.name == "geometry"
    assert system.frame.pbc.all()
    assert system.frame.positions.tolist() == [[0, 0, 2]]


def test_folder_of_structures_is_read_in_order_of_names(folder: Any) -> None:
    folder.file("geometry/b.xyz", HYDROGEN)
    folder.file("geometry/a.extxyz", CRYSTAL)
    folder.file("geometry/.hidden", "no structure")
    systems = read_systems(folder.path, None)
    assert [(system.name, system.frame.trajectory) for system in systems] == [("a", 0), ("b", 1)]
    assert systems[0].frame.md_step == 0


def test_file_with_several_structures_gives_several_systems(folder: Any) -> None:
    path = folder.file("some.xyz", HYDROGEN * 3)
    assert [system.name for system in read_systems(folder.path, path)] == ["some-0", "some-1", "some-2"]


def test_compressed_file_is_read(folder: Any) -> None:
    path = folder.path / "some.xyz.gz"
    path.write_bytes(gzip.compress(HYDROGEN.encode() * 2))
    assert len(read_systems(folder.path, path)) == 2


def test_structures_by_trajectory_come_in_order_of_the_index(folder: Any) -> None:
    paths = {1: folder.file("one.xyz", HYDROGEN), 0: folder.file("zero.xyz", HYDROGEN)}
    assert [system.name for system in read_systems(folder.path, paths)] == ["zero", "one"]


def test_geometry_mapping_of_settings_is_honoured(folder: Any) -> None:
    folder.write(structure=None)
    folder.file("one.xyz", HYDROGEN)
    text = (folder.path / "aims_PAX.yaml").read_text()
    folder.file("aims_PAX.yaml", text + "MISC:\n  path_to_geometry: {0: one.xyz, 1: one.xyz}\n")
    assert [system.name for system in folder.load().systems] == ["one-0", "one-1"]
    folder.file("aims_PAX.yaml", text + "MISC:\n  path_to_geometry: {0: one.xyz, 2: one.xyz}\n")
    assert "leaves out an index" in folder.complaint()
    folder.file("aims_PAX.yaml", text + "MISC:\n  path_to_geometry: {0: gone.xyz}\n")
    assert "gone.xyz, which can't be opened" in folder.complaint()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.xyz", "", "No structure can be read here: the file is empty"),
        ("a.cif", " \n", "No structure can be read here: the file is empty"),
        ("a.xyz", "2\n\nD 0 0 0\nD 0 0 0.74\n", r"D is not an element.*isotope of H"),
        ("a.xyz", "2\n\nCA1 0 0 0\nCB1 0 0 1.5\n", "is not an element; its symbol should stand there"),
        ("POSCAR", "my cell\n1\n3 0 0\n0 3 0\n0 0 3\n1\nDirect\n0 0 0\n", "it names no elements"),
        ("a.xyz", "not a structure", "No structure can be read here"),
        ("a.xyz", b"\x00\xff\x00\xff", "No structure can be read here"),
        ("a.cif", "garbage", "a.cif: "),
        ("a.json", "{", "No structure can be read here"),
        ("a.unknown", "garbage", "No structure can be read here"),
        ("a.in", "atom 0 0 O\n", "No structure can be read here"),
        ("a.in", "atom 0 0 0 Qq\n", "line 1: Qq is not an element"),
        ("a.in", "atom 0 0 0 O\n\nAtom 0 0 1 H\n", "line 3: Atom is no keyword of geometry.in(.|\n)*mean atom"),
        ("a.in", "atom 0 0 0 Fe1\n", "line 1: Fe1 is not an element(.|\n)*name its species by it"),
        ("a.in", "# x\natom_frac 0 0 0 Fe\n", "line 2: atom_frac needs lattice vectors"),
        ("a.in", "# nothing\n", "a.in: "),
        ("a.xyz", "0\n\n", "a.xyz: "),
        ("a.xyz", "2\n\nH 0 0 0\nH 0 0 0.3\n", r"Atoms 1 \(H\) and 2 \(H\) are 0.30 Å apart."),
        ("a.xyz", "1\n\nX 0 0 0\n", "atoms without an element"),
        ("a.xyz", "1\n\nH nan 0 0\n", "not finite"),
        ("a.xyz", CRYSTAL.replace("Cl 2 2 2", "Cl 3.9 0 0"), "0.10 Å apart"),
        ("a.xyz", CRYSTAL.replace("4 0 0 0 4 0 0 0 4", "4 0 0 4 0 0 0 0 4"), "its cell has no volume"),
    ],
)
def test_unusable_structure_is_said_with_its_file(folder: Any, name: str, text: str | bytes, message: str) -> None:
    path = folder.file(name, text)
    with pytest.raises(StructureError, match=message) as caught:
        read_systems(folder.path, path)
    assert str(caught.value).startswith(name)


def test_all_unusable_files_are_said_at_once(folder: Any) -> None:
    folder.file("geometry/a.xyz", "garbage")
    folder.file("geometry/b.xyz", "2\n\nH 0 0 0\nH 0 0 0.3\n")
    with pytest.raises(StructureError, match=r"geometry/a.xyz(.|\n)*geometry/b.xyz"):
        read_systems(folder.path, None)


def test_missing_structures_are_said(folder: Any) -> None:
    with pytest.raises(StructureError, match="The project has no starting structure"):
        read_systems(folder.path, None)
    (folder.path / "geometry").mkdir()
    with pytest.raises(StructureError, match="holds no files"):
        read_systems(folder.path, None)
    folder.file("geometry.in", "atom 0 0 0 H\n")
    with pytest.raises(StructureError, match=r"There is geometry\.in and geometry/"):
        read_systems(folder.path, None)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("MISC", "misc", "misc is not a section"),
        ("  path", "\tpath", "a tab stands"),
        ("geometry", "geometri", "mean path"),
    ],
)
def test_structure_is_not_missing_where_its_name_is_miswritten(folder: Any, old: str, new: str, message: str) -> None:
    folder.write(structure=None)
    folder.file("water.xyz", HYDROGEN)
    text = (folder.path / "aims_PAX.yaml").read_text() + "MISC:\n  path_to_geometry: water.xyz\n"
    folder.file("aims_PAX.yaml", text.replace(old, new))
    complaint = folder.complaint()
    assert message in complaint
    assert "no starting structure" not in complaint


def test_wrong_structure_in_a_right_project_is_a_structure_error(folder: Any) -> None:
    folder.write(structure="garbage")
    with pytest.raises(StructureError, match=r"geometry/water.xyz: No structure can be read here"):
        folder.load()


def test_example_structures_are_accepted(tmp_path: Path) -> None:
    # H2 at its equilibrium distance is the shortest bond there is.
    path = tmp_path / "h2.xyz"
    path.write_text(HYDROGEN)
    assert read_systems(tmp_path, path)[0].frame.n_atoms == 2


def test_structures_after_an_empty_line_are_not_lost(folder: Any) -> None:
    path = folder.file("some.xyz", HYDROGEN + "\n" + HYDROGEN)
    assert len(read_systems(folder.path, path)) == 2


def test_file_that_ends_within_a_structure_is_refused_at_once(folder: Any) -> None:
    path = folder.file("some.xyz", HYDROGEN.replace("2", "2000000000", 1))
    with pytest.raises(StructureError, match="ends within this structure of 2000000000 atoms"):
        read_systems(folder.path, path)


def test_announced_columns_that_are_not_there_are_refused_at_once(folder: Any) -> None:
    path = folder.file("some.xyz", CRYSTAL.replace("pos:R:3", "pos:R:3:x:R:900000000"))
    with pytest.raises(StructureError, match="announce 900000004 columns, and the first atom has 4"):
        read_systems(folder.path, path)


def test_name_with_an_at_sign_is_a_name(folder: Any) -> None:
    (system,) = read_systems(folder.path, folder.file("water@300K.xyz", HYDROGEN))
    assert system.name == "water@300K"


@pytest.mark.parametrize(
    ("lattice", "message"),
    [
        ("4 0 0 0 4 0 0 0 0.1", "its cell is 0.1 Å high"),
        ("1 0 0 0 1 0 0 0 1", "its cell is 1 Å high"),
        ("4e7 0 0 0 4 0 0 0 4", "reach 4e"),
    ],
)
def test_impossible_cells_are_refused(folder: Any, lattice: str, message: str) -> None:
    path = folder.file("some.xyz", CRYSTAL.replace("4 0 0 0 4 0 0 0 4", lattice))
    with pytest.raises(StructureError, match=message):
        read_systems(folder.path, path)


# -- files of other people ----------------------------------------------------------------------------------------


def read_text(folder: Any, name: str, text: str | bytes) -> Any:
    (system,) = read_systems(folder.path, folder.file(name, text))
    return system


PLAIN = '2\nLattice="4 0 0 0 4 0 0 0 9" Properties=species:S:1:pos:R:3 pbc="T T F"\nNa 0 0 0\nCl 2 2 2\n'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('pbc="T T F"', "pbc=T T F"),
        ('pbc="T T F"', "pbc=T T F name=x"),
        ('pbc="T T F"', 'PBC="T T F"'),
        ('pbc="T T F"', "pbc = [1, 1, 0]"),
        ('pbc="T T F"', "pbc=TTF"),
        ('pbc="T T F"', "Pbc='True True False'"),
        ('Lattice="4 0 0 0 4 0 0 0 9"', 'lattice="4 0 0 0 4 0 0 0 9"'),
        ('Lattice="4 0 0 0 4 0 0 0 9"', "LATTICE=4 0 0 0 4 0 0 0 9"),
        ("Properties=species", "properties=species"),
        ("species:S:1", "element:S:1"),
        ("pos:R:3", "coordinates:R:3"),
        ("Na 0", "11 0"),
        ("Na 0", "na 0"),
        ("Na 0", "Na_bulk 0"),
        ("Cl 2", "Cl- 2"),
        ("Cl 2", "Cl12 2"),
    ],
)
def test_other_spellings_of_extended_xyz_mean_the_same(folder: Any, old: str, new: str) -> None:
    assert PLAIN.count(old) == 1
    system = read_text(folder, "a.xyz", PLAIN.replace(old, new))
    assert system.frame.numbers.tolist() == [11, 17]
    assert system.frame.positions.tolist() == [[0, 0, 0], [2, 2, 2]]
    assert system.frame.cell.diagonal().tolist() == [4, 4, 9]
    assert system.frame.pbc.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('pbc="T T F"', "pbc=T T", "line 2: pbc is T T, and should be three truth values"),
        ('pbc="T T F"', "pbc=xy", "line 2: pbc is xy"),
        ('pbc="T T F"', 'pbc="T T F" PBC="T T T"', "line 2: pbc and PBC are the same, and both stand here"),
        ("pbc", "name=Bob's pbc", "line 2: the ' in column 68 is not closed, and hides what follows"),
        ("Lattice", "cell", "line 2: lattice vectors are called Lattice in extended XYZ, not cell"),
    ],
)
def test_comment_lines_with_two_meanings_are_refused(folder: Any, old: str, new: str, message: str) -> None:
    path = folder.file("a.xyz", PLAIN.replace(old, new))
    with pytest.raises(StructureError, match=message):
        read_systems(folder.path, path)


def test_words_within_quotes_are_not_keys(folder: Any) -> None:
    system = read_text(folder, "a.xyz", PLAIN.replace("pbc=", 'remark="PBC=F F F cell=1" pbc='))
    assert system.frame.pbc.tolist() == [True, True, False]


def test_atomic_numbers_are_read_and_types_of_lammps_are_not(folder: Any) -> None:
    water = "3\nwater\n8 0 0 0\n1 0.96 0 0\n1 -0.24 0.93 0\n"
    assert read_text(folder, "a.xyz", water).frame.numbers.tolist() == [8, 1, 1]
    for text in (water.replace("\n8", "\n2"), water.replace("water", "Atoms. Timestep: 0")):
        with pytest.raises(StructureError, match=r"line 3: .*LAMMPS gives to types of atoms"):
            read_systems(folder.path, folder.file("b.xyz", text))


ATOMS_IN = "atom 0 0 0 O\natom 0.96 0 0 H\natom -0.24 0.93 0 H\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("geometry.in", ATOMS_IN),
        ("w.xyz", "3\n\nO 0 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n"),
        ("w.gen", "3 C\nO H\n1 1 0 0 0\n2 2 0.96 0 0\n3 2 -0.24 0.93 0\n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_mark_loses_no_atom(folder: Any, name: str, text: str, encoding: str) -> None:
    assert read_text(folder, name, text.encode(encoding)).frame.numbers.tolist() == [8, 1, 1]


def test_byte_order_mark_within_a_compressed_file_loses_no_atom(folder: Any) -> None:
    assert read_text(folder, "geometry.in.gz", gzip.compress(BOM_UTF8 + ATOMS_IN.encode())).frame.n_atoms == 3


def test_relaxed_structure_of_fhi_aims_is_read(folder: Any) -> None:
    text = f"# What follows\n{ATOMS_IN}trust_radius 0.2\nhessian_block 1 1 1 0 0 0 1 0 0 0 1\n"
    system = read_text(folder, "geometry.in.next_step", text)
    assert (system.name, system.frame.n_atoms) == ("geometry", 3)


def test_comment_in_another_encoding_does_not_hide_the_atoms(folder: Any) -> None:
    assert read_text(folder, "a.xyz", HYDROGEN.replace("\n\n", "\nlengths in Å\n").encode("latin-1")).frame.n_atoms == 2


CIF = """\
data_x
_symmetry_space_group_name_H-M 'P 1'
_cell_length_a 2.87
_cell_length_b 2.87
_cell_length_c 2.87
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Al1 Al 0 0 0 1.0
"""


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        ("Al2 Al .5 .5 .5 0.5\nCu1 Cu .5 .5 .5 0.5\n", r"occupancies other than 1 of the sites Al2 \(0.5\), Cu1"),
        ("Cu1 Cu .5 .5 .5 0.30(2)\n", r"occupancies other than 1 of the site Cu1 \(0.3\)"),
    ],
)
def test_disordered_crystal_is_refused_with_its_sites(folder: Any, sites: str, message: str) -> None:
    with pytest.raises(StructureError, match=message):
        read_systems(folder.path, folder.file("a.cif", CIF + sites))


@pytest.mark.parametrize("occupancy", ["1", "1.0000", "0.9999", "1.00(1)", "?", "."])
def test_full_site_is_full_however_it_is_written(folder: Any, occupancy: str) -> None:
    assert read_text(folder, "a.cif", f"{CIF}Cu1 Cu .5 .5 .5 {occupancy}\n").frame.n_atoms == 2


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("_chemical_formula_sum 'Al Cu'\n_cell_formula_units_Z 1\n", ""),
        ("_chemical_formula_sum 'Al Cu H4'\n", "holds AlCu, and the file's formula is Al Cu H4"),
        ("_chemical_formula_sum 'Al Cu'\n_cell_formula_units_Z 4\n", "holds 2 atoms; its formula and Z say 8"),
        ("_chemical_formula_sum 'nonsense!'\n", ""),
    ],
)
def test_cell_that_is_not_the_formula_of_its_cif_is_remarked(folder: Any, lines: str, words: str) -> None:
    text = CIF.replace("_cell_length_a", f"{lines}_cell_length_a") + "Cu1 Cu .5 .5 .5 1\n"
    for name, written in (("a.cif", text.encode()), ("b.cif", text.encode("utf-16"))):
        remarks = [str(remark) for remark in read_text(folder, name, written).remarks]
        assert [words in remark for remark in remarks] == [True] * bool(words)


def test_atom_of_several_places_in_a_pdb_is_refused(folder: Any) -> None:
    line = "ATOM      {0}  N  {1}SER A   1       {0}.000   2.000   3.000{2} 10.00           N\n"
    text = line.format(1, "A", "  0.60") + line.format(3, "B", "  0.40")
    with pytest.raises(StructureError, match=r"occupancies other than 1 of the atoms N 1 \(0.6\), N 3 \(0.4\)"):
        read_systems(folder.path, folder.file("a.pdb", text))
    assert read_text(folder, "b.pdb", text.replace("0.60", "1.00").replace("0.40", "0.00")).frame.n_atoms == 2


def test_types_of_lammps_are_not_taken_for_elements(folder: Any) -> None:
    box = "0 5 xlo xhi\n0 5 ylo yhi\n0 5 zlo zhi\n"
    data = f"# x\n\n2 atoms\n1 atom types\n{box}\n{{}}Atoms # atomic\n\n1 1 0 0 0\n2 1 1 1 1\n"
    with pytest.raises(StructureError, match="no section Masses"):
        read_systems(folder.path, folder.file("a.lammps-data", data.format("")))
    dump = (
        "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n0 5\n0 5\n0 5\n"
        "ITEM: ATOMS id type x y z\n1 1 0 0 0\n2 2 1 1 1\n"
    )
    with pytest.raises(StructureError, match="no column element"):
        read_systems(folder.path, folder.file("a.lammpstrj", dump))


def test_constraint_on_no_atom_is_none(folder: Any) -> None:
    coord = "$coord\n 0 0 0 o\n 0 0 1.83 h\n$end\n"
    assert read_text(folder, "coord", coord).fixed is None
    assert read_text(folder, "coord", coord.replace(" h", " h f")).fixed.tolist() == [[False] * 3, [True] * 3]


@pytest.mark.parametrize(
    ("comment", "charge", "multiplicities"),
    [
        ("charge=1 spin=2", 1, (2, 3, 5)),
        ("Total_Charge=-1 multiplicity=3", -1, (3,)),
        ("charge=0", 0, ()),
        ("spin=0.5", None, (1.5, 2)),
        ("charge of water", None, ()),
    ],
)
def test_charge_and_spin_of_a_file_are_kept(folder: Any, comment: str, charge: Any, multiplicities: Any) -> None:
    declared = read_text(folder, "a.xyz", HYDROGEN.replace("\n\n", f"\n{comment}\n")).declared
    assert (declared.charge, declared.multiplicities) == (charge, multiplicities)


def test_charge_of_an_mdl_file_is_kept(folder: Any) -> None:
    atoms = "    0.0000    0.0000    0.0000 O   0  5\n    0.9600    0.0000    0.0000 H   0  0\n  1  2  1  0\n"
    text = f"x\n  y\n\n  2  1  0  0  0  0  0  0  0  0999 V2000\n{atoms}M  CHG  1   1  -1\nM  END\n"
    assert read_text(folder, "a.mol", text).declared.charge == -1


def test_positions_in_bohr_and_masses_of_isotopes_are_remarked(folder: Any) -> None:
    water = "3\n{}\nO 0 0 0{}\nH 1.81 0 0{}\nH -0.45 1.76 0{}\n"
    (remark,) = read_text(folder, "a.xyz", water.format("", "", "", "")).remarks
    assert "bohr" in str(remark)
    heavy = water.format("Properties=species:S:1:pos:R:3:masses:R:1", " 15.999", " 2.014", " 2.014")
    (remark,) = read_text(folder, "b.xyz", heavy.replace("1.81", "0.96").replace("-0.45 1.76", "-0.24 0.93")).remarks
    assert "masses of its own" in str(remark)
    assert read_text(folder, "c.xyz", HYDROGEN).remarks == ()
    assert read_text(folder, "d.xyz", "2\n\nAr 0 0 0\nAr 0 0 3.8\n").remarks == ()
