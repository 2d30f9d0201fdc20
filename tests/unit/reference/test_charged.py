"""Structures with a charge or spin of their own, before references that are told others."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.reference.registry import build_engine
from aims_pax.settings.methods.dispersion import DispersionSettings
from aims_pax.settings.methods.engines import OrcaSettings
from aims_pax.settings.methods.fhi_aims import FhiAimsInput
from aims_pax.settings.methods.reference import AseCalculatorSettings, TbliteSettings, TeacherSettings

WATER = Frame("water", 0, 0, 0, np.array([8, 1, 1]), np.array([[0.0, 0, 0], [0, 0.76, 0.59], [0, -0.76, 0.59]]))
CATION = replace(WATER, charge=1, spin=2)


class ReadsCharge:
    """Makes a calculator whose energy is the charge of its atoms."""

    def __new__(cls) -> Any:
        from ase.calculators.calculator import Calculator, all_changes

        class Reader(Calculator):  # type: ignore[misc]
            implemented_properties = ["energy", "forces"]  # noqa: RUF012

            def calculate(self, atoms: Any = None, properties: Any = (), system_changes: Any = all_changes) -> None:
                super().calculate(atoms, properties, system_changes)
                self.results = {"energy": float(self.atoms.info.get("charge", 0)), "forces": np.zeros((len(atoms), 3))}

        return Reader()


def labelled(settings: Any, frame: Frame, folder: Path) -> Label | LabelFailure:
    return build_engine(settings).label(frame, folder=folder, want_stress=False)


def energy(settings: Any, frame: Frame, folder: Path) -> float:
    label = labelled(settings, frame, folder)
    assert isinstance(label, Label), label
    return label.energy


def test_a_structure_is_computed_with_its_own_charge_and_spin(tmp_path: Path) -> None:
    label = labelled(TbliteSettings(), CATION, tmp_path)
    assert isinstance(label, Label)
    assert label.energy == energy(TbliteSettings(charge=1, multiplicity=2), WATER, tmp_path)
    assert label.reference.endswith("charge +1, multiplicity 2")
    assert label.energy > energy(TbliteSettings(), WATER, tmp_path) + 5


def test_a_structure_without_its_own_is_computed_as_the_settings_say(tmp_path: Path) -> None:
    settings = TbliteSettings(charge=1, multiplicity=2)
    assert energy(settings, WATER, tmp_path) == energy(settings, CATION, tmp_path)


@pytest.mark.parametrize(
    ("settings", "frame", "words"),
    [
        (TbliteSettings(), replace(WATER, charge=1), "9 electrons can't have multiplicity = 1"),
        (OrcaSettings(parameters={"charge": 0}), CATION, "charge +1 and multiplicity 2 of its own, and the reference"),
        (
            AseCalculatorSettings(calculator="ase.calculators.emt:EMT"),
            replace(WATER, charge=-1),
            "charge -1 of its own, and the reference computes charge 0 and multiplicity 1",
        ),
        (
            FhiAimsInput(command="aims.x", control_text="xc pbe\ncharge -1.", xc="pbe", basis="light"),
            replace(WATER, charge=1),
            "the reference computes charge -1 and multiplicity 1, which it is told by charge, spin and",
        ),
        (
            AseCalculatorSettings(calculator="ase.calculators.emt:EMT", charge=1),
            WATER,
            "never looked at info['charge'] of its atoms",
        ),
    ],
)
def test_what_can_not_be_told_is_a_failure_and_no_label(
    settings: Any, frame: Frame, words: str, tmp_path: Path
) -> None:
    outcome = labelled(settings, frame, tmp_path)
    assert isinstance(outcome, LabelFailure)
    assert words in outcome.message


def test_a_calculator_that_reads_the_charge_of_its_atoms_gets_it(tmp_path: Path) -> None:
    settings = AseCalculatorSettings(calculator=f"{__name__}:ReadsCharge", charge=2)
    assert energy(settings, WATER, tmp_path) == 2
    assert energy(settings, replace(WATER, charge=-1), tmp_path) == -1


def test_d4_takes_the_charge_of_the_structure(tmp_path: Path) -> None:
    pytest.importorskip("dftd4")
    d4 = DispersionSettings(method="d4", xc="pbe")
    told, own = TbliteSettings(charge=1, multiplicity=2, dispersion=d4), TbliteSettings(dispersion=d4)
    assert energy(own, CATION, tmp_path) == energy(told, WATER, tmp_path)
    bare = TbliteSettings(charge=1, multiplicity=2)
    neutral = energy(own, WATER, tmp_path) - energy(TbliteSettings(), WATER, tmp_path)
    assert abs(energy(told, WATER, tmp_path) - energy(bare, WATER, tmp_path) - neutral) > 1e-6


def test_a_model_that_takes_no_charge_is_not_told_any(mace_model: Path, tmp_path: Path) -> None:
    teacher = TeacherSettings(model_path=mace_model)
    outcome = labelled(teacher, CATION, tmp_path)
    assert isinstance(outcome, LabelFailure)
    assert "takes no charge, and the structure has +1" in outcome.message
    assert energy(teacher, replace(WATER, charge=0, spin=1), tmp_path) == energy(teacher, WATER, tmp_path)
    charged = build_engine(TeacherSettings(model_path=mace_model, charge=1))
    assert "takes no charge" in charged.problems([8, 1, 1], periodic=False)[0]
