"""The first act of a run, and ``aims-pax check --probe``: two labels of each structure, to see whether they make sense.

The labels come from the pool that the run will use, through a desk and a store of their own, so that whatever happens
to them is dealt with as for any other label, an interruption included. The run's own store gets them when all are sane,
and hears nothing of them otherwise: a run that was stopped here has not begun, and may go on with another reference.
"""

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure
from aims_pax.errors import RunLocked, UserError
from aims_pax.frame import Frame, Label, LabelFailure, Split, Stage
from aims_pax.labelling.desk import LabelDesk
from aims_pax.labelling.errands import Errands, forget_books
from aims_pax.labelling.result import fingerprint
from aims_pax.labelling.sanity import (
    FIRST_TRAJECTORY,
    RATTLE_ANG,
    DriverProbe,
    ProbeResult,
    SystemProbe,
    rattled,
    response,
)
from aims_pax.protocols import ExplainsFailures, GivesStress, Pool
from aims_pax.reference.by_system import in_charge
from aims_pax.reference.registry import build_reference
from aims_pax.settings import Project
from aims_pax.settings.methods.driver import REFERENCE, DriverChoice
from aims_pax.settings.stage import INITIAL
from aims_pax.stages import assembly
from aims_pax.stages.activities import Activity
from aims_pax.stages.bench import Bench
from aims_pax.stages.driver import Driven, driven, driver_forces, driver_words
from aims_pax.stages.memory import Memory

diary = logging.getLogger("aims_pax.run")

KEY: Final = "probe"
"""Under which a run remembers what its probe has found."""

_MOVES_BY_IT: Final = "the cell is to move by it (stat_ensemble is npt)"


def probe_frames(project: Project) -> list[tuple[Frame, Frame]]:
    """The starting structure and its rattled copy, of each system."""
    starts = [
        replace(system.frame, trajectory=FIRST_TRAJECTORY - index, md_step=0)
        for index, system in enumerate(project.systems)
    ]
    return [(start, rattled(start, index)) for index, start in enumerate(starts)]


def probe_run(run: Bench, stages: tuple[Stage, ...]) -> ProbeResult | None:
    """The first act of a new run; None where MISC.probe is false, or no stage asks the reference for anything.

    Raises
    ------
    UserError
        The reference or the driver is not sane for a structure; nothing has begun.
    """
    if not (run.project.settings.misc.probe and run.project.settings.samples):
        return None
    n_systems = len(run.project.systems)
    whose = "the starting structure" if n_systems == 1 else f"each of {n_systems} starting structures"
    diary.info("probe: %s and a copy rattled by %s Å are labelled before all else", whose, RATTLE_ANG)

    def note(n_received: int) -> None:
        with run.store.transaction():
            run.memory.keep_json(KEY, {"n_received": n_received})  # a session that has done no more was not barren

    pool = run.pool()
    with run.stopwatch.during(Activity.LABELLING):
        result = probe_project(run.project, pool, run.departure, stages=stages, note=note)
    for line in result.lines():
        diary.info("probe: %s", line)
    if problems := result.problems():
        raise UserError(problems)
    return result


def probe_project(
    project: Project,
    pool: Pool,
    departure: Departure,
    *,
    stages: tuple[Stage, ...],
    note: Callable[[int], None] = lambda _: None,
) -> ProbeResult:
    """Label the starting structures and their rattled copies, and ask the driver for them, too.

    What was labelled stays in the folder of :func:`_workplace` until a run of this project has taken it over.

    Parameters
    ----------
    note : callable
        Told how many labels there are, whenever there is one more.

    Raises
    ------
    Departed
        It was left as asked; the next probe goes on.
    CampaignStopped
        Something is wrong with the workers, not with the structures.
    """
    pairs, reference = probe_frames(project), build_reference(project.reference)
    with _workplace(project) as (store, folder):
        desk = LabelDesk(
            store,
            pool,
            folder,
            INITIAL,
            keeps_folders=not project.settings.cluster.clean_dirs,
            departure=departure,
            no_progress_s=project.settings.misc.no_progress_s,
        )
        with departure.cooperating():
            errands = Errands(store, desk, departure)
            results = _answered([frame for pair in pairs for frame in pair], errands, note)
        systems = {
            pair[0].system: SystemProbe(
                in_charge(reference, pair[0]).name,
                pair,
                (results[2 * index], results[2 * index + 1]),
                stress_for=_stress_for(project, pair[0]),
            )
            for index, pair in enumerate(pairs)
        }
        insane = any(True for one in systems.values() for _ in one.complaints())
    if insane:
        forget_books(folder)
    return ProbeResult(systems, tuple(_probe_driver(project, one) for one in _driven(project, stages)))


def take_over(result: ProbeResult | None, store: RunStore, memory: Memory, *, split: Split | None) -> None:
    """Enter the labels into the run's store, within the caller's transaction.

    Parameters
    ----------
    split : Split or None
        Their place in the dataset, which all members share. None: they get one with the first round of labels.
    """
    if result is None:
        return
    label_ids = []
    for one in result.systems.values():
        for frame, label in zip(one.frames, one.results, strict=True):
            assert isinstance(label, Label), "a probe without a label is not sane"
            label_ids.append(store.add_job(frame, INITIAL))
            store.add_label(label_ids[-1], label)
            if split is not None:
                store.assign(label_ids[-1], split)
    memory.keep_json(KEY, {"labels": label_ids, "label_s": result.label_s, "driver_step_s": result.driver_step_s})


def forget(project: Project) -> None:
    """Remove what a probe has left, once its labels were taken over."""
    for folder in (_shared_folder(project), _own_folder(project)):
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _workplace(project: Project) -> Iterator[tuple[RunStore, RunFolder]]:
    """A store for these labels alone, in a folder that is the same for every probe of the same structures.

    So a probe that was interrupted goes on, and the run takes over what ``check --probe`` has paid for. Where another
    campaign of the same project probes at this moment, this one has a folder of its own.
    """
    root = _shared_folder(project)
    try:
        store = RunStore.open(root)
    except RunLocked:
        root = _own_folder(project)
        store = RunStore.open(root)
    with store:
        yield store, RunFolder(root, root)


def _shared_folder(project: Project) -> Path:
    """By everything that decides the labels."""
    described = [build_reference(project.reference).name, repr(project.reference), str(assembly.wants_stress(project))]
    described += [fingerprint(frame) for pair in probe_frames(project) for frame in pair]
    digest = hashlib.sha256("\0".join(described).encode()).hexdigest()[:12]
    return project.label_folder / f"probe-{digest}"


def _own_folder(project: Project) -> Path:
    where = hashlib.sha256(str(project.run_folder.resolve()).encode()).hexdigest()[:12]
    return _shared_folder(project).with_name(f"{_shared_folder(project).name}-{where}")


def _answered(frames: list[Frame], errands: Errands, note: Callable[[int], None]) -> list[Label | LabelFailure]:
    """What comes of these frames; those that an earlier probe has had labelled are."""
    errands.listeners.append(lambda: note(errands.n_labels))
    for frame in frames:
        errands.ask(frame)
    while errands.n_under_way:
        errands.wait()
    return [answer for frame in frames if (answer := errands.answer(frame)) is not None]


def _stress_for(project: Project, frame: Frame) -> str:
    """What needs the stress of a system's labels; empty: nothing, or there is none by nature."""
    if not frame.pbc.all() or not assembly.wants_stress(project):
        return ""
    if project.mace.general.compute_stress:
        return "the models are to learn it (GENERAL.compute_stress is true)"
    md = {system.name: project.md_of(system) for system in project.systems}[frame.system]
    return _MOVES_BY_IT if md.moves_cell else ""


def _driven(project: Project, stages: tuple[Stage, ...]) -> Iterator[Driven]:
    """The stages that something else than the reference and the committee drives, one for each driver."""
    found: list[DriverChoice] = []
    for plan in project.plans(stages):
        one = driven(project, plan)
        if one is None or one.choice.kind == REFERENCE:
            continue
        choice = replace(one.choice, key="")
        if choice not in found:
            found.append(choice)
            yield one


def _probe_driver(project: Project, stage: Driven) -> DriverProbe:
    """What drives the MD of a stage, asked for the starting structures and for their copies, as by the MD."""
    from aims_pax.batch import AtomBatch
    from aims_pax.committee import devices_of
    from aims_pax.sampling.asking import Question, answer_of

    pairs = [(system.frame, rattled(system.frame, index)) for index, system in enumerate(project.systems)]
    model = driver_forces(project, stage.choice)
    device = devices_of(project.mace.misc.device)[0]
    moving = [project.md_of(system).moves_cell for system in project.systems]
    want_stress = stage.moves_cells and isinstance(model, GivesStress)
    energies, forces, step_s, failures = [], [], 0.0, dict[str, str]()
    for which in (0, 1):
        frames = [pair[which] for pair in pairs]
        batch = AtomBatch.from_frames(frames, model.cutoff, device=device)
        started = time.perf_counter()
        energy, force, stress = answer_of(model, Question(batch, want_stress=want_stress))
        energies.append(energy.cpu().numpy().tolist())
        ends = np.cumsum([frame.n_atoms for frame in frames])[:-1]
        forces.append(np.split(force.cpu().numpy(), ends))
        step_s = time.perf_counter() - started
        silent = [True] * len(frames) if stress is None else stress.isnan().any(dim=1).tolist()
        for frame, moves, is_silent in zip(frames, moving, silent, strict=True):
            words = model.failure_of(frame.trajectory) if isinstance(model, ExplainsFailures) else None
            if words is not None:
                failures.setdefault(frame.system, f"It fails: {words.rstrip('.')}.")
            elif moves and is_silent:
                failures.setdefault(frame.system, f"It gives no stress, and {_MOVES_BY_IT}.")
    responses = {
        pair[0].system: response(pair, (energies[0][index], energies[1][index]), (forces[0][index], forces[1][index]))
        for index, pair in enumerate(pairs)
    }
    return DriverProbe(driver_words(project, stage.choice), stage.setting, stage.others, responses, step_s, failures)
