"""Lines of an output: looked at, taken, and what is beyond them stays."""

from pathlib import Path

from aims_pax.calculations.lines import opened


def test_lines_that_are_taken_leave_the_next_one(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text("a\nb\nc\nd\n")
    with opened(file) as lines:
        assert lines.take(2) == ["a", "b"]
        assert lines.peek() == "c"
        assert lines.take(0) == []
        assert next(lines) == "c"
        assert lines.take(5) == ["d"]
        assert lines.number == 4
