"""Energies of free atoms, by the reference: each is computed once in a run."""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Final, cast

from aims_pax.dataset.store import RunStore
from aims_pax.frame import FailureReason, Label
from aims_pax.labelling.free_atoms import free_atom
from aims_pax.protocols import Labeller
from aims_pax.settings import Project
from aims_pax.stages.memory import Memory, recalling

diary = logging.getLogger("aims_pax.labels")

KEY: Final = "isolated_atoms"


def isolated_atoms(
    project: Project, store: RunStore, memory: Memory, labeller: Callable[[], AbstractContextManager[Labeller]]
) -> Mapping[int, float]:
    """Energies of the free atoms (eV) that the settings don't give, as far as the reference can tell them.

    Parameters
    ----------
    project : Project
    store, memory : RunStore, Memory
        Where the energies are kept as soon as they are known.
    labeller : callable
        Opens what has them computed, all of them side by side.
    """
    with recalling(KEY):
        stored = cast(Mapping[str, float], memory.recall_json(KEY) or {})
        energies = {int(number): energy for number, energy in stored.items()}
    given = project.mace.architecture.atomic_energies or {}
    # By the reference of the first system: all must have the same free atoms, or no model can learn from both.
    system = project.systems[0].name if project.systems else ""
    atoms = {
        number: free_atom(number, system=system)
        for number in project.elements
        if number not in given and number not in energies
    }
    if not atoms:
        return energies
    with labeller() as computed:
        for atom in atoms.values():
            computed.ask(atom)
        for number, atom in atoms.items():
            while (answer := computed.answer(atom)) is None:
                computed.wait()
            if isinstance(answer, Label):
                energies[number] = answer.energy
            elif answer.reason is not FailureReason.NOT_OFFERED:
                diary.warning(
                    "the free atom Z = %d has no energy (%s: %s); it is fitted to the first labels",
                    *(number, answer.reason, answer.message),
                )
        with store.transaction():
            memory.keep_json(KEY, energies)
    return energies
