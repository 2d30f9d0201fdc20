"""Foundation models that members begin as: found, looked at before the start, and brought to a committee."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from aims_pax.errors import ModelError, Problem, StructureError, UserError
from aims_pax.frame import Frame
from aims_pax.reference.embedded.model_file import URL_TABLES, elements_of, published_file, published_urls
from aims_pax.settings import Project
from aims_pax.settings.committee.mace import MaceSettings
from aims_pax.stages.driver import mace_model_problems
from aims_pax.structures.files import StructureFile

if TYPE_CHECKING:
    from aims_pax.committee import Foundation
    from aims_pax.protocols import Committee

KEY: Final = "TRAINING.pretrained_model"


def foundation_of(mace: MaceSettings, folder: Path, numbers: set[int]) -> "Foundation":
    """What members begin as, for these elements and those of the structures that are replayed.

    Raises
    ------
    ModelError
        It can't be read, can't be trained, or doesn't know an element.
    """
    family, name = _named(mace, folder)
    replayed = {int(number) for frame in replayed_frames(mace, folder) for number in frame.numbers}
    changed = Path(name).stat().st_mtime_ns if Path(name).is_file() else 0
    return _read(family, name, frozenset(numbers | replayed), changed)


@lru_cache(maxsize=2)
def _read(family: str, name: str, numbers: frozenset[int], _changed: int) -> "Foundation":
    """A check asks three times, and building a network takes seconds."""
    from aims_pax.committee import read_foundation

    return read_foundation(family, name, numbers)


def fine_tuned(mace: MaceSettings, foundation: "Foundation") -> "Callable[..., Committee]":
    """What builds a committee that begins as a foundation model, from labels and all that follows them."""
    from aims_pax.committee.committee import Committee as MaceCommittee

    return partial(MaceCommittee.fine_tuned, mace, foundation)


def replayed_frames(mace: MaceSettings, folder: Path) -> list[Frame]:
    """Structures by which a second head remembers the foundation model; none with another choice.

    Raises
    ------
    StructureError
        The file can't be read.
    """
    training = mace.training
    if training.finetuning_choice != "multihead" or training.pt_train_file is None:
        return []
    frames = list(StructureFile(folder / training.pt_train_file, folder=folder).frames())
    return Random(mace.general.seed).sample(frames, min(training.num_samples_pt, len(frames)))


def let_remember(committee: "Committee", folder: Path) -> None:
    """Give a committee that has a head for it what its foundation model says of the structures that are replayed."""
    from aims_pax.committee.committee import Committee as MaceCommittee

    if isinstance(committee, MaceCommittee) and committee.remembers:
        foundation = foundation_of(committee.settings, folder, set(committee.numbers))
        committee.replay(foundation.pseudolabelled(replayed_frames(committee.settings, folder)))


def as_its_model(project: Project) -> Project:
    """A project whose ARCHITECTURE is that of the model that it fine-tunes; itself where it does not, or can't yet."""
    if not project.mace.training.perform_finetuning:
        return project
    family, name = _named(project.mace, project.folder)
    if family == "mace" and not Path(name).is_file():
        return project
    try:
        foundation = foundation_of(project.mace, project.folder, set(project.elements))
    except UserError:
        return project  # which is told where the model is looked at
    energies = {"atomic_energies": project.mace.architecture.atomic_energies}
    architecture = foundation.architecture.model_copy(update=energies)
    return replace(project, mace=project.mace.model_copy(update={"architecture": architecture}))


def finetuning_problems(project: Project) -> Iterator[Problem]:
    """Why members can't begin as the model. Loads it, where there is one; of a published one its server is asked."""
    for one in (project, *(project.trained_as(stage) for stage in project.further.models)):
        if one.mace.training.perform_finetuning:
            yield from _model_problems(one)


def _model_problems(project: Project) -> Iterator[Problem]:
    mace, where = project.mace, project.where("TRAINING", "pretrained_model")
    family, name = _named(mace, project.folder)
    if family == "mace" and not Path(name).is_file():
        found = f"{KEY} is {mace.training.pretrained_model}, which is no file."
        allowed = f"a file, or {' or '.join(f'{one}:NAME' for one in URL_TABLES)}"
        yield Problem(where, found, allowed, "Correct the path.")
        return
    if family != "mace" and name not in published_urls(family):
        found = f"{KEY} is {mace.training.pretrained_model}, and {family} has no model of this name."
        yield Problem(where, found, ", ".join(published_urls(family)), "Correct the name.")
        return
    try:
        setting, instead = f"{where}: {KEY}", "set perform_finetuning: false"
        problems = list(mace_model_problems(project, family, name, setting=setting, instead=instead))
        problems += _replay_problems(project, published_file(family, name) or Path(name))
        if not problems and family == "mace":
            foundation_of(mace, project.folder, set(project.elements))
    except StructureError as error:
        replay = project.where("TRAINING", "pt_train_file")
        problems = [replace(one, where=f"{replay}: TRAINING.pt_train_file: {one.where}") for one in error.problems]
    except ModelError as error:
        advice = "Name another file, or a published model such as mace-mp:medium."
        problems = [
            replace(one, where=f"{where}: {KEY}: {one.where}", advice=one.advice or advice) for one in error.problems
        ]
    yield from problems


def _replay_problems(project: Project, file: Path) -> Iterator[Problem]:
    """The model, if its file is there, labels what is replayed, and must know its elements."""
    frames = replayed_frames(project.mace, project.folder)
    known = elements_of(file) if file.is_file() else None
    replayed = sorted({int(number) for frame in frames for number in frame.numbers})
    if known is not None and (foreign := [number for number in replayed if number not in known]):
        from ase.data import chemical_symbols

        symbols, all_known = (", ".join(chemical_symbols[z] for z in numbers) for numbers in (foreign, known))
        where = f"{project.where('TRAINING', 'pt_train_file')}: TRAINING.pt_train_file"
        found = f"It holds {symbols}, which {project.mace.training.pretrained_model} does not know."
        yield Problem(where, found, f"structures of {all_known}", "Take the others out.")


def finetuning_facts(project: Project) -> Iterator[str]:
    """What members begin as."""
    if project.mace.training.perform_finetuning:
        yield f"models: all members begin as {begun_as(project.mace)}"


def begun_as(mace: MaceSettings) -> str:
    """A foundation model, and what of it is trained, in words."""
    training = mace.training
    kept = ", ".join(key.removeprefix("freeze_") for key in training.frozen)
    whole = f"all weights are trained but its {kept}" if kept else "all weights are trained"
    how = {
        "naive": whole,
        "lora": f"matrices of rank {training.lora_rank} beside its layers are trained",
        "multihead": f"{whole}, and a second head remembers it by {training.pt_train_file}",
    }[training.finetuning_choice]
    return f"{training.pretrained_model}; {how}"


def _named(mace: MaceSettings, folder: Path) -> tuple[str, str]:
    """Family and name, or ``mace`` and a file, as :func:`aims_pax.committee.load_foundation` takes them."""
    said = str(mace.training.pretrained_model)
    family, colon, name = said.partition(":")
    if colon and family in URL_TABLES:
        return family, name
    return "mace", str((folder / Path(said).expanduser()).resolve())
