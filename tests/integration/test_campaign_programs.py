"""Campaigns by the command, as a user starts them: with workers of their own, and killed from outside."""

import functools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.io import write
from mace.calculators import MACECalculator
from typer.testing import CliRunner

from aims_pax.cli.program import program
from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.store import RunStore
from aims_pax.errors import AimsPaxError
from aims_pax.frame import Stage

from .engines import PLAIN
from .projects import copper_project, jobs_of, labels_of, water

SLOW_ENGINE = '''
"""EMT that takes its time, for workers to import."""

import time

from ase.calculators.emt import EMT


class Slow(EMT):
    def calculate(self, *args, **kwargs):
        time.sleep(0.4)
        super().calculate(*args, **kwargs)
'''

V02 = """
INITIAL_DATASET_GENERATION:
  species_dir: /none/of/this/machine
  n_points_per_sampling_step_idg: 2
  initial_sampling: foundational
  foundational_model: mace-mp
  foundational_model_settings: {{mace_model: {model}, dispersion: false}}
  skip_step_initial: 4
  ensemble_size: 2
  valid_ratio: 0.4
  intermediate_epochs_idg: 2
  max_initial_set_size: 2
  analysis: false
  use_teacher_reference: true
  teacher_reference_settings: {{model_type: mace, model_path: {model}}}
ACTIVE_LEARNING:
  species_dir: /none/of/this/machine
  num_trajectories: 2
  max_train_set_size: 3
  skip_step_mlff: 2
  ensemble_size: 2
  valid_ratio: 0.4
  epochs_per_worker: 2
  converge_al: false
  use_teacher_reference: true
  teacher_reference_settings: {{model_type: mace, model_path: {model}}}
MD: {{stat_ensemble: NVT, temperature: 300, timestep: 0.5, thermostat: langevin, friction: 0.01, MD_seed: 7}}
MISC: {{create_restart: true, dataset_dir: data, log_dir: logs}}
CLUSTER: {{type: local, max_workers: 2, calc_dir: ./calculations, clean_dirs: true}}
"""

V02_MODEL = """
GENERAL: {name_exp: v02, seed: 3, default_dtype: float64, checkpoints_dir: checkpoints, model_dir: model}
ARCHITECTURE: {model_choice: mace, num_channels: 4, max_L: 0, max_ell: 1, correlation: 1, r_max: 3.0, radial_MLP: [8]}
TRAINING: {swa: false, perform_finetuning: false}
MISC: {device: cpu, enable_cueq: false, error_table: PerAtomMAE}
"""


def start(folder: Path, *path: Path) -> "subprocess.Popen[str]":
    """`aims-pax run` in a process of its own; modules in `path` can be imported by its workers."""
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([*map(str, path), *sys.path]),
        "CAMPAIGN": str(folder),
    }
    return subprocess.Popen(
        [sys.executable, "-c", "from aims_pax.cli.main import run_program; run_program()", "run", str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def finish(command: "subprocess.Popen[str]") -> str:
    """What a command said until its end, which must be a good one."""
    said, _ = command.communicate(timeout=250)
    assert command.returncode == 0, said
    return said


def wait_until(condition: Callable[[], bool], command: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 250
    while not condition():
        assert time.monotonic() < deadline
        assert command.poll() is None, command.communicate()[0]
        time.sleep(0.02)


def processes_of(folder: Path) -> list[str]:
    """Commands of the live processes that descend from the campaign in this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command, environment = ((entry / file).read_bytes() for file in ("cmdline", "environ"))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if f"CAMPAIGN={folder}".encode() in environment:
                found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


def has_labels_in_flight(folder: Path, stage: Stage) -> bool:
    try:
        return any(job.status is JobStatus.SUBMITTED for job in jobs_of(folder, stage))
    except AimsPaxError:  # not there yet
        return False


def test_command_killed_with_labels_on_its_workers_goes_on_by_the_same_command(tmp_path: Path) -> None:
    engines = tmp_path / "engines"
    engines.mkdir()
    (engines / "slow_engine.py").write_text(SLOW_ENGINE, encoding="utf-8")
    changes = {
        "REFERENCE": {"calculator": "slow_engine:Slow"},
        "CLUSTER": {"type": "local", "max_workers": 2},
        "ACTIVE_LEARNING": {"c_x": -0.3},
    }
    folder = copper_project(tmp_path / "project", changes=changes)
    for stage in Stage:
        command = start(folder, engines)
        wait_until(functools.partial(has_labels_in_flight, folder, stage), command)
        command.kill()
        command.communicate()
        assert has_labels_in_flight(folder, stage)
    before = labels_of(folder)
    finish(start(folder, engines))
    jobs = [job for stage in Stage for job in jobs_of(folder, stage)]
    dataset = labels_of(folder)
    assert {job.status for job in jobs} == {JobStatus.DONE}
    assert len({(job.stage, job.frame.trajectory, job.frame.md_step) for job in jobs}) == len(jobs)
    assert sorted(one.label_id for one in dataset) == [job.label_id for job in jobs]
    assert [one.label_id for one in dataset[: len(before)]] == [one.label_id for one in before]
    frames = {job.label_id: job.frame for job in jobs}
    for one in dataset:
        assert np.array_equal(one.frame.positions, frames[one.label_id].positions)
        atoms = Atoms(one.frame.numbers, positions=one.frame.positions, calculator=EMT())
        np.testing.assert_allclose(one.label.forces, atoms.get_forces(), atol=1e-12)
        assert one.label.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-12)
    with RunStore.open_readonly(folder) as store:
        scores = store.scores()
    assert scores["number"].tolist() == list(range(1, len(scores) + 1))
    assert len({(row["trajectory"], row["md_step"]) for row in scores}) == len(scores)
    assert processes_of(folder) == []


def test_finished_run_called_again_says_that_it_is_finished(tmp_path: Path) -> None:
    changes = {"REFERENCE": {"calculator": PLAIN}, "INITIAL_DATASET_GENERATION": {"max_initial_set_size": 1}}
    folder = copper_project(tmp_path, changes={**changes, "ACTIVE_LEARNING": {"max_train_set_size": 1}})
    first = CliRunner().invoke(program, ["run", str(folder)])
    models = {path: path.read_bytes() for path in (folder / "results").rglob("*.model")}
    again = CliRunner().invoke(program, ["run", str(folder)])
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert len(models) == 3
    assert "this run is finished" not in first.output
    assert "this run is finished" in again.output
    assert {path: path.read_bytes() for path in models} == models


def test_project_of_v02_runs_unchanged(mace_model: Path, tmp_path: Path) -> None:
    (tmp_path / "aimsPAX.yaml").write_text(V02.format(model=mace_model), encoding="utf-8")
    (tmp_path / "model.yaml").write_text(V02_MODEL, encoding="utf-8")
    write(tmp_path / "geometry.in", water(), format="aims")
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    result = CliRunner().invoke(program, ["run", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert {path: path.read_bytes() for path in files} == files
    dataset = labels_of(tmp_path)
    assert {one.frame.system for one in dataset} == {"geometry"}
    assert sum(one.member is None for one in dataset) > 0
    teacher = MACECalculator(model_paths=str(mace_model), device="cpu", default_dtype="float64")
    for one in dataset:
        atoms = Atoms(one.frame.numbers, positions=one.frame.positions, calculator=teacher)
        np.testing.assert_allclose(one.label.forces, atoms.get_forces(), atol=1e-9)
        assert one.label.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-8)
        assert mace_model.name in one.label.reference
    assert {path.name for path in (tmp_path / "results").glob("*.model")} == {"v02.model"}
    members = {path.name for path in (tmp_path / "results" / "committee").glob("*.model")}
    assert members == {"v02_3.model", "v02_4.model"}
