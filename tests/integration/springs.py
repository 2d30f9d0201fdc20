"""Campaigns on springs: everything is what it is for a user, but for the models, and figures that stay blank."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aims_pax import committee
from aims_pax.committee import Committee
from aims_pax.outcome import evaluate, explored, flown, results, verdict, verify
from aims_pax.outcome.played import results as played
from aims_pax.report import figures
from aims_pax.testing.family import SpringFamily

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c63600000000200015a8b5b1f0000000049454e44ae426082"
)
"""A picture of one pixel."""


@contextmanager
def springs_for_mace(family: SpringFamily | None = None) -> Iterator[SpringFamily]:
    """Within, committees are built, loaded and read as springs. Children by fork inherit it, other processes don't."""
    chosen = family or SpringFamily()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Committee, "build", chosen.build)
        patch.setattr(Committee, "load", chosen.load)
        patch.setattr(Committee, "from_models", chosen.from_models)
        patch.setattr(
            committee, "pretrained_elements", lambda paths, _: chosen.load_models(paths, device="cpu").numbers
        )
        for module in (evaluate, verdict, verify):
            patch.setattr(module, "load_models", chosen.load_models)
        patch.setattr(results, "draw_run", blank_run)
        patch.setattr(explored, "draw_rounds", blank_rounds)
        patch.setattr(flown, "draw_flight", blank_flight)
        patch.setattr(played, "draw_visits", blank_played)
        patch.setattr(played, "draw_phases", blank_played)
        patch.setattr(evaluate, "draw_parity", blank_parity)
        yield chosen


def blank_run(folder: Path, **_: Any) -> None:
    """The figures of a run, half a second of drawing."""
    for name in ("learning_curve", "uncertainty", "time"):
        (folder / f"{name}.png").write_bytes(PIXEL)


def blank_rounds(_: Any, path: Path, **__: Any) -> None:
    """Errors by the round of an exploration."""
    path.write_bytes(PIXEL)


def blank_flight(path: Path, *_: Any) -> None:
    """Errors at the checks of a flight."""
    path.write_bytes(PIXEL)


def blank_played(path: Path, *_: Any, **__: Any) -> None:
    """Scores, and structures, of a workflow."""
    path.write_bytes(PIXEL)


def blank_parity(_: figures.Parity, path: Path) -> None:
    """A parity plot."""
    path.write_bytes(PIXEL)
