"""``aims-pax idg``, also installed as ``aims-pax-idg``."""

from pathlib import Path

from aims_pax.cli.boundary import guarded
from aims_pax.cli.launch import ParslConfig, ProjectFolder, launch


@guarded
def idg(folder: ProjectFolder = Path(), parsl_config: ParslConfig = None) -> None:
    """Generate the initial dataset and train the first committee on it."""
    launch(folder, "initial", parsl_config=parsl_config)
