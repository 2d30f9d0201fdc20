"""Where the trajectories of active learning begin."""

import logging
from collections import Counter
from dataclasses import replace

from aims_pax.dataset.store import RunStore
from aims_pax.frame import Frame, Split
from aims_pax.labelling.sanity import is_probe
from aims_pax.settings import ActiveLearningSettings, Project
from aims_pax.settings.stage import INITIAL

diary = logging.getLogger("aims_pax.active")


def starting_frames(project: Project, settings: ActiveLearningSettings, store: RunStore) -> list[Frame]:
    """The structure at which each trajectory of a stage of active learning begins, at MD step 0 (`start_from`).

    From the initial dataset only training structures are taken: what is labelled on the way would resemble a validation
    structure that it had begun at. The trajectories of one system begin at moments that lie evenly apart, the first at
    the newest.
    """
    everyone = range(settings.num_trajectories)
    starts = [replace(project.system_for(index).frame, trajectory=index) for index in everyone]
    if settings.start_from == "structures":
        return starts
    labelled, n_before = _initial_structures(store), Counter[str]()
    for index, start in enumerate(starts):
        rank = n_before[start.system]
        n_before[start.system] += 1
        known = labelled.get(start.system, [])
        if not known:
            if rank == 0:
                words = "system %s has no training structure of the initial dataset, and begins as it was given"
                diary.warning(words, start.system)
            continue
        n_alike = sum(one.system == start.system for one in starts)
        chosen = known[len(known) - 1 - rank * len(known) // n_alike]
        starts[index] = replace(start, positions=chosen.positions, cell=chosen.cell)
    return starts


def _initial_structures(store: RunStore) -> dict[str, list[Frame]]:
    """Training structures that the initial MD has sampled, by system, in their order."""
    found: dict[str, list[tuple[int, Frame]]] = {}
    for one in store.labelled():
        if one.stage == INITIAL and one.split is Split.TRAINING and not is_probe(one.frame):
            found.setdefault(one.frame.system, []).append((one.label_id, one.frame))
    return {
        system: [frame for _, frame in sorted(points, key=lambda point: point[0])] for system, points in found.items()
    }
