"""Commands that start an engine, as its users write them: ``srun aims.x``, ``mpiexec -n {ranks} pw.x``.

They are split into words and started as they are, without a shell: no value of a user is ever run as a script.
"""

import re
import shlex
from typing import Annotated, Final

from pydantic import AfterValidator, WithJsonSchema

from aims_pax.settings.reading.kinds import Kind, misfit

PLACEHOLDERS: Final = ("nodes", "ranks", "threads")
"""What a command may leave open for CLUSTER to fill in: ``{ranks}``."""

COMMAND_KEYS: Final = ("command", "launch")
"""Settings of references that hold such a command."""

_PLACEHOLDER: Final = re.compile("|".join(f"{{{name}}}" for name in PLACEHOLDERS))
_REDIRECTION: Final = re.compile(r"(?:\s+[0-9&])?\s*>{1,2}\s*[^\s<>|;&'\"]+\s*$|\s*2>&1\s*$")
_QUOTED: Final = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|\\.")
_SHELL: Final = re.compile(r"[|;&<>()`$\n]|(?:^|\s)~")


def bare(command: str) -> str:
    """The command without its trailing redirections, which the engine's own adapter writes anew."""
    command = command.strip()
    while match := _REDIRECTION.search(command):
        command = command[: match.start()].rstrip()
    return command


def _command(value: str) -> str:
    command = bare(value)
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise misfit(f"is {value!r}, which can't be split into words ({str(error).lower()})") from None
    if not words or not words[0]:
        raise misfit("names no program")
    operator = _SHELL.search(_QUOTED.sub("", command))
    if operator is not None:
        raise misfit(
            f"holds {operator.group().strip() or 'a line break'!r}, and no shell reads it; write the bare command, or "
            "name a script of your own that is executable"
        )
    if re.match(r"[A-Za-z_]\w*=", words[0]):
        raise misfit(f"begins with {words[0]}, which only a shell understands; write: env {command}")
    relative = [word for word in words if word.startswith(("./", "../"))]
    if relative or ("/" in words[0] and not words[0].startswith("/")):
        name = (relative or words)[0]
        raise misfit(f"holds {name!r}, and every label is computed in a folder of its own; write the whole path")
    unknown = re.search(r"\{[^{}]*\}?|\}", _PLACEHOLDER.sub("", command))
    if unknown is not None:
        raise misfit(f"holds {unknown.group()}, which is none of {', '.join(f'{{{name}}}' for name in PLACEHOLDERS)}")
    return command


Command = Annotated[
    str,
    AfterValidator(_command),
    Kind("command with its arguments; {nodes}, {ranks} and {threads} are filled in by CLUSTER"),
    WithJsonSchema({"type": "string", "minLength": 1}),
]
"""Program and arguments as in a terminal; redirections at its end are dropped, anything else of a shell is refused."""


def filled(command: str, *, nodes: int, ranks: int, threads: int) -> str:
    """The command with its placeholders replaced.

    Parameters
    ----------
    command : str
    nodes : int
        Machines that one label spans.
    ranks : int
        MPI ranks of one label, on all its nodes together.
    threads : int
        Threads of each rank.
    """
    for name, value in zip(PLACEHOLDERS, (nodes, ranks, threads), strict=True):
        command = command.replace(f"{{{name}}}", str(value))
    return command
