"""Names of functionals and basis sets that PySCF trips over are found before anything is computed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule

from aims_pax.atoms import frame_of
from aims_pax.frame import Frame, Label
from aims_pax.reference.embedded.pyscf import PyscfReference
from aims_pax.reference.embedded.pyscf_names import core, functional_problem, orbitals
from aims_pax.settings.methods.dispersion import DispersionSettings
from aims_pax.settings.methods.reference import PyscfSettings

WATER = [8, 1, 1]


def problems(numbers: list[int] = WATER, **settings: object) -> str:
    return "\n".join(PyscfReference(PyscfSettings.model_validate(settings)).problems(numbers, periodic=False))


@pytest.mark.parametrize("xc", ["b3lyp-d3bj", "B3LYP-D4", "wb97x-d3bj", "pbe-d3bjatm", "cf22d", "hf-d3bj"])
def test_a_functional_with_dispersion_asks_for_its_package(xc: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyscf.scf.dispersion.dftd3", None)  # as if it were not installed
    found, _, advice = problems(xc=xc).partition("; ")
    assert found == f"{xc!r} (REFERENCE.xc) needs the Python package pyscf-dispersion, which is not installed"
    assert "pip install pyscf-dispersion" in advice
    assert "REFERENCE.dispersion" in advice


def test_with_its_package_such_a_functional_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyscf.scf.dispersion.dftd3", object())
    assert problems(xc="b3lyp-d3bj") == ""


@pytest.mark.parametrize(
    ("xc", "words"),
    [
        ("wb97x-d3", "wb97x-d3 is not supported yet"),
        ("b97-3c", "Only wb97x-3c is supported"),
        ("pbe-d3", "asks for the dispersion d3, and PySCF knows -d3bj, -d3zero"),
        ("scanl", "needs the Laplacian"),
        ("gga_x_lb", "is a potential without an energy"),
        ("b2plyp", "is not a functional of libxc"),
        ("blyp-", "is not a functional of libxc"),
    ],
)
def test_a_functional_that_can_not_label_is_named_with_the_reason(xc: str, words: str) -> None:
    assert words in problems(xc=xc)


@pytest.mark.parametrize("xc", ["PBE", "b3lyp", "r2scan", "wb97x-v", "hse06", "lda,vwn", "0.5*HF+0.5*PBE", "HF"])
def test_a_functional_that_can_label_is_none_of_them(xc: str) -> None:
    assert problems(xc=xc) == ""


@pytest.mark.parametrize("xc", ["wb97x-v", "b3lyp-d3bj"])
def test_dispersion_is_not_counted_twice(xc: str) -> None:
    assert "REFERENCE.dispersion adds another" in problems(xc=xc, dispersion=DispersionSettings(xc="b3lyp"))


def test_libxc_ends_the_process_for_a_potential_and_so_it_is_never_asked() -> None:
    script = "from pyscf.dft import libxc; libxc.eval_xc('gga_x_lb', [[.1]] * 4); print('survived')"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "survived" not in ended.stdout
    assert functional_problem("gga_x_lb", is_corrected=False) is not None


@pytest.mark.parametrize("basis", ["6-31g(d)", "6-31G*", "6-311++g(2d,2p)", "minao", "ccpvdz@2s1p", "def2-svp"])
def test_basis_sets_that_pyscf_has_are_no_problem(basis: str) -> None:
    assert problems(basis=basis) == ""


@pytest.mark.parametrize(
    ("basis", "numbers", "words"),
    [
        ("6-31g(d)", [53, 1], "6-31g(d) (REFERENCE.basis) is not known for I"),
        ("6-31g(q)", WATER, "is not known for O"),
        ("aug-cc-pvtz-pp", WATER, "is not known for H, O"),
        ("ccpvdz@9s", WATER, "is not known for H, O"),
        ("unc-sto-3g", WATER, "is not known for H, O"),
        ("./", WATER, "is not known for H, O"),
        ("def2-svp-jkfit", WATER, "holds no orbitals"),
        ("cc-pvtz-ri", WATER, "holds no orbitals"),
        ("gth-dzvp", WATER, "made for pseudopotentials of crystals"),
    ],
)
def test_a_basis_set_that_can_not_label_is_named_with_the_reason(basis: str, numbers: list[int], words: str) -> None:
    assert words in problems(numbers, basis=basis)


def test_a_basis_set_made_for_core_potentials_gets_them(tmp_path: Path) -> None:
    assert core("ccecp-cc-pvdz", "O")[0] == 2
    assert core("bfd-vdz", "O")[0] == 2
    assert core("def2-svp", "O") is None
    water = frame_of(molecule("H2O"), system="water")
    reference = PyscfReference(PyscfSettings(xc="HF", basis="ccecp-cc-pvdz"))
    result = reference.label(water, folder=tmp_path, want_stress=False)
    assert isinstance(result, Label)
    assert -480 < result.energy < -450  # without oxygen's two inner electrons; with them it is near -2070 eV


def test_a_basis_set_whose_core_potential_lacks_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyscf.gto.basis.load_ecp", lambda *_: {})
    assert orbitals("bfd-vdz", "O") is not None
    assert "core potentials bfd, which PySCF lacks for H, O" in problems(basis="bfd-vdz")


def test_a_basis_with_brackets_labels(tmp_path: Path) -> None:
    hydrogen = Frame("h2", 0, 0, 0, np.array([1, 1]), np.array([[0.0, 0, 0], [0, 0, 0.74]]))
    result = PyscfReference(PyscfSettings(xc="HF", basis="6-31g(d,p)")).label(
        hydrogen, folder=tmp_path, want_stress=False
    )
    assert isinstance(result, Label)
    assert result.energy == pytest.approx(-30.77, abs=0.05)  # -1.131 Hartree, Szabo and Ostlund, table 3.12
