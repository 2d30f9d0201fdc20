"""A dataset labelled again by another reference, and learned from it; both labels stay."""

import json
import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase.io import write
from typer.testing import CliRunner

from aims_pax.campaign import run_campaign
from aims_pax.cli.program import program
from aims_pax.dataset.extxyz import read_extxyz
from aims_pax.dataset.records import OWN_REFERENCE, JobStatus
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.errors import CampaignStopped, SettingsError, UserError
from aims_pax.frame import Split, Stage
from aims_pax.outcome import verify
from aims_pax.protocols import Status
from aims_pax.reference.registry import build_reference
from aims_pax.settings import load_project

from .engines import PLAIN, SPRINGS, WATCHED, Watched, emt
from .projects import COPPER, TINY_MACE, Watcher, copper, in_child, labels_of, write_project
from .resuming import assert_same, outcome_of
from .test_stages import AGAIN, FIRST

pytestmark = pytest.mark.usefixtures("springs")

BOTH = (Stage.INITIAL, Stage.ACTIVE)
RELABEL: dict[str, Any] = {"relabel": {"REFERENCE": {"calculator": WATCHED}}}
CONVERGE: dict[str, Any] = {"converge": {"max_convergence_epochs": 3}}
ANEW: dict[str, Any] = {"converge": {"max_convergence_epochs": 3, "from_scratch": True}}
TWIN: dict[str, Any] = {"relabel": {"name": "twin", **RELABEL["relabel"]}}
LABELS = [FIRST[0], FIRST[2]]
"""An initial dataset, and active learning."""


def project_of(folder: Path, stages: list[Any], *, calculator: str = SPRINGS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "copper.xyz", copper())
    settings = {
        "REFERENCE": {"type": "ase-calculator", "calculator": calculator, "max_force_ev_per_ang": 100.0},
        "STAGES": stages,
        "MD": COPPER["MD"],
        "MISC": {**COPPER["MISC"], "path_to_geometry": "copper.xyz"},
    }
    write_project(folder, settings)
    return folder


def run(folder: Path, *, observer: Watcher | None = None, departure: Departure | None = None) -> Mapping[str, Any]:
    project = load_project(folder, stages=BOTH)
    observer = Watcher() if observer is None else observer
    return run_campaign(project, stages=BOTH, observer=observer, departure=departure).content


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by springs that has ended."""
    folder = project_of(tmp_path_factory.mktemp("learned"), [*LABELS, CONVERGE])
    run(folder)
    return folder


def reference_name(folder: Path, stage: str = "") -> str:
    """What labels of a run bear: those of REFERENCE, or those of a stage that labels again."""
    return build_reference(load_project(folder).labelled_by(stage).reference).name


def test_everything_is_labelled_again_and_both_labels_stay(engine: type[Watched], tmp_path: Path) -> None:
    run(project_of(tmp_path, [*LABELS, RELABEL, CONVERGE]))
    with RunStore.open_readonly(tmp_path) as store:
        first, again = list(store.labelled(reference=OWN_REFERENCE)), list(store.labelled())
        assert store.chosen_reference == "relabel"
    assert [(one.split, one.member, one.stage) for one in first] == [
        (one.split, one.member, one.stage) for one in again
    ]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.frame.positions, other.frame.positions)
        energy, forces = emt(one.frame.positions, "Cu4")
        assert other.label.energy == pytest.approx(energy)
        np.testing.assert_allclose(other.label.forces, forces, atol=1e-10)
        assert one.label.energy != pytest.approx(energy)
    assert len(engine.computed) == len(first), "each once"


def test_models_go_on_from_their_weights_and_hand_over_what_learned_the_new_labels(tmp_path: Path) -> None:
    summary = run(project_of(tmp_path, [*LABELS, RELABEL, CONVERGE]))
    assert len(summary["trained_to_the_end"]) == 1, "the best member"
    first, last = summary["labels_by_reference"]
    assert (first["stage"], last["stage"]) == (None, "relabel")
    assert first["received"] == last["received"] == summary["labels"]["received"]
    written = read_extxyz(tmp_path / "results" / "training.extxyz")
    assert [label.energy for _, label in written] == [
        one.label.energy for one in labels_of(tmp_path) if one.split is Split.TRAINING
    ]
    assert {label.reference for _, label in written} == {reference_name(tmp_path, "relabel")}


def test_file_of_both_labels_tells_them_apart(tmp_path: Path) -> None:
    run(project_of(tmp_path, [*LABELS, RELABEL, CONVERGE]))
    path = tmp_path / "results" / "relabelled_relabel.extxyz"
    new, text = read_extxyz(path), path.read_text(encoding="utf-8")
    with RunStore.open_readonly(tmp_path) as store:
        assert sorted(label.energy for _, label in new) == sorted(one.label.energy for one in store.labelled())
        earlier = sorted(one.label.energy for one in store.labelled(reference=OWN_REFERENCE))
    found = [float(word.partition("=")[2]) for word in text.split() if word.startswith("old_energy=")]
    assert sorted(found) == earlier
    assert ":old_forces:R:3" in text
    assert {word for word in text.split() if word.startswith("split=")} == {"split=training", "split=validation"}


@pytest.mark.parametrize("n_labels", [1, 4])
def test_a_kill_loses_no_label_and_comes_to_the_same(n_labels: int, engine: type[Watched], tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(project_of(whole, [*LABELS, RELABEL, CONVERGE]))
    n_needed = len(engine.computed)
    engine.forget()
    engine.log = tmp_path / "computed"

    def kill(now: Status) -> None:
        if now.stage == "relabel" and now.n_labels_received == n_labels:
            os.kill(os.getpid(), signal.SIGKILL)

    project_of(killed, [*LABELS, RELABEL, CONVERGE])
    assert in_child(lambda: run(killed, observer=Watcher(kill))) == -signal.SIGKILL
    with RunStore.open_readonly(killed) as store:
        assert store.chosen_reference == OWN_REFERENCE
        assert store.counts(reference="relabel").n_received == n_labels
    run(killed)
    assert_same(outcome_of(killed), outcome_of(whole))
    assert len(engine.log.read_text(encoding="utf-8").split()) == n_needed, "none is computed twice"


def test_a_campaign_that_is_asked_to_leave_goes_on_where_it_was(engine: type[Watched], tmp_path: Path) -> None:
    project_of(tmp_path, [*LABELS, RELABEL, CONVERGE])
    for _ in range(3):
        departure, before = Departure(), len(engine.computed)

        def leave(now: Status, departure: Departure = departure) -> None:
            if now.stage == "relabel":
                departure.ask(Reason.WALLTIME)

        with pytest.raises(Departed, match="walltime"):
            run(tmp_path, observer=Watcher(leave), departure=departure)
        assert len(engine.computed) == before + 1
    summary = run(tmp_path)
    assert len(engine.computed) == summary["labels"]["received"]


def test_structure_that_fails_leaves_the_dataset(engine: type[Watched], tmp_path: Path) -> None:
    engine.manners = {2: "unconverged"}
    summary = run(project_of(tmp_path, [*LABELS, RELABEL, CONVERGE]))
    first, last = summary["labels_by_reference"]
    assert last["received"] == first["received"] - 1
    assert last["failed"] == 1
    assert last["training"] + last["validation"] == last["received"]
    with RunStore.open_readonly(tmp_path) as store:
        assert store.n_placed() == first["received"], "its place is kept"
        assert len(list(store.labelled())) == last["received"]


def test_reference_that_fails_again_and_again_stops_the_campaign(engine: type[Watched], tmp_path: Path) -> None:
    engine.always = "unconverged"
    relabel = {"relabel": {**RELABEL["relabel"], "max_consecutive_failures": 3}}
    project_of(tmp_path, [*LABELS, relabel, CONVERGE])
    with pytest.raises(CampaignStopped, match=r"the reference of relabel failed for 3 structures in a row, the last"):
        run(tmp_path)
    with RunStore.open_readonly(tmp_path) as store:
        waiting = list(store.jobs(JobStatus.SUBMITTED, reference="relabel"))
        assert (len(waiting), store.chosen_reference) == (3, OWN_REFERENCE)
    engine.always = "compute"
    assert run(tmp_path)["labels_by_reference"][1]["failed"] == 0, "they were tried again"


def test_new_models_begin_with_random_weights_and_all_are_trained(tmp_path: Path) -> None:
    gone_on, anew = tmp_path / "gone_on", tmp_path / "anew"
    relabel = {"relabel": {"REFERENCE": {"calculator": SPRINGS}}}
    run(project_of(gone_on, [*LABELS, relabel, CONVERGE], calculator=PLAIN))
    summary = run(project_of(anew, [*LABELS, relabel, ANEW], calculator=PLAIN))
    assert summary["trained_to_the_end"] == ["tiny_1", "tiny_2"]
    knowledge = [json.loads((one / "results" / "tiny.model").read_bytes())["knowledge"] for one in (gone_on, anew)]
    assert knowledge[0]["visits"] > knowledge[1]["visits"] > 0


@pytest.mark.parametrize("epoch", [1, 2])
def test_new_models_are_made_once(epoch: int, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(project_of(whole, [*LABELS, RELABEL, ANEW]))

    def kill(now: Status) -> None:
        if f"converging, epoch {epoch} of" in now.activity:
            os.kill(os.getpid(), signal.SIGKILL)

    project_of(killed, [*LABELS, RELABEL, ANEW])
    assert in_child(lambda: run(killed, observer=Watcher(kill))) == -signal.SIGKILL
    run(killed)
    assert_same(outcome_of(killed), outcome_of(whole))


def test_learning_goes_on_with_the_new_reference(engine: type[Watched], tmp_path: Path) -> None:
    more = {"learn": {**AGAIN, "num_trajectories": 2}}
    summary = run(project_of(tmp_path, [*LABELS, RELABEL, CONVERGE, more, CONVERGE]))
    first, last = summary["labels_by_reference"]
    assert last["received"] > first["received"]
    with RunStore.open_readonly(tmp_path) as store:
        new = [one for one in store.labelled() if one.stage == "learn-2"]
        assert new
        for one in new:
            assert one.label.energy == pytest.approx(emt(one.frame.positions, "Cu4")[0])
        assert {job.stage for job in store.jobs()} == {"relabel", "learn-2"}
        assert {one.stage for one in store.predicted()} == {"initial", "active", "learn-2"}
        assert all(
            one.label.reference == reference_name(tmp_path) for one in store.predicted() if one.stage == "active"
        )


def test_stages_are_added_to_a_run_that_has_ended(learned: Path, tmp_path: Path) -> None:
    run(project_of(tmp_path, [*LABELS, CONVERGE]))
    project_of(tmp_path, [*LABELS, CONVERGE, RELABEL, ANEW])
    said = CliRunner().invoke(program, ["check", str(tmp_path)], env={"COLUMNS": "400"})
    assert "it goes on with stages that were added to the campaign: relabel, relabel convergence" in said.output
    n_before = len(labels_of(learned))
    assert run(tmp_path)["labels"]["received"] == n_before
    assert (tmp_path / "results.1").is_dir()


def test_labels_for_analysis_are_labelled_where_all_is_asked_for(engine: type[Watched], tmp_path: Path) -> None:
    learn = {
        "learn": {
            **FIRST[2]["learn"],
            "analysis": True,
            "analysis_skip": 7,
            "max_MD_steps": 40,
            "train_on_analysis": False,
        }
    }
    relabel = {"relabel": {**RELABEL["relabel"], "which": "all"}}
    run(project_of(tmp_path, [FIRST[0], learn, relabel, CONVERGE]))
    with RunStore.open_readonly(tmp_path) as store:
        n_all, n_placed = len(store.structures(reference=OWN_REFERENCE, only_placed=False)), store.n_placed()
        assert n_all > n_placed
        assert store.counts().n_received == n_all == len(engine.computed)
        assert len(list(store.labelled())) == n_placed


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ([RELABEL, *LABELS, CONVERGE], "STAGES.0.relabel comes before any stage that makes a dataset"),
        ([*LABELS, RELABEL], "is not followed by converge, so that no model would learn its labels first"),
        ([*LABELS, {"relabel": {}}, CONVERGE], "STAGES.2.relabel.REFERENCE is missing"),
        ([*LABELS, {"relabel": {"REFERENCE": {}}}, CONVERGE], "REFERENCE is empty"),
        ([*LABELS, {"relabel": {"REFERENCE": {"calculator": SPRINGS}}}, CONVERGE], "is the reference that there was"),
        ([*LABELS, {"relabel": {"REFERENCE": {"calculater": PLAIN}}}, CONVERGE], "Did you mean calculator"),
        ([*LABELS, {"relabel": {"REFERENCE": {"type": "vsap"}}}, CONVERGE], "REFERENCE.type is 'vsap'"),
        ([*LABELS, RELABEL, {"converge": {"models": "mace.yaml"}}], "Set from_scratch: true"),
        ([*LABELS, RELABEL, {"converge": {"models": "no.yaml", "from_scratch": True}}], "no.yaml"),
        ([*LABELS, RELABEL, CONVERGE, TWIN, CONVERGE], "is that of relabel, whose labels would all be computed again"),
    ],
)
def test_wrong_lists_are_refused(stages: list[Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)):
        load_project(project_of(tmp_path, stages))


def test_another_reference_by_type_has_the_charge_of_the_first(tmp_path: Path) -> None:
    project_of(tmp_path, [*LABELS, {"relabel": {"REFERENCE": {"type": "tblite", "method": "GFN1-xTB"}}}, CONVERGE])
    settings = yaml.safe_load((tmp_path / "aims_PAX.yaml").read_text(encoding="utf-8"))
    settings["REFERENCE"] = {"type": "tblite", "charge": 2}
    write_project(tmp_path, settings)
    project = load_project(tmp_path)
    other = project.labelled_by("relabel").settings.reference
    assert (other.type, getattr(other, "charge", None), getattr(other, "method", None)) == ("tblite", 2, "GFN1-xTB")
    assert project.labelled_by("").settings.reference == project.settings.reference


def test_another_mace_yaml_is_read_for_its_architecture(tmp_path: Path) -> None:
    large: dict[str, Any] = {"GENERAL": {"name_exp": "large", "default_dtype": "float32", "seed": 9}}
    large["ARCHITECTURE"] = {**TINY_MACE["ARCHITECTURE"], "num_channels": 16}
    project_of(tmp_path, [*LABELS, RELABEL, {"converge": {"models": "large.yaml", "from_scratch": True}}])
    (tmp_path / "large.yaml").write_text(yaml.safe_dump(large), encoding="utf-8")
    project = load_project(tmp_path)
    models = project.trained_as("relabel convergence").mace
    assert models.architecture.num_channels == 16
    assert (models.general.name_exp, models.general.seed, models.general.default_dtype) == ("tiny", 1, "float32")
    said = CliRunner().invoke(program, ["check", str(tmp_path)], env={"COLUMNS": "400"})
    assert "new models of random weights by large.yaml, 16 channels" in said.output
    assert re.search(r"converge +relabel convergence: all members, up to 500 epochs", said.output)


@pytest.mark.parametrize("nothing_else", [{}, {"GENERAL": None}, {"GENERAL": {"default_dtype": "float64"}}])
def test_another_mace_yaml_need_not_name_the_models(nothing_else: dict[str, Any], tmp_path: Path) -> None:
    project_of(tmp_path, [*LABELS, RELABEL, {"converge": {"models": "large.yaml", "from_scratch": True}}])
    text = yaml.safe_dump({"ARCHITECTURE": TINY_MACE["ARCHITECTURE"], **nothing_else})
    (tmp_path / "large.yaml").write_text(text, encoding="utf-8")
    models = load_project(tmp_path).trained_as("relabel convergence").mace
    assert models.general.name_exp == "tiny"


def test_goal_can_not_be_raised_after_its_labels_were_computed_again(tmp_path: Path) -> None:
    stages = [*LABELS, RELABEL, CONVERGE]
    run(project_of(tmp_path, stages))
    raised = {"learn": {**FIRST[2]["learn"], "max_train_set_size": 9}}
    project_of(tmp_path, [FIRST[0], raised, RELABEL, CONVERGE])
    said = CliRunner().invoke(program, ["check", str(tmp_path)], env={"COLUMNS": "400"})
    assert said.exit_code == 2
    assert "relabel has computed the labels of that stage again" in said.output
    assert "write a further learn at the end of STAGES" in said.output


@pytest.mark.parametrize("last", [CONVERGE, ANEW], ids=["goes on", "anew"])
def test_learning_is_added_to_a_run_that_has_relabelled(last: dict[str, Any], tmp_path: Path) -> None:
    run(project_of(tmp_path, [*LABELS, RELABEL, last]))
    n_before = len(labels_of(tmp_path))
    more = [{"learn": {**AGAIN, "num_trajectories": 2}}, CONVERGE]
    summary = run(project_of(tmp_path, [*LABELS, RELABEL, last, *more]))
    assert len(labels_of(tmp_path)) > n_before
    assert summary["labels_by_reference"][1]["received"] == len(labels_of(tmp_path))
    with RunStore.open_readonly(tmp_path) as store:
        assert json.loads(store.load_state("stages") or b"") == [
            *("initial", "active", "relabel", "relabel convergence", "learn-2", "learn-2 convergence")
        ]


def test_check_and_plan_say_how_many_labels_there_will_be(tmp_path: Path) -> None:
    project_of(tmp_path, [*LABELS, RELABEL, ANEW])
    said = CliRunner().invoke(program, ["check", str(tmp_path)], env={"COLUMNS": "400"})
    assert said.exit_code == 0, said.output
    assert "relabel: the dataset is labelled again, by" in said.output
    assert re.search(r"relabel: about \d+ labels", said.output)
    assert "relabel convergence: new models of random weights" in said.output
    numbers = ["--label-s", "2", "--driver-step-s", "0.01", "--md-steps-per-s", "1000", "--epoch-s", "0.1"]
    said = CliRunner().invoke(program, ["plan", str(tmp_path), *numbers], env={"COLUMNS": "400"})
    assert said.exit_code == 0, said.output
    assert re.search(r"^ *relabel\b", said.output, re.MULTILINE)


def test_other_charge_is_a_problem(tmp_path: Path) -> None:
    project_of(tmp_path, [*LABELS, {"relabel": {"REFERENCE": {"charge": 1, "multiplicity": 2}}}, CONVERGE])
    settings = yaml.safe_load((tmp_path / "aims_PAX.yaml").read_text(encoding="utf-8"))
    settings["REFERENCE"] = {"type": "tblite"}
    write_project(tmp_path, settings)
    said = CliRunner().invoke(program, ["check", str(tmp_path)], env={"COLUMNS": "400"})
    assert said.exit_code == 2
    assert "copper would be labelled with charge 1, and was with 0." in said.output


def test_command_labels_the_dataset_of_a_run_and_leaves_the_run_as_it_is(learned: Path, tmp_path: Path) -> None:
    settings = {"REFERENCE": {"type": "ase-calculator", "calculator": WATCHED, "max_force_ev_per_ang": 100.0}}
    (tmp_path / "aims_PAX.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    before = [one.label.energy for one in labels_of(learned)]
    words = ["relabel", str(learned), "--settings", str(tmp_path / "aims_PAX.yaml"), "--out", str(tmp_path / "o.xyz")]
    said = CliRunner().invoke(program, words, env={"COLUMNS": "400"})
    assert said.exit_code == 0, said.output
    written = read_extxyz(tmp_path / "o.xyz")
    assert [frame.positions.tolist() for frame, _ in written] == [
        one.frame.positions.tolist() for one in labels_of(learned)
    ]
    assert [label.energy for _, label in written] == pytest.approx(
        [emt(frame.positions, "Cu4")[0] for frame, _ in written]
    )
    text = (tmp_path / "o.xyz").read_text(encoding="utf-8")
    assert [float(word.partition("=")[2]) for word in text.split() if word.startswith("old_energy=")] == before
    assert [one.label.energy for one in labels_of(learned)] == before


def test_models_are_verified_by_the_reference_that_they_have_learned(tmp_path: Path) -> None:
    run(project_of(tmp_path, [*LABELS, RELABEL, CONVERGE]))
    project = load_project(tmp_path)
    subject = verify.Subject.of(project, (), device="cpu")
    assert build_reference(subject.project.reference).name == reference_name(tmp_path, "relabel")
    assert verify.heldout_name(project) == "heldout-relabel"
    project_of(tmp_path, [*LABELS, CONVERGE])
    with pytest.raises(
        UserError, match="has learned labels of relabel, and STAGES has no relabel of this name any more"
    ):
        verify.Subject.of(load_project(tmp_path), (), device="cpu")
