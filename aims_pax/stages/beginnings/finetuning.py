"""Foundation models that members begin as: found, looked at before the start, and brought to a committee."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from aims_pax.errors import Problem, UserError
from aims_pax.frame import Frame
from aims_pax.reference.embedded.model_file import URL_TABLES, published_urls
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
    for mace in (project.mace, *project.further.models.values()):
        if not mace.training.perform_finetuning:
            continue
        family, name = _named(mace, project.folder)
        if family == "mace" and not Path(name).is_file():
            found = f"{KEY} is {mace.training.pretrained_model}, which is no file."
            allowed = f"a file, or {' or '.join(f'{one}:NAME' for one in URL_TABLES)}"
            yield Problem(str(project.mace_file), found, allowed, "Correct the path.")
            continue
        if family != "mace" and name not in published_urls(family):
            found = f"{KEY} is {mace.training.pretrained_model}, and {family} has no model of this name."
            yield Problem(str(project.mace_file), found, ", ".join(published_urls(family)), "Correct the name.")
            continue
        setting, instead = f"{project.mace_file}: {KEY}", "set perform_finetuning: false"
        try:
            problems = list(mace_model_problems(project, family, name, setting=setting, instead=instead))
            replayed_frames(mace, project.folder)
            if not problems and family == "mace":
                foundation_of(mace, project.folder, set(project.elements))
        except UserError as error:
            problems = list(error.problems)
        yield from problems


def finetuning_facts(project: Project) -> Iterator[str]:
    """What members begin as."""
    training = project.mace.training
    if not training.perform_finetuning:
        return
    kept = ", ".join(key.removeprefix("freeze_") for key in training.frozen)
    how = {
        "naive": f"all weights are trained but its {kept}" if kept else "all weights are trained",
        "lora": f"matrices of rank {training.lora_rank} beside its layers are trained",
        "multihead": f"all weights are trained, and a second head remembers it by {training.pt_train_file}",
    }[training.finetuning_choice]
    yield f"models: all members begin as {training.pretrained_model}; {how}"


def _named(mace: MaceSettings, folder: Path) -> tuple[str, str]:
    """Family and name, or ``mace`` and a file, as :func:`aims_pax.committee.load_foundation` takes them."""
    said = str(mace.training.pretrained_model)
    family, colon, name = said.partition(":")
    if colon and family in URL_TABLES:
        return family, name
    return "mace", str((folder / Path(said).expanduser()).resolve())
