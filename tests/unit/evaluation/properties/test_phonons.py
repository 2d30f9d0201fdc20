"""Frequencies against those of another program, and what is told of structures that are no minimum."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.phonons import Phonons as PhononsOfAse

from aims_pax.evaluation.properties import Measured, measured, phonons
from aims_pax.evaluation.properties.phonons import Phonons

from .crystals import effective_medium, numbers, specimen

pytest.importorskip("phonopy")

THZ_PER_EV = 241.798924


def test_frequencies_at_a_point_are_those_of_ase(tmp_path: Path) -> None:
    copper = bulk("Cu", a=3.5898)
    outcome = measured(Phonons(length_ang=8.0), specimen(copper, effective_medium()))
    assert isinstance(outcome, Measured)
    bands = next(panel for panel in outcome.panels if panel.key == "bands")
    place = next(place for place, name in bands.ticks if name == "X")
    mine = np.sort(bands.lines[0].y[np.flatnonzero(bands.lines[0].x == place)[0]])
    theirs = PhononsOfAse(copper, EMT(), supercell=(4, 4, 4), delta=0.01, name=str(tmp_path / "phonons"))
    theirs.run()
    theirs.read(acoustic=True)
    path = copper.cell.bandpath("X", npoints=1)
    expected = np.sort(theirs.band_structure(path.kpts, verbose=False)[0]) * THZ_PER_EV
    assert mine == pytest.approx(expected, rel=0.01)  # ASE's supercell has other images at its border


def test_a_supercell_has_the_bands_of_its_primitive_cell() -> None:
    small = numbers(Phonons(length_ang=7.0), bulk("Cu", cubic=True), effective_medium())
    large = numbers(Phonons(length_ang=7.0), bulk("Cu", cubic=True) * (2, 1, 1), effective_medium())
    assert small == pytest.approx(large, rel=0.01, abs=1e-3)


def test_a_phase_that_is_no_minimum_has_imaginary_frequencies_which_are_told() -> None:
    outcome = measured(Phonons(length_ang=8.0), specimen(bulk("Cu", "bcc", a=2.87), effective_medium()))
    assert isinstance(outcome, Measured)
    found = {one.key: one.value for one in outcome.quantities}
    assert found["imaginary_frequency_thz"] > 0.5
    assert "imaginary" in outcome.remarks[0]


def test_a_slab_has_bands_in_its_plane() -> None:
    outcome = measured(Phonons(length_ang=6.0), specimen(fcc111("Cu", (1, 1, 3), vacuum=8.0), effective_medium()))
    assert isinstance(outcome, Measured)
    bands = next(panel for panel in outcome.panels if panel.key == "bands")
    assert bands.lines[0].y.shape[1] == 9, "three of each atom: nothing of it was taken for a smaller cell"


def test_without_phonopy_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phonons, "find_spec", lambda _name: None)
    (problem,) = Phonons().problems()
    assert "aims-pax[properties]" in problem.advice
