from pathlib import Path

import numpy as np
import pytest

from aims_pax.errors import ReferenceUnavailable, SettingsError
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.reference.embedded.teacher import CalculatorReference
from aims_pax.reference.tryout import probe, settings_of_type
from aims_pax.settings.methods.reference import AseCalculatorSettings, TbliteSettings

COPPER = Frame("copper", 0, 0, 0, np.array([29, 29]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 2.5]]))
CRYSTAL = Frame(
    "crystal", 0, 0, 0, np.array([29]), np.zeros((1, 3)), np.full((3, 3), 1.8) - 1.8 * np.eye(3), np.full(3, True)
)
EMT = AseCalculatorSettings(type="ase-calculator", calculator="ase.calculators.emt:EMT")


def test_successful_probe_says_what_came_and_leaves_nothing(tmp_path: Path) -> None:
    made = probe(EMT, COPPER, scratch=tmp_path)
    assert isinstance(made.result, Label)
    assert list(tmp_path.iterdir()) == []
    said = "\n".join(made.lines())
    assert "EMT" in said
    assert f"{made.result.energy:.6f} eV" in said
    assert "stress       none: not periodic" in said


def test_quick_label_is_timed_a_second_time() -> None:
    made = probe(EMT, COPPER)
    assert made.again_s is not None
    assert made.label_s == made.again_s
    assert "the first one, with the start of the engine" in "\n".join(made.lines())


def test_crystal_is_asked_for_its_stress() -> None:
    made = probe(EMT, CRYSTAL)
    assert isinstance(made.result, Label)
    assert made.result.stress is not None
    assert "stress       yes" in "\n".join(made.lines())


def test_failed_probe_keeps_its_files_and_names_them(tmp_path: Path) -> None:
    near = Frame("near", 0, 0, 0, COPPER.numbers, COPPER.positions * 0.2)
    made = probe(EMT, near, scratch=tmp_path)
    assert isinstance(made.result, LabelFailure)
    assert made.result.reason is FailureReason.KEPT_OUT
    assert made.folder is not None
    assert list(made.folder.rglob("failure.txt"))
    said = "\n".join(made.lines())
    assert "max_force_ev_per_ang" in said
    assert str(made.folder) in said


def test_structure_that_the_reference_does_not_know_is_refused_beforehand() -> None:
    heavy = Frame("oganesson", 0, 0, 0, np.array([118]), np.zeros((1, 3)))
    with pytest.raises(ReferenceUnavailable, match=r"REFERENCE \(tblite .*\) for structure oganesson"):
        probe(TbliteSettings(), heavy)


def test_type_alone_gives_its_defaults() -> None:
    assert settings_of_type("tblite") == TbliteSettings()


def test_unknown_type_is_answered_by_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="tblite"):
        settings_of_type("tblit")


def test_type_with_settings_of_its_own_says_which() -> None:
    with pytest.raises(SettingsError, match=r"calculator is missing[\s\S]*aims-pax references FOLDER"):
        settings_of_type("ase-calculator")


def test_one_that_is_left_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def left(*_: object, **__: object) -> None:
        raise KeyboardInterrupt("left")

    monkeypatch.setattr(CalculatorReference, "label", left)
    with pytest.raises(KeyboardInterrupt, match="left"):
        probe(EMT, COPPER, scratch=tmp_path)
    assert list(tmp_path.iterdir()) == []
