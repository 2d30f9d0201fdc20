"""docs/python.md is a notebook: its blocks run in their order, in one namespace."""

from pathlib import Path

import pytest

from ..docs.cells import DOCS, cells, run

PAGE = DOCS / "python.md"


def test_page_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace = run(PAGE)
    assert len(list(cells(PAGE))) > 5
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
