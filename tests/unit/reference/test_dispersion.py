"""Dispersion on top of references and models."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, molecule

from aims_pax.atoms import atoms_of, frame_of
from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.reference.dispersion import Dispersion
from aims_pax.reference.registry import build_reference
from aims_pax.settings.methods.dispersion import DispersionSettings
from aims_pax.settings.methods.engines import EngineSettings, EspressoSettings
from aims_pax.settings.methods.reference import AseCalculatorSettings, TbliteSettings

from ... import programs

pytest.importorskip("dftd3")
pytest.importorskip("dftd4")

EMT = "ase.calculators.emt:EMT"


def rattled(atoms: Atoms) -> Frame:
    atoms.rattle(0.05, seed=3)
    return frame_of(atoms, system="test")


ETHANOL = rattled(molecule("CH3CH2OH"))
SILICON = rattled(bulk("Si"))


@pytest.mark.parametrize("frame", [ETHANOL, SILICON], ids=["ethanol", "silicon"])
def test_d3_is_what_s_dftd3_s_own_calculator_gives(frame: Frame) -> None:
    from dftd3.ase import DFTD3

    found = Dispersion(DispersionSettings(xc="pbe")).observables(frame, want_stress=True)
    atoms = atoms_of(frame)
    atoms.calc = DFTD3(method="pbe", damping="d3bj")
    assert found.energy == pytest.approx(atoms.get_potential_energy(), rel=1e-6)  # ASE has older constants
    np.testing.assert_allclose(found.forces, atoms.get_forces(), rtol=1e-6, atol=1e-12)
    if frame.pbc.all():
        np.testing.assert_allclose(found.stress, atoms.get_stress(), rtol=1e-6, atol=1e-12)
    else:
        assert found.stress is None


def test_d4_depends_on_the_charge() -> None:
    settings = DispersionSettings(method="d4", xc="pbe")
    energies = [Dispersion(settings, charge=q).observables(ETHANOL, want_stress=False).energy for q in (0, 2)]
    assert abs(energies[0] - energies[1]) > 1e-4


def test_three_body_term_is_added_when_asked_for() -> None:
    plain, with_atm = (
        Dispersion(DispersionSettings(xc="pbe", three_body=wanted)).observables(ETHANOL, want_stress=False).energy
        for wanted in (False, True)
    )
    assert with_atm > plain  # it is repulsive in compact molecules


def test_cutoff_is_honoured_and_smooth() -> None:
    argon = Dispersion(DispersionSettings(xc="pbe", cutoff=12.0))

    def energy(distance: float) -> float:
        frame = frame_of(Atoms("Ar2", positions=[[0, 0, 0], [0, 0, distance]]), system="pair")
        return argon.observables(frame, want_stress=False).energy

    assert energy(12.001) == 0.0
    full = Dispersion(DispersionSettings(xc="pbe"))
    inside = frame_of(Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 10.5]]), system="pair")
    assert energy(10.5) == pytest.approx(full.observables(inside, want_stress=False).energy, rel=1e-9)
    assert energy(11.99) > 0.01 * energy(10.5)  # both are negative: little is left shortly before the cutoff


def test_label_is_the_sum_and_names_both(tmp_path: Path) -> None:
    settings = AseCalculatorSettings(calculator=EMT, dispersion=DispersionSettings(xc="pbe"))
    copper = rattled(bulk("Cu", cubic=True))
    total = build_reference(settings).label(copper, folder=tmp_path, want_stress=True)
    bare = build_reference(AseCalculatorSettings(calculator=EMT)).label(copper, folder=tmp_path, want_stress=True)
    added = Dispersion(DispersionSettings(xc="pbe")).observables(copper, want_stress=True)
    assert isinstance(total, Label)
    assert isinstance(bare, Label)
    assert total.energy == pytest.approx(bare.energy + added.energy, rel=1e-12)
    np.testing.assert_allclose(total.forces, bare.forces + added.forces, atol=1e-12)
    np.testing.assert_allclose(total.stress, bare.stress + added.stress, atol=1e-14)
    assert "EMT() + D3(BJ)-pbe by dftd3" in total.reference


def test_failure_of_the_reference_stays_its_own(tmp_path: Path) -> None:
    settings = TbliteSettings(max_iterations=1, dispersion=DispersionSettings(xc="pbe"))
    found = build_reference(settings).label(ETHANOL, folder=tmp_path, want_stress=False)
    assert isinstance(found, LabelFailure)
    assert "dftd3" not in (tmp_path / "failure.txt").read_text(encoding="utf-8")


def test_unknown_functional_and_elements_are_problems() -> None:
    (problem,) = Dispersion(DispersionSettings(xc="nonsense")).problems([1])
    assert "xc = nonsense" in problem
    for method in ("d3", "d4"):
        (problem,) = Dispersion(DispersionSettings(xc="pbe", method=method)).problems([1, 110])
        assert "can't correct these elements" in problem


def test_package_that_is_missing_says_how_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aims_pax.reference.dispersion.find_spec", lambda name: None)
    (problem,) = Dispersion(DispersionSettings(xc="pbe")).problems([1])
    assert "pip install 'aims-pax[dispersion]'" in problem


@pytest.mark.parametrize(
    ("bare", "own", "frame"),
    [
        # 4 is Becke-Johnson's damping in either program.
        pytest.param(
            programs.nwchem(),
            {"dft": {**programs.nwchem().parameters["dft"], "disp": "vdw 4"}},
            rattled(molecule("H2O")),
            id="nwchem",
        ),
        pytest.param(
            programs.espresso(),
            {
                "input_data": {
                    **programs.espresso().parameters["input_data"],
                    "vdw_corr": "grimme-d3",
                    "dftd3_version": 4,
                    "dftd3_threebody": False,
                }
            },
            SILICON,
            id="espresso",
        ),
    ],
)
def test_correction_is_the_one_that_programs_compute_themselves(
    bare: EngineSettings, own: dict[str, object], frame: Frame, tmp_path: Path
) -> None:
    if (reason := programs.missing(bare)) is not None:
        pytest.skip(reason)
    theirs = bare.model_copy(update={"parameters": {**bare.parameters, **own}})
    ours = bare.model_copy(update={"dispersion": DispersionSettings(xc="pbe", cutoff=50.0)})
    first, second = (
        build_reference(settings).label(frame, folder=tmp_path / name, want_stress=True)
        for name, settings in (("theirs", theirs), ("ours", ours))
    )
    assert isinstance(first, Label), first
    assert isinstance(second, Label), second
    # Quantum ESPRESSO sums pairs up to 95 Bohr, 50.3 Å; both programs print forces with few digits.
    tolerance = 1e-5 if not isinstance(bare, EspressoSettings) else 2e-3
    assert second.energy == pytest.approx(first.energy, abs=tolerance)
    np.testing.assert_allclose(second.forces, first.forces, atol=2e-4)
    if first.stress is not None:
        np.testing.assert_allclose(second.stress, first.stress, atol=1e-5)


def test_what_a_correction_takes_is_told_beforehand() -> None:
    """Triples of a crystal are what takes long: 1.6 s of a core for four atoms of copper by D4, 2 ms by D3."""
    copper = frame_of(bulk("Cu", cubic=True), system="copper", trajectory=0, md_step=0)

    def seconds(frame: Frame = copper, **settings: Any) -> float:
        return Dispersion(DispersionSettings(xc="pbe", **settings)).seconds(frame)

    assert 0.8 < seconds(method="d4") < 3.2
    assert seconds(method="d4") / seconds(method="d4", cutoff=12) > 20
    assert seconds(method="d3") < 0.01
    assert seconds(method="d3", three_body=True) > 100 * seconds(method="d3")
    sheet, water = (
        frame_of(atoms, system="s", trajectory=0, md_step=0) for atoms in (graphene(vacuum=8), molecule("H2O"))
    )
    assert seconds(water, method="d4") < 1e-4
    assert seconds(sheet, method="d4") < seconds(method="d4") / 5
