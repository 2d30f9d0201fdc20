"""Extended XYZ files: exact, complete or absent, and read by ASE and by MACE's own reader."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from ase.io import read
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aims_pax.dataset.durable import replacing
from aims_pax.dataset.entries import Keys
from aims_pax.dataset.extxyz import read_dataset, read_extxyz, write_extxyz
from aims_pax.dataset.foreign import MAX_FORCE_EV_PER_ANG, MAX_STRESS_EV_PER_ANG3, unit_remarks
from aims_pax.errors import StructureError
from aims_pax.frame import Frame, Label, LabelledFrame, Split

MakeFrame = Callable[..., Frame]
MakeLabel = Callable[..., Label]


def labelled(frame: Frame, label: Label, *, member: int | None = None) -> LabelledFrame:
    return LabelledFrame(12, frame, label, Split.TRAINING, member)


def assert_same(found: Frame | Label, expected: Frame | Label, *, but: str = "") -> None:
    for field in fields(expected):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if field.name == "extras":
            assert one.keys() == other.keys()
            assert all(np.array_equal(one[key], other[key]) for key in other)
        elif isinstance(other, np.ndarray):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
        elif field.name != but:
            assert one == other, field.name


@pytest.fixture
def structures(frame: MakeFrame, label: MakeLabel) -> list[LabelledFrame]:
    return [
        labelled(frame(25), label(3), member=2),
        labelled(frame(50, periodic=True, n_atoms=8), label(8, with_stress=True)),
        labelled(frame(75, n_atoms=2), label(2)),
    ]


def test_file_read_back_is_what_was_written(tmp_path: Path, structures: list[LabelledFrame]) -> None:
    assert write_extxyz(tmp_path / "training.extxyz", iter(structures)) == 3
    for (frame, label), expected in zip(read_extxyz(tmp_path / "training.extxyz"), structures, strict=True):
        assert_same(frame, expected.frame)
        assert_same(label, expected.label, but="wall_s")


finite = st.floats(allow_nan=False, allow_infinity=False)


def within(limit: float | None) -> st.SearchStrategy[float]:
    """Numbers that a file may hold: beyond the limit, forces and stress are refused."""
    return finite if limit is None else st.floats(-limit, limit)


names = st.text(st.characters(codec="utf-8"), min_size=1)
awkward = st.sampled_from(
    ["007", "T", "true x", "1e5", "nan", "a=b", '"', "\\", "_JSON 1", "[1]", "x y\tz", "a,b", "inf 1"]
)


@st.composite
def any_labelled(draw: st.DrawFn) -> LabelledFrame:
    n_atoms = draw(st.integers(2, 5))
    array = lambda *shape, limit=None: draw(hnp.arrays(np.float64, shape, elements=within(limit)))  # noqa: E731
    periodic = draw(hnp.arrays(np.bool_, 3))
    numbers = draw(hnp.arrays(np.int64, n_atoms, elements=st.integers(1, 118)))
    frame = Frame(
        draw(names | awkward), draw(st.integers(0, 99)), draw(st.integers(0, 10**9)), draw(st.integers(0, 99)),
        numbers, array(n_atoms, 3), array(3, 3), periodic,
        draw(st.none() | st.integers(-9, 9)), draw(st.none() | st.integers(1, 9)),
    )  # fmt: skip
    extras = draw(st.sampled_from([{}, {"dipole": array(3)}, {"charges": array(n_atoms)}]))
    stress = draw(st.none() | hnp.arrays(np.float64, 6, elements=within(MAX_STRESS_EV_PER_ANG3)))
    return labelled(
        frame,
        Label(draw(finite), array(n_atoms, 3, limit=MAX_FORCE_EV_PER_ANG), stress, draw(names | awkward), 0.0, extras),
    )


@given(any_labelled())
def test_any_structure_survives_the_way_through_a_file(
    tmp_path_factory: pytest.TempPathFactory, structure: LabelledFrame
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.extxyz"
    write_extxyz(path, [structure, structure])
    for frame, label in read_extxyz(path):
        assert_same(frame, structure.frame)
        assert_same(label, structure.label)


def test_other_programs_find_plain_values(tmp_path: Path, structures: list[LabelledFrame]) -> None:
    write_extxyz(tmp_path / "training.extxyz", structures)
    molecule, crystal, _ = read(tmp_path / "training.extxyz", index=":")
    assert molecule.info["system"] == "ethanol"
    assert molecule.info["reference"] == "tblite 0.4.0 GFN2-xTB"
    assert molecule.info["label_id"] == 12
    assert molecule.info["member"] == 2
    assert "member" not in crystal.info
    np.testing.assert_array_equal(molecule.arrays["REF_forces"], structures[0].label.forces)
    np.testing.assert_array_equal(crystal.cell, structures[1].frame.cell)
    assert "_JSON" not in (tmp_path / "training.extxyz").read_text()


@pytest.mark.torch
def test_mace_reads_energy_forces_and_stress(tmp_path: Path, structures: list[LabelledFrame]) -> None:
    data = pytest.importorskip("mace.data")
    torch_tools = pytest.importorskip("mace.tools.torch_tools")
    torch = pytest.importorskip("torch")
    write_extxyz(tmp_path / "training.extxyz", structures)
    _, configurations = data.load_from_xyz(str(tmp_path / "training.extxyz"), data.KeySpecification.from_defaults())
    for configuration, expected in zip(configurations, structures, strict=True):
        assert configuration.properties["energy"] == expected.label.energy
        np.testing.assert_array_equal(configuration.properties["forces"], expected.label.forces)
    voigt = structures[1].label.stress
    assert voigt is not None
    found = torch_tools.voigt_to_matrix(torch.tensor(configurations[1].properties["stress"]))
    xx, yy, zz, yz, xz, xy = voigt.tolist()
    np.testing.assert_array_equal(found, [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


@pytest.mark.parametrize(
    "keys", [Keys("energy", "forces", "stress", "dipole", "charges"), Keys("E", "F", "S", "D", "Q")]
)
def test_keys_can_be_chosen_freely(tmp_path: Path, structures: list[LabelledFrame], keys: Keys) -> None:
    write_extxyz(tmp_path / "data.xyz", structures, keys)
    for (_, label), expected in zip(read_extxyz(tmp_path / "data.xyz", keys), structures, strict=True):
        assert_same(label, expected.label, but="wall_s")


def test_structures_of_other_programs_get_an_identity(tmp_path: Path) -> None:
    block = '1\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:REF_forces:R:3 REF_energy=-1 ' \
        'REF_stress="1 2 3 4 5 6"\nH 0 0 0 0 0 0\n'  # fmt: skip
    (tmp_path / "water.xyz").write_text(f"{block}\n\n{block}\n")
    (_, _), (frame, label) = read_extxyz(tmp_path / "water.xyz")
    assert (frame.system, frame.trajectory, frame.md_step, frame.generation) == ("water", 0, 1, 0)
    assert frame.pbc.all()
    assert (label.energy, label.reference, label.wall_s) == (-1.0, "water.xyz", 0.0)
    assert label.stress is not None
    assert label.stress.tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("said", "charge", "spin"),
    [
        ("charge=-1 multiplicity=2", -1, 2),
        ("total_charge=1.0 multiplicity=3.0", 1, 3),
        ("charge=0.5 multiplicity=high", None, None),
        ("spin=2", None, 2),  # one electron: 2S + 1
        ("spin=1", None, 2),  # 2S
        ("spin=0.5", None, 2),  # S
        ("charge=-1 spin=1", -1, 1),
        ("Total_Charge=-1 total_spin=3", -1, 3),
        ("REF_total_charge=0 num_unpaired_electrons=1", 0, 2),
        ("charge=0 spin=8", 0, 8),
        ("charge=-1 spin=0.5", -1, None),
        ("charge=1 total_charge=1", 1, None),
    ],
)
def test_charge_and_multiplicity_are_read_where_they_are_whole(
    said: str, charge: int | None, spin: int | None, tmp_path: Path
) -> None:
    (tmp_path / "data.xyz").write_text(f"{HEAD}:REF_forces:R:3 REF_energy=-1 {said}\nH 0 0 0 0 0 0\n")
    ((frame, _),) = read_extxyz(tmp_path / "data.xyz")
    assert (frame.charge, frame.spin) == (charge, spin)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("", ""),
        ("config_type=Default", ""),
        ("config_type=surface", "surface"),
        ('config_type="bulk, hot"', "bulk, hot"),
        ("config_type=3", "3"),
    ],
)
def test_config_type_is_read_and_written(said: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "data.xyz").write_text(f"{HEAD}:REF_forces:R:3 REF_energy=-1 {said}\nH 0 0 0 0 0 0\n")
    ((frame, label),) = read_extxyz(tmp_path / "data.xyz")
    assert frame.config_type == kind
    write_extxyz(tmp_path / "again.xyz", [labelled(frame, label)])
    ((again, _),) = read_extxyz(tmp_path / "again.xyz")
    assert again.config_type == kind
    assert ("config_type" in (tmp_path / "again.xyz").read_text()) == bool(kind)


@pytest.mark.parametrize("said", ["charge=1 total_charge=0", "multiplicity=2 spin=5", "multiplicity=3 uhf=1"])
def test_charges_and_spins_that_contradict_each_other_are_refused(said: str, tmp_path: Path) -> None:
    (tmp_path / "data.xyz").write_text(f"{HEAD}:REF_forces:R:3 REF_energy=-1 {said}\nH 0 0 0 0 0 0\n")
    with pytest.raises(StructureError, match=said.replace(" ", " and ") + ", which can't both be"):
        read_extxyz(tmp_path / "data.xyz")


def test_charge_and_spin_have_the_names_that_were_asked_for(tmp_path: Path) -> None:
    keys = Keys(total_charge="Q", total_spin="M")
    (tmp_path / "data.xyz").write_text(f"{HEAD}:REF_forces:R:3 REF_energy=-1 Q=-2 M=2\nH 0 0 0 0 0 0\n")
    ((frame, label),) = read_extxyz(tmp_path / "data.xyz", keys)
    assert (frame.charge, frame.spin) == (-2, 2)
    write_extxyz(tmp_path / "again.xyz", [LabelledFrame(1, frame, label, Split.TRAINING)], keys)
    assert " Q=-2 M=2 " in (tmp_path / "again.xyz").read_text()
    assert [one.charge for one, _ in read_extxyz(tmp_path / "again.xyz", keys)] == [-2]


HEAD = '1\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no structure"),
        ("\x00\x01binary\n\n", "line 1: a number of atoms should stand here, not"),
        ("1\n\nH 0 0 0\nH 0 0 0\n", "line 4: a number of atoms should stand here, not 'H 0 0 0'"),
        ("3\nREF_energy=1\nH 0 0 0\n", "line 1: the file ends within this structure of 3 atoms"),
        ("99999999999999\n", "line 1: the file ends within this structure"),
        ("9" * 30 + "\n", "can't be read"),
        ("1\nREF_energy=1\nQq 0 0 0\n", r"structure 1: can't be read as extended XYZ \(.*Qq"),
        ("1\nREF_energy=1\nH 0 0\n", "structure 1: can't be read as extended XYZ"),
        (f"{HEAD}:REF_forces:R:3\nH 0 0 0 0 0 0\n", "structure 1: has no REF_energy"),
        (f"{HEAD} REF_energy=1\nH 0 0 0\n", "structure 1: has no REF_forces"),
        (f"{HEAD}:REF_forces:R:3 REF_energy=nan\nH 0 0 0 0 0 0\n", "has REF_energy that is not finite"),
        (f"{HEAD}:REF_forces:R:3 REF_energy=low\nH 0 0 0 0 0 0\n", "has REF_energy that is not one number"),
        (f"{HEAD}:REF_forces:R:2 REF_energy=1\nH 0 0 0 0 0\n", r"has REF_forces that is not numbers of shape \(1, 3\)"),
        (f"{HEAD}:REF_forces:R:3 REF_energy=1 md_step=x\nH 0 0 0 0 0 0\n", "md_step = x, which is not a whole number"),
    ],
)
def test_unusable_file_is_said_to_be_one(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "data.xyz").write_text(text)
    with pytest.raises(StructureError, match=rf"data\.xyz.*{message}"):
        read_extxyz(tmp_path / "data.xyz")


def test_absent_file_is_said_to_be_absent(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match=r"data\.xyz: can't be read \(No such file or directory\)"):
        read_extxyz(tmp_path / "data.xyz")


def test_many_faults_are_named_a_few_times(tmp_path: Path) -> None:
    no_forces, no_energy = f"{HEAD} REF_energy=1\nH 0 0 0\n", f"{HEAD}\nH 0 0 0\n"
    (tmp_path / "data.xyz").write_text((no_forces + no_energy) * 50)
    with pytest.raises(StructureError, match="95 more structures have such faults") as caught:
        read_extxyz(tmp_path / "data.xyz")
    assert len(caught.value.problems) == 6


def test_one_fault_of_all_structures_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "data.xyz").write_text(f"{HEAD} REF_energy=1\nH 0 0 0\n" * 100)
    with pytest.raises(StructureError, match="99 more structures have such faults") as caught:
        read_extxyz(tmp_path / "data.xyz")
    assert len(caught.value.problems) == 2


def test_interrupted_file_leaves_the_old_one(tmp_path: Path, structures: list[LabelledFrame]) -> None:
    path = tmp_path / "training.extxyz"
    write_extxyz(path, structures)
    before = path.read_bytes()

    def write_half() -> None:
        with replacing(path) as file:
            file.write("half")
            raise KeyboardInterrupt("by hand")

    with pytest.raises(KeyboardInterrupt, match="by hand"):
        write_half()
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["training.extxyz"]


# -- datasets of other people ---------------------------------------------------------------------------------------

CRYSTAL = HEAD + ":REF_forces:R:3 REF_energy=-1 {}\nH 0 0 0 0 0 0\n"
ATOM = '1\nProperties=species:S:1:pos:R:3{} REF_energy={} config_type=IsolatedAtom pbc="F F F"\n{} 0 0 0{}\n'


def test_isolated_atoms_of_mace_are_energies_and_no_structures(tmp_path: Path) -> None:
    atoms = ATOM.format("", -13.6, "H", "") + ATOM.format(":REF_forces:R:3", -2041.5, "O", " 0 0 0")
    boxed = f"{HEAD} REF_energy=-1029 config_type=IsolatedAtom\nC 0 0 0\n"
    (tmp_path / "data.xyz").write_text(atoms + CRYSTAL.format("") + boxed)
    dataset = read_dataset(tmp_path / "data.xyz")
    assert dataset.free_atoms_ev == {1: -13.6, 8: -2041.5, 6: -1029.0}
    ((frame, _),) = dataset.structures
    assert frame.pbc.all()
    assert len(read_extxyz(tmp_path / "data.xyz")) == 1


def test_files_of_free_atoms_that_can_not_be_used_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.xyz"
    path.write_text(ATOM.format("", -13.6, "H", ""))
    with pytest.raises(StructureError, match="holds free atoms only"):
        read_dataset(path)
    path.write_text(ATOM.format("", -13.6, "H", "") + ATOM.format("", -12.5, "H", "") + CRYSTAL.format(""))
    with pytest.raises(StructureError, match=r"free atoms of Z = 1 with the energies -13.6 and -12.5 eV"):
        read_dataset(path)


def test_virials_of_mace_become_stress(tmp_path: Path) -> None:
    (tmp_path / "data.xyz").write_text(CRYSTAL.format('REF_virials="64 0 0 0 128 32 0 32 -64"'))
    dataset = read_dataset(tmp_path / "data.xyz")
    ((_, label),) = dataset.structures
    assert label.stress is not None
    np.testing.assert_allclose(label.stress, [-1, -2, 1, -0.5, 0, 0], rtol=1e-12)  # minus virials by 64 Å³
    assert (dataset.n_by_virials, dataset.n_without_stress) == (1, 0)


def test_structures_without_stress_are_counted_with_what_may_be_one(tmp_path: Path) -> None:
    text = CRYSTAL.format('dft_virial="64 0 0 0 128 0 0 0 64"') + CRYSTAL.format('REF_stress="1 0 0 0 1 0 0 0 1"')
    molecule = "2\nProperties=species:S:1:pos:R:3:REF_forces:R:3 REF_energy=-1\nH 0 0 0 0 0 0\nH 0 0 1 0 0 0\n"
    (tmp_path / "data.xyz").write_text(text + molecule)
    dataset = read_dataset(tmp_path / "data.xyz")
    assert (dataset.n_by_virials, dataset.n_without_stress, dataset.unread) == (0, 1, ("dft_virial",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CRYSTAL.format('REF_stress="-251 0 0 0 1 0 0 0 1"'), r"REF_stress up to 251, .*40.2 TPa; divide kbar by 1602"),
        (CRYSTAL.format("").replace("0 0 0\n", "0 2e4 0\n"), r"REF_forces up to 2e\+04, which can't be eV/Å"),
        (CRYSTAL.format("").replace("REF_", "dft_"), r"has no REF_energy; it has dft_energy(.|\n)*--energy-key"),
    ],
)
def test_values_that_can_not_be_meant_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "data.xyz").write_text(text, encoding="utf-8")
    with pytest.raises(StructureError, match=message):
        read_dataset(tmp_path / "data.xyz", named_by="--energy-key and --forces-key")


def thermal(*, energy: float = 1.0, force: float = 1.0, stress: float = 1.0) -> list[tuple[Frame, Label]]:
    """Argon-like structures about 300 K by a spring of 30 eV/Å², times factors of wrong units."""
    generator, pairs = np.random.default_rng(1), []
    for _ in range(40):
        moves = generator.normal(0, (0.0259 / 30) ** 0.5, (16, 3))
        frame = Frame("x", 0, 0, 0, np.full(16, 6), moves, np.eye(3) * 7, np.ones(3, dtype=bool))
        shear = generator.normal(0, 0.01, 6)
        label = Label(float(15 * (moves**2).sum()) * energy - 99, -30 * moves * force, shear * stress, "x", 0.0)
        pairs.append((frame, label))
    return pairs


def test_strained_cells_whose_forces_symmetry_makes_zero_are_not_of_other_units() -> None:
    generator, pairs = np.random.default_rng(2), []
    for strain in np.linspace(-0.1, 0.1, 20):
        forces = generator.normal(0, 2e-3, (2, 3))
        frame = Frame("x", 0, 0, 0, np.full(2, 14), np.zeros((2, 3)), np.eye(3) * 4 * (1 + strain), np.ones(3, bool))
        pairs.append((frame, Label(200 * float(strain) ** 2 - 99, forces, None, "x", 0.0)))
    assert list(unit_remarks(Path("d"), pairs)) == []
    still = [(replace(frame, cell=np.eye(3) * 4), label) for frame, label in pairs]
    assert len(list(unit_remarks(Path("d"), still))) == 1


@pytest.mark.parametrize(
    ("factors", "words"),
    [
        ({}, []),
        ({"stress": 160.2}, ["In GPa or kbar"]),
        ({"energy": 1 / 27.2}, ["Energies and forces do not go together"]),
        ({"energy": 1 / 27.2, "force": 1 / 51.4}, ["Energies and forces do not go together"]),
        ({"energy": 23.06, "force": 23.06}, ["In kcal/mol/Å?", "Energies and forces do not go together"]),
    ],
)
def test_probable_other_units_are_remarked(factors: dict[str, float], words: list[str]) -> None:
    text = "\n".join(map(str, unit_remarks(Path("a.xyz"), thermal(**factors))))
    assert all(word in text for word in words)
    assert bool(text) == bool(words)


@pytest.mark.parametrize("sign", [1, -1])
def test_stress_of_the_other_sign_is_remarked(sign: int) -> None:
    generator, pairs = np.random.default_rng(2), []
    for stretch in np.linspace(0.97, 1.03, 12):
        pressure = sign * (stretch - 1) * np.array([1.0, 1, 1, 0, 0, 0]) + generator.normal(0, 0.002, 6)
        frame = Frame("x", 0, 0, 0, np.full(4, 29), np.zeros((4, 3)), np.eye(3) * 3.6 * stretch, np.ones(3, dtype=bool))
        pairs.append((frame, Label(0.0, np.full((4, 3), 1e-4), pressure, "x", 0.0)))
    remarks = [str(remark) for remark in unit_remarks(Path("a.xyz"), pairs)]
    assert ["Multiply by -1" in remark for remark in remarks] == [True] * (sign == -1)


def test_forces_that_were_not_computed_are_remarked() -> None:
    pairs = [
        (frame, replace(label, forces=label.forces * (index > 2))) for index, (frame, label) in enumerate(thermal())
    ]
    remarks = [str(remark) for remark in unit_remarks(Path("a.xyz"), pairs)]
    assert ["Forces of 3 of 40 structures are exactly zero." in remark for remark in remarks] == [True]
