"""``aims-pax schema``."""

from pathlib import Path
from typing import Annotated

import typer

from aims_pax.cli.boundary import guarded


@guarded
def schema(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the two schema files are written.")] = Path(),
) -> None:
    """Write JSON schemas of aims_PAX.yaml and mace.yaml, for editors that complete and check YAML."""
    from aims_pax.settings.words.schema import write_schemas

    for path in write_schemas(folder):
        typer.echo(f"wrote {path}")
