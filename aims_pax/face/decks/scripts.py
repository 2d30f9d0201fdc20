"""Job scripts: what CLUSTER asks of the batch system, or a template of the user's, around one command."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aims_pax.errors import Problem, UserError
from aims_pax.settings import InlineCluster, Project
from aims_pax.settings.reading.command import PLACEHOLDERS
from aims_pax.settings.systems import System
from aims_pax.stages import assembly

if TYPE_CHECKING:
    from aims_pax.labelling.workers.jobs import JobHead

SCRIPT: Final = "job.sh"

HERE: Final = 'cd -- "$(dirname -- "$0")" || exit 1'

FILLED: Final = ("command", "name", "folder", "n_atoms", *PLACEHOLDERS)
"""What a template may leave open, in braces."""

_UNKNOWN: Final = re.compile(r"(?<![$\w\"'}{])\{([a-z_]+)\}")
"""A word in braces by itself: the shell's own ${...} and blocks are none."""


@dataclass(frozen=True, slots=True)
class Job:
    """One calculation.

    Parameters
    ----------
    line : str
        What starts it in its folder, for a shell.
    folder : str
        Within the deck.
    n_atoms : int
    system : System
        Whose resources it has.
    """

    line: str
    folder: str
    n_atoms: int
    system: System

    @property
    def name(self) -> str:
        """Its folder as batch systems take names: no slash, a letter first."""
        plain = self.folder.replace("/", "-")
        return plain if plain[0].isalpha() else f"j{plain}"


class JobScripts:
    """Writes the script of each job of a project.

    Parameters
    ----------
    project : Project
        Its CLUSTER says what is asked for.
    template : str or None
        A script of the user's, in which what is open is filled; None: by CLUSTER.

    Raises
    ------
    UserError
        CLUSTER can't be read, or asks for jobs in a way that is not known.
    """

    def __init__(self, project: Project, template: str | None) -> None:
        self._project, self._template = project, template
        self._heads: dict[str, JobHead] = {}
        cluster = project.settings.cluster
        if template is None and not isinstance(cluster, InlineCluster):
            from aims_pax.labelling.workers.jobs import job_heads

            self._heads = job_heads(cluster, n_cores=assembly.n_cores())

    def text(self, job: Job) -> str:
        """The script of one job."""
        if self._template is not None:
            return self._filled(job)
        head = self._head(job)
        if head is None or not head.lines:
            setup = [] if head is None or not head.setup else [head.setup]
            return "\n".join(["#!/bin/bash", HERE, *setup, job.line, ""])
        lines = [line.replace("{name}", job.name) for line in head.lines]
        return "\n".join(["#!/bin/bash", *lines, "", *([head.setup] if head.setup else []), job.line, ""])

    @property
    def how(self) -> str:
        """What a person types in the folder of a calculation."""
        head = next(iter(self._heads.values()), None)
        if self._template is not None:
            heads = {"#SBATCH": "sbatch", "#PBS": "qsub", "#$": "qsub", "#BSUB": "bsub <"}
            marks = (mark for mark in heads if re.search(rf"^{re.escape(mark)} ", self._template, re.MULTILINE))
            return f"{heads.get(next(marks, ''), 'bash')} {SCRIPT}"
        return f"bash {SCRIPT}" if head is None else head.submit.replace("{script}", SCRIPT)

    def problems(self) -> list[Problem]:
        """What the template leaves open, and nothing says for a system."""
        lacking: dict[str, list[str]] = {}
        for system in self._project.systems:
            for name in PLACEHOLDERS:
                is_open = self._template is not None and f"{{{name}}}" in self._template
                if is_open and getattr(self._project.resources_of(system), name) is None:
                    lacking.setdefault(name, []).append(system.name)
        return [
            Problem(
                "--job-script",
                f"holds {{{name}}}, and nothing says how many {', '.join(systems[:5])} needs.",
                "",
                f"Write CLUSTER.systems: {{{systems[0]}: {{{name}: ...}}}}, or a number into the script.",
            )
            for name, systems in lacking.items()
        ]

    def remarks(self) -> list[Problem]:
        """What of the scripts may not be meant."""
        if self._template is not None and "{command}" not in self._template:
            found = "It has no {command}, and starts what it names itself, the same in each folder."
            return [Problem("--job-script", found, "", "Write {command} where the program is to be started.")]
        shared = [(label, head.n_labels) for label, head in self._heads.items() if head.n_labels > 1]
        return [
            Problem(
                "CLUSTER",
                f"{n_labels} labels share what the executor {label} asks for, and each job of the deck is one.",
                "",
                "Lower what is asked for in a copy of the configuration, or give --job-script.",
            )
            for label, n_labels in shared
        ]

    def _head(self, job: Job) -> "JobHead | None":
        executor = self._project.resources_of(job.system).executor
        return self._heads.get(executor) if executor else next(iter(self._heads.values()), None)

    def _filled(self, job: Job) -> str:
        resources = self._project.resources_of(job.system)
        values = {"command": job.line, "name": job.name, "folder": job.folder, "n_atoms": job.n_atoms}
        numbers = {name: value for name in PLACEHOLDERS if (value := getattr(resources, name)) is not None}
        text = self._template or ""
        for name, value in (values | numbers).items():
            text = text.replace(f"{{{name}}}", str(value))
        return text


def read_template(template: Path) -> str:
    """The text of a template, whose open words are all known.

    Raises
    ------
    UserError
        It can't be read, is no script, or holds other words in braces.
    """
    where = f"--job-script {template}"
    try:
        text = template.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UserError(Problem(where, f"can't be read ({reason})", "a shell script", "Correct the name.")) from error
    if not text.startswith("#!"):
        found, advice = "does not begin with #!, which says what reads it.", "Begin it with: #!/bin/bash"
        raise UserError(Problem(where, found, "a shell script", advice))
    if strange := sorted({word for word in _UNKNOWN.findall(text) if word not in FILLED}):
        found = f"holds {', '.join(f'{{{word}}}' for word in strange)}, which nothing fills."
        raise UserError(Problem(where, found, ", ".join(f"{{{word}}}" for word in FILLED), "Correct it."))
    return text
