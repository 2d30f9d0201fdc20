"""Extended XYZ files: exact, complete or absent, and read by ASE and by MACE's own reader."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from ase.io import read
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aims_pax.dataset.durable import replacing
from aims_pax.dataset.extxyz import Keys, read_extxyz, write_extxyz
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
        labelled(frame(75, n_atoms=1), label(1)),
    ]


def test_file_read_back_is_what_was_written(tmp_path: Path, structures: list[LabelledFrame]) -> None:
    assert write_extxyz(tmp_path / "training.extxyz", iter(structures)) == 3
    for (frame, label), expected in zip(read_extxyz(tmp_path / "training.extxyz"), structures, strict=True):
        assert_same(frame, expected.frame)
        assert_same(label, expected.label, but="wall_s")


finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(st.characters(codec="utf-8"), min_size=1)
awkward = st.sampled_from(
    ["007", "T", "true x", "1e5", "nan", "a=b", '"', "\\", "_JSON 1", "[1]", "x y\tz", "a,b", "inf 1"]
)


@st.composite
def any_labelled(draw: st.DrawFn) -> LabelledFrame:
    n_atoms = draw(st.integers(1, 4))
    array = lambda *shape: draw(hnp.arrays(np.float64, shape, elements=finite))  # noqa: E731
    periodic = draw(hnp.arrays(np.bool_, 3))
    numbers = draw(hnp.arrays(np.int64, n_atoms, elements=st.integers(1, 118)))
    frame = Frame(
        draw(names | awkward), draw(st.integers(0, 99)), draw(st.integers(0, 10**9)), draw(st.integers(0, 99)),
        numbers, array(n_atoms, 3), array(3, 3), periodic,
    )  # fmt: skip
    extras = draw(st.sampled_from([{}, {"dipole": array(3)}, {"charges": array(n_atoms)}]))
    stress = draw(st.none() | hnp.arrays(np.float64, 6, elements=finite))
    return labelled(frame, Label(draw(finite), array(n_atoms, 3), stress, draw(names | awkward), 0.0, extras))


@settings(max_examples=100, deadline=None)
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


HEAD = "1\nProperties=species:S:1:pos:R:3"


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
    (tmp_path / "data.xyz").write_text(f"{HEAD} REF_energy=1\nH 0 0 0\n" * 100)
    with pytest.raises(StructureError, match="95 more structures have such faults") as caught:
        read_extxyz(tmp_path / "data.xyz")
    assert len(caught.value.problems) == 6


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
