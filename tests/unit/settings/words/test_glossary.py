"""All that is known of a setting, and what a person may mean by a word."""

import subprocess
import sys

import pytest

from aims_pax.settings.changing import GOALS, MAY_CHANGE, STAGES, When, when
from aims_pax.settings.reading.absent import FHI_AIMS, NOT_YET, NOT_YET_MACE
from aims_pax.settings.words.glossary import Entry, entries, explanation, meant, of_section, related
from aims_pax.settings.words.page import reference_pages

KNOWN = entries()


def one(word: str) -> Entry:
    found, is_exact = meant(word, KNOWN)
    assert is_exact
    (entry,) = found
    return entry


def rows(word: str) -> dict[str, str]:
    return dict(explanation(one(word), KNOWN))


def test_every_setting_of_the_reference_page_can_be_explained() -> None:
    lines = [line for page in reference_pages().values() for line in page.splitlines()]
    keys = {line.split("`")[1] for line in lines if line.startswith(("| `", "- `"))}
    assert len(keys) > 150
    for key in keys:
        found, is_exact = meant(key, KNOWN)
        assert (is_exact, bool(found)) == (True, True), key


def test_a_goal_is_explained_with_its_neighbours() -> None:
    said = rows("ACTIVE_LEARNING.max_train_set_size")
    assert said[""].startswith("Training structures of each member at which active learning is done.")
    assert said["allowed"] == "integer >= 1, or inf for no limit"
    assert said["default"] == "inf"
    assert said["may change"] == When.RENEWS
    assert "ACTIVE_LEARNING.max_MD_steps" in said["see also"]


@pytest.mark.parametrize(
    ("word", "unit"),
    [("MD.timestep", "fs"), ("MD.friction", "1/fs"), ("energy_key", "eV"), ("r_max", "Å"), ("walltime_s", "s")],
)
def test_units_are_those_of_the_descriptions(word: str, unit: str) -> None:
    assert one(word).unit == unit


def test_other_spellings_lead_to_the_same_setting() -> None:
    assert one("max_epochs_worker") == one("Epochs_Per_Worker")
    assert rows("MD_seed")["also written"] == "MD_seed"


def test_a_name_in_both_files_is_explained_for_each() -> None:
    found, is_exact = meant("seed", KNOWN)
    assert is_exact
    explored = ["STAGES.explore.seed"] * 2  # by rounds, and by workflows
    of_stages = [*explored, "STAGES.validate.structure.seed"]
    names = ["MD.seed", "augment.seed", *of_stages, "mace.yaml: GENERAL.seed", "mace.yaml: TRAINING.seed"]
    assert [entry.name for entry in found] == names


@pytest.mark.parametrize(("written", "key"), [("skip_step_mlf", "skip_step_mlff"), ("MD.temprature", "temperature")])
def test_a_misspelt_setting_finds_the_one_that_was_meant(written: str, key: str) -> None:
    found, is_exact = meant(written, KNOWN)
    assert not is_exact
    assert found[0].key == key


def test_a_part_of_a_name_finds_all_that_have_it() -> None:
    found, is_exact = meant("subset", KNOWN)
    assert not is_exact
    assert {entry.key for entry in found} == {"train_subset_size", "valid_subset_size"}


def test_what_has_no_meaning_finds_nothing() -> None:
    assert meant("qqqqqq", KNOWN) == ([], False)


def test_refused_keys_say_why_and_what_does_no_harm() -> None:
    said = rows("keep_checkpoints")
    assert "Not in this version" in said[""]
    assert said["accepted as"] == "false, which asks for nothing"
    assert rows("dipole_weight")["accepted as"] == "1, which asks for nothing"
    absent = {key for table in (NOT_YET, NOT_YET_MACE, FHI_AIMS) for keys in table.values() for key in keys}
    assert absent <= {entry.key for entry in KNOWN if entry.absent is not None}


def test_values_that_are_not_available_say_why() -> None:
    assert "chebyshev" in rows("ARCHITECTURE.radial_type")["not available"]


def test_a_key_of_fhi_aims_leads_to_its_home_in_this_version() -> None:
    assert "REFERENCE.command" in related(one("launch_str"), KNOWN)


def test_settings_of_several_types_stand_there_once() -> None:
    found, _ = meant("kspacing", KNOWN)
    assert [entry.types for entry in found][1:] == [("cp2k",), ("espresso",)]
    assert one("tblite.charge") == one("pyscf.charge")
    assert one("REFERENCE.max_force_ev_per_ang").of_types == ""


def test_sections_types_and_files_list_their_settings() -> None:
    assert [entry.key for entry in of_section("md", KNOWN)["MD"]][:2] == ["stat_ensemble", "temperature"]
    assert list(of_section("MISC", KNOWN)) == ["MISC", "mace.yaml: MISC"]
    assert "basis" in [entry.key for entry in of_section("pyscf", KNOWN)["REFERENCE, type: pyscf"]]
    in_mace = [f"mace.yaml: {name}" for name in ("GENERAL", "ARCHITECTURE", "TRAINING", "MISC")]
    assert list(of_section("mace.yaml", KNOWN)) == in_mace
    assert of_section("timestep", KNOWN) == {}


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        ("ACTIVE_LEARNING.max_epochs", When.RENEWS),
        ("ACTIVE_LEARNING.converge_best", When.RENEWS),
        ("INITIAL_DATASET_GENERATION.desired_acc", When.UNTIL_OVER),
        ("ACTIVE_LEARNING.save_trajectories", When.ALWAYS),
        ("mace.yaml: MISC.device", When.ALWAYS),
        ("CLUSTER.max_workers", When.ALWAYS),
        ("REFERENCE.max_force_ev_per_ang", When.ALWAYS),
        ("SYSTEMS.water.REFERENCE.max_force_ev_per_ang", When.ALWAYS),
        ("STAGES.collect.max_force_ev_per_ang", When.ALWAYS),
        ("STAGES.relabel.REFERENCE.max_force_ev_per_ang", When.ALWAYS),
        ("mace.yaml: TRAINING.lr", When.NEVER),
        ("ACTIVE_LEARNING.c_x", When.NEVER),
        ("MD.0.timestep", When.NEVER),
    ],
)
def test_when_a_setting_may_change(name: str, moment: When) -> None:
    assert when(name) is moment


def test_settings_that_may_change_exist() -> None:
    known = {key for fields in STAGES.values() for key in fields.model_fields}
    assert set(GOALS) <= set(MAY_CHANGE) <= known


def explain(*words: str) -> subprocess.CompletedProcess[str]:
    code = "from aims_pax.cli.main import run_program; run_program()"
    command = [sys.executable, "-c", code, "explain", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_explain_alone_lists_the_sections() -> None:
    done = explain()
    assert done.returncode == 0
    assert "aims_PAX.yaml: ACTIVE_LEARNING" in done.stdout
    assert "mace.yaml: TRAINING" in done.stdout


def test_explain_says_what_it_took_a_misspelt_word_for() -> None:
    done = explain("skip_step_mlf")
    assert done.returncode == 0
    assert "No setting is called skip_step_mlf; this one is near" in done.stdout
    assert "MD steps between uncertainty estimates." in done.stdout


def test_explain_of_nothing_it_knows_is_a_mistake() -> None:
    done = explain("qqqqqq")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No setting, section or type is called qqqqqq" in done.stderr


def test_explaining_imports_nothing_heavy() -> None:
    code = (
        "import sys; from aims_pax.cli.commands.beginning.explain import explain; explain('c_x'); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not {"torch", "mace", "ase", "parsl", "matplotlib"} & loaded
