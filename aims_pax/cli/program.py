"""What the programs ``aims-pax``, ``aims-pax-idg`` and ``aims-pax-al`` can do."""

from collections.abc import Callable
from typing import Annotated, Final

import typer

from aims_pax import __version__
from aims_pax.cli.boundary import NAMING
from aims_pax.cli.commands import (
    al,
    check,
    evaluate,
    explain,
    export,
    idg,
    idg_split,
    idg_v2,
    init,
    plan,
    references,
    relabel,
    report,
    run,
    schema,
    status,
    verify,
)
from aims_pax.cli.launch import ModelFile, SettingsFile

HELP: Final = {"help_option_names": ["-h", "--help"]}
"""How help is asked for, of the program and of each command."""

program = typer.Typer(
    name="aims-pax",
    help="From a few structures and a compute allocation to a trustworthy machine-learning force field.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=HELP,
)
program.command("init", short_help="Write a new project, with its settings explained")(init.init)
program.command("check", short_help="Find mistakes early; say what a run would do")(check.check)
program.command("explain", short_help="Say what a setting means")(explain.explain)
program.command("references", short_help="List reference methods; time one label")(references.references)
program.command("plan", short_help="How many workers would be busy")(plan.plan)
program.command("run", short_help="Run the whole campaign")(run.run)
program.command("status", short_help="Show where a run stands, from any shell or node")(status.status)
program.command("idg", short_help="Generate the initial dataset only")(idg.idg)
program.command("idg-split", short_help="Cut a labelled dataset into the members' first ones")(idg_split.idg_split)
program.command("idg-v2", short_help="Train the first committee on given datasets only")(idg_v2.idg_v2)
program.command("al", short_help="Learn actively only")(al.al)
program.command("evaluate", short_help="Measure models on labelled structures")(evaluate.evaluate)
program.command("verify", short_help="Try models by MD and on held-out structures")(verify.verify)
program.command("export", short_help="Write datasets and models of a run, finished or not")(export.export)
program.command("report", short_help="Write what a run has done and is worth as one page")(report.report)
program.command("relabel", short_help="Label structures by another reference; keep both labels")(relabel.relabel)
program.command("schema", short_help="Write JSON schemas for editors")(schema.schema)
program.command("filter", hidden=True, short_help="Choose a dataset from a labelled pool; the same as run")(run.run)
for _name in ("recalc", "recalculate"):
    program.command(_name, hidden=True, short_help="As relabel, with the options of v0.2")(relabel.recalc)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aims-pax {__version__}")
        raise typer.Exit


@program.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
    settings_file: SettingsFile = None,
    model_file: ModelFile = None,
) -> None:
    """Options of the program itself; without a command those of v0.2's program, which runs both stages."""
    if context.invoked_subcommand is None:
        run.run(settings_file=settings_file, model_file=model_file)
    elif settings_file is not None or model_file is not None:
        command = f"aims-pax {context.invoked_subcommand}"
        raise typer.BadParameter(f"name files of settings behind the command: {command} {' | '.join(NAMING)} FILE")


def _single(name: str, command: Callable[..., None]) -> typer.Typer:
    """One command as a program of its own."""
    alone = typer.Typer(
        name=name,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings=HELP,
    )
    alone.command()(command)
    return alone


idg_program = _single("aims-pax-idg", idg.idg)
al_program = _single("aims-pax-al", al.al)
