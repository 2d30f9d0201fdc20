"""``aims-pax al``, also installed as ``aims-pax-al``."""

from pathlib import Path

from aims_pax.cli.boundary import guarded
from aims_pax.cli.launch import ModelFile, Named, ParslConfig, ProjectFolder, SettingsFile, launch


@guarded
def al(
    folder: ProjectFolder = Path(),
    parsl_config: ParslConfig = None,
    settings_file: SettingsFile = None,
    model_file: ModelFile = None,
) -> None:
    """Learn actively, from the initial dataset of this project or from given data."""
    launch(folder, "active", named=Named(parsl_config, settings_file, model_file))
