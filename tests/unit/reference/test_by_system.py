"""A reference whose settings differ from system to system."""

from pathlib import Path

import numpy as np
from ase.build import molecule

from aims_pax.atoms import frame_of
from aims_pax.frame import Frame, Label
from aims_pax.reference.by_system import BySystem, in_charge
from aims_pax.reference.registry import build_reference
from aims_pax.settings.methods.reference import ReferencesBySystem, TbliteSettings

BY_SYSTEM = ReferencesBySystem(
    {
        "first": TbliteSettings(method="GFN1-xTB"),
        "second": TbliteSettings(method="GFN2-xTB"),
        "third": TbliteSettings(method="GFN1-xTB"),
    }
)


def water(system: str) -> Frame:
    return frame_of(molecule("H2O"), system=system)


def test_each_label_is_by_the_reference_of_its_system_and_says_so(tmp_path: Path) -> None:
    reference = build_reference(BY_SYSTEM)
    for system, settings in BY_SYSTEM.by_system.items():
        alone = build_reference(settings)
        expected = alone.label(water(system), folder=tmp_path, want_stress=False)
        label = reference.label(water(system), folder=tmp_path, want_stress=False)
        assert isinstance(label, Label)
        assert isinstance(expected, Label)
        assert label.reference == expected.reference == in_charge(reference, water(system)).name == alone.name
        np.testing.assert_allclose(label.forces, expected.forces, atol=1e-8)


def test_equal_settings_share_a_reference_so_that_its_engine_is_started_once() -> None:
    reference = build_reference(BY_SYSTEM)
    assert isinstance(reference, BySystem)
    first, second, third = reference.references.values()
    assert first is third
    assert first is not second


def test_a_free_atom_is_that_of_the_first_system(tmp_path: Path) -> None:
    alone = build_reference(BY_SYSTEM.by_system["first"])
    expected = alone.isolated_atom_energy(1, folder=tmp_path)
    assert build_reference(BY_SYSTEM).isolated_atom_energy(1, folder=tmp_path) == expected
