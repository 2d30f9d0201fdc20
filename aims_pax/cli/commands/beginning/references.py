"""``aims-pax references``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.completion import reference_types
from aims_pax.cli.launch import NOTHING_NAMED, ModelFile, Named, SettingsFile, load
from aims_pax.cli.working import working
from aims_pax.errors import Problem, UserError

if TYPE_CHECKING:
    from aims_pax.frame import Frame
    from aims_pax.reference.catalogue import Availability
    from aims_pax.settings.methods.reference import ReferenceSettings


@guarded
def references(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="A project, whose first structure is labelled.")
    ] = None,
    structure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A structure to label without a project; needs --type.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--type",
            metavar="TYPE",
            help="The reference that labels it, with its defaults.",
            autocompletion=reference_types,
        ),
    ] = None,
    settings_file: SettingsFile = None,
    model_file: ModelFile = None,
) -> None:
    """List what can label structures here, or time one label of a structure of your own.

    Writes nothing into the project. The exit code is 1 when the label fails; the files of a failure are kept.
    """
    labelled = _asked(folder, structure, kind, Named(None, settings_file, model_file))
    if labelled is None:
        from aims_pax.reference.catalogue import catalogue

        with working("looking for programs and packages"):
            found = catalogue()
        _print_list(found)
        return
    from aims_pax.frame import LabelFailure
    from aims_pax.reference.tryout import probe

    settings, frame = labelled
    with working(f"labelling {frame.system} ({frame.n_atoms} atoms) by {settings.type}"):
        made = probe(settings, frame)
    for line in made.lines():
        typer.echo(line)
    if isinstance(made.result, LabelFailure):
        raise typer.Exit(1)


def _asked(
    folder: Path | None, structure: Path | None, kind: str | None, named: Named
) -> "tuple[ReferenceSettings, Frame] | None":
    """What is to be labelled, and by what; None when a list is all that was asked for."""
    home = folder if folder is not None or named == NOTHING_NAMED else Path()
    if (structure is None) != (kind is None) or (home is not None and structure is not None):
        allowed = "FOLDER; or --structure FILE with --type TYPE; or nothing, for the list alone"
        raise UserError(Problem("aims-pax references", "These arguments don't belong together.", allowed))
    if home is not None:
        project = load(home, (), named)
        system = project.systems[0]
        return project.reference_for(system), system.frame
    if structure is None or kind is None:
        return None
    from aims_pax.reference.tryout import settings_of_type
    from aims_pax.settings.systems import read_systems

    return settings_of_type(kind), read_systems(Path.cwd(), structure)[0].frame


def _print_list(found: "Sequence[Availability]") -> None:
    """What is here, a line each and never wrapped, and then what is not."""
    columns = "{:15}{:10}{:8}{:28}{}"
    typer.echo(columns.format("type", "version", "forces", "stress", ""))
    missing = [one for one in found if not one.is_here]
    for one in found:
        if one.is_here:
            place = "" if one.where is None or "site-packages" in one.where else f", {one.where}"
            forces = "yes" if one.forces else "no"
            typer.echo(columns.format(one.type, one.version or "not told", forces, one.stress, f"{one.what}{place}"))
    if missing:
        typer.echo("\nNot found here:")
        for one in missing:
            typer.echo(f"- {one.type}: {one.what}; {one.install}")
