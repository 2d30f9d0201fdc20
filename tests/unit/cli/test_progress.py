"""The line of progress: in place in a terminal, now and then elsewhere, and the last words in any case."""

import io

import pytest

from aims_pax.cli.progress import ProgressLine


class Terminal(io.StringIO):
    """Says that a person looks at it."""

    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_pipe_gets_a_line_now_and_then_and_the_last_one() -> None:
    stream, clock = io.StringIO(), Clock()
    with ProgressLine(stream, clock=clock) as line:
        for second in range(25):
            clock.now = float(second)
            line.show(f"step {second}")
    assert stream.getvalue().splitlines() == ["step 0", "step 10", "step 20", "step 24"]


def test_a_terminal_is_written_in_place_and_not_beyond_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    stream, clock = Terminal(), Clock()
    with ProgressLine(stream, clock=clock) as line:
        line.show("short")
        clock.now = 1.0
        line.show("long " * 20)
    assert stream.getvalue().count("\n") == 1
    assert all(len(words.removeprefix("\x1b[K")) < 20 for words in stream.getvalue().rstrip("\n").split("\r"))


def test_nothing_shown_leaves_nothing() -> None:
    stream = Terminal()
    with ProgressLine(stream):
        pass
    assert stream.getvalue() == ""
