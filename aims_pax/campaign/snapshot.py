"""What a run has by now: models, datasets and figures of its newest checkpoint, without a word to the run itself."""

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aims_pax.campaign.progress import FINISHED, progress_of
from aims_pax.committee import devices_of, load_committee
from aims_pax.dataset.durable import replacing
from aims_pax.dataset.lock import owner_of
from aims_pax.dataset.store import RunStore
from aims_pax.errors import ModelError
from aims_pax.frame import Split
from aims_pax.outcome.datasets import write_datasets
from aims_pax.outcome.evaluate import evaluate_models
from aims_pax.outcome.product import COMMITTEE_FOLDER, best_of, write_committee, write_product
from aims_pax.outcome.results import write_results
from aims_pax.protocols import Committee
from aims_pax.report.figures import draw_run
from aims_pax.settings import Project
from aims_pax.stages import assembly
from aims_pax.stages.activities import Stopwatch
from aims_pax.stages.beginnings.imported import extxyz_keys
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import convergence_key

log = logging.getLogger(__name__)

FOLDER: Final = "snapshot"
"""Where the models of a run go that has not ended: results/ is for those of its end."""

STATE: Final = "state.txt"

MOST_ATOMS: Final = 100_000
"""Atoms of the validation set up to which models are measured on it here; `aims-pax evaluate` measures the rest."""

N_ATTEMPTS: Final = 10
PAUSE_S: Final = 0.2
"""A campaign replaces its checkpoint at each training: how often, and after which time, another one is looked for."""

DOING: Final[Mapping[str, str]] = {
    "initial": "the initial dataset is being made",
    "initial convergence": "the first committee is being converged; these are its best weights so far",
    "active": "active learning, not converged",
    "convergence": "the models are being converged; these are their best weights so far",
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was written of a run.

    Parameters
    ----------
    folder : Path
    state : tuple of str
        What state of the run it is: sentences.
    models : tuple of Path
        The best one first, then all members; empty where there are none yet.
    table : str
        Errors on the validation set; empty where they were not measured.
    """

    folder: Path
    state: tuple[str, ...]
    models: tuple[Path, ...] = ()
    table: str = ""

    def lines(self) -> list[str]:
        """What a person reads."""
        return [*self.state, *([""] if self.table else []), *self.table.splitlines(), "", *self._what_is_there()]

    def _what_is_there(self) -> list[str]:
        if not self.models:
            return [f"datasets and figures are in {self.folder}"]
        return [f"model: {self.models[0]}", f"all members, datasets and figures are in {self.folder}"]


def export_snapshot(project: Project, out: Path | None) -> Snapshot:
    """Write models, datasets and figures of a run, whether it is running, interrupted or finished.

    Parameters
    ----------
    project : Project
    out : Path or None
        Where to; results/ of a run that is finished and snapshot/ of one that is not, when None.

    Raises
    ------
    UserError
        There is no run.
    ModelError
        The newest checkpoint is damaged.
    """
    with RunStore.open_readonly(project.run_folder) as store:
        memory = Memory(store, assembly.run_folder(project))
        progress = progress_of(memory)
        if progress == FINISHED:
            return _of_a_finished_run(project, store, memory, out)
        folder = out or project.run_folder / FOLDER
        owner = owner_of(project.run_folder)
        # A campaign that is running has the GPU for itself.
        device = "cpu" if owner else project.mace.misc.device
        committee = present_committee(store, memory, progress, device=device)
        keys = extxyz_keys(project.settings.misc)
        write_datasets(store, folder, keys)
        _draw(store, memory, folder)
        state = [*_state(store, committee, progress), _whereabouts(owner)]
        models: tuple[Path, ...] = ()
        table = ""
        if committee is not None:
            models, table, measured = _write_models(project, committee, folder)
            state += measured
    with replacing(folder / STATE) as file:
        file.write("\n".join(state) + "\n")
    return Snapshot(folder, tuple(state), models, table)


def present_committee(
    store: RunStore, memory: Memory, progress: str | None, *, device: str | Sequence[str]
) -> Committee | None:
    """The committee of a run that has not ended, ready to be used as it is now; None before the first.

    Raises
    ------
    ModelError
        Its newest checkpoint is damaged.
    """
    committee = newest_committee(memory, device=device)
    if committee is not None:
        if progress is not None and memory.recall_bytes(convergence_key(progress)) is not None:
            committee.end_convergence()
        committee.add(list(store.labelled()))
        committee.centre_energies()
    return committee


def newest_committee(memory: Memory, *, device: str | Sequence[str]) -> Committee | None:
    """The committee of the newest checkpoint, also while a campaign replaces it; None before the first.

    Raises
    ------
    ModelError
        The checkpoint is there, and damaged.
    """
    for n_left in reversed(range(N_ATTEMPTS)):
        checkpoint = memory.committee_checkpoint()
        if checkpoint is None:
            return None
        try:
            return load_committee(checkpoint, device=devices_of(device))
        except ModelError:
            is_the_newest = memory.committee_checkpoint() == checkpoint
            if n_left == 0 or (is_the_newest and checkpoint.is_file()):
                raise
            log.debug("%s was replaced while it was read", checkpoint)
            time.sleep(PAUSE_S)
    return None


def _of_a_finished_run(project: Project, store: RunStore, memory: Memory, out: Path | None) -> Snapshot:
    """The results as they are, or made again where they are gone; a copy of them where that was asked for."""
    run_folder = assembly.run_folder(project)
    results, said = run_folder.results, "The run is finished; these are its results."
    if not (results / "summary.json").is_file():
        committee = newest_committee(memory, device=project.mace.misc.device)
        if committee is not None:
            committee.add(list(store.labelled()))
            stopwatch = Stopwatch()
            memory.recall_time(stopwatch)
            write_results(project, store, committee, run_folder, stopwatch)
            said = "The run is finished; its results were made again from its last checkpoint."
    if out is not None and out.resolve() != results.resolve():
        shutil.copytree(results, out, dirs_exist_ok=True)
    folder = out or results
    name = project.mace.general.name_exp
    product = [path for path in (folder / f"{name}.model",) if path.is_file()]
    members = sorted({*folder.glob(f"{name}_*.model"), *folder.glob(f"{COMMITTEE_FOLDER}/{name}_*.model")})
    return Snapshot(folder, (said,), (*product, *members))


def _write_models(project: Project, committee: Committee, folder: Path) -> tuple[tuple[Path, ...], str, list[str]]:
    """The models with the best one first, the table of their errors, and what is to be said of both."""
    name, validation = project.mace.general.name_exp, folder / f"{Split.VALIDATION}.extxyz"
    members = write_committee(committee, folder, name, trained_to_the_end=())
    n_atoms = _n_atoms(validation)
    if not 0 < n_atoms <= MOST_ATOMS:
        product = write_product(members, folder, name, best=0)
        why = "there are no validation structures yet" if not n_atoms else f"{n_atoms} atoms would take long"
        said = f"Errors were not measured: {why}. {product.model.name} is the first member."
        return (product.model, *members), "", [said]
    evaluation = evaluate_models(
        members,
        validation,
        device=str(committee.device),
        keys=extxyz_keys(project.settings.misc),
        names=committee.names,
    )
    errors = [member.force_mae_ev_per_ang for member in evaluation.errors.members]
    best = best_of(errors, range(committee.n_members))
    product = write_product(members, folder, name, best=best)
    evaluation = evaluation.of_product(product.model.name, best)
    evaluation.write(folder)
    said = f"{product.model.name} is {product.member}: of all members the lowest force MAE on {validation.name}, "
    return (product.model, *members), evaluation.text(), [f"{said}{1000 * min(errors):.1f} meV/Å."]


def _n_atoms(dataset: Path) -> int:
    """Atoms of an extended XYZ file of ours, where a line with nothing but a number begins each structure."""
    with dataset.open(encoding="utf-8") as file:
        return sum(int(line) for line in file if line.strip().isdecimal())


def _state(store: RunStore, committee: Committee | None, progress: str | None) -> list[str]:
    counts = store.counts()
    doing = "nothing has been done yet" if progress is None else DOING.get(progress, f"at the stage {progress}")
    test = f", {counts.n_test} test" if counts.n_test else ""
    labels = f"{counts.n_received} labels: {counts.n_train} train, {counts.n_valid} validate{test}."
    if committee is None:
        return [f"No models yet: {doing}. {labels}"]
    return [f"Generation {committee.generation} of the models: {doing}.", labels]


def _whereabouts(owner: str) -> str:
    if owner:
        return f"The run is under way ({owner}) and goes on undisturbed; its results will be in results/."
    return "The run was interrupted; aims-pax run goes on from there."


def _draw(store: RunStore, memory: Memory, folder: Path) -> None:
    spent = memory.recall_json("activities")
    busy_s = {str(name): float(seconds) for name, seconds in spent.items()} if isinstance(spent, dict) else {}
    wall_s, kinds = sum(busy_s.values()), store.score_kinds()
    draw_run(folder, epochs=store.epochs(), scores=store.scores(), busy_s=busy_s, wall_s=wall_s, kinds=kinds)
