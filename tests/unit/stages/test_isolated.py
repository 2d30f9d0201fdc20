"""Free atoms are computed once in a run, whenever it is killed."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure
from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.labelling.errands import Errands, errands_in
from aims_pax.labelling.free_atoms import free_atom
from aims_pax.labelling.inline import InlinePool
from aims_pax.labelling.worker import carry_out
from aims_pax.protocols import LabelJob
from aims_pax.reference.by_system import BySystem
from aims_pax.settings import Project
from aims_pax.stages.beginnings.isolated import isolated_atoms
from aims_pax.stages.memory import Memory

from ...integration.projects import loaded, water_project


class FreeAtoms:
    """A reference of free atoms, of which one may never end, one be unknown, and one crash."""

    name = "free atoms"

    def __init__(
        self, *, killed_at: int | None = None, unknown: int | None = None, crashes_at: int | None = None
    ) -> None:
        self._killed_at, self._unknown, self._crashes_at = killed_at, unknown, crashes_at
        self.computed: list[int] = []

    def problems(self, numbers: Sequence[int], *, periodic: bool) -> list[str]:
        return []

    def label(self, frame: Frame, *, folder: Path, want_stress: bool) -> Label | LabelFailure:
        return Label(-1.0, np.zeros((frame.n_atoms, 3)), None, self.name, 0.0)

    def isolated_atom_energy(self, number: int, *, folder: Path) -> float | None:
        if number == self._killed_at:
            raise KeyboardInterrupt(number)
        if number == self._crashes_at:
            raise RuntimeError("no licence")
        if number == self._unknown:
            return None
        self.computed.append(number)
        return -13.6 * number**2


class Session:
    """A process that works on the run in a folder, and labels by itself."""

    def __init__(self, folder: Path, reference: FreeAtoms) -> None:
        self._folder, self._reference = folder, reference

    def energies(self, project: Project) -> dict[int, float]:
        with RunStore.open(self._folder) as store:
            memory = Memory(store, RunFolder(self._folder, self._folder / "calculations"))
            return dict(isolated_atoms(project, store, memory, self._errands))

    def _errands(self) -> AbstractContextManager[Errands]:
        pool = InlinePool(self._reference, want_stress=False)
        places = RunFolder(self._folder / "books", self._folder / "calculations" / "isolated")
        return errands_in(places, pool, Departure(), keeps_folders=False, no_progress_s=60.0, called="free atom")


def test_free_atoms_of_a_killed_run_are_not_computed_again(tmp_path: Path) -> None:
    project = loaded(water_project(tmp_path))
    first, second, third = FreeAtoms(killed_at=project.elements[1]), FreeAtoms(), FreeAtoms()
    with pytest.raises(KeyboardInterrupt, match=str(project.elements[1])):
        Session(tmp_path, first).energies(project)
    assert first.computed == [project.elements[0]]
    expected = {number: -13.6 * number**2 for number in project.elements}
    assert Session(tmp_path, second).energies(project) == expected
    assert second.computed == [project.elements[1]]
    assert Session(tmp_path, third).energies(project) == expected
    assert third.computed == []
    assert not (tmp_path / "books").exists()
    assert not (tmp_path / "calculations" / "isolated").exists()


def test_free_atom_that_the_method_does_not_tell_is_left_out_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    project = loaded(water_project(tmp_path))
    energies = Session(tmp_path, FreeAtoms(unknown=project.elements[0])).energies(project)
    assert energies == {number: -13.6 * number**2 for number in project.elements[1:]}
    assert not caplog.messages


def test_free_atom_that_failed_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    project = loaded(water_project(tmp_path))
    energies = Session(tmp_path, FreeAtoms(crashes_at=project.elements[1])).energies(project)
    assert list(energies) == [project.elements[0]]
    assert f"the free atom Z = {project.elements[1]} has no energy (crashed: RuntimeError: no licence)" in caplog.text


def test_free_atom_of_systems_with_references_of_their_own_is_that_of_the_first(tmp_path: Path) -> None:
    first, second = FreeAtoms(), FreeAtoms()
    job = LabelJob(1, free_atom(8, system="first"), tmp_path / "label")
    label = carry_out(BySystem({"first": first, "second": second}), job, want_stress=False)
    assert isinstance(label, Label)
    assert (label.energy, first.computed, second.computed) == (-13.6 * 64, [8], [])
