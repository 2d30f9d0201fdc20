"""The final datasets of a run of aims-PAX, where a project asks to extend them."""

import json
import shutil
from pathlib import Path

import pytest

from aims_pax.campaign.fingerprint import _described, changed_settings
from aims_pax.errors import SettingsError
from aims_pax.frame import Stage
from aims_pax.settings import Project, load_project

WATER = "3\n\nO 0 0 0.119\nH 0 0.763 -0.477\nH 0 -0.763 -0.477\n"
SETTINGS = """\
ACTIVE_LEARNING: {{num_trajectories: 2, max_train_set_size: 20, {}}}
MD: {{stat_ensemble: nvt}}
MISC: {{path_to_geometry: water.xyz, output_dir: out}}
"""
EXTEND = "extend_existing_final_ds: true"


def written(folder: Path, active: str, *names: str) -> Path:
    """A project, and such files below its data/final."""
    (folder / "water.xyz").write_text(WATER, encoding="utf-8")
    (folder / "aims_PAX.yaml").write_text(SETTINGS.format(active), encoding="utf-8")
    (folder / "mace.yaml").write_text("GENERAL: {name_exp: a}\n", encoding="utf-8")
    for name in names:
        path = folder / "out" / "data" / "final" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(WATER, encoding="utf-8")
    return folder


def loaded(folder: Path, active: str, *names: str) -> Project:
    return load_project(written(folder, active, *names), stages=(Stage.ACTIVE,))


BOTH = (
    *("training/train_set_exp-435.xyz", "training/train_set_exp-102.xyz"),
    *("validation/valid_set_exp-102.xyz", "validation/valid_set_exp-435.xyz"),
)


def test_members_are_those_that_have_files(tmp_path: Path) -> None:
    active = loaded(tmp_path, f"{EXTEND}, ensemble_size: 4", *BOTH, "training/combined.xyz").active
    final = tmp_path / "out" / "data" / "final"
    tags = ("exp-102", "exp-435")
    assert active.initial_train_dataset == {tag: final / "training" / f"train_set_{tag}.xyz" for tag in tags}
    assert active.initial_valid_dataset == {tag: final / "validation" / f"valid_set_{tag}.xyz" for tag in tags}
    assert active.ensemble_size == 2


def test_files_are_left_alone_where_nothing_asks_for_them(tmp_path: Path) -> None:
    assert loaded(tmp_path, "extend_existing_final_ds: false", *BOTH).active.initial_train_dataset is None


def test_without_files_it_may_be_a_run_of_this_program_that_is_extended(tmp_path: Path) -> None:
    active = loaded(tmp_path, EXTEND).active
    assert active.extend_existing_final_ds
    assert active.initial_train_dataset is None


@pytest.mark.parametrize(
    ("active", "names", "words"),
    [
        (EXTEND, BOTH[:3], "has one file of exp-435, and not the other"),
        (
            f"{EXTEND}, initial_train_dataset: water.xyz, initial_valid_dataset: water.xyz",
            BOTH,
            "and initial_train_dataset names a dataset to begin with",
        ),
    ],
)
def test_what_can_not_be_extended_is_refused(active: str, names: tuple[str, ...], words: str, tmp_path: Path) -> None:
    written(tmp_path, active, *names)
    with pytest.raises(SettingsError, match=words) as caught:
        load_project(tmp_path, stages=(Stage.ACTIVE,))
    assert caught.value.problems[0].where == "aims_PAX.yaml, line 1"


@pytest.mark.parametrize(("before", "after"), [(EXTEND, EXTEND), ("c_x: 0.0", EXTEND), (EXTEND, "c_x: 0.0")])
def test_a_run_goes_on_with_and_without_the_files(before: str, after: str, tmp_path: Path) -> None:
    stored = json.dumps(_described(loaded(tmp_path, f"{before}, ensemble_size: 2", *BOTH)))
    shutil.rmtree(tmp_path / "out")
    assert changed_settings(stored, loaded(tmp_path, after)) == []
