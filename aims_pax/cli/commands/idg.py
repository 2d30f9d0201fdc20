"""``aims-pax idg``, also installed as ``aims-pax-idg``."""

from pathlib import Path

from aims_pax.cli.boundary import guarded
from aims_pax.cli.launch import ModelFile, Named, ParslConfig, ProjectFolder, SettingsFile, launch


@guarded
def idg(
    folder: ProjectFolder = Path(),
    parsl_config: ParslConfig = None,
    settings_file: SettingsFile = None,
    model_file: ModelFile = None,
) -> None:
    """Generate the initial dataset and train the first committee on it."""
    launch(folder, "initial", named=Named(parsl_config, settings_file, model_file))
