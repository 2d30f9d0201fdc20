"""``aims-pax explore``."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.launch import ModelFile, Named, ProjectFolder, SettingsFile, load
from aims_pax.cli.working import working
from aims_pax.errors import Problem, UserError

if TYPE_CHECKING:
    from aims_pax.stages.playing.rehearsal import Rehearsed

OUT: Final = "phases"


@guarded
def explore(
    folder: ProjectFolder = Path(),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Build and draw the structure of every phase, without MD.")
    ] = False,
    visits: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="How often each workflow is built.")] = 1,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where structures and pictures go; it must be new.")
    ] = None,
    settings_file: SettingsFile = None,
    model_file: ModelFile = None,
) -> None:
    """Build the phases of a project's workflows: what is drawn at random, packed, carved and stitched.

    Nothing moves: later phases begin from what earlier ones were built as. aims-pax run plays them.
    """
    from aims_pax.settings.stage import ACTIVE, INITIAL
    from aims_pax.stages.playing.rehearsal import rehearsed

    where = folder / OUT if out is None else out
    if not dry_run:
        advice = f"Add --dry-run, or play them: aims-pax run {shlex.quote(str(folder))}"
        raise UserError(Problem("aims-pax explore", "Workflows are played by a run.", "", advice))
    if where.exists():
        found, advice = "It is there already.", "Remove it, or name another by --out."
        raise UserError(Problem(str(where), found, "a new folder", advice))
    named = Named(settings_file=settings_file, model_file=model_file)
    project = load(folder, (INITIAL, ACTIVE), named)
    plans = project.settings.playing
    if not plans:
        advice = "Add STAGES: - explore: {workflow: [workflow.yaml]}; aims-pax init --workflow writes an example."
        raise UserError(Problem(project.settings_file.name, "No stage names a workflow.", "", advice))
    built: list[Rehearsed] = []
    with working("building phases"):
        for plan in plans:
            built += rehearsed(project, plan, visits=visits)
        _write(where, built)
    for one in built:
        said = f"{one.built.frame.n_atoms} atoms: {one.built.words}" if one.built is not None else one.problem
        typer.echo(f"{one.workflow} {one.phase}, visit {one.visit}  {said}")
    typer.echo(f"\nwrote {where}")
    if failed := [one for one in built if one.built is None]:
        typer.echo(f"{len(failed)} of {len(built)} structures can't be built.")
        raise typer.Exit(1)


def _write(where: Path, built: "list[Rehearsed]") -> None:
    """A file of structures and a picture for each workflow; of several visits the first is drawn."""
    from ase.io import write

    from aims_pax.atoms import atoms_of
    from aims_pax.report.workflows.phases import draw_phases

    where.mkdir(parents=True)
    for name in dict.fromkeys(one.workflow for one in built):
        own = [(one, one.built) for one in built if one.workflow == name and one.built is not None]
        if not own:
            continue
        images = []
        for one, scene in own:
            atoms = atoms_of(scene.frame)
            atoms.info = {"phase": one.phase, "visit": one.visit, "words": scene.words}
            images.append(atoms)
        write(where / f"{name}.extxyz", images)
        rows = [(one.phase, scene) for one, scene in own if one.visit == 1]
        draw_phases(where / f"{name}.png", rows)
