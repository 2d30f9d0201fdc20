"""``aims-pax deck``: what a person runs by hand gives what the reference gives."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase.build import bulk
from ase.io import read, write
from typer.testing import CliRunner

from aims_pax.cli.program import program

from .. import programs

SETTINGS = programs.espresso()


@pytest.mark.skipif(programs.missing(SETTINGS) is not None, reason=programs.missing(SETTINGS) or "")
def test_job_scripts_run_by_hand_give_the_labels_of_the_pool(tmp_path: Path) -> None:
    told = SETTINGS.model_dump(
        mode="json", include={"pseudo_dir", "pseudopotentials", "protocol", "kspacing", "parameters"}
    )
    (tmp_path / "aims_PAX.yaml").write_text(
        yaml.safe_dump({"REFERENCE": {"type": "espresso", **told}}), encoding="utf-8"
    )
    distorted = bulk("Si")
    distorted.positions[1] += [0.1, 0.0, -0.05]
    write(tmp_path / "si.extxyz", distorted)
    runner, files = CliRunner(), ["--settings", str(tmp_path / "aims_PAX.yaml"), "--stress"]
    wish = "{strain_grid: [-0.02, 0.02]}"
    for words in (
        ["collect", str(tmp_path / "si.extxyz"), "--augment", wish, "--out", str(tmp_path / "made.extxyz")],
        ["deck", str(tmp_path / "made.extxyz"), *files, "--out", str(tmp_path / "deck")],
        ["relabel", str(tmp_path / "made.extxyz"), *files, "--out", str(tmp_path / "labelled.extxyz")],
    ):
        done = runner.invoke(program, words)
        assert done.exit_code == 0, done.output
    labelled = read(tmp_path / "labelled.extxyz", ":")
    assert len(labelled) == 2
    for one in labelled:
        place = tmp_path / "deck" / one.info["name"]
        subprocess.run([place / "job.sh"], cwd=tmp_path, check=True)
        by_hand = read(place / "espresso.pwo")
        assert by_hand.calc.results["free_energy"] == pytest.approx(one.info["REF_energy"], abs=1e-8)
        np.testing.assert_allclose(by_hand.get_forces(), one.arrays["REF_forces"], atol=1e-8)
        np.testing.assert_allclose(
            by_hand.get_stress(voigt=False), np.reshape(one.info["REF_stress"], (3, 3)), atol=1e-10
        )
