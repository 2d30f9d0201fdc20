"""Cancels the batch jobs that a killed campaign leaves behind.

A process that ends by SIGKILL cancels nothing, and its jobs would wait in the queue, start, and find nobody. So this
program waits beside every campaign that submits batch jobs, in a session of its own, and reads the ledger of its jobs
once the campaign has gone without a word. Run as ``python -I -S undertaker.py LEDGER CAMPAIGN_PID``; knows nothing of
this package. The campaign holds the other end of standard input: a byte means that it cancelled its jobs itself.
"""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

LOOK_S: Final = 2.0
"""How often the campaign is looked for; a forked child of it may hold its end of the pipe."""

ATTEMPTS, PAUSE_S = 5, 10.0
"""A batch system that does not answer is asked again."""

COMMAND_S: Final = 60.0

RECENT_S: Final = 14 * 86400.0
"""Older jobs are left alone: batch systems give their numbers again, and the new bearer may be any job of the user's.
Workers without a campaign end by themselves within minutes."""


def cancel_all(ledger: Path, *, attempts: int = 1, sleep: Callable[[float], None] = time.sleep) -> int:
    """Cancel the recent batch jobs of a ledger and remove it; returns how many there were.

    Each line is JSON, ``{"cancel": ["scancel"], "job": "123", "submitted": 1.8e9}``, time in s since the epoch; one
    that was cut short by the campaign's end is none. Jobs that have ended already do no harm.
    """
    jobs: dict[tuple[str, ...], list[str]] = {}
    for line in ledger.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
            if time.time() - entry["submitted"] < RECENT_S:
                jobs.setdefault(tuple(entry["cancel"]), []).append(entry["job"])
        except (ValueError, LookupError, TypeError):
            continue
    for command, ids in jobs.items():
        for attempt in range(attempts):
            if attempt:
                sleep(PAUSE_S)
            if _succeeds([*command, *ids]):
                break
    ledger.unlink(missing_ok=True)
    return sum(len(ids) for ids in jobs.values())


def _succeeds(command: list[str]) -> bool:
    nothing = subprocess.DEVNULL
    try:
        return subprocess.run(command, stdin=nothing, stdout=nothing, stderr=nothing, timeout=COMMAND_S).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def campaign_was_killed(campaign: int) -> bool:
    """Wait for the end of the campaign; whether it ended without saying so."""
    while True:
        readable, _, _ = select.select([sys.stdin], [], [], LOOK_S)
        if readable:
            return os.read(sys.stdin.fileno(), 1) == b""
        if os.getppid() != campaign:
            return True


if __name__ == "__main__":
    if campaign_was_killed(int(sys.argv[2])) and Path(sys.argv[1]).exists():
        cancel_all(Path(sys.argv[1]), attempts=ATTEMPTS)
