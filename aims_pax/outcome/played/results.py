"""What played workflows leave in results/: a record, and their figures and structures."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aims_pax.dataset.durable import replacing
from aims_pax.dataset.store import RunStore
from aims_pax.learner.workflows import PlayState
from aims_pax.outcome.played.courses import title_of, visits_of
from aims_pax.outcome.played.ends import PhaseEnds, ends_of
from aims_pax.outcome.played.phases import PlayedPhase, phases_of, planned
from aims_pax.outcome.played.record import PLAYED, record_of
from aims_pax.report.workflows.phases import draw_phases
from aims_pax.report.workflows.visits import draw_visits
from aims_pax.settings import Project
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.stages.uncertainty import kind_named
from aims_pax.settings.workflow.playing import PlaySettings
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import PLAYS


def write_plays(project: Project, store: RunStore, memory: Memory, results: Path) -> list[dict[str, Any]]:
    """Write ``explore.json`` by the names of the stages, and figures of each workflow; what summary.json says of them.

    Figures are ``explore_dlc.png``, score against time, and ``explore_dlc_phases.png``, the structures of phases, which
    are in ``explore_dlc_phases.extxyz``, too.
    """
    phases, said = planned(phases_of(store), project), []
    for plan in project.settings.playing:
        if not (own := [one for one in phases if one.stage == plan.name]):
            continue
        state = memory.recall(f"{PLAYS}{plan.name}", PlayState)
        ended = None if state is None or state.stopping is None else str(state.stopping)
        record = record_of(plan.name, own, n_hold=plan.read_as(PlaySettings).hold_visits, ended=ended)
        with replacing(results / f"{plan.name}.json") as file:
            json.dump(record, file, indent=2)
        _draw_visits(plan, own, store, results)
        for (_, workflow), rows in ends_of(own, memory, store).items():
            path = results / f"{plan.name}_{workflow}_phases.png"
            draw_phases(path, rows)
            write_structures(path.with_suffix(".extxyz"), workflow, rows)
        said.append({key: value for key, value in record.items() if key != PLAYED})
    return said


def _draw_visits(plan: StagePlan, phases: Sequence[PlayedPhase], store: RunStore, results: Path) -> None:
    scores, series = store.scores(stage=plan.name), store.series()
    for name in dict.fromkeys(one.workflow for one in phases):
        own = [one for one in phases if one.workflow == name]
        visits, kind = visits_of(own, scores, series)
        draw_visits(results / f"{plan.name}_{name}.png", visits, title=title_of(own), kind=kind_named(kind))


def write_structures(path: Path, workflow: str, rows: Sequence[PhaseEnds]) -> None:
    """Structures that phases begin with and come to, as ``config_type`` says: ``Phase1 begin``."""
    from ase.io import write

    from aims_pax.atoms import atoms_of

    images = []
    for name, begin, end in rows:
        for one, word in ((begin, "begin"), (end, "end")):
            atoms = atoms_of(one.frame)
            atoms.info |= {"config_type": f"{name} {word}", "workflow": workflow, "words": one.words}
            images.append(atoms)
    with replacing(path) as file:
        write(file, images, format="extxyz")
