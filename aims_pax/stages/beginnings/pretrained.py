"""Trained models that active learning goes on from, beside an initial dataset that the user brings."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from aims_pax.errors import ModelError, Problem, StructureError
from aims_pax.frame import Split
from aims_pax.settings import Project
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.stages.assembly import seeds_of
from aims_pax.stages.beginnings.imported import given_datasets, tags_of

KEY: Final = "models"
"""Under which a run remembers the files that its committee has begun with."""

FEWEST_JUDGED: Final = 2
"""Models whose disagreement can be judged."""


def model_files(project: Project) -> tuple[Path, ...]:
    """Files of GENERAL.model_dir: one for each member in the order of the members, or one for all; empty without any.

    They are used where datasets are given, and where models alone are judged. A tag means the file of this name, with a
    hyphen or an underscore.
    """
    if project.settings.bringing is None and project.settings.judging is None:
        return ()
    found = sorted(_folder(project).glob("*.model"))
    tags, by_name = tags_of(project.settings), {_plain(file.stem): file for file in found}
    if len(found) > 1 and {_plain(tag) for tag in tags} == set(by_name):
        return tuple(by_name[_plain(tag)] for tag in tags)
    return tuple(found)


def converges_what_is_given(project: Project) -> bool:
    """Whether the committee is trained on a dataset that the user brings before it drives.

    Models of their own disagree, and are what was asked for; copies of one must first become different.
    """
    return len(model_files(project)) < 2


def model_problems(project: Project) -> Iterator[Problem]:
    """Why the models can't be gone on from. Loads them, where there are any."""
    files = model_files(project)
    bringing, judging = project.settings.bringing, project.settings.judging
    if judging is not None and len(files) < FEWEST_JUDGED:
        yield _too_few(project, judging, files)
        return
    if not files:
        if bringing is not None and project.mace.training.perform_finetuning:
            yield from _brought_problems(project, where="initial_train_dataset")
        return
    tags = tags_of(project.settings)
    names, where = ", ".join(file.name for file in files), str(_folder(project))
    if (training := project.mace.training).perform_finetuning:
        found = f"Members would go on from {names}, and by perform_finetuning begin as {training.pretrained_model}."
        advice = "Set perform_finetuning: false to go on from the models, or name another GENERAL.model_dir."
        yield Problem(where, found, "one beginning", advice)
        return
    n_members = len(seeds_of(project))
    if len(files) not in (1, n_members):
        found = f"There are {len(files)} models ({names}), and the committee has {n_members} members (ensemble_size)."
        advice = f"Set ensemble_size: {len(files)}, or leave the models of this committee alone in the folder."
        yield Problem(where, found, f"one model for all members, or {n_members}", advice)
        return
    if (
        bringing is not None
        and len(files) > 1
        and tags
        and {_plain(tag) for tag in tags} != {_plain(file.stem) for file in files}
    ):
        found = f"The models are {names}, and {bringing.said()} names the members {', '.join(tags)}."
        yield Problem(where, found, "", "Name each member as its file, without .model.")
        return
    if len(files) == 1 and project.mace.architecture.is_mace:
        yield from _brought_problems(project, where=str(_folder(project)))
    from aims_pax.committee import load_models, pretrained_elements

    architecture = project.mace.architecture
    try:
        known = (
            pretrained_elements(files, architecture)
            if architecture.is_mace
            else load_models(files, device="cpu").numbers
        )
    except ModelError as error:
        yield from error.problems
        return
    if unknown := [number for number in project.elements if number not in known]:
        yield Problem(
            where=", ".join(str(file) for file in files),
            found=f"The models do not know the elements {_symbols(unknown)}, which the starting structures have.",
            allowed=f"starting structures of {_symbols(known)}",
            advice="Give models that were trained on them, or none: the committee then begins with random weights.",
        )


def _too_few(project: Project, judging: StagePlan, files: Sequence[Path]) -> Problem:
    """No model, or a single one, of which nobody can tell where it is wrong."""
    there = "no *.model" if not files else f"one model ({files[0].name}), which disagrees with nobody"
    return Problem(
        where=str(_folder(project)),
        found=f"GENERAL.model_dir has {there}, and {judging.said()} judges the models that are in it.",
        allowed="two models or more, NAME.model",
        advice="Name the folder of your models by GENERAL.model_dir of mace.yaml, or name labelled structures by "
        "initial_train_dataset and initial_valid_dataset, on which a committee is trained first.",
    )


def likeness_problems(project: Project, n_train: int, *, where: str) -> Iterator[Problem]:
    """Members that are copies of one model and see the same batch at each step never differ, and never ask for a label.

    Fine-tuned members are such copies, unless matrices of low rank are drawn for each of them.

    Parameters
    ----------
    project : Project
    n_train : int
        Structures that all members train on.
    where : str
        What makes or names these.
    """
    training, n_members = project.mace.training, len(seeds_of(project))
    begun = "go on from one model"
    if training.perform_finetuning:
        begun = f"begin as {training.pretrained_model}"
        if training.finetuning_choice == "lora":
            return
    if n_members > 1 and n_train <= training.batch_size:
        found = (
            f"All members would {begun}, and {n_train} training structures are a single batch (TRAINING.batch_size "
            f"{training.batch_size}): the members would stay the same."
        )
        own = "" if training.perform_finetuning else ", or a model for each member"
        advice = f"Lower batch_size, or give more structures{own}."
        yield Problem(where, found, f"more than {training.batch_size} training structures", advice)


def _brought_problems(project: Project, *, where: str) -> Iterator[Problem]:
    """The same of a dataset that is brought, all of it to each member."""
    try:
        training = [share for share in given_datasets(project) if share.split is Split.TRAINING]
    except StructureError:
        return  # which is told where the files are checked
    if all(share.member is None for share in training):
        yield from likeness_problems(project, sum(len(one.dataset.structures) for one in training), where=where)


def model_facts(project: Project) -> Iterator[str]:
    """What the committee begins with."""
    files = model_files(project)
    if project.mace.training.perform_finetuning:
        return  # what members begin as is told there
    if not files:
        yield f"models: random weights, since {_folder(project)} (GENERAL.model_dir) has no *.model"
    elif len(files) == 1:
        yield f"models: all members go on from {files[0]}, and are trained on the initial dataset first"
    elif project.settings.judging is not None:
        yield f"models: {', '.join(file.name for file in files)} in {_folder(project)} are judged as they are"
    else:
        yield f"models: the members go on from {', '.join(file.name for file in files)} in {_folder(project)}"


def _folder(project: Project) -> Path:
    return project.folder / project.mace.general.model_dir


def _plain(tag: str) -> str:
    """v0.2 writes name-seed, and its manual name_seed."""
    return tag.replace("_", "-")


def _symbols(numbers: Sequence[int]) -> str:
    from ase.data import chemical_symbols

    return ", ".join(chemical_symbols[number] for number in numbers)
