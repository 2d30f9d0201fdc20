"""What a campaign may have told of itself."""

from aims_pax.protocols import ErrorAhead, StageSeen, StageState, Status

SEEN = Status(
    stage="active",
    n_running=1,
    n_waiting=1,
    n_training=0,
    n_finished=1,
    n_labels_requested=9,
    n_labels_received=8,
    n_labels_failed=0,
    n_train=4,
    n_valid=1,
    train_goal=10,
    md_steps=120,
    epochs=20,
    threshold=float("inf"),
    last_score=0.2,
    force_mae_ev_per_ang=0.1,
    activity="sampling",
    score_kind="max_atomic_sd",
    phases="rwf",
    scores=(0.1, 0.2),
    stages=(
        StageSeen("initial", StageState.OVER, 10.0),
        StageSeen("active", StageState.PRESENT, 5.0, (1.0, 2.0, float("inf"))),
    ),
    n_workers=2,
    busy_workers=1.5,
    at=1000.0,
    error_ahead=ErrorAhead(10, (0.04, 0.05, 0.07), wanted=0.03),
)
