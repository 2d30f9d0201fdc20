"""What of aims_PAX.yaml says how structures are labelled, where nothing else is to be done."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aims_pax.errors import Problem, SettingsError, UserError
from aims_pax.settings.cluster import on_parsl_config
from aims_pax.settings.committee.mace import GeneralSettings, MaceSettings
from aims_pax.settings.methods.charges import charge_problems
from aims_pax.settings.methods.fhi_aims import Asked
from aims_pax.settings.methods.inputs import engine_inputs
from aims_pax.settings.project import Project
from aims_pax.settings.reading.document import Document, read_document
from aims_pax.settings.sections import aims_pax_reading, read_labelling_settings
from aims_pax.settings.systems import System


@dataclass(frozen=True, slots=True)
class LabellingFiles:
    """What a command line names.

    Parameters
    ----------
    settings : Path
        aims_PAX.yaml; of its sections REFERENCE, CLUSTER and MISC are read, and what v0.2 says of FHI-aims elsewhere.
    control, species_dir : Path or None
        In the place of those that it names for FHI-aims.
    parsl_config : str or None
        Whose workers compute labels whatever CLUSTER says.
    """

    settings: Path
    control: Path | None = None
    species_dir: Path | None = None
    parsl_config: str | None = None


def labelling_project(files: LabellingFiles, systems: Sequence[System], *, want_stress: bool) -> Project:
    """A project that can do nothing but label these structures.

    Raises
    ------
    SettingsError
        With everything that is wrong.
    """
    path = files.settings.expanduser().absolute()
    document = _with_places(read_document(path), files)
    reading = aims_pax_reading(document, path.parent)
    settings = read_labelling_settings(reading)
    problems = [*document.problems, *reading.problems]
    if settings is None or problems:
        raise SettingsError(problems)
    if files.parsl_config is not None:
        try:
            cluster = on_parsl_config(settings.cluster, files.parsl_config, Path.cwd())
        except UserError as error:
            raise SettingsError(error.problems) from error
        settings = replace(settings, cluster=cluster)
    asked = Asked(path.parent, tuple(systems), len(systems), want_stress)
    inputs, problems = engine_inputs(settings.reference, asked)
    problems += charge_problems(settings.reference, document, systems, inputs)
    if problems:
        raise SettingsError(problems)
    mace = MaceSettings(general=GeneralSettings(name_exp="relabel", compute_stress=want_stress))
    return Project(path.parent, settings, mace, tuple(systems), inputs, (document,))


def _with_places(document: Document, files: LabellingFiles) -> Document:
    """The same with what the command line says of FHI-aims; a REFERENCE of another type is told so."""
    said = {"control": files.control, "species_dir": files.species_dir}
    own = {key: str(value.expanduser().absolute()) for key, value in said.items() if value is not None}
    if not own:
        return document
    data = dict(document.data)
    reference = data.get("REFERENCE") or {}
    kind = reference.get("type", "fhi-aims") if isinstance(reference, dict) else "fhi-aims"
    if str(kind).lower() not in ("fhi-aims", "aims"):
        found = f"--control and --basis_dir are for FHI-aims, and REFERENCE.type is {kind}."
        raise SettingsError(Problem(document.where(("REFERENCE", "type")), found, "", "Leave them out."))
    data["REFERENCE"] = {"type": "fhi-aims", **dict(reference), **own}
    for section in ("INITIAL_DATASET_GENERATION", "ACTIVE_LEARNING"):
        if isinstance(data.get(section), dict) and "species_dir" in own:
            data[section] = {key: value for key, value in data[section].items() if key != "species_dir"}
    if isinstance(data.get("MISC"), dict) and "control" in own:
        data["MISC"] = {key: value for key, value in data["MISC"].items() if key != "path_to_control"}
    return replace(document, data=data)
