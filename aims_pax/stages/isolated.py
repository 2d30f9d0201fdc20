"""Energies of free atoms, by the reference: each is computed once in a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from aims_pax.dataset.store import RunStore
from aims_pax.reference.registry import build_reference
from aims_pax.settings import Project
from aims_pax.stages.memory import Memory, recalling

KEY: Final = "isolated_atoms"


def isolated_atoms(project: Project, store: RunStore, memory: Memory, folder: Path) -> Mapping[int, float]:
    """Energies of the free atoms (eV) that the settings don't give, as far as the reference can tell them.

    Parameters
    ----------
    project : Project
    store, memory : RunStore, Memory
        Where each energy is kept as soon as it is known.
    folder : Path
        For the calculations.
    """
    with recalling(KEY):
        stored = cast(Mapping[str, float], memory.recall_json(KEY) or {})
        energies = {int(number): energy for number, energy in stored.items()}
    given = project.mace.architecture.atomic_energies or {}
    reference = build_reference(project.reference)
    for number in project.elements:
        if number in given or number in energies:
            continue
        energy = reference.isolated_atom_energy(number, folder=folder)
        if energy is not None:
            energies[number] = energy
            with store.transaction():
                memory.keep_json(KEY, energies)
    return energies
