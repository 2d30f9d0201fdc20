"""What the programs ``aims-pax``, ``aims-pax-idg`` and ``aims-pax-al`` can do."""

from collections.abc import Callable
from typing import Annotated, Final

import typer

from aims_pax import __version__
from aims_pax.cli.boundary import NAMING
from aims_pax.cli.commands.beginning import collect, doctor, explain, explore, gather, init, quickstart, references
from aims_pax.cli.commands.campaign import check, deck, export, idg_split, plan, relabel, run, status
from aims_pax.cli.commands.outcome import dashboard, evaluate, report, validate, verify
from aims_pax.cli.launch import ModelFile, SettingsFile

HELP: Final = {"help_option_names": ["-h", "--help"]}
"""How help is asked for, of the program and of each command."""

FIRST_STEPS: Final = """\b
First steps:
  aims-pax doctor                          is everything here that it needs?
  aims-pax quickstart                      a small example, from start to end
  aims-pax init my_project --interactive   a project of your own; then:
  aims-pax check my_project
  aims-pax run my_project
aims-pax COMMAND -h explains each, aims-pax explain KEY each setting."""
"""What a newcomer types first."""

program = typer.Typer(
    name="aims-pax",
    help="From a few structures and a compute allocation to a trustworthy machine-learning force field.",
    epilog=FIRST_STEPS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=HELP,
)


def _command(name: str, command: Callable[..., None], short: str, *examples: str) -> None:
    """Give the program a command, whose help ends with examples."""
    lines = ["\b", "Example:" if len(examples) == 1 else "Examples:", *(f"  aims-pax {name} {one}" for one in examples)]
    program.command(name, short_help=short, epilog="\n".join(line.rstrip() for line in lines))(command)


_command("doctor", doctor.doctor, "Look at the installation; say what to do", "", "--json")
_command("quickstart", quickstart.quickstart, "Run a small example, from start to end", "", "ethanol --no-run")
_command(
    "init",
    init.init,
    "Write a new project, with its settings explained",
    "my_project --interactive",
    "my_project --reference pyscf --geometry molecule.xyz",
)
_command("check", check.check, "Find mistakes early; say what a run would do", "my_project", "my_project --probe")
_command("explain", explain.explain, "Say what a setting means", "max_train_set_size", "ACTIVE_LEARNING")
_command(
    "references",
    references.references,
    "List reference methods; time one label",
    "",
    "my_project",
    "--structure water.xyz --type tblite",
)
_command(
    "collect",
    collect.collect,
    "Take structures of databases; make others, without MD",
    "diamond.cif graphene.xyz",
    "diamond.cif --augment '{strain: [-0.05, 0.1]}' --dry-run",
    "my_project --augment augment.yaml --out made.extxyz",
    "--from mp --id mp-22862 --out nacl.extxyz",
    "--from mp --elements Al,O --above-hull 0.05 --max-atoms 40",
)
_command(
    "gather",
    gather.gather,
    "Make a dataset of finished calculations",
    "calculations",
    "calculations --dry-run",
    "md --steps every:10 --split 0.8,0.1,0.1 --out set.extxyz",
    "strains --steps last --format npz --out set",
)
_command(
    "explore",
    explore.explore,
    "Build and draw the phases of workflows, without MD",
    "my_project --dry-run",
    "my_project --dry-run --visits 20",
)
_command(
    "plan", plan.plan, "Time, labels and workers of a run", "my_project", "my_project --label-s 600 --workers 1,2,4,8"
)
_command("run", run.run, "Run the whole campaign", "my_project", "my_project --parsl-config slurm_packed")
_command(
    "status",
    status.status,
    "Show where a run stands, from any shell or node",
    "my_project",
    "my_project --follow",
    "my_project --wanted 20",
)
_command("idg", run.idg, "Generate the initial dataset only", "my_project")
_command(
    "idg-split",
    idg_split.idg_split,
    "Cut a labelled dataset into the members' first ones",
    "labelled.extxyz my_project",
)
_command("idg-v2", run.idg_v2, "Train the first committee on given datasets only", "my_project")
_command("al", run.al, "Learn actively only", "my_project")
_command(
    "evaluate",
    evaluate.evaluate,
    "Measure models on labelled structures; tables and figures",
    "--models results/*.model --data heldout.extxyz",
    "--models a.model b.model --apart --data heldout.extxyz",
    "--predicted nequip.xyz gap.xyz --data dft.extxyz",
    "--relaxation OUTCAR",
)
_command(
    "verify",
    verify.verify,
    "Try models by MD and on held-out structures",
    "my_project --length 100",
    "my_project --length 0 --heldout 240",
    "my_project --temperatures 300,500,700 --heldout 240",
)
_command(
    "validate",
    validate.validate,
    "Compare properties of materials with a reference",
    "copper.cif --models cu.model --against other.model",
    "diamond.cif --models a.model b.model --project my_project",
    "fcc.cif bcc.cif --models a.model --properties eos phonons",
)
_command(
    "export",
    export.export,
    "Write datasets and models of a run, finished or not",
    "--models my_project",
)
_command(
    "report",
    report.report,
    "Write what a run has done and is worth as one page",
    "my_project",
    "first_run second_run --out both.html",
)
_command(
    "dashboard",
    dashboard.dashboard,
    "Serve the report as a page that follows its runs",
    "my_project",
    "first_run second_run --port 8600 --no-browser",
)
_command(
    "relabel",
    relabel.relabel,
    "Label structures by another reference; keep both labels",
    "training.extxyz --settings pbe0/aims_PAX.yaml",
    "my_project --settings pbe0/aims_PAX.yaml",
)
_command(
    "deck",
    deck.deck,
    "Write input and job scripts for whoever submits by hand",
    "strained.extxyz --settings my_project/aims_PAX.yaml",
    "my_project --job-script job.sh",
)
_command("schema", explain.schema, "Write JSON schemas for editors", "my_project")
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


idg_program = _single("aims-pax-idg", run.idg)
al_program = _single("aims-pax-al", run.al)
