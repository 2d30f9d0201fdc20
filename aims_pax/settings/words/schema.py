"""JSON schemas of aims_PAX.yaml, mace.yaml and workflow files, for editors that complete and check YAML."""

import json
from collections.abc import Iterable, Mapping
from math import isinf
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from aims_pax.errors import Problem, SettingsError
from aims_pax.settings.cluster import CLUSTERS, ParslOptions
from aims_pax.settings.committee.mace import MACE_SECTIONS
from aims_pax.settings.committee.reading import OTHER_HOMES
from aims_pax.settings.md import MDSettings
from aims_pax.settings.methods.driver import FoundationalModelSettings, LearningDriverSettings
from aims_pax.settings.methods.reference import REFERENCE_SETTINGS, TeacherSettings
from aims_pax.settings.misc import MiscSettings
from aims_pax.settings.own import NAME, SystemSettings
from aims_pax.settings.reading.absent import FHI_AIMS, NOT_YET, NOT_YET_MACE, Absent
from aims_pax.settings.reading.stages import NAME as STAGE_NAME
from aims_pax.settings.reading.stages import SECTION, SECTIONS, WRITTEN
from aims_pax.settings.section import Section
from aims_pax.settings.stages.active import ActiveLearningSettings
from aims_pax.settings.stages.collect import CollectSettings
from aims_pax.settings.stages.converge import ConvergeSettings
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.settings.stages.flying import FlyStageSettings
from aims_pax.settings.stages.initial import InitialDatasetSettings
from aims_pax.settings.stages.kinds import EXPLORE, KINDS, PLAY
from aims_pax.settings.stages.pretrain import PretrainSettings
from aims_pax.settings.stages.relabel import RelabelSettings
from aims_pax.settings.stages.select import SelectSettings
from aims_pax.settings.stages.validate import ValidateSettings
from aims_pax.settings.words.workflow import WORKFLOW_FILE, sections_within
from aims_pax.settings.workflow.names import PHASE_PATTERN
from aims_pax.settings.workflow.phases import PhaseSettings
from aims_pax.settings.workflow.playing import PlaySettings
from aims_pax.settings.workflow.reading import SYSTEM

Json = dict[str, Any]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def aims_pax_schema() -> Json:
    """The schema of aims_PAX.yaml."""
    plain: dict[str, type[Section]] = {
        "INITIAL_DATASET_GENERATION": InitialDatasetSettings,
        "ACTIVE_LEARNING": ActiveLearningSettings,
        "DATA_FILTERING": SelectSettings,
        "MD": MDSettings,
        "MISC": MiscSettings,
    }
    clusters: list[type[Section]] = [*CLUSTERS.values()]
    references: list[type[Section]] = [*REFERENCE_SETTINGS.values()]
    stages: list[type[Section]] = [
        CollectSettings,
        ConvergeSettings,
        ExploreSettings,
        FlyStageSettings,
        PlaySettings,
        RelabelSettings,
        PretrainSettings,
        ValidateSettings,
    ]
    absent = {name: {**NOT_YET.get(name, {}), **FHI_AIMS.get(name, {})} for name in {*NOT_YET, *FHI_AIMS}}
    definitions = _definitions([*plain.values(), *clusters, *references, SystemSettings, *stages])
    for name, model in plain.items():
        _add_other_keys(definitions[model.__name__], model, absent.get(name, {}))
    for name, models in (("CLUSTER", clusters), ("REFERENCE", references)):
        for model in models:
            _add_other_keys(definitions[model.__name__], model, absent.get(name, {}))
    for name, inner in _INNER.items():
        _add_other_keys(definitions[inner.__name__], inner, absent[name])
    md = _reference(MDSettings)
    properties = {name: _reference(model) for name, model in plain.items()}
    properties["MD"] = {"anyOf": [md, {"type": "object", "patternProperties": {"^[0-9]+$": md}, **_CLOSED}]}
    properties["CLUSTER"] = {"anyOf": [_reference(model) for model in clusters]}
    properties["REFERENCE"] = {"anyOf": [_reference(model) for model in references]}
    own = definitions[SystemSettings.__name__]["properties"]
    shared = definitions[MDSettings.__name__]["properties"]  # a system says of them what is its own
    own["MD"] = {"type": "object", "properties": shared, **_CLOSED, "description": own["MD"]["description"]}
    named = {"type": "object", "patternProperties": {f"^{NAME}$": _reference(SystemSettings)}, **_CLOSED}
    properties["SYSTEMS"] = {**named, "minProperties": 1}
    properties[SECTION] = _stages(definitions)
    document = _document("aims_PAX.yaml", properties, [], definitions)
    return {**document, "anyOf": [{"required": [name]} for name in ("MD", "SYSTEMS", "DATA_FILTERING", SECTION)]}


def _stages(definitions: Json) -> Json:
    """A list of names, or of names with their settings; each may have a name of its own besides."""
    own_name = {"type": "string", "pattern": f"^{STAGE_NAME}$", "description": "What this entry is called in the run."}
    settings: dict[str, Json] = {}
    for name, kind in KINDS.items():
        definition = definitions[kind.settings.__name__]
        required = [key for key in definition.get("required", ()) if key != "num_trajectories"]  # SYSTEMS may say it
        if name in SECTIONS:
            definition["required"] = required
        properties = {**definition["properties"], "name": own_name}
        settings[name] = {"type": ["object", "null"], "properties": properties, "required": required, **_CLOSED}
    one = [
        {"type": "object", "properties": {said: says}, "required": [said], **_CLOSED}
        for name, says in settings.items()
        for said in (EXPLORE if name == PLAY else name,)
    ]
    return {"type": "array", "minItems": 1, "items": {"anyOf": [{"enum": [*WRITTEN]}, *one]}}


def mace_schema() -> Json:
    """The schema of mace.yaml."""
    definitions = _definitions(MACE_SECTIONS.values())
    for name, model in MACE_SECTIONS.items():
        _add_other_keys(definitions[model.__name__], model, NOT_YET_MACE.get(name, {}))
    for (other, spelled), (home, key) in OTHER_HOMES.items():
        setting = definitions[MACE_SECTIONS[home].__name__]["properties"][key]
        said = {"deprecated": True, "description": f"Another place for {home}.{key}."}
        definitions[MACE_SECTIONS[other].__name__]["properties"][spelled] = {**setting, **said}
    properties = {name: _reference(model) for name, model in MACE_SECTIONS.items()}
    return _document("mace.yaml", properties, ["GENERAL"], definitions)


def workflow_schema() -> Json:
    """The schema of a workflow file, whose keys may be spelled as in the paper or not."""
    definitions = _definitions([PhaseSettings])
    for model in dict.fromkeys(sections_within(PhaseSettings)):
        _add_spellings(definitions[model.__name__], model)
    named = {"type": "string", "description": "The system of the project that its structures belong to."}
    phases = {"patternProperties": {f"^{PHASE_PATTERN}$": _reference(PhaseSettings)}, "minProperties": 1}
    return {**_document(WORKFLOW_FILE, dict.fromkeys(SYSTEM, named), [], definitions), **phases}


def _add_spellings(definition: Json, model: type[Section]) -> None:
    """Every spelling of every key, and of words; of a list one entry may stand alone."""
    properties = {name: _loosened(prop) for name, prop in definition["properties"].items()}
    definition["properties"] = properties
    required = definition.pop("required", [])
    for alias, name in model.ALIASES.items():
        properties[alias] = properties[name]
    spelled = {name: [name, *(alias for alias, own in model.ALIASES.items() if own == name)] for name in required}
    if spelled:
        definition["allOf"] = [{"anyOf": [{"required": [one]} for one in names]} for names in spelled.values()]


def _loosened(prop: Json) -> Json:
    """The same, with a capital or without where it is one of some words, and one entry for a list of it."""
    described = {"description": prop["description"]} if "description" in prop else {}
    options = []
    for one in prop.get("anyOf", [{key: value for key, value in prop.items() if key not in described}]):
        if "enum" in one:
            one = {**one, "enum": [*dict.fromkeys(word for own in one["enum"] for word in (own, own.capitalize()))]}
        options += [one, one["items"]] if isinstance(one.get("items"), dict) else [one]
    if "anyOf" not in prop and len(options) == 1:
        return {**options[0], **described}
    return {**prop, "anyOf": options} if "anyOf" in prop else {"anyOf": options, **described}


def write_schemas(folder: Path) -> list[Path]:
    """Write all schemas into a folder, which is made when missing; returns their paths.

    Raises
    ------
    SettingsError
        The folder can't be written to.
    """
    schemas = {
        "aims_PAX.schema.json": aims_pax_schema(),
        "mace.schema.json": mace_schema(),
        "workflow.schema.json": workflow_schema(),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, schema in schemas.items():
            text = json.dumps(schema, indent=2, ensure_ascii=False, allow_nan=False)
            (folder / name).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise SettingsError(Problem(str(folder), f"The schemas can't be written here: {error.strerror}.")) from None
    return [folder / name for name in schemas]


_INNER: Final[Mapping[str, type[Section]]] = {
    "INITIAL_DATASET_GENERATION.foundational_model_settings": FoundationalModelSettings,
    "ACTIVE_LEARNING.foundational_model_settings": LearningDriverSettings,
    "ACTIVE_LEARNING.teacher_reference_settings": TeacherSettings,
    "CLUSTER.parsl_options": ParslOptions,
}
"""Sections within others that have keys beside their fields."""

_CLOSED: Final[Mapping[str, Any]] = {"additionalProperties": False}


def _document(title: str, properties: Json, required: list[str], definitions: Json) -> Json:
    head = {"$schema": _DIALECT, "title": title, "type": "object"}
    return {**head, "properties": properties, "required": required, **_CLOSED, "$defs": definitions}


def _reference(model: type[Section]) -> Json:
    return {"$ref": f"#/$defs/{model.__name__}"}


def _definitions(models: Iterable[type[Section]]) -> Json:
    """Schemas of sections and of those within them, by the names of their classes."""
    _, generated = models_json_schema([(model, "validation") for model in models])
    definitions: Json = generated["$defs"]
    for definition in definitions.values():
        for prop in definition.get("properties", {}).values():
            prop.pop("title", None)
            default = prop.get("default")
            if isinstance(default, float) and isinf(default):
                prop["default"] = "inf"  # JSON has no infinity, and YAML readers differ in how they spell it
    return definitions


def _add_other_keys(definition: Json, model: type[Section], absent: Mapping[str, Absent]) -> None:
    """Keys that are accepted beside the fields: other spellings, and those that may only ask for nothing."""
    properties = definition["properties"]
    for alias, name in model.ALIASES.items():
        properties[alias] = {**properties[name], "deprecated": True, "description": f"Another name of {name}."}
        if name in definition.get("required", ()):
            definition["required"] = [key for key in definition["required"] if key != name]
            definition["anyOf"] = [{"required": [name]}, {"required": [alias]}]
    for key, item in absent.items():
        values: Json = {"enum": [*item.neutral]} if item.reason else {}
        description = (
            f"Not in this version. {item.reason}"
            if item.reason
            else "Read by FHI-aims only; accepted where a teacher stands in for it."
        )
        properties[key] = {**values, "deprecated": True, "description": description}
