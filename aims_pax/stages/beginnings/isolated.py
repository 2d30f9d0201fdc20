"""Energies of free atoms, by the reference: each is computed once in a run."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, cast

from aims_pax.dataset.store import RunStore
from aims_pax.frame import FailureReason, Label
from aims_pax.labelling.free_atoms import free_atom
from aims_pax.protocols import Labeller
from aims_pax.settings import Project
from aims_pax.stages.memory import Memory, recalling

diary = logging.getLogger("aims_pax.labels")

KEY: Final = "isolated_atoms"


@dataclass(frozen=True, slots=True)
class Asked:
    """Free atoms whose energies are wanted.

    Parameters
    ----------
    key : str
        Under which a run remembers them: those of another reference are others.
    elements : sequence of int
        Atomic numbers.
    given : mapping of int to float
        Energies that the settings give, eV; these are not computed.
    """

    key: str
    elements: Sequence[int]
    given: Mapping[int, float]


def isolated_atoms(
    project: Project,
    store: RunStore,
    memory: Memory,
    labeller: Callable[[], AbstractContextManager[Labeller]],
    *,
    asked: Asked | None = None,
) -> Mapping[int, float]:
    """Energies of the free atoms (eV) that the settings don't give, as far as the reference can tell them.

    Parameters
    ----------
    project : Project
    store, memory : RunStore, Memory
        Where the energies are kept as soon as they are known.
    labeller : callable
        Opens what has them computed, all of them side by side.
    asked : Asked or None
        None: those of the project's elements, by its own reference.
    """
    if asked is None:
        asked = Asked(KEY, project.elements, project.mace.architecture.atomic_energies or {})
    with recalling(asked.key):
        stored = cast(Mapping[str, float], memory.recall_json(asked.key) or {})
        energies = {int(number): energy for number, energy in stored.items()}
    # By the reference of the first system: all must have the same free atoms, or no model can learn from both.
    system = project.systems[0].name if project.systems else ""
    atoms = {
        number: free_atom(number, system=system)
        for number in asked.elements
        if number not in asked.given and number not in energies
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
            memory.keep_json(asked.key, energies)
    return energies
