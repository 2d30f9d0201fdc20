"""``aims-pax explain`` and ``schema``: what settings mean, for people and for editors."""

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.completion import setting_names
from aims_pax.errors import UserError

if TYPE_CHECKING:
    from aims_pax.settings.words.glossary import Entry

WIDTH: Final = 100
MOST_IN_FULL: Final = 4
"""So many keys of one name are explained; more are listed."""


@guarded
def explain(
    key: Annotated[
        str | None,
        typer.Argument(
            metavar="KEY",
            help="A setting, with its section or without; a part of it; a section; a type.",
            autocompletion=setting_names,
        ),
    ] = None,
) -> None:
    """Say what a setting means: its values, unit, default, and whether it may change when a run goes on."""
    from aims_pax.settings.words import glossary

    known = glossary.entries()
    if key is None:
        _say_sections(glossary.sections())
        return
    sections = glossary.of_section(key, known)
    found, is_exact = glossary.meant(key, known)
    if sections:
        for name, keys in sections.items():
            _list(name, keys)
    elif not found:
        _refuse(key)
    elif not is_exact:
        typer.echo(f"No setting is called {key}; {'this one is' if len(found) == 1 else 'these are'} near:\n")
    if sections or not found:
        return
    if len(found) == 1 or (is_exact and len(found) <= MOST_IN_FULL):
        _explain_all(found, known)
        return
    for name in dict.fromkeys(entry.section for entry in found):
        _list(name, [entry for entry in found if entry.section == name])


def _refuse(key: str) -> NoReturn:
    typer.echo(f"No setting, section or type is called {key}, and none nearly so.", err=True)
    typer.echo("aims-pax explain lists the sections, aims-pax explain SECTION its settings.", err=True)
    raise typer.Exit(UserError.exit_code)


def _say_sections(sections: "dict[str, tuple[str, str]]") -> None:
    for name, (file, words) in sections.items():
        heading = name if name.startswith(file) else f"{file}: {name}"
        typer.secho(heading, bold=True)
        typer.echo(_filled(words, indent=4))
    typer.echo("\naims-pax explain SECTION lists its settings, aims-pax explain KEY says all about one.")


def _explain_all(found: "Sequence[Entry]", known: "Sequence[Entry]") -> None:
    from aims_pax.settings.words.glossary import explanation

    for number, entry in enumerate(found):
        if number:
            typer.echo()
        of_types = f", type: {entry.of_types}" if entry.of_types else ""
        refused = f", {_without(entry)}" if entry.info is None else ""
        file = "" if entry.name.startswith(entry.file) else f"{entry.file}: "
        typer.secho(f"{file}{entry.name}{of_types}{refused}", bold=True)
        for heading, text in explanation(entry, known):
            typer.echo(_filled(text, indent=4) if not heading else _row(heading, text))


def _list(section: str, keys: "Iterable[Entry]") -> None:
    """One key a line."""
    typer.secho(section, bold=True)
    for entry in keys:
        what = f"({_without(entry)}) {entry.meaning}" if entry.info is None else entry.meaning
        which = f" [{entry.of_types}]" if entry.of_types and ", type: " not in section else ""
        typer.echo(_row(entry.key, what + which, width=30))


def _without(entry: "Entry") -> str:
    return "a key of v0.2 for FHI-aims" if entry.absent and not entry.absent.reason else "not in this version"


def _filled(text: str, *, indent: int) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * indent)


def _row(heading: str, text: str, *, width: int = 14) -> str:
    margin = " " * (4 + width)
    first = f"    {heading:<{width}}" if len(heading) < width else f"    {heading}  "
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=margin, break_on_hyphens=False)


@guarded
def schema(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the three schema files are written.")
    ] = Path(),
) -> None:
    """Write JSON schemas of aims_PAX.yaml, mace.yaml and workflow files, for editors that complete and check YAML."""
    from aims_pax.settings.words.schema import write_schemas

    for path in write_schemas(folder):
        typer.echo(f"wrote {path}")
