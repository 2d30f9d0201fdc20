"""docs/python.md is a notebook: its blocks run in their order, in one namespace."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def cells() -> Iterator[tuple[int, str]]:
    """Line and content of each block of Python."""
    text = PAGE.read_text(encoding="utf-8")
    for block in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, block.start(1)), block[1]


def test_page_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    n_cells = 0
    for n_lines, content in cells():
        # a traceback then tells the line of the page
        exec(compile("\n" * n_lines + content, str(PAGE), "exec"), namespace)
        n_cells += 1
    assert n_cells > 5
    printed = capsys.readouterr().out
    assert "Project.of, stages[0]: STAGES.0.learn.skip_step_mlf is not a setting." in printed
    assert f"run folder: {tmp_path / 'water'}" in printed
    assert namespace["run"].status().is_finished
    assert namespace["measured"].errors.mean.n_structures == len(namespace["sets"]["validation"])
    assert namespace["look"].is_fine
    assert namespace["foretold"].by_stage.time_s.likely > 0
    assert {record.length_ps > 0 for record in namespace["verified"].verdicts[300].records} == {True}
    assert (tmp_path / "water" / "exported" / "training.extxyz").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["water"], "a folder was named, and nothing is beside it"
