"""Free atoms are computed once in a run, whenever it is killed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.stages import isolated
from aims_pax.stages.isolated import isolated_atoms
from aims_pax.stages.memory import Memory

from ...integration.projects import loaded, water_project


class FreeAtoms:
    """A reference of free atoms, of which one may never end."""

    name = "free atoms"

    def __init__(self, killed_at: int | None = None) -> None:
        self.killed_at = killed_at
        self.computed: list[int] = []

    def problems(self, numbers: Sequence[int], *, periodic: bool) -> list[str]:
        return []

    def label(self, frame: Frame, *, folder: Path, want_stress: bool) -> Label | LabelFailure:
        return Label(-1.0, np.zeros((frame.n_atoms, 3)), None, self.name, 0.0)

    def isolated_atom_energy(self, number: int, *, folder: Path) -> float | None:
        if number == self.killed_at:
            raise KeyboardInterrupt(number)
        self.computed.append(number)
        return -13.6 * number**2


def test_free_atoms_of_a_killed_run_are_not_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = loaded(water_project(tmp_path))
    first, second, third = FreeAtoms(killed_at=project.elements[1]), FreeAtoms(), FreeAtoms()

    def energies(reference: FreeAtoms) -> dict[int, float]:
        monkeypatch.setattr(isolated, "build_reference", lambda _: reference)
        with RunStore.open(tmp_path) as store:
            memory = Memory(store, RunFolder(tmp_path, tmp_path / "calculations"))
            return dict(isolated_atoms(project, store, memory, tmp_path))

    with pytest.raises(KeyboardInterrupt, match=str(project.elements[1])):
        energies(first)
    assert first.computed == [project.elements[0]]
    expected = {number: -13.6 * number**2 for number in project.elements}
    assert energies(second) == expected
    assert second.computed == [project.elements[1]]
    assert energies(third) == expected
    assert third.computed == []
