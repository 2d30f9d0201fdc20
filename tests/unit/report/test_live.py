import io
from dataclasses import replace

from rich.console import Console

from aims_pax.protocols import Observer, Status
from aims_pax.report.glance import status_line
from aims_pax.report.live import PLAIN_INTERVAL_S, LiveView

STATUS = Status(
    stage="active learning",
    n_running=5,
    n_waiting=2,
    n_training=1,
    n_finished=0,
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
    activity="waiting for 4 labels",
)


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def plain_console() -> Console:
    return Console(file=io.StringIO(), force_terminal=False, width=80)


def written(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_line_tells_dataset_labels_trajectories_and_errors_in_units() -> None:
    assert status_line(STATUS) == (
        "active learning | train 59/100 valid 7 | labels 66 (in flight 4, failed 1) | "
        "running 5 waiting 2 training 1 | MD 12 400 steps | epochs 210 | "
        "deviation 0.174 eV/Å, threshold 0.180 | force MAE 43.2 meV/Å | waiting for 4 labels"
    )


def test_line_leaves_out_what_is_not_known_yet() -> None:
    early = replace(STATUS, train_goal=None, last_score=None, force_mae_ev_per_ang=None, activity="")
    assert "deviation" not in status_line(early)
    assert "MAE" not in status_line(early)
    assert "train 59 valid" in status_line(early)


def test_infinite_threshold_reads_as_not_yet_set() -> None:
    assert "threshold not yet set" in status_line(replace(STATUS, threshold=float("inf")))


def test_deviations_have_the_unit_of_their_kind() -> None:
    relative = replace(STATUS, score_kind="max_relative_sd")
    assert "deviation 0.174, threshold 0.180 |" in status_line(relative)
    small = replace(STATUS, score_kind="stress_sd", last_score=0.000174, threshold=0.00018)
    assert "deviation 0.000174 eV/Å³, threshold 0.00018 |" in status_line(small)


def test_a_pipe_gets_one_line_per_interval_and_the_last_status() -> None:
    console, clock = plain_console(), Clock()
    with LiveView(console, title="t", clock=clock) as view:
        for n_train in range(60, 80):
            view.show(replace(STATUS, n_train=n_train))
            clock.now_s += PLAIN_INTERVAL_S / 4
    trains = [line.split("train ")[1].split("/")[0] for line in written(console)]
    assert trains == ["60", "64", "68", "72", "76", "79"]


def test_a_pipe_gets_nothing_while_nothing_but_the_activity_changes() -> None:
    console, clock = plain_console(), Clock()
    view = LiveView(console, title="t", clock=clock)
    for activity in ("training", "sampling", "training"):
        view.show(replace(STATUS, activity=activity))
        clock.now_s += 10 * PLAIN_INTERVAL_S
    assert len(written(console)) == 1


def test_a_terminal_gets_a_panel_and_is_left_clean() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    view: Observer = LiveView(console, title="quickstart")
    view.show(STATUS)
    view.close()
    view.close()
    text = "\n".join(written(console))
    assert "quickstart" in text
    assert "59 of 100 training, 7 validation" in text
    assert "5 running, 2 waiting, 1 training, 0 finished" in text
    assert text.count("\x1b[?25h") == text.count("\x1b[?25l"), "the cursor is visible again"


def test_a_view_that_never_saw_a_status_prints_nothing() -> None:
    console = plain_console()
    LiveView(console, title="t").close()
    assert written(console) == []


def test_convergence_speaks_of_no_trajectories() -> None:
    still = replace(
        STATUS, stage="convergence", n_running=0, n_waiting=0, n_training=0, n_finished=0, md_steps=0, last_score=None
    )
    assert "MD" not in status_line(still)
    assert "running" not in status_line(still)
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    with LiveView(console, title="t") as view:
        view.show(still)
    assert "trajectories" not in "\n".join(written(console))
