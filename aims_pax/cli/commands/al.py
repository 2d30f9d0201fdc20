"""``aims-pax al``, also installed as ``aims-pax-al``."""

from pathlib import Path

from aims_pax.cli.boundary import guarded
from aims_pax.cli.launch import ParslConfig, ProjectFolder, launch


@guarded
def al(folder: ProjectFolder = Path(), parsl_config: ParslConfig = None) -> None:
    """Learn actively, from the initial dataset of this project or from given data."""
    launch(folder, "active", parsl_config=parsl_config)
