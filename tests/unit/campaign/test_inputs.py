"""What a run keeps of its inputs."""

import json
from dataclasses import replace
from pathlib import Path

from aims_pax.campaign.fingerprint import claim
from aims_pax.campaign.inputs import AS_READ, MOST_BYTES, begin_session, input_texts
from aims_pax.dataset.store import RunStore
from aims_pax.settings import load_project
from aims_pax.settings.methods.asi import AsiInput
from aims_pax.settings.methods.fhi_aims import FhiAimsInput

from ...integration.projects import copper_project


def test_a_session_begins_with_the_files_of_the_project_and_the_settings_as_they_are_read(tmp_path: Path) -> None:
    folder = copper_project(tmp_path)
    project = load_project(folder)
    with RunStore.open(tmp_path / "run") as store:
        claim(store, project)
        begin_session(store, project)
        (session,) = store.sessions()
    inputs = dict(session.inputs)
    as_read = json.loads(inputs.pop(AS_READ))
    assert as_read["ACTIVE_LEARNING.skip_step_mlff"] == 2
    assert as_read["ACTIVE_LEARNING.uncertainty_type"], "what the file leaves out has its default"
    names = ("aims_PAX.yaml", "mace.yaml", "copper.xyz")
    assert inputs == {name: (folder / name).read_text(encoding="utf-8") for name in names}
    assert "torch" in session.versions


def test_inputs_of_an_engine_are_kept_as_they_were_read(tmp_path: Path) -> None:
    aims = FhiAimsInput.model_construct(control_text="xc pbe", species_text="species H")
    given = {"water": aims, "ice": AsiInput.model_construct(aims=aims), "rock": AsiInput.model_construct(hsd_text="{}")}
    project = replace(load_project(copper_project(tmp_path)), inputs=given, documents=(), systems=())
    assert dict(input_texts(project)) == {
        "control_text of water": "xc pbe",
        "species_text of water": "species H",
        "control_text of ice": "xc pbe",
        "species_text of ice": "species H",
        "hsd_text of rock": "{}",
    }


def test_a_file_that_is_gone_or_huge_does_not_keep_a_run_from_beginning(tmp_path: Path) -> None:
    folder = copper_project(tmp_path)
    project = load_project(folder)
    (folder / "mace.yaml").unlink()
    (folder / "copper.xyz").write_text("4\n" * MOST_BYTES)
    assert dict(input_texts(project)).keys() == {"aims_PAX.yaml"}
