"""No text in a settings file gives anything but a project or a message."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aims_pax.errors import UserError
from aims_pax.settings import load_project
from aims_pax.settings.active import ActiveLearningSettings
from aims_pax.settings.document import Document, read_document
from aims_pax.settings.initial import InitialDatasetSettings
from aims_pax.settings.md import MDSettings
from aims_pax.settings.misc import MiscSettings
from aims_pax.settings.reference import PyscfSettings, TbliteSettings, TeacherSettings

RIGHT: dict[str, Any] = {
    "INITIAL_DATASET_GENERATION": {"n_points_per_sampling_step_idg": 2, "max_initial_set_size": 10},
    "ACTIVE_LEARNING": {"num_trajectories": 2, "max_train_set_size": 20},
    "MD": {"stat_ensemble": "nvt", "temperature": 300},
    "MISC": {"log_dir": "logs"},
    "CLUSTER": {"type": "local", "max_workers": 2},
    "REFERENCE": {"type": "tblite"},
}
MODELS = (InitialDatasetSettings, ActiveLearningSettings, MDSettings, MiscSettings, TbliteSettings, PyscfSettings)
NAMES = sorted({name for model in (*MODELS, TeacherSettings) for name in model.model_fields} | {"MD_seed", "analysis"})

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**25), 2**63, 0, -1]),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["nvt", "npt", "inf", "small", "slurm", "teacher", "..", "/", "~", "~nobody", "a:b", "", "\0", "1e999"]
    ),
)
keys = st.one_of(st.sampled_from(NAMES), st.sampled_from(list(RIGHT)), st.integers(-2, 4), st.text(max_size=8))
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
)
lines = st.sampled_from(
    ["\t", "-", "MD:", "  seed: 1", "  a: &a [*a]", "  <<: *a", "? [1]", "{", "'", "!!binary x", "%", "---"]
)

quick = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def outcome(text: str, mace: str = "GENERAL: {name_exp: a}\n") -> None:
    """Load the settings; anything but a project or a message to the user is raised."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "aims_PAX.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
        (folder / "mace.yaml").write_bytes(mace.encode("utf-8", "surrogatepass"))
        (folder / "geometry.in").write_text("atom 0 0 0 H\natom 0 0 0.74 H\n")
        before = sorted(folder.rglob("*"))
        findings = ["a project"]
        try:
            load_project(folder)
        except UserError as error:
            findings = [problem.found for problem in error.problems]
        assert findings
        assert all(findings)
        assert sorted(folder.rglob("*")) == before


def test_what_is_mutated_here_is_right_before() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(RIGHT))
        (folder / "mace.yaml").write_text("GENERAL: {name_exp: a}\n")
        (folder / "geometry.in").write_text("atom 0 0 0 H\natom 0 0 0.74 H\n")
        assert load_project(folder).elements == (1,)


@quick
@given(section=st.sampled_from(list(RIGHT)), key=keys, value=values)
def test_one_strange_setting_is_at_most_a_message(section: str, key: str | int, value: Any) -> None:
    outcome(yaml.safe_dump({**RIGHT, section: {**RIGHT[section], key: value}}))


@quick
@given(section=st.one_of(st.sampled_from(list(RIGHT)), keys), value=values)
def test_strange_section_is_at_most_a_message(section: str | int, value: Any) -> None:
    outcome(yaml.safe_dump({**RIGHT, section: value}))


@quick
@given(
    section=st.sampled_from(["GENERAL", "ARCHITECTURE", "TRAINING", "MISC", "GENERL"]),
    key=st.sampled_from(
        ["name_exp", "radial_MLP", "atomic_energies", "lr", "clip_grad", "swa", "compute_stress", "gate"]
    ),
    value=values,
)
def test_strange_model_setting_is_at_most_a_message(section: str, key: str, value: Any) -> None:
    mace: dict[str, Any] = {"GENERAL": {"name_exp": "a"}}
    mace[section] = {**mace.get(section, {}), key: value}
    outcome(yaml.safe_dump(RIGHT), yaml.safe_dump(mace))


@quick
@given(text=st.text(max_size=60), position=st.integers(0, 200), extra=st.lists(lines, max_size=4))
def test_broken_text_is_at_most_a_message(text: str, position: int, extra: list[str]) -> None:
    whole = yaml.safe_dump(RIGHT)
    outcome(whole[:position] + text + "\n".join(extra) + whole[position:])


@quick
@given(content=st.binary(max_size=80))
def test_any_bytes_are_a_document_or_a_message(content: bytes) -> None:
    with TemporaryDirectory() as name:
        path = Path(name) / "aims_PAX.yaml"
        path.write_bytes(content)
        found: Document | str
        try:
            found = read_document(path)
        except UserError as error:
            found = str(error)
        assert found
