"""When a campaign leaves because of its time, as it is told by settings and by Slurm."""

import logging

import pytest

from aims_pax.departure import Departure
from aims_pax.face import session

START = 1_800_000_000.0
HOUR = 3600.0


@pytest.mark.parametrize(
    ("walltime_s", "job_end", "expected_s"),
    [
        (None, "", None),
        (HOUR, "", HOUR - 60),
        (None, f"{START + HOUR:.0f}", HOUR - 60),
        (2 * HOUR, f"{START + HOUR:.0f}", HOUR - 60),
        (HOUR, f"{START + 2 * HOUR:.0f}", HOUR - 60),
        (None, f"{START + 365 * 24 * HOUR:.0f}", None),
    ],
)
def test_the_earlier_end_counts(
    walltime_s: float | None,
    job_end: str,
    expected_s: float | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(session, "end_of_job", lambda: job_end)
    departure = Departure()
    with caplog.at_level(logging.INFO):
        session.mind_walltime(departure, walltime_s, started_at=START)
    assert departure.ends_at == (None if expected_s is None else START + expected_s)
    assert ("this session leaves at 2027-01-15" in caplog.text) == (expected_s is not None)
    assert "WARNING" not in caplog.text


@pytest.mark.parametrize("job_end", ["soon", "-1", f"{START - 10:.0f}"])
def test_end_of_a_job_that_makes_no_sense_is_said_and_not_used(
    job_end: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(session, "end_of_job", lambda: job_end)
    departure = Departure()
    session.mind_walltime(departure, None, started_at=START)
    assert departure.ends_at is None
    assert f"SLURM_JOB_END_TIME is {job_end!r}, which is no time to come, and is not used" in caplog.text
