import io
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from aims_pax.protocols import ErrorAhead, StageSeen, StageState, Status
from aims_pax.report.glance import MOST_MARKS, glance, sparkline, status_line, time_left, trend

STAGES = (
    StageSeen("initial", StageState.OVER, 143.0),
    StageSeen("active", StageState.PRESENT, 740.0, (500.0, 800.0, 1200.0)),
    StageSeen("convergence", StageState.AHEAD, 0.0, (100.0, 200.0, float("inf"))),
    StageSeen("results", StageState.AHEAD),
    StageSeen("verdict", StageState.AHEAD),
)

STATUS = Status(
    stage="active",
    n_running=4,
    n_waiting=2,
    n_training=1,
    n_finished=1,
    n_labels_requested=71,
    n_labels_received=66,
    n_labels_failed=1,
    n_train=59,
    n_valid=7,
    train_goal=100,
    md_steps=12400,
    epochs=210,
    threshold=0.18,
    last_score=0.174,
    force_mae_ev_per_ang=0.0432,
    activity="waiting for labels",
    phases="rrwrtrwf",
    scores=(0.1, 0.2, 0.174),
    is_waiting=True,
    stages=STAGES,
    force_maes=(0.09, 0.08, 0.07, 0.06, 0.05, 0.0432),
    n_workers=4,
    busy_workers=3.2,
    at=1000.0,
)


def drawn(status: Status, *, width: int = 80, color_system: str | None = None, at: float = 1000.0) -> list[str]:
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=color_system is not None,
        color_system=color_system,  # type: ignore[arg-type]
    )
    console.print(glance(status, title="quickstart", at=at))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def row(lines: list[str], name: str) -> str:
    return next(line for line in lines if line.split()[1:2] == [name])


def test_all_that_is_asked_for_is_there() -> None:
    lines = drawn(STATUS)
    assert "quickstart  active learning" in lines[0]
    assert "✓ initial dataset" in row(lines, "stages")
    text = "\n".join(lines)
    assert "▶ active learning   12 min  13 min to go (8 to 20 min)" in text
    assert "final convergence         takes 3 min, or more" in text
    assert "59 of 100 training, 7 validation" in row(lines, "dataset")
    assert "4 in flight, 66 done, 1 failed" in row(lines, "labels")
    assert "4, busy for 80 % of the last hour" in row(lines, "workers")
    assert "▶▶○▶◆▶○×  ▶ 4 running, ○ 2 waiting, ◆ 1 training, × 1 given up" in text
    assert "43.2 meV/Å force MAE on validation, falling" in row(lines, "error")
    assert "0.174 eV/Å, threshold 0.180" in row(lines, "uncertainty")


def test_what_takes_seconds_is_shown_while_it_lasts() -> None:
    assert "results" not in "\n".join(drawn(STATUS))
    now = replace(STATUS, stages=tuple(replace(one, state=StageState.PRESENT) for one in STAGES[3:4]))
    assert "▶ results" in "\n".join(drawn(now))


@pytest.mark.parametrize("width", [80, 120, 200])
def test_no_line_is_wider_than_80_columns(width: int) -> None:
    many = replace(STATUS, phases="rwtdf" * 20, activity="word " * 40)
    assert {cell_len(line) for line in drawn(many, width=width)} == {80}


@pytest.mark.parametrize("width", [40, 60])
def test_a_narrower_terminal_is_kept_to(width: int) -> None:
    assert all(cell_len(line) <= width for line in drawn(STATUS, width=width))


def test_thousands_of_trajectories_are_counted_and_not_drawn() -> None:
    few, many = (replace(STATUS, phases="r" * n, n_running=n) for n in (MOST_MARKS, MOST_MARKS + 1))
    assert "▶▶▶" in "\n".join(drawn(few))
    assert "▶▶▶" not in "\n".join(drawn(many))
    assert f"▶ {MOST_MARKS + 1} running" in "\n".join(drawn(many))


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[36m" in "\n".join(drawn(STATUS, color_system="standard")), "the border is cyan"
    monkeypatch.setenv("NO_COLOR", "1")
    text = "\n".join(drawn(STATUS, color_system="standard"))
    assert all(f"[{number}m" not in text for number in range(30, 50))


def test_long_waiting_is_told() -> None:
    assert "waiting for labels  " in row(drawn(STATUS, at=1005.0), "now")
    assert "waiting for labels, for 50 min" in row(drawn(STATUS, at=4000.0), "now")
    queued = replace(STATUS, waits_for="executor dft: 0 blocks run, 2 are pending (Priority)")
    assert "for 50 min: executor dft: 0 blocks" in row(drawn(queued, at=4000.0), "now")
    assert ", for" not in row(drawn(replace(STATUS, is_waiting=False), at=4000.0), "now")


def test_a_campaign_that_has_said_nothing_yet_has_not_taken_time_since_1970() -> None:
    begun = tuple(replace(one, spent_s=0.0) for one in STAGES)
    [present] = [line for line in drawn(replace(STATUS, at=0.0, stages=begun), at=1.8e9) if "▶ active" in line]
    assert not re.search(r"\d d", present)


def test_time_of_the_present_part_goes_on_while_nothing_is_told() -> None:
    assert "▶ active learning   13 min" in "\n".join(drawn(STATUS, at=1060.0))


def test_rows_begin_at_one_place_whichever_there_are() -> None:
    still = replace(STATUS, n_running=0, n_waiting=0, n_training=0, n_finished=0, phases="")
    assert row(drawn(still), "dataset").index("59") == row(drawn(STATUS), "dataset").index("59")


def test_error_of_the_last_training_stays_while_nothing_is_trained() -> None:
    assert "43.2 meV/Å" in row(drawn(replace(STATUS, force_mae_ev_per_ang=None)), "error")


def test_a_finished_campaign_is_called_so() -> None:
    over = replace(STATUS, stages=tuple(replace(one, state=StageState.OVER) for one in STAGES))
    assert "quickstart  finished" in drawn(over)[0]


def test_times_have_one_unit_where_that_suits() -> None:
    assert time_left(STAGES[1]) == "13 min to go (8 to 20 min)"
    assert time_left(replace(STAGES[1], left_s=(50.0, 100.0, 400.0))) == "100 s to go (50 s to 7 min)"
    assert time_left(replace(STAGES[1], left_s=(60.0, 60.0, 60.0))) == "60 s to go"
    assert time_left(STAGES[3]) == ""


def test_line_tells_the_time_to_go() -> None:
    assert status_line(STATUS).endswith("| waiting for labels | 13 min to go (8 to 20 min)")


@pytest.mark.parametrize(
    ("errors", "word"),
    [
        ([1.0, 0.9, 0.8, 0.7, 0.6, 0.5], "falling"),
        ([0.5, 0.6, 0.7, 0.8, 0.9, 1.0], "rising"),
        ([1.0, 1.01, 0.99, 1.0, 1.01, 1.0], "level"),
        ([1.0, 0.5], ""),
        ([0.0] * 6, "level"),
    ],
)
def test_trend_is_told_by_thirds(errors: list[float], word: str) -> None:
    assert trend(errors) == word


def test_errors_are_drawn_relative_to_the_largest() -> None:
    assert sparkline([0.8, 0.4, 0.1, 0.0]) == "█▅▂▁"
    assert sparkline([0.0, 0.0]) == "▁▁"


def test_what_the_error_comes_to_is_told_with_its_interval() -> None:
    ahead = ErrorAhead(100, (0.0312, 0.0391, 0.0476), wanted=0.03, n_wanted=(98.2, 1340.0, 1890.4))
    lines = drawn(replace(STATUS, error_ahead=ahead))
    assert "39.1 meV/Å (31.2 to 47.6) at the goal, before convergence" in row(lines, "foretold")
    assert "30 meV/Å with 1 340 structures (98 to 1 890)" in "\n".join(lines)
    assert not any("foretold" in line for line in drawn(STATUS))
    unknown = "\n".join(drawn(replace(STATUS, error_ahead=replace(ahead, n_wanted=()))))
    assert "30 meV/Å: with how many structures can't be told now" in unknown
