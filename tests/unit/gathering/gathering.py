"""Sets that are gathered for tests."""

from pathlib import Path
from typing import Any

from aims_pax.face.gathering import Words, carry_out, request_of
from aims_pax.gathering.gathered import Gathered


def gathered(folder: Path, **words: Any) -> Gathered:
    """What is gathered of a folder; judged alone unless `out` is given."""
    asked = Words(**{"dry_run": "out" not in words} | words)
    return carry_out(request_of([folder], asked), show=lambda said: None)


def reasons(of: Gathered) -> list[tuple[str, int | None, str]]:
    """File, step and reason of what was left out."""
    return [(of.accounts[one.file].name, one.step, one.reason.name) for one in of.left_out]


def said(of: Gathered) -> list[str]:
    """What was told of files and steps."""
    return [note.said for note in of.notes]


def warned(of: Gathered) -> list[str]:
    """What may spoil the set."""
    return [note.said for note in of.notes if note.is_grave]
