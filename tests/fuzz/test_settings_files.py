"""No text in a settings file gives anything but a project or a message."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from aims_pax.cli.program import program
from aims_pax.errors import UserError
from aims_pax.settings import load_project
from aims_pax.settings.reading.document import Document, read_document

from .mutations import STRANGE_TEXTS, harmed_text, harmed_yaml, keys, values
from .outcomes import N_FILES, counts, project_outcome, share, within_limits
from .projects import PROJECTS, SETTINGS, write

YAML_FILES = [(kind, name) for kind, name in SETTINGS if name.endswith(".yaml")]


@pytest.fixture(scope="module", autouse=True)
def _no_network(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Models that are not on this machine are out of reach at once."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            patch.setenv(name, "http://127.0.0.1:9")
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("AIMS_SPECIES_DIR", raising=False)
        import aims_pax.checking.check  # noqa: F401  its imports take seconds, which are nobody's fault here

        yield


def outcome(kind: str, name: str, content: bytes) -> str:
    """Load and check a project with one file replaced."""
    with TemporaryDirectory() as folder:
        write(Path(folder), kind)
        (Path(folder) / name).write_bytes(content)
        return project_outcome(Path(folder))


@pytest.mark.parametrize("kind", PROJECTS)
def test_what_is_harmed_here_is_right_before(kind: str) -> None:
    name = next(name for name in PROJECTS[kind] if name.endswith(".yaml"))
    assert outcome(kind, name, PROJECTS[kind][name].encode()) != "refused"


@share(0.45)
@given(data=st.data(), file=st.sampled_from(YAML_FILES))
def test_changed_settings_are_used_or_refused(data: st.DataObject, file: tuple[str, str]) -> None:
    kind, name = file
    outcome(kind, name, data.draw(harmed_yaml(PROJECTS[kind][name])))


@share(0.35)
@given(data=st.data(), file=st.sampled_from(SETTINGS))
def test_broken_text_is_used_or_refused(data: st.DataObject, file: tuple[str, str]) -> None:
    kind, name = file
    outcome(kind, name, data.draw(harmed_text(PROJECTS[kind][name])))


@share(0.1)
@given(name=st.sampled_from(["aims_PAX.yaml", "mace.yaml"]), section=keys, value=values)
def test_strange_section_is_used_or_refused(name: str, section: Any, value: Any) -> None:
    data = yaml.safe_load(PROJECTS["embedded"][name])
    text = yaml.safe_dump({**data, section: value}, allow_unicode=True)
    outcome("embedded", name, text.encode("utf-8", "surrogatepass"))


@share(0.1)
@given(data=st.data(), file=st.sampled_from(SETTINGS))
def test_command_ends_with_a_message(data: st.DataObject, file: tuple[str, str]) -> None:
    kind, name = file
    harm = st.one_of(harmed_text(PROJECTS[kind][name]), harmed_yaml(PROJECTS[kind][name]))
    with TemporaryDirectory() as folder:
        write(Path(folder), kind)
        (Path(folder) / name).write_bytes(data.draw(harm))
        with within_limits():
            result = CliRunner().invoke(program, ["check", folder])
    assert result.exit_code in (0, 2), result.output
    assert "Traceback" not in result.output
    assert "problem" in result.stderr or result.exit_code == 0
    counts["refused by the command" if result.exit_code else "good by the command"] += 1


@share(0.2)
@given(content=st.binary(max_size=80))
def test_any_bytes_are_a_document_or_a_message(content: bytes) -> None:
    with TemporaryDirectory() as name, within_limits():
        path = Path(name) / "aims_PAX.yaml"
        path.write_bytes(content)
        found: Document | str
        try:
            found = read_document(path)
        except UserError as error:
            found = str(error)
        assert found


MALICE = {
    "ten megabytes": "a: b\n" * 2_000_000,
    "one long line": "MD: {" + ", ".join(f"a{i}: {i}" for i in range(20_000)) + "}\n",
    "one long word": "MD: " + "x" * 900_000,
    "many digits": "MD: {temperature: " + "9" * 100_000 + "}\n",
    "flow lists": "MD: " + "[" * 50_000,
    "nested lists": "MD: " + "[" * 500 + "]" * 500,
    "nested mappings": "".join(f"{' ' * depth}a:\n" for depth in range(900)),
    "nested items": "- " * 5000 + "a",
    "laughter": "a0: &a0 [x, x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}, *a{n}]\n" for n in range(12)),
    "its own part": "MD: &a\n  seed: *a\n",
    "its own list": "MD: &a [*a]\n",
    "merged": "x: &x {seed: 1}\nMD:\n  <<: *x\n",
    "merged lists": "x: &x [{a: 1}]\nMD:\n  <<: [*x, *x]\n",
    "two documents": "MD: {stat_ensemble: nvt}\n---\nMD: {stat_ensemble: nvt}\n",
    "a python object": "MD: !!python/object/apply:os.abort []\n",
    "a python name": "MD: !!python/name:os.abort\n",
    "binary": "MD: {temperature: !!binary aGVsbG8=}\n",
    "no text": "\x00\x01\x02",
    "utf-16": "MD: {stat_ensemble: nvt}\n".encode("utf-16"),
    "latin-1": "# Ångström\nMD: {stat_ensemble: nvt}\n".encode("latin-1"),
    "surrogates": 'MD: {"\\ud800": 1, stat_ensemble: "\\udfff"}\n',
    "orders to the terminal": 'MD: {"\\e[2J\\a": 1}\n"\\e]0;x\\a": 2\n',
    "set twice": "MD: {temperature: 300, temperature: 301}\nMD: {}\n",
    "strange keys": "MD: {1.5: a, null: b, true: c, [1]: d, {a: b}: e, ? : f}\n",
    "strange line ends": "MD:\r  stat_ensemble: nvt\x85MISC:\u2028  log_dir: a\n",
    "many trajectories": "MD: {0: {stat_ensemble: nvt}}\nACTIVE_LEARNING: {num_trajectories: 1000000000000000}\n",
}


@pytest.mark.parametrize("name", MALICE)
@pytest.mark.parametrize("file", ["aims_PAX.yaml", "mace.yaml"])
def test_malice_is_refused_in_time(name: str, file: str) -> None:
    text = MALICE[name]
    assert outcome("embedded", file, text if isinstance(text, bytes) else text.encode()) == "refused"


@pytest.mark.parametrize("number", [20_000, 10**9, 10**15])
@pytest.mark.parametrize(
    "key", ["max_initial_set_size", "max_initial_epochs", "n_points_per_sampling_step_idg", "equilibration_steps"]
)
def test_large_goals_of_the_initial_dataset_are_checked_in_time(key: str, number: int) -> None:
    data = yaml.safe_load(PROJECTS["engine"]["aims_PAX.yaml"])
    data["INITIAL_DATASET_GENERATION"][key] = number
    assert outcome("engine", "aims_PAX.yaml", yaml.safe_dump(data).encode()) != "refused"


@pytest.mark.parametrize("make", [lambda path: os.mkfifo(path), lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("name", ["water.xyz", "control.in"])
def test_pipes_and_devices_are_refused_without_a_wait(name: str, make: Any, tmp_path: Path) -> None:
    kind, key = ("embedded", "path_to_geometry") if name == "water.xyz" else ("elder", "path_to_control")
    write(tmp_path, kind)
    (tmp_path / name).unlink()
    make(tmp_path / name)
    with within_limits(), pytest.raises(UserError, match=rf"MISC.{key} names .*neither a file nor a folder"):
        load_project(tmp_path)


PLACES = (
    *(("embedded", "MISC", key) for key in ("output_dir", "log_dir", "path_to_geometry", "path_to_control")),
    *(("embedded", "CLUSTER", key) for key in ("calc_dir", "launch_str", "parsl_config")),
    *(("engine", "REFERENCE", key) for key in ("pseudo_dir", "command")),
    ("engine", "INITIAL_DATASET_GENERATION", "foundational_model"),
    ("elder", "ACTIVE_LEARNING", "species_dir"),
)


@pytest.mark.parametrize(("kind", "section", "key"), PLACES)
def test_strange_names_of_files_and_programs_are_used_or_refused(kind: str, section: str, key: str) -> None:
    name = next(name for name in PROJECTS[kind] if name.endswith(".yaml"))
    data = yaml.safe_load(PROJECTS[kind][name])
    for text in STRANGE_TEXTS[:: max(1, 1500 // N_FILES)]:
        changed = {**data, section: {**data[section], key: text}}
        outcome(kind, name, yaml.safe_dump(changed).encode())


@pytest.mark.parametrize(
    "statement", ["raise RuntimeError('no licence')", "no_such_name", "def (", "raise SystemExit(3)"]
)
@pytest.mark.parametrize("key", ["calculator", "foundational_model"])
def test_calculator_whose_module_fails_is_said(
    key: str, statement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "engine")
    (tmp_path / "failing_calculator.py").write_text(statement + "\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    data = yaml.safe_load(PROJECTS["engine"]["aims_PAX.yaml"])
    if key == "calculator":
        data["REFERENCE"] = {"type": "ase-calculator", "calculator": "failing_calculator:Calculator"}
    else:
        data["INITIAL_DATASET_GENERATION"]["foundational_model"] = "failing_calculator:Calculator"
    (tmp_path / "aims_PAX.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    result = CliRunner().invoke(program, ["check", str(tmp_path)])
    assert result.exit_code == 2, result.output
    assert "failing_calculator can't be imported" in result.stderr
