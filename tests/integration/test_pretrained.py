"""Active learning that goes on from trained models and a dataset."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase.build import molecule
from ase.io import read, write
from typer.testing import CliRunner

from aims_pax.cli.program import program
from aims_pax.committee import load_models
from aims_pax.dataset.store import RunStore
from aims_pax.stages.beginnings.pretrained import model_files

from .engines import Watched
from .projects import labels_of, loaded, run
from .test_campaign_active import imported_project

FILES = {"initial_train_dataset": "a.extxyz", "initial_valid_dataset": "a_valid.extxyz"}


def with_models(folder: Path, trained: Path, *names: str, **keys: Any) -> Path:
    """A project with a dataset, and the models of a finished run by these names in its folder model."""
    imported_project(folder, **{**FILES, **keys})
    (folder / "model").mkdir()
    for name, model in zip(names, sorted((trained / "results" / "committee").glob("*.model")), strict=False):
        shutil.copy(model, folder / "model" / f"{name}.model")
    return folder


def checked(folder: Path) -> tuple[int, str]:
    done = CliRunner().invoke(program, ["check", "--for", "al", str(folder)], env={"COLUMNS": "300"})
    return done.exit_code, done.output


def test_members_go_on_from_their_models(initial_copper_mace: Path, engine: type[Watched], tmp_path: Path) -> None:
    folder = with_models(tmp_path, initial_copper_mace, "tiny-1", "tiny-2")
    code, said = checked(folder)
    assert code == 0
    assert "the members go on from tiny-1.model, tiny-2.model in" in said
    assert "tiny-2.model is a Python pickle" in said
    epochs = run(folder).content["epochs"]
    assert epochs["of_each_member"] == [epochs["active"]] * 2  # they are not trained before
    with RunStore.open_readonly(folder) as store:
        first = next(store.predicted())
    (wanted,) = load_models(sorted((folder / "model").glob("*.model")), device="cpu").predict([first.frame])
    assert first.prediction.generation == 0
    np.testing.assert_allclose(first.prediction.forces, wanted.forces.mean(axis=0), atol=1e-9)
    assert first.prediction.energy == pytest.approx(wanted.energies.mean(), abs=1e-9)


def test_all_members_go_on_from_one_model_and_are_trained_first(
    initial_copper_mace: Path, engine: type[Watched], tmp_path: Path
) -> None:
    folder = with_models(tmp_path, initial_copper_mace, "any", uncert_not_crossed_limit=200)
    code, said = checked(folder)
    assert (code, "3 training structures are a single batch (TRAINING.batch_size 5)" in said) == (2, True)
    with (folder / "mace.yaml").open("a") as file:
        file.write("TRAINING: {batch_size: 1}\n")
    code, said = checked(folder)
    assert code == 0
    assert "all members go on from" in said
    epochs = run(folder).content["epochs"]
    assert epochs["of_each_member"] == [2 + epochs["active"]] * 2


def test_tags_name_models_with_a_hyphen_or_an_underscore(initial_copper_mace: Path, tmp_path: Path) -> None:
    names = ("tiny-1", "tiny-2")
    folder = with_models(tmp_path, initial_copper_mace, *names, seeds_tags_dict={"tiny_2": 22, "tiny_1": 11})
    assert [file.name for file in model_files(loaded(folder))] == ["tiny-2.model", "tiny-1.model"]


def v02_project(folder: Path, trained: Path, **keys: Any) -> Path:
    """What a finished run of v0.2 leaves: models, and for each member a file that holds what all have learned."""
    with_models(folder, trained, "tiny-102", "tiny-435", **{**dict.fromkeys(FILES), **keys})
    own = {"tiny-102": read(folder / "a.extxyz", ":"), "tiny-435": read(folder / "b.extxyz", ":")}
    shared = read(folder / "b_valid.extxyz", ":")
    final = folder / "data" / "final"
    for name in ("training", "validation"):
        (final / name).mkdir(parents=True)
    for tag, frames in own.items():
        write(final / "training" / f"train_set_{tag}.xyz", [*frames, *shared], format="extxyz")
        shutil.copy(folder / "a_valid.extxyz", final / "validation" / f"valid_set_{tag}.xyz")
    return folder


def test_final_datasets_of_v02_are_extended_and_then_the_run_itself(
    initial_copper_mace: Path, engine: type[Watched], tmp_path: Path
) -> None:
    folder = v02_project(tmp_path, initial_copper_mace, extend_existing_final_ds=True)
    code, said = checked(folder)
    assert code == 0
    assert "the members go on from tiny-102.model, tiny-435.model in" in said
    done = CliRunner().invoke(program, ["al", str(folder)], env={"COLUMNS": "300"})
    assert done.exit_code == 0, done.output
    brought = [one for one in labels_of(folder) if one.frame.trajectory == -1]
    assert sorted((str(one.split), str(one.member)) for one in brought) == sorted(
        [("training", "0")] * 3 + [("training", "1")] * 4 + [("training", "None")] + [("validation", "None")] * 2
    )
    n_before = len(labels_of(folder))
    assert n_before > len(brought), "it has learned actively"

    shutil.rmtree(folder / "data")  # what a run has begun with, it has
    again = CliRunner().invoke(program, ["al", str(folder)], env={"COLUMNS": "300"})
    assert (again.exit_code, "raise ACTIVE_LEARNING.max_train_set_size" in checked(folder)[1]) == (0, True)
    assert len(labels_of(folder)) == n_before
    settings = folder / "aims_PAX.yaml"
    settings.write_text(settings.read_text().replace("max_train_set_size: 5", "max_train_set_size: 7"))
    done = CliRunner().invoke(program, ["al", str(folder)], env={"COLUMNS": "300"})
    assert done.exit_code == 0, done.output
    assert len(labels_of(folder)) > n_before


def test_the_first_committee_is_trained_alone_and_active_learning_goes_on(
    engine: type[Watched], tmp_path: Path
) -> None:
    folder = imported_project(tmp_path, **FILES)
    for command in (["check", "--for", "idg-v2"], ["idg-v2"]):
        done = CliRunner().invoke(program, [*command, str(folder)], env={"COLUMNS": "300"})
        assert done.exit_code == 0, done.output
    assert (
        "Start it with: aims-pax idg-v2"
        in CliRunner().invoke(program, ["check", "--for", "idg-v2", str(folder)]).output
    )
    assert len(labels_of(folder)) == 5
    assert engine.computed == [] or len(engine.computed) <= 1, "a free atom at most"
    assert (folder / "results" / "summary.json").is_file()
    assert len(list((folder / "results").glob("**/*.model"))) >= 2
    done = CliRunner().invoke(program, ["al", str(folder)], env={"COLUMNS": "300"})
    assert done.exit_code == 0, done.output
    assert len(labels_of(folder)) > 5


def test_the_first_committee_needs_a_dataset(tmp_path: Path) -> None:
    folder = imported_project(tmp_path)
    done = CliRunner().invoke(program, ["idg-v2", str(folder)], env={"COLUMNS": "300"})
    assert done.exit_code == 2
    assert "aims-pax idg-v2: There is no initial dataset for active learning to start from." in done.output


def test_what_there_is_nothing_to_extend_of_is_refused(initial_copper_mace: Path, tmp_path: Path) -> None:
    keys = {**dict.fromkeys(FILES), "extend_existing_final_ds": True}
    folder = with_models(tmp_path, initial_copper_mace, "tiny-1", "tiny-2", **keys)
    code, said = checked(folder)
    assert code == 2
    assert "neither a run of this program nor final datasets of aims-PAX" in " ".join(said.split())


def test_project_without_models_begins_with_random_weights_and_says_so(tmp_path: Path) -> None:
    code, said = checked(imported_project(tmp_path, **FILES))
    assert code == 0
    assert "models: random weights, since" in said


def test_models_that_can_not_be_gone_on_from_are_refused(initial_copper_mace: Path, tmp_path: Path) -> None:
    names = ("tiny-1", "tiny-2")
    three = with_models(tmp_path / "three", initial_copper_mace, *names, ensemble_size=3)
    code, said = checked(three)
    assert (code, "There are 2 models (tiny-1.model, tiny-2.model), and the committee has 3 members" in said) == (
        2,
        True,
    )

    other = with_models(tmp_path / "other", initial_copper_mace, *names, seeds_tags_dict={"first": 1, "second": 2})
    assert "ACTIVE_LEARNING names the members first, second." in checked(other)[1]

    wide = with_models(tmp_path / "wide", initial_copper_mace, *names)
    mace = wide / "mace.yaml"
    mace.write_text(mace.read_text().replace("num_channels: 4", "num_channels: 8"))
    said = checked(wide)[1]
    assert said.count("ARCHITECTURE.num_channels is 8, and the model has 4.") == 2

    gold = with_models(tmp_path / "gold", initial_copper_mace, *names)
    atoms = molecule("H2")
    write(gold / "copper.xyz", atoms)
    assert "The models do not know the elements H, which the starting structures have." in checked(gold)[1]

    tuned = with_models(tmp_path / "tuned", initial_copper_mace, *names)
    mace = tuned / "mace.yaml"
    keys = yaml.safe_load(mace.read_text())
    keys["TRAINING"] = {"perform_finetuning": True, "pretrained_model": "model/tiny-1.model"}
    del keys["ARCHITECTURE"]
    mace.write_text(yaml.safe_dump(keys))
    said = checked(tuned)[1]
    assert "Members would go on from tiny-1.model, tiny-2.model, and by perform_finetuning begin as model/tiny" in said

    broken = with_models(tmp_path / "broken", initial_copper_mace, *names)
    (broken / "model" / "tiny-1.model").write_text("no model")
    assert "tiny-1.model: can't be read as a model" in checked(broken)[1]
