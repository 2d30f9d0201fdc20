"""What is generated from the fields: editor schemas and the reference page."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from aims_pax.errors import SettingsError
from aims_pax.settings.reading.kinds import meaning
from aims_pax.settings.words.page import reference_pages, write_pages
from aims_pax.settings.words.schema import aims_pax_schema, mace_schema, workflow_schema, write_schemas

ROOT = Path(__file__).parents[4]


def properties(schema: dict[str, Any], model: str) -> dict[str, Any]:
    found: dict[str, Any] = schema["$defs"][model]["properties"]
    return found


def test_committed_reference_pages_are_current() -> None:
    docs = ROOT / "docs"
    files = [docs / "settings.md", *(docs / "settings").glob("*.md")]
    committed = {file.relative_to(docs).as_posix(): file.read_text(encoding="utf-8") for file in files}
    assert committed == reference_pages(), "run: python -m aims_pax.settings.words.page docs"


def test_pages_are_written_and_former_ones_removed(tmp_path: Path) -> None:
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "gone.md").touch()
    write_pages(tmp_path)
    files = {file.relative_to(tmp_path).as_posix(): file.read_text("utf-8") for file in tmp_path.rglob("*.md")}
    assert files == reference_pages()
    assert "| `worker_str` | [CLUSTER](settings/cluster.md) |" in files["settings.md"]


def test_every_setting_has_a_short_meaning_and_stands_on_the_page() -> None:
    from aims_pax.settings.reading.validation import nested_section
    from aims_pax.settings.section import Section

    def sections(model: type[Section]) -> list[type[Section]]:
        return [model, *(found for below in model.__subclasses__() for found in sections(below))]

    page = "\n".join(reference_pages().values())
    flights = (ROOT / "docs" / "fly.md").read_text(encoding="utf-8")  # which no file holds, but a call of Python
    for model in sections(Section):
        if not model.__module__.startswith("aims_pax.") or model.__name__.endswith("Input"):
            continue  # of others, or made from the user's files rather than written
        for key, info in model.model_fields.items():
            assert 0 < len(meaning(info)) <= 120, (model, key)
            container = nested_section(info) is not None and model.__name__ == "MaceSettings"
            where = flights if model.__module__.endswith(".fly") else page
            assert container or f"`{key}`" in where, (model, key)


def test_schemas_are_json_with_all_references_resolved() -> None:
    for schema in (aims_pax_schema(), mace_schema(), workflow_schema()):
        text = json.dumps(schema, allow_nan=False)
        names = {part.split('"')[0] for part in text.split("#/$defs/")[1:]}
        assert names <= set(schema["$defs"])
        assert not schema["additionalProperties"]


def test_schema_knows_types_bounds_units_and_old_names() -> None:
    schema = aims_pax_schema()
    md = properties(schema, "MDSettings")
    assert md["timestep"]["exclusiveMinimum"] == 0
    assert md["timestep"]["maximum"] == 10
    assert "fs" in md["timestep"]["description"]
    assert md["MD_seed"]["deprecated"]
    assert "NVT" in md["stat_ensemble"]["enum"]
    active = properties(schema, "ActiveLearningSettings")
    assert active["skip_step_mlff"] == {
        "default": 25,
        "description": "MD steps between uncertainty estimates.",
        "minimum": 1,
        "maximum": 10**15,
        "type": "integer",
    }
    assert active["max_MD_steps"]["default"] == "inf"
    assert properties(schema, "InitialDatasetSettings")["analysis"]["enum"] == [None, False, True]
    assert active["random_label_share"]["maximum"] == 0.5
    assert properties(mace_schema(), "ArchitectureSettings")["max_L"]["minimum"] == 0


def test_schema_of_workflows_knows_both_spellings_and_single_groups() -> None:
    schema = workflow_schema()
    assert set(schema["properties"]) == {"System", "system"}
    (pattern,) = schema["patternProperties"]
    assert all(re.fullmatch(pattern, name) for name in ("Phase0", "phase12"))
    assert not any(re.fullmatch(pattern, name) for name in ("Phase01", "Phase", "Phases1"))
    run = properties(schema, "RunSettings")
    assert run["Steps"] == run["steps"]
    assert {"Relax", "relax", "NVT", "nvt"} <= set(run["Type"]["enum"])
    array, single = run["Hold"]["anyOf"]
    assert array["items"] == single
    assert {"committee", "Pretrained"} <= set(run["Driver"]["anyOf"][0]["enum"])
    assert {"type": "string"} in properties(schema, "HoldSettings")["Elements"]["anyOf"]
    ramp = schema["$defs"]["RampSettings"]
    assert ramp["allOf"] == [
        {"anyOf": [{"required": ["start"]}, {"required": ["Tstart"]}]},
        {"anyOf": [{"required": ["stop"]}, {"required": ["Tstop"]}]},
    ]
    assert "required" not in ramp


def test_schemas_are_written_where_asked(tmp_path: Path) -> None:
    paths = write_schemas(tmp_path / "new")
    assert [path.name for path in paths] == ["aims_PAX.schema.json", "mace.schema.json", "workflow.schema.json"]
    assert json.loads(paths[0].read_text(encoding="utf-8")) == aims_pax_schema()


def test_folder_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="The schemas can't be written here"):
        write_schemas(tmp_path / "file" / "folder")
