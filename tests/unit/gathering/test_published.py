"""Published outputs, which lie outside of the repository, gathered by the readers that there are."""

import csv
import os
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from aims_pax.calculations import registry

from .gathering import gathered, reasons

READERS: Final = registry.READERS
CASES: Final = Path(os.environ.get("AIMS_PAX_CASES", "nowhere")) / "atompronet"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="AIMS_PAX_CASES names no folder with published outputs")


@pytest.fixture(autouse=True)
def _readers(monkeypatch: pytest.MonkeyPatch, _fakes: None) -> None:
    monkeypatch.setattr(registry, "READERS", READERS)


def test_strained_alumina_is_as_its_authors_printed_it(tmp_path: Path) -> None:
    gathered(CASES / "vasp_strain", out=str(tmp_path / "set"), form="npz", steps="last")
    found = np.load(tmp_path / "set" / "counts_32_48" / "Converted.npz")
    rows = {row["strain"]: row for row in csv.DictReader((CASES / "vasp_strain" / "expected.csv").open())}
    known = [rows[strain] for strain in ("0.0000", "0.1000", "-0.1000")]
    energies = [float(row["free_energy_TOTEN_eV"]) for row in known]
    np.testing.assert_allclose(found["energies"].ravel(), energies, rtol=1e-9)
    virials = [[float(row[f"virial_{axis}_eV"]) for axis in ("xx", "yy", "zz")] for row in known]
    np.testing.assert_allclose(found["pressures"][:, :3], virials, rtol=1e-6, atol=1e-5)
    forces = [float(row["max_abs_force"]) for row in known]
    np.testing.assert_allclose(np.abs(found["forces"]).max(axis=(1, 2)), forces, atol=1e-6)
    assert found["symbols"][0].tolist() == ["Al"] * 32 + ["O"] * 48


def test_all_steps_of_a_run_are_taken(tmp_path: Path) -> None:
    found = gathered(CASES / "vasp_aimd")
    assert [(one.formula, one.n_structures, one.n_groups) for one in found.compositions] == [("Al32O48", 10, 1)]


def test_a_start_that_is_no_structure_is_left_out_and_its_relaxation_is_kept() -> None:
    found = gathered(CASES / "qe_vcrelax")
    assert found.accounts[0].n_steps == 50
    assert reasons(found)[0] == ("pw.out.gz", 1, "ABSURD")
    assert found.n_structures == 45


def test_runs_of_other_settings_are_no_set() -> None:
    found = gathered(CASES)
    assert {"program", "smearing", "k points"} <= {one.where for one in found.agreement.differences}
