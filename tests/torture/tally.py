"""What is counted, and what campaigns are like that nobody harms."""

import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from .evidence import Verdict
from .harm import Harm
from .project import PoolKind

T_QUANTILE: Final = {2: 22.3, 3: 10.2, 4: 7.2, 5: 5.9, 6: 5.2}
"""Student's t, one-sided 0.1 %, by degrees of freedom."""


@dataclass(slots=True)
class Tally:
    """Counts of the whole torture.

    Parameters
    ----------
    to_resume_s : dict of str to list of float
        From the start of the process to the first commit by which the campaign got on, by way of starting it.
    """

    n_kills: int = 0
    n_resumed: int = 0
    n_sessions: int = 0
    n_campaigns: int = 0
    n_broken: int = 0
    n_labels: int = 0
    harms: Counter[Harm] = field(default_factory=Counter)
    lost: set[tuple[str, int]] = field(default_factory=set)
    doubled: set[tuple[str, int]] = field(default_factory=set)
    wrong: set[tuple[str, int]] = field(default_factory=set)
    other: list[str] = field(default_factory=list)
    force_mae: list[float] = field(default_factory=list)
    to_resume_s: dict[str, list[float]] = field(default_factory=lambda: {"forked": [], "aims-pax run": []})

    def take(self, name: str, verdict: Verdict) -> None:
        """Add what is wrong with one campaign."""
        for mine, found in ((self.lost, verdict.lost), (self.doubled, verdict.doubled), (self.wrong, verdict.wrong)):
            mine |= {(name, label_id) for label_id in found}
        self.other += [f"{name}: {one}" for one in verdict.other]

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong or self.other) and self.n_resumed == self.n_kills

    def line(self) -> str:
        """The one line that counts."""
        times = "  ".join(
            f"{way}: median {statistics.median(seconds):.1f} s, worst {max(seconds):.1f} s"
            for way, seconds in self.to_resume_s.items()
            if seconds
        )
        return (
            f"kills {self.n_kills}  resumed {self.n_resumed}  lost {len(self.lost)}  doubled {len(self.doubled)}  "
            f"wrong {len(self.wrong)}{f'  other {len(self.other)}' if self.other else ''}   to resume: {times or '-'}"
        )


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What campaigns are like when nobody harms them.

    Parameters
    ----------
    length_s : dict
        Shortest time from start to end, by pool: harm that is due later often finds nobody.
    force_mae : list of float, eV/Å
        On the test set.
    """

    length_s: dict[PoolKind, float]
    force_mae: list[float]

    def highest_plausible(self) -> float:
        """Force error, eV/Å, that another undisturbed campaign exceeds once in a thousand times if all are Gaussian."""
        n = len(self.force_mae)
        spread = statistics.stdev(self.force_mae) * (1 + 1 / n) ** 0.5
        return statistics.mean(self.force_mae) + T_QUANTILE.get(n - 1, 5.0) * spread
