"""MISC: how a time is written."""

from collections.abc import Callable

import pytest

from .conftest import AL, IDG, MD, ProjectFolder

BASE = IDG + AL + MD


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("12h", 43200.0),
        ("1.5 h", 5400.0),
        ("90min", 5400.0),
        ("45s", 45.0),
        ("2d", 172800.0),
        ("3600", 3600.0),
        ("1e4", 10000.0),
        ("12:00:00", 43200.0),
        ("'00:30:00'", 1800.0),
        ("1-02:03:04", 93784.0),
        ("", None),
    ],
)
def test_walltime_is_read_as_people_write_it(written: str, seconds: float | None, folder: ProjectFolder) -> None:
    project = folder.write(f"{BASE}MISC:\n  walltime: {written}\n").load()
    assert project.settings.misc.walltime == seconds


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("12 hours", "'12 hours'"),
        ("12H", "'12H'"),
        ("12:60:00", "'12:60:00'"),
        ("12:00", "'12:00'"),
        ("-1h", "'-1h'"),
        ("0", "0"),
        (".nan", "'.nan'"),
        ("inf", "inf"),
        ("1e300", "1e+300"),
        ("yes", "true"),
        ("[12h]", "a list"),
    ],
)
def test_walltime_that_cannot_be_read_is_said_with_what_is_allowed(
    written: str, shown: str, refused: Callable[..., str]
) -> None:
    message = refused(f"{BASE}MISC:\n  walltime: {written}\n")
    assert f"MISC.walltime is {shown}.\n  Allowed: a time from 1 s to 1000 d: 12h, 90min, 45s, 2d, HH:MM:SS" in message
