"""Datasets that people bring: what is entered, and what is said of them."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import yaml

from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Stage
from aims_pax.settings import Project, load_project
from aims_pax.stages.beginnings import isolated
from aims_pax.stages.beginnings.imported import dataset_remarks, free_atoms_ev, given_datasets, import_datasets
from aims_pax.stages.memory import Memory

from ...integration.projects import copper_project

ATOM = "1\nProperties=species:S:1:pos:R:3 REF_energy={} config_type=IsolatedAtom\n{} 0 0 0\n"
COPPER = (
    '2\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:REF_forces:R:3 REF_energy={} {}\n'
    "Cu 0 0 0 0.1 0 0\nCu 2 2 2 -0.1 0 0\n"
)


VALID = COPPER.replace("Cu 2 2 2", "Cu 2 2 2.1")


def project_of(folder: Path, train: str, valid: str | None = None, mace: dict[str, Any] | None = None) -> Project:
    """Active learning of a crystal of copper, from these files."""
    files = {"initial_train_dataset": "train.xyz", "initial_valid_dataset": "valid.xyz"}
    copper_project(folder, changes={"INITIAL_DATASET_GENERATION": None, "ACTIVE_LEARNING": files})
    (folder / "copper.xyz").write_text('2\nLattice="4 0 0 0 4 0 0 0 4"\nCu 0 0 0\nCu 2 2 2\n')
    (folder / "train.xyz").write_text(train)
    (folder / "valid.xyz").write_text(VALID.format(-7, "") if valid is None else valid)
    settings = yaml.safe_load((folder / "mace.yaml").read_text())
    for section, keys in (mace or {}).items():
        settings[section] = {**settings.get(section, {}), **keys}
    (folder / "mace.yaml").write_text(yaml.safe_dump(settings))
    return load_project(folder, stages=(Stage.ACTIVE,))


def test_isolated_atoms_become_known_energies_and_no_labels(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = ATOM.format(-3.0, "Cu") + COPPER.format(-7, "") + ATOM.format(-2.0, "Au") + COPPER.format(-8, "")
    project = project_of(tmp_path / "project", train)
    monkeypatch.setattr(logging.getLogger("aims_pax.run"), "propagate", True)
    with caplog.at_level(logging.INFO, "aims_pax.run"), RunStore.open(tmp_path) as store:
        memory = Memory(store, RunFolder(tmp_path, tmp_path / "calculations"))
        with store.transaction():
            import_datasets(project, store, memory)
        assert [point.label.energy for point in store.labelled()] == [-7, -8, -7]
        assert json.loads(json.dumps(memory.recall_json(isolated.KEY))) == {"29": -3.0}
        energies = isolated.isolated_atoms(project, store, memory, tmp_path)
    assert energies == {29: -3.0}
    assert "isolated atoms of the initial dataset give E0 and are not trained on: Cu -3.000 eV" in caplog.text


def test_energies_of_free_atoms_for_training_come_before_those_for_validation(tmp_path: Path) -> None:
    valid = ATOM.format(-5.0, "Cu") + VALID.format(-7, "")
    project = project_of(tmp_path, ATOM.format(-3.0, "Cu") + COPPER.format(-7, ""), valid)
    assert free_atoms_ev(project, given_datasets(project)) == {29: -3.0}
    assert [remark.found for remark in dataset_remarks(project)] == [
        "The free atom Cu has -5.000 eV, and another file says -3.000 eV."
    ]


@pytest.mark.parametrize(
    ("train", "mace", "words"),
    [
        (COPPER.format(-7, ""), {}, ""),
        (ATOM.format(-3.0, "Cu") + COPPER.format(-7, ""), {"ARCHITECTURE": {"atomic_energies": {29: -3.01}}}, ""),
        (
            ATOM.format(-3.0, "Cu") + COPPER.format(-7, ""),
            {"ARCHITECTURE": {"atomic_energies": {29: -4.0}}},
            "The free atom Cu has -3.000 eV, and ARCHITECTURE.atomic_energies says -4.000 eV",
        ),
        (
            ATOM.format(-45000.0, "Cu") + COPPER.format(-3310, ""),
            {},
            "differ from those of free atoms by up to 4.334e+04",
        ),
        (COPPER.format(-7, "charge=0"), {}, ""),
        (
            COPPER.format(-7, "total_charge=-1"),
            {},
            "Structures of it have charge -1, and the reference computes charge 0.",
        ),
        (COPPER.format(-7, "").replace("Cu", "Au", 1), {}, "No structure of it has the composition of copper"),
        (
            COPPER.format(-7, 'virial="1 0 0 0 1 0 0 0 1"'),
            {"GENERAL": {"compute_stress": True}},
            "1 of 1 structures are periodic and have no REF_stress (they have virial).",
        ),
        (
            COPPER.format(-7, 'REF_virials="1 0 0 0 1 0 0 0 1"'),
            {"GENERAL": {"compute_stress": True}},
            "1 of 1 structures have no REF_stress; their REF_virials were taken.",
        ),
    ],
)
def test_what_may_be_wrong_with_a_dataset_is_remarked(
    tmp_path: Path, train: str, mace: dict[str, Any], words: str
) -> None:
    valid = VALID.format(-7, 'REF_stress="0 0 0 0 0 0 0 0 0"')
    if "composition" in words:
        valid = train.replace("2 2 2", "2 2 2.1")
    if "differ" in words:
        valid = VALID.format(-90000, "")
    remarks = dataset_remarks(project_of(tmp_path, train, valid, mace))
    assert [words in str(remark) for remark in remarks] == [True] * bool(words)


def test_masked_forces_are_remarked(tmp_path: Path) -> None:
    masked = COPPER.format(-7, "").replace("pos:R:3", "pos:R:3:move_mask:L:1")
    masked = masked.replace("Cu 0 0 0 ", "Cu 0 0 0 F ").replace("Cu 2 2 2 ", "Cu 2 2 2 T ")
    lines = masked.splitlines()
    lines[2] = " ".join([*lines[2].split()[:5], "0 0 0"])
    remarks = dataset_remarks(project_of(tmp_path, "\n".join(lines) + "\n"))
    assert ["Forces of 1 of 1 structures are exactly zero on all atoms that are fixed" in str(r) for r in remarks] == [
        True
    ]


def test_nothing_is_remarked_of_a_dataset_that_can_not_be_read(tmp_path: Path) -> None:
    assert dataset_remarks(project_of(tmp_path, "nothing")) == []


def test_structure_of_both_files_is_remarked(tmp_path: Path) -> None:
    moved = COPPER.format(-7, "").replace("Cu 0", "Cu 0.1")
    remarks = dataset_remarks(project_of(tmp_path, COPPER.format(-7, ""), COPPER.format(-7, "") + moved))
    assert ["1 of 2 structures for validation stand in the training data, too" in str(one) for one in remarks] == [True]


def test_kinds_of_structures_are_kept_and_names_without_any_are_remarked(tmp_path: Path) -> None:
    train = COPPER.format(-7, "config_type=hot") + COPPER.format(-8, "")
    weights = {"hot": 2.0, "copper": 3.0, "initial": 0.5, "valid": 1.5, "hott": 7.0, "Default": 1.0}
    project = project_of(tmp_path / "project", train, mace={"TRAINING": {"config_type_weights": weights}})
    with RunStore.open(tmp_path) as store:
        memory = Memory(store, RunFolder(tmp_path, tmp_path / "calculations"))
        with store.transaction():
            import_datasets(project, store, memory)
        points = list(store.labelled())
    assert [(one.frame.config_type, one.frame.system, one.stage) for one in points] == [
        ("hot", "train", "initial"),
        ("", "train", "initial"),
        ("", "valid", "initial"),
    ]
    (remark,) = dataset_remarks(project)
    assert "config_type_weights names hott, and no system, stage or config_type here is called so." in str(remark)
    assert "Did you mean hot?" in str(remark)


def test_where_gathered_structures_come_from_is_kept_in_the_run(tmp_path: Path) -> None:
    told = 'label_id=1 source="md/OUTCAR, step 12" reference="VASP 6.4.2, PBE (vasp-1a2b3c4d)"'
    project = project_of(tmp_path / "project", COPPER.format(-7, told) + COPPER.format(-8, 'source="elsewhere"'))
    with RunStore.open(tmp_path) as store:
        import_datasets(project, store, Memory(store, RunFolder(tmp_path, tmp_path / "calculations")))
        points = list(store.labelled())
    assert [point.source for point in points] == ["md/OUTCAR, step 12", "", ""]
    assert points[0].label.reference == "VASP 6.4.2, PBE (vasp-1a2b3c4d)"
