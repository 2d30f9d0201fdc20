"""A person who waits for a command is told for what."""

import time

import pytest

from aims_pax.cli.working import working


def test_long_work_is_told_once_and_not_among_the_answers(capsys: pytest.CaptureFixture[str]) -> None:
    with working("measuring 4 models", patience_s=0.0):
        time.sleep(0.3)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "measuring 4 models ...\n")


def test_short_work_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    with working("measuring 4 models", patience_s=60.0):
        pass
    assert capsys.readouterr().err == ""
