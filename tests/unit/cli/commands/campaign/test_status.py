import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from aims_pax.campaign.ending import BEGUN, ENDED, Begun, Ended, Ending
from aims_pax.cli.commands.campaign import status as command
from aims_pax.cli.program import program
from aims_pax.dataset.lock import LOCK_NAME
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.stages.memory import Memory
from aims_pax.stages.watching import SHOWN

from ....face.seen import SEEN


def asked(*words: object) -> Result:
    return CliRunner().invoke(program, ["status", *map(str, words)])


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A run that was left."""
    with RunStore.open(tmp_path) as store:
        memory = Memory(store, RunFolder(tmp_path, tmp_path))
        memory.keep_json("progress", "active")
        memory.keep(SHOWN, SEEN)
        memory.keep(BEGUN, Begun("aims-pax run p", "/home/u"))
        memory.keep(ENDED, Ended(Ending.LEFT, "left because of SIGTERM", 0.0))
    return tmp_path


def test_view_fits_80_columns_and_has_no_colors_in_a_pipe(left: Path) -> None:
    result = asked(left)
    assert result.exit_code == 0, result.output
    assert all(len(line) <= 80 for line in result.output.splitlines())
    assert "\x1b" not in result.output
    assert "left because of SIGTERM" in result.output


def test_json_is_one_object(left: Path) -> None:
    record = json.loads(asked("--json", left).output)
    assert record["state"] == "left"
    assert record["command"] == "cd /home/u && aims-pax run p"


def test_following_a_run_that_does_not_run_tells_it_once(left: Path) -> None:
    (line,) = asked("--follow", left).output.splitlines()
    assert line.startswith("nobody works on it: left because of SIGTERM")
    (record,) = asked("--follow", "--json", left).output.splitlines()
    assert json.loads(record)["state"] == "left"


def test_following_tells_what_changes_until_the_run_ends(left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = iter(range(4))

    def meanwhile(_seconds: float) -> None:
        """First nothing, then more MD, then the end."""
        turn = next(turns)
        memory = Memory(store, RunFolder(left, left))
        if turn == 1:
            memory.keep(SHOWN, replace(SEEN, md_steps=240))
        elif turn == 2:
            store.close()

    store = RunStore.open(left)
    monkeypatch.setattr(command.time, "sleep", meanwhile)
    lines = asked("--follow", left).output.splitlines()
    assert [("MD 120" in line, "MD 240" in line, "SIGTERM" in line) for line in lines] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]


def test_ctrl_c_is_the_usual_end_of_following(left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command.time, "sleep", interrupted)
    with RunStore.open(left):
        result = asked("--follow", left)
    assert result.exit_code == 0
    assert len(result.output.splitlines()) == 1


def test_nothing_is_written_and_no_lock_is_taken(left: Path) -> None:
    before = {path.name: path.read_bytes() for path in left.iterdir()}
    assert asked(left).exit_code == 0
    assert {path.name: path.read_bytes() for path in left.iterdir()} == before
    with RunStore.open(left):
        assert "running on" in asked(left).output
        assert "process" in (left / LOCK_NAME).read_text(encoding="utf-8")


def test_damaged_store_is_told(left: Path) -> None:
    content = bytearray((left / "run.db").read_bytes())
    content[100:4000] = bytes(3900)
    (left / "run.db").write_bytes(content)
    result = asked(left)
    assert result.exit_code == 1
    assert "damaged" in result.output


def test_mistakes_are_told(tmp_path: Path) -> None:
    assert asked(tmp_path / "nowhere").exit_code == 2
    assert "there is no such folder" in asked(tmp_path / "nowhere").output
