"""What the parts of a campaign are called where a person reads of them."""

from collections.abc import Mapping, Sequence
from typing import Final

FINAL: Final = "convergence"
"""The convergence after the first active learning, which in most campaigns is the last one."""

ENDS: Final = ("results", "verdict")
"""Parts that come after all stages."""

TITLES: Final[Mapping[str, str]] = {
    "starting": "starting",
    "initial": "initial dataset",
    "initial convergence": "initial convergence",
    "active": "active learning",
    FINAL: "final convergence",
    "verdict": "verdict",
    "results": "results",
}
"""By the names of parts; other stages are called by their own names."""


def title_of(part: str) -> str:
    """What a part is called by itself."""
    return TITLES.get(part, part)


def titles_of(parts: Sequence[str]) -> dict[str, str]:
    """What parts of a run, in their order, are called; a convergence is the final one if no stage follows."""
    titles = {part: title_of(part) for part in parts}
    stages = [part for part in parts if part not in ENDS]
    if FINAL in stages[:-1]:
        titles[FINAL] = FINAL
    return titles
