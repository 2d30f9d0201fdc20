import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from aims_pax.campaign.ending import BEGUN, ENDED, Begun, Ended, Ending
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.errors import UserError
from aims_pax.face.status import KILLED, read_status, run_home
from aims_pax.protocols import ErrorAhead, StageState
from aims_pax.stages.memory import Memory
from aims_pax.stages.watching import SHOWN

from .seen import SEEN

DATA = Path(__file__).parents[2] / "data"

KEYS = {
    *("run_folder", "state", "owner", "verdict", "command", "ended", "told_at_unix_s", "stage", "doing"),
    *(
        "is_waiting_for_labels",
        "waits_for",
        "stages",
        "labels",
        "dataset",
        "workers",
        "trajectories",
        "md_steps",
        "epochs",
        "error_ahead",
    ),
    *("generation", "force_mae_ev_per_ang", "force_maes_ev_per_ang", "uncertainty"),
}


def stored(folder: Path, *, progress: str | None = "active", **notes: object) -> Path:
    """A store in which a campaign has left these notes."""
    with RunStore.open(folder) as store:
        memory = Memory(store, RunFolder(folder, folder))
        if progress is not None:
            memory.keep_json("progress", progress)
        for key, value in notes.items():
            memory.keep(key, value)
    return folder


def text_of(folder: Path) -> str:
    return " ".join(str(read_status(folder)).replace("│", " ").split())


def test_json_has_the_documented_keys_and_no_infinity(tmp_path: Path) -> None:
    stored(tmp_path, **{SHOWN: SEEN, BEGUN: Begun("aims-pax run p", "/home/u")})
    record = json.loads(json.dumps(read_status(tmp_path).record(), allow_nan=False))
    assert set(record) == KEYS
    assert record["stages"][1] == {
        "name": "active",
        "state": "present",
        "spent_s": 5.0,
        "left_s": {"low": 1.0, "likely": 2.0, "high": None},
    }
    assert record["error_ahead"] == {
        "training_goal": 10,
        "force_mae_ev_per_ang": {"low": 0.04, "likely": 0.05, "high": 0.07},
        "wanted_ev_per_ang": 0.03,
        "training_structures_to_wanted": None,
    }
    assert record["trajectories"] == ["running", "waiting", "given up"]
    assert record["uncertainty"] == {
        "kind": "max_atomic_sd",
        "unit": "eV/Å",
        "threshold": None,
        "newest": 0.2,
        "scores": [0.1, 0.2],
    }
    assert record["workers"] == {"n": 2, "busy_in_last_hour": 1.5}
    assert record["dataset"]["training_goal"] == 10


def test_page_documents_every_key() -> None:
    page = (Path(__file__).parents[3] / "docs" / "status.md").read_text(encoding="utf-8")
    missing = [key for key in KEYS if f"`{key}`" not in page]
    assert missing == []


def test_a_wanted_error_is_answered_also_where_nothing_can_be_told(tmp_path: Path) -> None:
    seen = read_status(stored(tmp_path, **{SHOWN: SEEN}), wanted_ev_per_ang=0.02).seen
    assert seen is not None
    assert seen.error_ahead == ErrorAhead(10, wanted=0.02)


def test_labels_are_those_of_the_store_and_not_of_a_moment_ago(tmp_path: Path) -> None:
    seen = read_status(stored(tmp_path, **{SHOWN: SEEN})).seen
    assert seen is not None
    assert (seen.n_labels_requested, seen.n_labels_received) == (0, 0)


@pytest.mark.parametrize(
    ("ended", "state", "words"),
    [
        (Ended(Ending.LEFT, "left because of Ctrl-C", 0.0), "left", "nobody works on it: left because of Ctrl-C"),
        (Ended(Ending.STOPPED, "the pool is dead", 0.0), "stopped", "nobody works on it: the pool is dead"),
        (None, "stopped", f"nobody works on it: {KILLED}"),
    ],
)
def test_end_is_told_with_the_command_that_goes_on(ended: Ended | None, state: str, words: str, tmp_path: Path) -> None:
    notes: dict[str, Any] = {SHOWN: SEEN, BEGUN: Begun("aims-pax run 'my project'", "/home/u")}
    stored(tmp_path, **(notes if ended is None else notes | {ENDED: ended}))
    assert read_status(tmp_path).state == state
    assert words in text_of(tmp_path)
    assert "goes on by cd /home/u && aims-pax run 'my project'" in text_of(tmp_path)
    assert read_status(tmp_path).command(here="/home/u") == "aims-pax run 'my project'"


def test_run_from_python_goes_on_by_the_same_call(tmp_path: Path) -> None:
    stored(tmp_path, **{SHOWN: SEEN, BEGUN: Begun("", "/home/u")})
    assert "ap.run(project)" in read_status(tmp_path).command()


def test_finished_run_tells_its_verdict_and_no_command(tmp_path: Path) -> None:
    stored(tmp_path, progress="finished", **{SHOWN: SEEN})
    (tmp_path / "results").mkdir()
    verdict = {"word": "doubt", "reasons": [{"speaks_for": "doubt", "text": "too few labels"}]}
    (tmp_path / "results" / "summary.json").write_text(json.dumps({"verdict": verdict}), encoding="utf-8")
    found = read_status(tmp_path)
    assert (found.state, found.command()) == ("finished", "")
    assert "verdict doubt: too few labels" in text_of(tmp_path)
    assert found.seen is not None
    assert {one.state for one in found.seen.stages} == {StageState.OVER}


def test_results_that_are_gone_hide_nothing_else(tmp_path: Path) -> None:
    assert read_status(stored(tmp_path, progress="finished", **{SHOWN: SEEN})).verdict == ""


def test_run_that_has_not_begun_says_so(tmp_path: Path) -> None:
    found = read_status(stored(tmp_path, progress=None))
    assert found.state == "not begun"
    assert "nothing has been done yet" in str(found)
    assert found.record()["stage"] is None


@pytest.mark.parametrize(
    ("name", "state", "phases", "present"),
    [
        ("interrupted_run", "stopped", "wr", "▶ active learning"),
        ("finished_run", "finished", "dd", "✓ active learning"),
    ],
)
def test_stores_of_version_1_are_told_as_far_as_they_know(
    name: str, state: str, phases: str, present: str, tmp_path: Path
) -> None:
    folder = tmp_path / name
    shutil.copytree(DATA / name, folder)
    before = (folder / "run.db").read_bytes()
    found = read_status(folder)
    assert found.state == state
    assert found.seen is not None
    assert found.seen.phases == phases
    assert found.seen.threshold < 1.0
    assert present in str(found)
    assert KILLED not in str(found), "an older program noted no end"
    assert (folder / "run.db").read_bytes() == before
    assert set(found.record()) == KEYS


def never(_folder: Path) -> Path:
    raise AssertionError


def test_run_folder_and_project_are_told_apart(tmp_path: Path) -> None:
    run, project = stored(tmp_path / "run"), tmp_path / "project"
    project.mkdir()
    (project / "aims_PAX.yaml").touch()
    assert run_home(run, never) == run
    assert run_home(project, lambda folder: run if folder == project else folder) == run


def test_project_that_was_not_run_is_told_how_it_begins(tmp_path: Path) -> None:
    (tmp_path / "aims_PAX.yaml").touch()
    with pytest.raises(UserError, match="holds no run") as told:
        run_home(tmp_path, lambda folder: folder)
    assert f"aims-pax run {tmp_path} begins it" in str(told.value)


@pytest.mark.parametrize(("name", "words"), [("", "holds no run"), ("nowhere", "there is no such folder")])
def test_folder_that_is_none_is_told(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        run_home(tmp_path / name, never)
