"""A campaign whose models PyTorch has compiled is the campaign without: the same labels, the same models."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.calculators.calculator import Calculator
from mace.calculators import MACECalculator

from .projects import COPPER, TINY_MACE, changed, copper, copper_project, labels_of, run, write_project

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="PyTorch's compiler needs g++")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_campaign_may_be_compiled_when_it_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plain = copper_project(tmp_path / "plain", changes={"ACTIVE_LEARNING": None})
    run(plain)
    compiled = tmp_path / "compiled"
    shutil.copytree(plain, compiled)
    settings = changed(COPPER, {"MISC": {"path_to_geometry": "copper.xyz"}})
    write_project(plain, settings)
    write_project(compiled, settings, changed(TINY_MACE, {"MISC": {"compile": True}}))
    caplog.set_level(logging.WARNING, logger="torch")  # the compiler describes its work at length to who listens
    with caplog.at_level(logging.INFO, logger="aims_pax"):
        summaries = [run(folder) for folder in (plain, compiled)]
    assert sum("compiled the models" in record.message for record in caplog.records) == 1

    for one, other in zip(*(labels_of(folder) for folder in (plain, compiled)), strict=True):
        assert (one.label_id, one.frame.trajectory, one.frame.md_step) == (
            other.label_id, other.frame.trajectory, other.frame.md_step
        )  # fmt: skip
        np.testing.assert_allclose(other.frame.positions, one.frame.positions, atol=1e-8)
    names = summaries[1].content["models"]
    assert names == summaries[0].content["models"]
    for name in names:
        forces = [_by_mace(folder / "results" / name).get_forces(copper()) for folder in (plain, compiled)]
        np.testing.assert_allclose(forces[1], forces[0], atol=1e-8)


def _by_mace(path: Path) -> Calculator:
    assert torch.load(path, weights_only=False).interactions[0].avg_num_neighbors > 1.0
    return MACECalculator(model_paths=str(path), device="cpu", default_dtype="float64")
