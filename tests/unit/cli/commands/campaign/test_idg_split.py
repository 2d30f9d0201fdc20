"""What ``aims-pax idg-split`` writes, says and refuses."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from aims_pax.cli.program import program
from aims_pax.dataset.extxyz import read_dataset, read_extxyz
from aims_pax.frame import Split, Stage
from aims_pax.settings import load_project
from aims_pax.stages.beginnings.imported import given_datasets

ATOM = "1\nProperties=species:S:1:pos:R:3 REF_energy=-3.25 config_type=IsolatedAtom\nCu 0 0 0\n"
PAIR = "2\nProperties=species:S:1:pos:R:3:REF_forces:R:3 REF_energy={}\nCu 0 0 0 0.1 0 0\nCu 2 2 2 -0.1 0 0\n"
TAGS = ("tiny_1", "tiny_2")
INITIAL = {"n_points_per_sampling_step_idg": 2, "ensemble_size": 2, "max_initial_set_size": 4}
ACTIVE = {"num_trajectories": 2, "max_train_set_size": 8, "ensemble_size": 2, "valid_ratio": 0.25}
SETTINGS = {"REFERENCE": {"type": "tblite"}, "ACTIVE_LEARNING": ACTIVE, "MD": {"stat_ensemble": "nvt"}}


def write_project(folder: Path, settings: Mapping[str, Any] = SETTINGS) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(dict(settings)))
    (folder / "mace.yaml").write_text("GENERAL: {name_exp: tiny, seed: 1}\n")
    (folder / "geometry").mkdir(exist_ok=True)
    (folder / "geometry" / "copper.xyz").write_text("2\n\nCu 0 0 0\nCu 0 0 2.2\n")


def dataset(n_structures: int, beside: str = "") -> str:
    return beside + "".join(PAIR.format(-7.0 - number) for number in range(n_structures))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project for active learning by two members, a quarter for validation, and ten structures beside it."""
    write_project(tmp_path / "project")
    (tmp_path / "data.xyz").write_text(dataset(10, ATOM))
    return tmp_path / "project"


def said(folder: Path, *words: str, data: str = "data.xyz", code: int = 0) -> str:
    result = CliRunner().invoke(program, ["idg-split", str(folder.parent / data), str(folder), *words])
    assert result.exit_code == code, result.output
    return result.output


def energies(folder: Path, tag: str, split: str) -> list[float]:
    return [label.energy for _, label in read_extxyz(folder / "initial_datasets" / f"{tag}_{split}.extxyz")]


def test_each_structure_belongs_to_one_member_and_validates_by_the_ratio(folder: Path) -> None:
    output = said(folder)
    parts = {(tag, split): energies(folder, tag, split) for tag in TAGS for split in ("training", "validation")}
    assert [len(part) for part in parts.values()] == [4, 1, 4, 1]
    assert sorted(energy for part in parts.values() for energy in part) == [-7.0 - n for n in reversed(range(10))]
    assert f"wrote {folder}/initial_datasets/tiny_2_training.extxyz (4 structures)" in output
    assert "left out: isolated atoms, which --keep-isolated-atoms keeps" in output


def test_active_learning_takes_the_lines_that_are_said(folder: Path) -> None:
    block = said(folder, "--keep-isolated-atoms").partition("ACTIVE_LEARNING of aims_PAX.yaml:\n")[2]
    named = yaml.safe_load(block.partition("\nNext: ")[0])
    write_project(folder, {**SETTINGS, "ACTIVE_LEARNING": {**ACTIVE, **named}})
    shares = given_datasets(load_project(folder, stages=(Stage.ACTIVE,)))
    assert [(share.split, share.member, len(share.dataset.structures)) for share in shares] == [
        (Split.TRAINING, 0, 4),
        (Split.TRAINING, 1, 4),
        (Split.VALIDATION, 0, 1),
        (Split.VALIDATION, 1, 1),
    ]
    assert [dict(share.dataset.free_atoms_ev) for share in shares] == [{29: -3.25}, {29: -3.25}, {}, {}]


def test_structures_are_written_as_they_were_read(folder: Path) -> None:
    said(folder)
    given = {label.energy: (frame, label) for frame, label in read_extxyz(folder.parent / "data.xyz")}
    for frame, label in read_dataset(folder / "initial_datasets" / "tiny_1_training.extxyz").structures:
        original, labelled = given[label.energy]
        np.testing.assert_array_equal(frame.positions, original.positions)
        np.testing.assert_array_equal(label.forces, labelled.forces)
        assert (frame.system, frame.md_step, label.reference) == ("data", original.md_step, "data.xyz")


def test_seed_of_the_project_decides(folder: Path) -> None:
    said(folder)
    first = energies(folder, "tiny_1", "training")
    said(folder, "--out", str(folder / "again"))
    again = [label.energy for _, label in read_extxyz(folder / "again" / "tiny_1_training.extxyz")]
    assert again == first
    (folder / "mace.yaml").write_text("GENERAL: {name_exp: tiny, seed: 5}\n")
    said(folder)
    assert energies(folder, "tiny_5", "training") != first


def test_dropout_gives_every_member_a_sample_of_all(folder: Path) -> None:
    said(folder, "--dropout", "--dropout-ratio", "0.3")
    trained, validated = ([set(energies(folder, tag, split)) for tag in TAGS] for split in ("training", "validation"))
    assert [len(part) for part in trained] == [5, 5]  # of 7 for training
    assert [len(part) for part in validated] == [2, 2]  # of 3 for validation
    assert trained[0] & trained[1]
    assert not set.union(*trained) & set.union(*validated)


@pytest.mark.parametrize("words", [(), ("--dropout",)])
def test_every_member_trains_on_dimers_that_are_kept(folder: Path, words: tuple[str, ...]) -> None:
    dimers = "".join(PAIR.format(f"{energy} config_type={kind}") for energy, kind in ((-1, "dimer"), (-2, "Dimer")))
    (folder.parent / "data.xyz").write_text(dataset(4) + dimers + dataset(8).partition(PAIR.format(-10.0))[2])
    output = said(folder, "--keep-dimers", *words)
    assert "every member trains on 2 structures whose config_type is dimer" in output
    for tag in TAGS:
        assert {-1.0, -2.0} < set(energies(folder, tag, "training"))
        assert not {-1.0, -2.0} & set(energies(folder, tag, "validation"))
    if not words:
        cut = [e for tag in TAGS for split in ("training", "validation") for e in energies(folder, tag, split)]
        assert sorted(energy for energy in cut if energy < -3) == [-7.0 - number for number in reversed(range(8))]


@pytest.mark.parametrize("words", [(), ("--dropout",)])
def test_every_member_trains_on_inputs_that_are_kept(folder: Path, words: tuple[str, ...]) -> None:
    kinds = ((-1, "input"), (-2, "supercell"), (-3, "dimer"))
    kept = "".join(PAIR.format(f"{energy} config_type={kind}") for energy, kind in kinds)
    (folder.parent / "data.xyz").write_text(dataset(4) + kept + dataset(8).partition(PAIR.format(-10.0))[2])
    output = said(folder, "--keep-inputs", "--keep-dimers", *words)
    assert "every member trains on 2 structures whose config_type is input or supercell" in output
    for tag in TAGS:
        assert {-1.0, -2.0, -3.0} < set(energies(folder, tag, "training"))
        assert not {-1.0, -2.0, -3.0} & set(energies(folder, tag, "validation"))


def test_inputs_are_cut_like_others_where_nothing_is_said(folder: Path) -> None:
    (folder.parent / "data.xyz").write_text(dataset(10).replace("-9.0", "-9.0 config_type=input"))
    said(folder, "--keep-dimers")
    trained = [
        energy for tag in TAGS for split in ("training", "validation") for energy in energies(folder, tag, split)
    ]
    assert trained.count(-9.0) == 1


def test_dimers_are_cut_like_others_where_nothing_is_said(folder: Path) -> None:
    (folder.parent / "data.xyz").write_text(dataset(10).replace("-9.0", "-9.0 config_type=dimer"))
    said(folder)
    trained = [
        energy for tag in TAGS for split in ("training", "validation") for energy in energies(folder, tag, split)
    ]
    assert trained.count(-9.0) == 1


def test_members_are_those_that_the_project_names(folder: Path) -> None:
    write_project(folder, {**SETTINGS, "ACTIVE_LEARNING": {**ACTIVE, "seeds_tags_dict": {"left": 3, "right": 4}}})
    said(folder)
    assert len(energies(folder, "left", "training")) == len(energies(folder, "right", "training")) == 4


def test_members_of_the_first_stage_count(tmp_path: Path) -> None:
    """As everywhere; the lines that are said then tell active learning of their number, too."""
    active = {**ACTIVE, "ensemble_size": 4}
    write_project(tmp_path / "project", {**SETTINGS, "INITIAL_DATASET_GENERATION": INITIAL, "ACTIVE_LEARNING": active})
    (tmp_path / "data.xyz").write_text(dataset(4))
    assert "  ensemble_size: 2\n" in said(tmp_path / "project")


def test_nothing_is_overwritten(folder: Path) -> None:
    said(folder)
    kept = (folder / "initial_datasets" / "tiny_1_training.extxyz").read_bytes()
    output = said(folder, "--dropout", code=2)
    assert "There are tiny_1_training.extxyz, tiny_2_training.extxyz, tiny_1_validation.extxyz" in output
    assert "Remove these files, or name another folder." in output
    assert (folder / "initial_datasets" / "tiny_1_training.extxyz").read_bytes() == kept


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        (None, (), "can't be read (No such file or directory)"),
        (dataset(3, ATOM), (), "holds 3 structures besides isolated atoms, for 2 members\n  Allowed: at least 4"),
        (dataset(1), ("--dropout",), "holds 1 structures besides isolated atoms, for 2 members\n  Allowed: at least 2"),
        (ATOM, (), "holds free atoms only"),
        (dataset(4).replace("REF_energy", "E"), (), "has no REF_energy"),
        (dataset(4).replace("REF_forces", "F"), (), "give them as MISC.energy_key, MISC.forces_key"),
        (dataset(4), ("--dropout-ratio", "0.2"), "--dropout-ratio 0.2: There is no --dropout."),
        (dataset(4), ("--dropout", "--dropout-ratio", "1"), "--dropout-ratio 1: This is no fraction below 1."),
        (
            dataset(3) + dataset(2).replace("REF_energy", "config_type=dimer REF_energy"),
            ("--keep-dimers",),
            "holds 3 structures besides isolated atoms and dimers, for 2 members\n  Allowed: at least 4",
        ),
        (
            dataset(3) + dataset(2).replace("REF_energy", "config_type=input REF_energy"),
            ("--keep-inputs", "--keep-dimers"),
            "holds 3 structures besides isolated atoms, dimers and inputs, for 2 members\n  Allowed: at least 4",
        ),
        (dataset(4), ("--out", "{project}/mace.yaml"), "mace.yaml: This is a file."),
    ],
)
def test_what_can_not_be_cut_is_said(folder: Path, content: str | None, words: tuple[str, ...], message: str) -> None:
    if content is not None:
        (folder.parent / "mine.xyz").write_text(content)
    output = said(folder, *(word.format(project=folder) for word in words), data="mine.xyz", code=2)
    assert message in output
    assert not (folder / "initial_datasets").exists()


def test_all_that_is_wrong_is_said_at_once(folder: Path) -> None:
    write_project(folder, {**SETTINGS, "ACTIVE_LEARNING": {**ACTIVE, "seeds_tags_dict": {"run/3": 3, "run/4": 4}}})
    (folder.parent / "few.xyz").write_text(dataset(2))
    output = said(folder, data="few.xyz", code=2)
    assert "2 problems" in output
    assert "The tag run/3 can't be part of a file's name." in output
    assert "at least 4: one to train and one to validate for each" in output


def test_masked_forces_are_told_before_the_mask_is_lost(folder: Path) -> None:
    text = dataset(10).replace("pos:R:3", "pos:R:3:move_mask:L:1").replace("Cu 0 0 0 0.1", "Cu 0 0 0 T 0.1")
    (folder.parent / "data.xyz").write_text(text.replace("Cu 2 2 2 -0.1", "Cu 2 2 2 F 0"))
    output = said(folder)
    assert "Forces of 10 of 10 structures are exactly zero on all atoms that are fixed there" in output
