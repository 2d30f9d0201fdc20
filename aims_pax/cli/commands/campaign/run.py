"""``aims-pax run``, and its parts: ``idg`` and ``al``, also installed as programs of their own, and ``idg-v2``."""

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


@guarded
def idg(
    folder: ProjectFolder = Path(),
    parsl_config: ParslConfig = None,
    settings_file: SettingsFile = None,
    model_file: ModelFile = None,
) -> None:
    """Generate the initial dataset and train the first committee on it."""
    launch(folder, "initial", named=Named(parsl_config, settings_file, model_file))


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


@guarded
def al(
    folder: ProjectFolder = Path(),
    parsl_config: ParslConfig = None,
    settings_file: SettingsFile = None,
    model_file: ModelFile = None,
) -> None:
    """Learn actively, from the initial dataset of this project or from given data."""
    launch(folder, "active", named=Named(parsl_config, settings_file, model_file))
