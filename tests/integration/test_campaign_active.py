"""What each setting of ACTIVE_LEARNING and MD does."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.io import read, write

from aims_pax.dataset.store import RunStore
from aims_pax.frame import FloatArray, Split, Stage
from aims_pax.protocols import FramePrediction
from aims_pax.selection import SCORES

from .engines import WORDY, Watched, emt, reference_section
from .projects import active_project, copper, copper_project, jobs_of, labels_of, run

pytestmark = pytest.mark.usefixtures("springs")


ACTIVE = (Stage.ACTIVE,)


def active_changes(**keys: Any) -> dict[str, Any]:
    return {"ACTIVE_LEARNING": keys}


# -- uncertainty ----------------------------------------------------------------------------------------------


def deviations(forces: FloatArray) -> list[float]:
    """Deviation of each atom, from the definition."""
    n_members, n_atoms, _ = forces.shape
    result = []
    for atom in range(n_atoms):
        total = sum(
            (forces[member, atom, axis] - sum(forces[:, atom, axis]) / n_members) ** 2
            for member in range(n_members)
            for axis in range(3)
        )
        result.append(math.sqrt(total / (3 * n_members)))
    return result


MEASURES: dict[str, Callable[[list[float]], float]] = {
    "mean_atomic_sd": lambda of_atoms: sum(of_atoms) / len(of_atoms),
    "ensemble_sd": lambda of_atoms: math.sqrt(sum(one**2 for one in of_atoms) / len(of_atoms)),
}


@pytest.mark.parametrize("kind", MEASURES)
def test_uncertainty_type_is_the_measure_that_picks(
    kind: str, initial_copper: Path, engine: type[Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[FloatArray] = []

    def recorded(said: FramePrediction) -> float:
        scored.append(said.forces.copy())
        return SCORES[kind](said)

    monkeypatch.setattr("aims_pax.selection.score_of", lambda _kind, **_: recorded)
    folder = active_project(tmp_path, initial_copper, active_changes(uncertainty_type=kind, max_train_set_size=3))
    run(folder, stages=ACTIVE)
    with RunStore.open_readonly(folder) as store:
        scores = store.scores()
    expected = [MEASURES[kind](deviations(forces)) for forces in scored]
    assert len(expected) > 10
    np.testing.assert_allclose(scores["score"], expected, rtol=1e-9)


def test_trajectory_that_never_crosses_is_labelled_after_so_many_md_steps(
    initial_copper: Path, engine: type[Watched], tmp_path: Path
) -> None:
    changes = active_changes(c_x=1e6, uncert_not_crossed_limit=7, max_train_set_size=5)
    folder = active_project(tmp_path, initial_copper, changes)
    run(folder, stages=ACTIVE)
    for trajectory in (0, 1):
        steps = [job.frame.md_step for job in jobs_of(folder, Stage.ACTIVE) if job.frame.trajectory == trajectory]
        # Checks are made every two steps, so that seven steps have passed at the eighth.
        assert len(steps) >= 2
        assert steps == [8 * n for n in range(1, len(steps) + 1)]


# -- ends -----------------------------------------------------------------------------------------------------


def test_max_md_steps_ends_every_trajectory_at_this_step(
    initial_copper: Path, engine: type[Watched], tmp_path: Path
) -> None:
    changes = active_changes(max_MD_steps=13, max_train_set_size=None, skip_step_mlff=4)
    folder = active_project(tmp_path, initial_copper, changes)
    content = run(folder, stages=ACTIVE).content
    assert content["stopped_because"]["active"] == "every trajectory has made max_MD_steps or has failed"
    assert content["md_steps_active"] == 2 * 13
    with RunStore.open_readonly(folder) as store:
        scores = store.scores()
    for trajectory in (0, 1):
        assert scores["md_step"][scores["trajectory"] == trajectory].tolist() == [4, 8, 12, 13]


def test_max_epochs_ends_after_as_many_epochs(initial_copper: Path, engine: type[Watched], tmp_path: Path) -> None:
    changes = active_changes(max_epochs=3, max_train_set_size=None, c_x=-0.5)
    content = run(active_project(tmp_path, initial_copper, changes), stages=ACTIVE).content
    assert content["stopped_because"]["active"] == "max_epochs have been trained"
    assert content["epochs"]["active"] == 3
    assert content["epochs"]["of_each_member"] == [4 + 3, 4 + 3]


def test_desired_acc_ends_when_the_validation_error_is_low_enough(
    initial_copper: Path, engine: type[Watched], tmp_path: Path
) -> None:
    changes = active_changes(desired_acc=1000.0, max_train_set_size=None, c_x=-0.5)
    folder = active_project(tmp_path, initial_copper, changes)
    content = run(folder, stages=ACTIVE).content
    assert content["stopped_because"]["active"] == "the validation force MAE has reached desired_acc"
    labels = content["labels"]
    assert labels["in_flight"] == 0
    assert 8 < labels["received"] <= 10, "the first labels are learned, and their errors are below 1000 eV/Å"


# -- training -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "n_members_converged"),
    [({"converge_best": True}, 1), ({"converge_best": False}, 2)],
)
def test_convergence_trains_the_best_member_or_all(
    settings: dict[str, bool],
    n_members_converged: int,
    initial_copper: Path,
    engine: type[Watched],
    tmp_path: Path,
) -> None:
    changes = active_changes(converge_al=True, max_convergence_epochs=3, max_train_set_size=3, **settings)
    folder = active_project(tmp_path, initial_copper, changes)
    summary = run(folder, stages=ACTIVE)
    content = summary.content
    before = content["epochs"]["initial"] + content["epochs"]["active"]
    ended = content["trained_to_the_end"]
    assert len(ended) == n_members_converged
    names = [Path(model).stem for model in content["models"]]
    assert content["epochs"]["of_each_member"] == [before + (3 if name in ended else 0) for name in names]
    errors = content["errors_on_validation_set"]["members"]
    best = min(ended, key=lambda name: errors[name]["force_mae_ev_per_ang"])
    assert content["product"]["member"] == best
    model = folder / "results" / content["product"]["model"]
    assert model.read_bytes() == (folder / "results" / "committee" / f"{best}.model").read_bytes()
    said = [line for line in summary.lines() if line.startswith("product:")]
    assert said == [f"product: {model} ({best}), trained on {content['labels']['training']} structures"]
    readme = folder / "results" / "committee" / "README.txt"
    assert readme.exists() is (n_members_converged == 1)
    if readme.exists():
        assert f"Only {best} was trained to the end" in readme.read_text(encoding="utf-8")


def test_the_final_convergence_trains_on_every_label(engine: type[Watched], tmp_path: Path) -> None:
    """Also on those that were one member's own: nothing that was paid for stays unused."""
    changes = active_changes(converge_al=True, converge_best=False, max_convergence_epochs=2, c_x=-0.3)
    content = run(copper_project(tmp_path, changes=changes)).content
    labels = content["labels"]
    assert content["training_structures_of_each_member"] == [labels["training"]] * 2
    assert content["product"]["training_structures"] == labels["training"]
    with RunStore.open_readonly(tmp_path) as store:
        epochs = store.epochs()
    last = epochs[epochs["epoch"] == epochs["epoch"].max()]
    assert set(last["n_train"]) == {labels["training"]}
    assert set(last["n_valid"]) == {labels["validation"]}
    dataset = labels_of(tmp_path)
    assert {one.member for one in dataset} == {None, 0, 1}, "they were owned before"


# -- trajectories ---------------------------------------------------------------------------------------------


def test_md_by_index_moves_each_trajectory_by_its_own_settings(engine: type[Watched], tmp_path: Path) -> None:
    common = {"stat_ensemble": "nvt", "temperature": 300, "friction": 0.02}
    changes = {
        "MD": None,
        **active_changes(max_MD_steps=6, max_train_set_size=None, save_trajectories=True, save_trajectories_interval=1),
    }
    folder = copper_project(tmp_path, changes=changes)
    with (folder / "aims_PAX.yaml").open("a", encoding="utf-8") as file:
        file.write(f"MD:\n  0: {dict(common, timestep=0.01)}\n  1: {dict(common, timestep=2.0)}\n")
    run(folder)
    moved = []
    for index in (0, 1):
        first, *_, last = read(folder / "trajectories" / f"active_{index:03d}.extxyz", ":")
        moved.append(np.abs(last.positions - first.positions).max())
    assert moved[1] > 20 * moved[0] > 0


def test_nve_trajectories_have_no_noise(engine: type[Watched], tmp_path: Path) -> None:
    changes = {
        "MD": {"stat_ensemble": "nve", "temperature": 1e-6, "friction": None, "timestep": 0.01},
        **active_changes(max_MD_steps=4, max_train_set_size=None, save_trajectories=True, save_trajectories_interval=4),
    }
    folder = copper_project(tmp_path, changes=changes)
    run(folder)
    (frame,) = read(folder / "trajectories" / "active_000.extxyz", ":")
    (other,) = read(folder / "trajectories" / "active_001.extxyz", ":")
    # Cold as they are, both fall the same way.
    assert np.abs(frame.positions - copper().positions).max() > 1e-9
    np.testing.assert_allclose(frame.positions, other.positions, atol=1e-5)


def test_trajectories_start_from_the_structures_in_turn(engine: type[Watched], tmp_path: Path) -> None:
    changes = {
        "MISC": {"path_to_geometry": {0: "large.xyz", 1: "small.xyz"}},
        **active_changes(num_trajectories=3, max_MD_steps=2, max_train_set_size=None, save_trajectories=True),
    }
    changes["ACTIVE_LEARNING"]["save_trajectories_interval"] = 1
    folder = copper_project(tmp_path, changes=changes)
    for name, scale in (("small", 0.97), ("large", 1.05)):
        atoms = copper()
        atoms.positions *= scale
        write(folder / f"{name}.xyz", atoms)
    run(folder)
    names = [read(folder / "trajectories" / f"active_{index:03d}.extxyz", "0").info["system"] for index in range(3)]
    assert names == ["large", "small", "large"]


def test_trajectories_are_not_saved_unless_asked_for(
    initial_copper: Path, engine: type[Watched], tmp_path: Path
) -> None:
    changes = active_changes(max_MD_steps=4, max_train_set_size=None, save_trajectories=False)
    folder = active_project(tmp_path, initial_copper, changes)
    run(folder, stages=ACTIVE)
    assert not (folder / "trajectories").exists()


@pytest.mark.parametrize("cleans", [True, False])
def test_clean_dirs_keeps_or_removes_the_files_of_calculations(cleans: bool, tmp_path: Path) -> None:
    changes = {
        "REFERENCE": reference_section(WORDY),
        "CLUSTER": {"type": "inline", "calc_dir": "calculations", "clean_dirs": cleans},
        "ACTIVE_LEARNING": None,
        "INITIAL_DATASET_GENERATION": {"max_initial_set_size": 1},
    }
    folder = copper_project(tmp_path, changes=changes)
    run(folder)
    outputs = list((folder / "calculations").rglob("output.txt"))
    assert len(outputs) == (0 if cleans else 4)
    assert not list((folder / "calculations").rglob("result.npz"))
    for path, one in zip(sorted(outputs), jobs_of(folder, Stage.INITIAL), strict=not cleans):
        energy, _ = emt(one.frame.positions, "Cu4")
        assert float(path.read_text(encoding="utf-8").split()[0]) == pytest.approx(energy, abs=1e-5)


# -- datasets that the user brings ----------------------------------------------------------------------------


def write_dataset(path: Path, *, n_structures: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(n_structures):
        positions = copper().positions + rng.normal(0, 0.05, (4, 3))
        energy, forces = emt(positions, "Cu4")
        atoms = Atoms("Cu4", positions=positions)
        atoms.info["REF_energy"], atoms.arrays["REF_forces"] = energy, forces
        frames.append(atoms)
    write(path, frames, format="extxyz")


def imported_project(folder: Path, **keys: Any) -> Path:
    """Active learning alone, with datasets of 3 + 2 and 4 + 1 structures."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, n_structures, seed in (("a", 3, 1), ("a_valid", 2, 2), ("b", 4, 3), ("b_valid", 1, 4)):
        write_dataset(folder / f"{name}.extxyz", n_structures=n_structures, seed=seed)
    changes = {
        "INITIAL_DATASET_GENERATION": None,
        **active_changes(max_convergence_epochs=2, max_train_set_size=5, c_x=-0.3, **keys),
    }
    return copper_project(folder, changes=changes)


def test_active_learning_starts_from_one_dataset_for_all_members(engine: type[Watched], tmp_path: Path) -> None:
    files = {"initial_train_dataset": "a.extxyz", "initial_valid_dataset": "a_valid.extxyz"}
    folder = imported_project(tmp_path, **files)
    content = run(folder).content
    dataset = labels_of(folder)
    brought = [one for one in dataset if one.frame.trajectory < 0]
    assert {one.member for one in dataset} == {None}
    assert [one.split for one in brought] == [Split.TRAINING] * 3 + [Split.VALIDATION] * 2
    for one, atoms in zip(brought, read(folder / "a.extxyz", ":") + read(folder / "a_valid.extxyz", ":"), strict=True):
        np.testing.assert_allclose(one.frame.positions, atoms.positions, atol=1e-7)
        np.testing.assert_allclose(one.label.forces, atoms.arrays["REF_forces"], atol=1e-7)
    assert content["training_structures_of_each_member"] == [5, 5]
    assert content["epochs"]["of_each_member"] == [2 + content["epochs"]["active"]] * 2
    assert len(engine.computed) == len(dataset) - 5


def test_tags_give_each_member_its_dataset_and_its_seed(engine: type[Watched], tmp_path: Path) -> None:
    files = {
        "seeds_tags_dict": {"second": 77, "first": 5},
        "initial_train_dataset": {"first": "a.extxyz", "second": "b.extxyz"},
        "initial_valid_dataset": {"first": "a_valid.extxyz", "second": "b_valid.extxyz"},
    }
    folder = imported_project(tmp_path, **files)
    content = run(folder).content
    assert content["seeds"]["members"] == [77, 5]
    assert content["models"] == ["committee/tiny_77.model", "committee/tiny_5.model"]
    assert_members_have(folder, (4, 1), (3, 2))


def test_tags_name_the_same_member_in_training_and_validation_whatever_their_order(
    engine: type[Watched], tmp_path: Path
) -> None:
    files = {
        "initial_train_dataset": {"first": "a.extxyz", "second": "b.extxyz"},
        "initial_valid_dataset": {"second": "b_valid.extxyz", "first": "a_valid.extxyz"},
    }
    folder = imported_project(tmp_path, **files)
    run(folder)
    assert_members_have(folder, (3, 2), (4, 1))


def assert_members_have(folder: Path, *sizes: tuple[int, int]) -> None:
    """Training and validation structures that each member alone has brought along."""
    dataset = labels_of(folder)
    for member, expected in enumerate(sizes):
        splits = [one.split for one in dataset if one.member == member]
        assert (splits.count(Split.TRAINING), splits.count(Split.VALIDATION)) == expected


def test_trajectories_begin_where_the_initial_dataset_was_sampled(engine: type[Watched], tmp_path: Path) -> None:
    changes = {"ACTIVE_LEARNING": {"start_from": "initial_dataset", "skip_step_mlff": 1, "c_x": -0.9}}
    folder = copper_project(tmp_path, changes=changes)
    run(folder)
    initial = [job.frame.positions for job in jobs_of(folder, Stage.INITIAL)]
    start = copper().positions
    for job in jobs_of(folder, Stage.ACTIVE)[:2]:
        # A few fs of MD at 300 K move an atom by less than 0.1 Å; the initial stage has moved them further.
        nearest = min(np.abs(job.frame.positions - positions).max() for positions in initial)
        assert nearest < np.abs(job.frame.positions - start).max()
