"""``aims-pax run``."""

from pathlib import Path

from aims_pax.cli.boundary import guarded
from aims_pax.cli.launch import ParslConfig, ProjectFolder, launch


@guarded
def run(folder: ProjectFolder = Path(), parsl_config: ParslConfig = None) -> None:
    """Run the whole campaign: the initial dataset, then active learning.

    An interrupted run goes on where it stopped, by the same command.
    """
    launch(folder, "initial", "active", parsl_config=parsl_config)
