"""Which method drives the MD of a stage, and is said to."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from ase.build import bulk
from ase.calculators.emt import EMT

from aims_pax.batch import AtomBatch
from aims_pax.checking.check import check_project
from aims_pax.committee import CommitteeForces, load_models
from aims_pax.errors import SettingsError
from aims_pax.frame import Stage
from aims_pax.reference.dispersion import Dispersion
from aims_pax.sampling import CalculatorForces
from aims_pax.settings import Project, load_project
from aims_pax.settings.methods.dispersion import DispersionSettings
from aims_pax.stages import assembly
from aims_pax.stages.driver import (
    driven,
    driver_forces,
    driver_problems,
    driver_words,
    embedded_settings,
    forget_history,
    learning_driver,
)

from ...integration.projects import TINY_MACE, changed, copper_project, water_project, write_project


class Unstressed(EMT):
    """EMT that knows no stress."""

    implemented_properties = ("energy", "forces")


UNSTRESSED = f"{__name__}:Unstressed"


def project(folder: Path, reference: dict[str, Any], driver: str | None) -> Project:
    keys = {} if driver is None else {"foundational_model": driver}
    water_project(folder, {"REFERENCE": reference, "INITIAL_DATASET_GENERATION": keys})
    return load_project(folder)


@pytest.mark.parametrize(
    ("reference", "driver", "method"),
    [
        ({"type": "pyscf"}, None, "GFN2-xTB"),
        ({"type": "tblite"}, None, "GFN2-xTB"),
        ({"type": "tblite", "method": "GFN1-xTB"}, None, "GFN1-xTB"),
        ({"type": "tblite", "method": "GFN1-xTB"}, "tblite", "GFN2-xTB"),
        ({"type": "tblite"}, "GFN1-xTB", "GFN1-xTB"),
        ({"type": "pyscf"}, "gfn1-xtb", "GFN1-xTB"),
    ],
)
def test_embedded_driver_has_the_method_that_was_asked_for(
    reference: dict[str, str], driver: str | None, method: str, tmp_path: Path
) -> None:
    chosen = project(tmp_path, reference, driver)
    assert chosen.initial.driver == "tblite"
    assert embedded_settings(chosen, method=chosen.initial.driving.method).method == method
    assert any(fact == f"initial dataset: MD driven by {method}" for fact in check_project(chosen, tuple(Stage)).facts)


@pytest.mark.parametrize(
    ("reference", "charge", "spin", "driven"),
    [
        ({"type": "pyscf", "charge": 1, "multiplicity": 2}, 1, 2, (1, 2)),
        ({"type": "pyscf"}, None, None, (0, 1)),
        ({"type": "gpaw", "charge": -1, "parameters": {"mode": "fd"}}, -1, None, (-1, 2)),
        ({"type": "gpaw", "parameters": {"mode": "fd", "charge": 1}}, 1, None, (1, 2)),
        ({"type": "gpaw", "multiplicity": 3, "parameters": {"mode": "fd"}}, 0, 3, (0, 3)),
        ({"type": "gpaw", "magnetic_moments": {"O": 1.0}, "parameters": {"mode": "fd"}}, 0, None, (0, 1)),
    ],
)
def test_structures_and_their_driver_have_the_charge_and_spin_that_the_reference_is_told(
    reference: dict[str, Any], charge: int | None, spin: int | None, driven: tuple[int, int], tmp_path: Path
) -> None:
    chosen = project(tmp_path, reference, None)
    frame = chosen.systems[0].frame
    assert (frame.charge, frame.spin) == (charge, spin)
    settings = embedded_settings(chosen, chosen.systems[0])
    assert (settings.charge, settings.multiplicity) == driven
    assert assembly.initial_sampler(chosen, driver_forces(chosen, chosen.initial.driving)).frame(0).charge == charge


def test_gfn1_drives_by_its_own_forces(tmp_path: Path) -> None:
    """The first step of both methods from one structure, by their own forces."""
    from tblite.ase import TBLite

    from aims_pax.atoms import atoms_of

    for method in ("GFN1-xTB", "GFN2-xTB"):
        chosen = project(tmp_path / method, {"type": "tblite"}, method)
        forces = driver_forces(chosen, chosen.initial.driving)
        sampler = assembly.initial_sampler(chosen, forces)
        atoms = atoms_of(sampler.frame(0))
        atoms.calc = TBLite(method=method, verbosity=0)
        _, computed = forces.energies_forces(sampler.batch([0]))
        # Both are converged to tblite's accuracy of 1; the methods themselves differ by 1 eV/Å here.
        assert abs(computed.numpy() - atoms.get_forces()).max() < 1e-4


@pytest.mark.parametrize(
    ("changes", "stress", "words"),
    [
        (
            {"INITIAL_DATASET_GENERATION": {"foundational_model": UNSTRESSED}},
            False,
            "Unstressed does not compute stress",
        ),
        (
            {"REFERENCE": {"calculator": UNSTRESSED}},
            True,
            "(implemented_properties), and GENERAL.compute_stress is true.",
        ),
        (
            {
                "REFERENCE": {"calculator": UNSTRESSED},
                "INITIAL_DATASET_GENERATION": {"foundational_model": None, "initial_sampling": "aimd"},
            },
            False,
            "(implemented_properties), and it drives cells in npt.",
        ),
    ],
)
def test_calculators_without_stress_are_told_before_the_start(
    changes: dict[str, dict[str, str | None]], stress: bool, words: str, tmp_path: Path
) -> None:
    npt = {"stat_ensemble": "npt", "friction": None}
    folder = copper_project(tmp_path, bulk("Cu", cubic=True), {"MD": npt, **changes})
    settings = yaml.safe_load((folder / "aims_PAX.yaml").read_text(encoding="utf-8"))
    write_project(folder, settings, changed(TINY_MACE, {"GENERAL": {"compute_stress": stress}}))
    (problem,) = check_project(load_project(folder), tuple(Stage)).problems
    assert words in problem.found


@pytest.mark.parametrize(
    ("precision", "least", "most"), [(None, 0.0, 0.0), ("float64", 0.0, 0.0), ("float32", 1e-12, 1e-3)]
)
def test_a_mace_model_drives_in_the_precision_that_was_asked_for(
    precision: str | None, least: float, most: float, mace_model: Path, tmp_path: Path
) -> None:
    """Its file is of double precision."""
    settings = {"mace_model": str(mace_model)} | ({} if precision is None else {"default_dtype": precision})
    keys = {"foundational_model": "mace", "foundational_model_settings": settings}
    water_project(tmp_path, {"INITIAL_DATASET_GENERATION": keys})
    chosen = load_project(tmp_path)
    forces = driver_forces(chosen, chosen.initial.driving)
    batch = assembly.initial_sampler(chosen, forces).batch([0])
    exact = CommitteeForces(load_models([mace_model], device="cpu")).energies_forces(batch)[1]
    error = float((forces.energies_forces(batch)[1] - exact).abs().max())
    assert least <= error <= most


def test_a_precision_of_what_is_no_mace_model_is_refused(tmp_path: Path) -> None:
    keys = {"foundational_model": "GFN1-xTB", "foundational_model_settings": {"default_dtype": "float32"}}
    water_project(tmp_path, {"INITIAL_DATASET_GENERATION": keys})
    with pytest.raises(
        SettingsError, match="default_dtype is that of a MACE model, and foundational_model is GFN1-xTB"
    ):
        load_project(tmp_path)


# -- of active learning ---------------------------------------------------------------------------------------


def learning(folder: Path, keys: dict[str, object]) -> Project:
    settings = {"use_foundational": True, "foundational_model_settings": keys}
    water_project(folder, {"ACTIVE_LEARNING": settings})
    return load_project(folder)


def test_the_committee_drives_where_no_model_is_to(tmp_path: Path) -> None:
    water_project(tmp_path)
    chosen = load_project(tmp_path)
    assert learning_driver(chosen, chosen.active) is None
    assert driven(chosen, chosen.settings.learning[0]) is None


def test_a_model_gets_its_dispersion(mace_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("dftd3")
    model = {"model_type": "mace", "model_path": str(mace_model)}
    plain = learning(tmp_path / "plain", model)
    chosen = learning(tmp_path / "dispersed", {**model, "dispersion": True})
    bare, forces = (learning_driver(one, one.active) for one in (plain, chosen))
    assert bare is not None
    assert forces is not None
    (structure,) = [system.frame for system in chosen.systems]
    batch = AtomBatch.from_frames([structure], bare.cutoff)
    added = forces.energies_forces(batch)[0] - bare.energies_forces(batch)[0]
    expected = Dispersion(DispersionSettings(xc="pbe", cutoff=12.0)).observables(structure, want_stress=False)
    assert float(added) == pytest.approx(expected.energy, abs=1e-9)
    assert expected.energy < 0


def test_tight_binding_drives_active_learning_too_and_forgets_between_checks(tmp_path: Path) -> None:
    """Else a run that is resumed would not come to the same bits."""
    chosen = learning(tmp_path, {"model_type": "GFN1-xTB"})
    forces = learning_driver(chosen, chosen.active)
    assert isinstance(forces, CalculatorForces)
    assert forget_history(chosen.active.driving, forces) == forces.forget
    assert driver_words(chosen, chosen.active.driving) == "GFN1-xTB"  # type: ignore[arg-type]


def test_a_calculator_without_stress_can_not_move_cells(tmp_path: Path) -> None:
    keys = {"model_type": f"{__name__}:WithoutStress"}
    settings = {"use_foundational": True, "foundational_model_settings": keys}
    changes = {"ACTIVE_LEARNING": settings, "MD": {"stat_ensemble": "npt", "friction": None}}
    for ensemble, n_problems in (("nvt", 0), ("npt", 1)):
        changes["MD"] = {"stat_ensemble": ensemble, "friction": None}
        folder = copper_project(tmp_path / ensemble, bulk("Cu", cubic=True), changes)
        chosen = load_project(folder)
        (problems,) = [
            list(driver_problems(chosen, one))
            for plan in chosen.settings.learning
            if (one := driven(chosen, plan)) is not None
        ]
        assert len(problems) == n_problems
        assert all("does not compute stress" in one.found for one in problems)


class WithoutStress(EMT):  # type: ignore[misc]
    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]
