"""Whole campaigns with FHI-aims' files and a stand-in for the program."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase.io import read, write

from aims_pax.errors import CampaignStopped, SettingsError
from aims_pax.frame import Stage
from aims_pax.settings import load_project

from ..aims.standin import COMMAND, write_species
from .projects import TINY_MACE, WATER, jobs_of, labels_of, run, water

EXAMPLE = Path(__file__).parents[2] / "examples" / "fhi_aims"
BOTH = (Stage.INITIAL, Stage.ACTIVE)

CONTROL = """\
# as v0.2's users write it
xc                 pbe          # functional
relativistic       atomic_zora scalar
output             hirshfeld
output             dipole
"""


def v02_project(folder: Path, **cluster: Any) -> Path:
    """A project of v0.2 for FHI-aims: its file names, its keys, and no REFERENCE."""
    settings = copy.deepcopy({key: value for key, value in WATER.items() if key != "REFERENCE"})
    for stage in ("INITIAL_DATASET_GENERATION", "ACTIVE_LEARNING"):
        settings[stage]["species_dir"] = str(folder / "species_defaults" / "light")
    # As cold and slow as this, not even a committee that has learnt nothing tears the molecule apart.
    settings["MD"] |= {"temperature": 30, "timestep": 0.1}
    settings["MISC"] = {
        "probe": False,
        "create_restart": True,
        "path_to_control": "./control.in",
        "path_to_geometry": "./geometry.in",
    }
    settings["CLUSTER"] = {
        "type": "local",
        "max_workers": 2,
        "launch_str": f"{COMMAND} >> aims.out",
        "calc_dir": "./aims_ase_calcs",
        **cluster,
    }
    write_species(folder / "species_defaults" / "light")
    (folder / "aimsPAX.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    (folder / "model.yaml").write_text(yaml.safe_dump(TINY_MACE, sort_keys=False), encoding="utf-8")
    (folder / "control.in").write_text(CONTROL, encoding="utf-8")
    write(folder / "geometry.in", water(), format="aims")
    return folder


def test_v02_project_runs_unchanged(tmp_path: Path) -> None:
    folder = v02_project(tmp_path, clean_dirs=False)
    run(folder, stages=BOTH)
    labels = labels_of(folder)
    assert len(labels) >= 6
    for labelled in labels:
        assert labelled.label.reference.startswith("FHI-aims pbe, species_defaults/light, input ")
        assert labelled.label.reference.endswith("; version 0standin")
        assert labelled.label.extras["hirshfeld_volume_ratios"].shape == (3,)
    kept = sorted(folder.glob("aims_ase_calcs/**/aims.out"))
    computed = [read(file.with_name("geometry.in"), format="aims").positions for file in kept]
    for labelled in labels:  # each was computed for its own structure, and once; 16 digits are written
        distances = [np.abs(labelled.frame.positions - positions).max() for positions in computed]
        assert sum(distance < 1e-12 for distance in distances) == 1
    assert all("compute_forces .true." in file.with_name("control.in").read_text(encoding="utf-8") for file in kept)
    assert {job.stage for stage in BOTH for job in jobs_of(folder, stage)} == set(BOTH)


def test_aimd_moves_and_labels_each_system_by_its_own_control_in(tmp_path: Path) -> None:
    folder = v02_project(tmp_path)
    settings = yaml.safe_load((folder / "aimsPAX.yaml").read_text(encoding="utf-8"))
    settings["MISC"]["path_to_geometry"] = {0: "./geometry.in", 1: "./hydroxide.in"}
    settings["MISC"]["path_to_control"] = {0: "./control.in", 1: "./hydroxide_control.in"}
    settings["INITIAL_DATASET_GENERATION"] |= {"initial_sampling": "aimd", "skip_step_initial": 2}
    (folder / "aimsPAX.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    write(folder / "hydroxide.in", water()[:2], format="aims")
    (folder / "hydroxide_control.in").write_text(CONTROL.replace("pbe", "pbesol"), encoding="utf-8")
    run(folder, stages=(Stage.INITIAL,))
    labels = labels_of(folder)
    assert {(one.frame.n_atoms, one.label.reference.split(",")[0]) for one in labels} == {
        (3, "FHI-aims pbe"),
        (2, "FHI-aims pbesol"),
    }


def test_run_does_not_go_on_with_another_control_in(tmp_path: Path) -> None:
    folder = v02_project(tmp_path)
    run(folder, stages=(Stage.INITIAL,))
    (folder / "control.in").write_text(CONTROL.replace("pbe", "pbesol"), encoding="utf-8")
    with pytest.raises(SettingsError, match=r"control.in: Keywords, species or initial moments are not those"):
        run(folder, stages=BOTH)


def test_unconverged_labels_are_failures_and_the_campaign_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = v02_project(tmp_path)
    (folder / "control.in").write_text(f"{CONTROL}sc_iter_limit 2\npostprocess_anyway .true.\n", encoding="utf-8")
    with pytest.raises(CampaignStopped, match=r"the reference failed for .* structures in a row"):
        run(folder, stages=(Stage.INITIAL,))
    assert "not converged: FHI-aims did not reach self-consistency in 2 cycles" in caplog.text
    assert labels_of(folder) == []


def test_example_loads_once_program_and_species_are_named(tmp_path: Path) -> None:
    for file in EXAMPLE.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(SettingsError, match=r"REFERENCE.species_dir names /path/to/FHIaims"):
        load_project(tmp_path)
    settings = tmp_path / "aims_PAX.yaml"
    text = settings.read_text(encoding="utf-8")
    assert "command: mpiexec -n 4 aims.x" in text
    write_species(tmp_path / "light")
    text = text.replace("/path/to/FHIaims/species_defaults/defaults_2020/light", "light")
    settings.write_text(text.replace("mpiexec -n 4 aims.x", COMMAND), encoding="utf-8")
    project = load_project(tmp_path)
    assert project.reference.command == COMMAND
    assert project.reference.xc == "pbe"
