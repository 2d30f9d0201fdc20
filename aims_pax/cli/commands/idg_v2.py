"""``aims-pax idg-v2``."""

from pathlib import Path

from aims_pax.cli.boundary import guarded
from aims_pax.cli.launch import ModelFile, Named, ParslConfig, ProjectFolder, SettingsFile, launch


@guarded
def idg_v2(
    folder: ProjectFolder = Path(),
    parsl_config: ParslConfig = None,
    settings_file: SettingsFile = None,
    model_file: ModelFile = None,
) -> None:
    """Train the first committee on given datasets, such as aims-pax idg-split writes; aims-pax al goes on from there.

    The datasets are those of ACTIVE_LEARNING.initial_train_dataset and initial_valid_dataset.
    """
    launch(folder, named=Named(parsl_config, settings_file, model_file), needed=["active"])
