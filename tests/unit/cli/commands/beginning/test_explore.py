"""What ``aims-pax explore`` builds, draws, says and refuses."""

from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import read, write
from typer.testing import CliRunner

from aims_pax.cli.program import program

CHAIN = """\
Phase0:
  Geometry:
    Bulk: {Small: {Path: si.xyz}, Large: {Path: si.xyz, Repeat: [2, 1, 1]}}
  Run: {Type: Relax}
Phase1:
  Run: {Type: NVT, Steps: 20, Temperature: 500, Sampling: 2, Hold: {Bottom: 1.0}}
"""
PROJECT = """\
STAGES:
  - explore: {workflow: melt.yaml, pretrained: {model_type: GFN1-xTB}}
  - converge
MD: {stat_ensemble: nvt}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write("si.xyz", bulk("Si", "diamond", 5.43, cubic=True))
    Path("melt.yaml").write_text(CHAIN, encoding="utf-8")
    Path("aims_PAX.yaml").write_text(PROJECT, encoding="utf-8")
    Path("mace.yaml").write_text("GENERAL: {name_exp: si}\n", encoding="utf-8")
    return tmp_path


def said(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(program, ["explore", ".", *words])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def test_every_phase_of_each_visit_is_built_and_the_first_visit_drawn(folder: Path) -> None:
    words = said("--dry-run", "--visits", "8")
    assert "melt Phase0, visit 1" in words
    assert "goes on from Phase0" in words
    found = read("phases/melt.extxyz", ":")
    assert [(one.info["phase"], one.info["visit"]) for one in found[:3]] == [
        ("Phase0", 1),
        ("Phase1", 1),
        ("Phase0", 2),
    ]
    assert {len(one) for one in found} == {8, 16}, "one of the pool is drawn at each visit"
    assert Path("phases/melt.png").stat().st_size > 5000
    assert "It is there already" in said("--dry-run", code=2)


def test_a_phase_that_cannot_be_built_is_told(folder: Path) -> None:
    Path("melt.yaml").write_text(CHAIN.replace("Hold: {Bottom: 1.0}", "Hold: {Above: {z: 50}}"), encoding="utf-8")
    words = said("--dry-run", code=1)
    assert "melt Phase1, visit 1 A group of the phase holds no atom" in words
    assert "1 of 2 structures can't be built" in words


def test_without_a_dry_run_it_names_the_run() -> None:
    assert "Add --dry-run, or play them: aims-pax run ." in said(code=2)


def test_a_project_without_workflows_is_told_how_to_name_one() -> None:
    Path("aims_PAX.yaml").write_text(
        "STAGES:\n  - initial: {n_points_per_sampling_step_idg: 2, max_initial_set_size: 4}\nMD: {stat_ensemble: nvt}\n"
        "MISC: {path_to_geometry: si.xyz}\n",
        encoding="utf-8",
    )
    assert "aims-pax init --workflow writes an example" in said("--dry-run", code=2)
