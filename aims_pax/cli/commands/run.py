"""``aims-pax run``."""

from pathlib import Path

from aims_pax.cli.boundary import guarded
from aims_pax.cli.launch import ModelFile, Named, ParslConfig, ProjectFolder, SettingsFile, launch


@guarded
def run(
    folder: ProjectFolder = Path(),
    parsl_config: ParslConfig = None,
    settings_file: SettingsFile = None,
    model_file: ModelFile = None,
) -> None:
    """Run the whole campaign: the initial dataset, then active learning.

    An interrupted run goes on where it stopped, by the same command.
    """
    launch(folder, "initial", "active", named=Named(parsl_config, settings_file, model_file))
