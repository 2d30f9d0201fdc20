"""What stands in lines ``#SBATCH``, as far as it matters for jobs that are watched and cancelled by others."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Final

from aims_pax.settings.section import Contradiction

CLUSTERS: Final = "clusters"

SHORT: Final = {"M": CLUSTERS, "a": "array", "W": "wait", "Q": "quiet"}
"""One-letter names of the options that matter here. Slurm takes an unambiguous beginning of a long name, too."""

NOT_FOLLOWED: Final[Mapping[str, str]] = {
    "array": "would start each job several times, and only one of them would be known",
    "wait": "would make each submission last as long as its job",
    "quiet": "would hide the number of the job",
    "parsable": "would print the number of the job in a form that is not read",
    "test-only": "would submit nothing",
}
"""Options with which a job can't be followed, and why."""

CLUSTER_VARIABLES: Final = ("SBATCH_CLUSTERS", "SLURM_CLUSTERS")
"""Environment variables by which sbatch chooses a cluster; only the second is known to squeue and scancel."""


def options(lines: str) -> Iterator[tuple[str, str]]:
    """Long name and value of each option in lines ``#SBATCH`` that matters here; the value may be empty."""
    for line in lines.splitlines():
        if not line.strip().startswith("#SBATCH"):
            continue
        try:
            words = shlex.split(line.strip().removeprefix("#SBATCH"), comments=True)
        except ValueError:  # a quotation without end: Slurm says so itself
            continue
        for index, word in enumerate(words):
            follows = words[index + 1] if index + 1 < len(words) and not words[index + 1].startswith("-") else ""
            if word.startswith("--"):
                name, equals, value = word[2:].partition("=")
                yield _whole(name), value if equals else follows
            elif word[:1] == "-" and word[1:2] in SHORT:
                yield SHORT[word[1]], word[2:].removeprefix("=") or follows


def _whole(name: str) -> str:
    """The long name of which this is the beginning; itself when it is too short to tell, or of no concern."""
    known = [one for one in (CLUSTERS, *NOT_FOLLOWED) if len(name) > 3 and one.startswith(name)]
    return known[0] if known else name


def cluster_of(lines: str) -> str | None:
    """The cluster of a federation that jobs are sent to; None: the one on which the run starts."""
    return next((value for name, value in reversed([*options(lines)]) if name == CLUSTERS and value), None)


def is_one(cluster: str) -> bool:
    """Whether a choice of clusters is a single one: only that can be asked for jobs and told to cancel them."""
    return "," not in cluster and cluster != "all"


def contradictions(key: str, lines: str) -> Iterator[Contradiction]:
    """Options with which the jobs of a run could be neither watched nor cancelled."""
    cluster = cluster_of(lines)
    if cluster is not None and not is_one(cluster):
        found = f"{key} sends jobs to the clusters {cluster}, and they are watched and cancelled on one."
        yield Contradiction(key, found, "Name one of them: #SBATCH --clusters=NAME")
    for name in dict.fromkeys(name for name, _ in options(lines)):
        if name in NOT_FOLLOWED:
            yield Contradiction(key, f"{key} holds --{name}, which {NOT_FOLLOWED[name]}.", "Remove it.")
