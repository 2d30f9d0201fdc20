"""The reference page of all settings, generated from the fields: ``python -m aims_pax.settings.words.page``."""

from collections.abc import Iterable, Iterator, Mapping
from math import isinf
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo

from aims_pax.settings.cluster import CLUSTERS
from aims_pax.settings.committee.mace import MACE_SECTIONS
from aims_pax.settings.md import MDSettings
from aims_pax.settings.methods.dispersion import DispersionSettings
from aims_pax.settings.methods.reference import REFERENCE_SETTINGS
from aims_pax.settings.misc import MiscSettings
from aims_pax.settings.own import SystemSettings
from aims_pax.settings.reading.absent import FHI_AIMS, NOT_YET, NOT_YET_MACE, Absent
from aims_pax.settings.reading.kinds import allowed
from aims_pax.settings.reading.validation import nested_section
from aims_pax.settings.section import Section
from aims_pax.settings.stages.active import ActiveLearningSettings
from aims_pax.settings.stages.converge import ConvergeSettings
from aims_pax.settings.stages.initial import InitialDatasetSettings
from aims_pax.settings.stages.pretrain import PretrainSettings
from aims_pax.settings.stages.relabel import RelabelSettings
from aims_pax.settings.stages.select import SelectSettings

_INTRODUCTION: Final = """\
<!-- Generated from the code by: python -m aims_pax.settings.words.page > docs/settings.md -->

# Settings

A project is a folder with `aims_PAX.yaml`, `mace.yaml` and starting structures. `aims-pax init` writes one,
`aims-pax check` says everything that is wrong with it, and `aims-pax schema` writes schemas for editors.

Paths are relative to the project's folder. Numbers may be written as `1e-3`; `inf` means no limit. A key that is
not listed here is an error. The older file names `aimsPAX.yaml` and `model.yaml` are accepted.
"""

_MD: Final = """\
One mapping for all trajectories, or one for each: `0: {...}`, `1: {...}`. By v0.2's rule an index means a starting
structure in the initial dataset, which has one trajectory of each, and a trajectory in active learning; `SYSTEMS` says
it without indices. Trajectories of one seed have independent noise.
"""

_CLUSTER: Final = """\
Where labels are computed. Without this section: one after the other, in the campaign's own process (`inline`).
"""

_REFERENCE: Final = """\
The method that labels structures. Without this section: GFN2-xTB by `tblite`, or the teacher that a stage names by
`use_teacher_reference`.
"""


_STAGES: Final = """\
The campaign as the list of what it goes through, in the place of the sections above: `initial` has the settings of
INITIAL_DATASET_GENERATION, `learn` those of ACTIVE_LEARNING, `select` those of DATA_FILTERING, `converge` trains what
is there to convergence, `relabel` labels it by another reference, and before all of it `pretrain` has the committee
learn a cheap method. What is not listed is not run; only a dataset that is brought along is converged on before the
first `learn` in any case.

```yaml
STAGES:
  - initial: {n_points_per_sampling_step_idg: 8, max_initial_set_size: 7}
  - learn: {num_trajectories: 8, max_train_set_size: 68}
  - learn: {name: hot, num_trajectories: 8, max_train_set_size: 120, MD: {temperature: 600}}
  - converge: {max_convergence_epochs: 110}
```

`initial` comes first, or second after `pretrain`, or not at all. `learn`, `select` and `converge` may come as often as
is wanted, in any order, a `converge` wherever there is a dataset before it; `select` may begin. A later `learn` starts
with all labels so far and goes on with the committee; its trajectories begin as those of the first (`start_from`), with
noise of their own. Counts of training structures (`max_train_set_size`, `freeze_threshold_dataset`) are of all that a
member has; MD steps, epochs and `max_labels` of a system are of this one stage.

Any entry may have a `name`, by which the run's store, summary and diary call it. Else the first `learn` is `active`
and the next `learn-2`; a `converge` is called by the stage before it: `initial convergence`, `convergence` after
`active`, `learn-2 convergence`.

What `converge` leaves out is as the stage before it says. With more to be learned after it, it trains all members,
each on what it has. The last one hands over: it trains the best member or all, on everything that was paid for. With
`from_scratch: true` it begins with new models, which may be larger ones: `models: large.yaml`.

A `relabel` has a `converge` after it, which learns its labels before anything else does. Later stages learn from them
and ask its reference for more:

```yaml
STAGES:
  - initial: {n_points_per_sampling_step_idg: 8, max_initial_set_size: 7}
  - learn: {num_trajectories: 8, max_train_set_size: 500}
  - relabel: {name: pbe0, REFERENCE: {control: control_pbe0.in}}
  - converge: {models: large.yaml, from_scratch: true}
```
"""

_SYSTEMS: Final = """\
Starting structures by name, each with all that is its own: `water: {geometry: water.xyz, charge: 0, ...}`. It takes the
place of `MISC.path_to_geometry`, of `MD` by index and of `CLUSTER.systems`. What a system leaves out is as `MD` and
`REFERENCE` say; with systems of which each says all of its motion, there need be no `MD`.
"""


PLAIN_SECTIONS: Final[Mapping[str, type[Section]]] = {
    "INITIAL_DATASET_GENERATION": InitialDatasetSettings,
    "ACTIVE_LEARNING": ActiveLearningSettings,
    "DATA_FILTERING": SelectSettings,
    "MD": MDSettings,
    "MISC": MiscSettings,
}
"""The sections of aims_PAX.yaml whose settings do not depend on a type."""


def reference_page() -> str:
    """All settings of both files as Markdown."""
    parts = [_INTRODUCTION, "## aims_PAX.yaml"]
    for name, model in PLAIN_SECTIONS.items():
        parts += [f"### {name}", _MD if name == "MD" else section_words(model), *_tables(model)]
        inner = {
            key: item for home, keys in NOT_YET.items() if home.startswith(f"{name}.") for key, item in keys.items()
        }
        parts += _other_keys(model, {**NOT_YET.get(name, {}), **inner}, FHI_AIMS.get(name, {}))
    parts += [
        "### STAGES",
        _STAGES,
        *_tables(ConvergeSettings, "Settings of `converge`:"),
        *_tables(RelabelSettings, "Settings of `relabel`:"),
        *_tables(PretrainSettings, "Settings of `pretrain`:"),
        "### SYSTEMS",
        _SYSTEMS,
        *_tables(SystemSettings),
    ]
    parts += ["### CLUSTER", _CLUSTER, *_choices(CLUSTERS)]
    parts += _other_keys(None, {**NOT_YET["CLUSTER"], **NOT_YET["CLUSTER.parsl_options"]}, FHI_AIMS["CLUSTER"])
    parts += ["### REFERENCE", _REFERENCE, *_choices(REFERENCE_SETTINGS)]
    parts += [*_tables(DispersionSettings, "Settings of `dispersion`, which every type has:")]
    parts += ["## mace.yaml"]
    for name, model in MACE_SECTIONS.items():
        parts += [f"### {name}", section_words(model), *_tables(model)]
        parts += _other_keys(model, NOT_YET_MACE.get(name, {}), {})
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _choices(models: Mapping[str, type[Section]]) -> Iterator[str]:
    for name, model in models.items():
        yield f"#### type: {name}"
        yield section_words(model)
        yield from _tables(model)


def section_words(model: type[Section]) -> str:
    """What a section is about."""
    return " ".join((model.__doc__ or "").split())


def _tables(model: type[Section], heading: str = "", *, told: set[type[Section]] | None = None) -> Iterator[str]:
    """The settings of a section, and then of the sections within it, each once."""
    told = {DispersionSettings} if told is None else told
    own = sorted(model.model_fields, key=lambda key: key not in model.__annotations__)  # what is inherited comes last
    rows = [_row(key, model.model_fields[key]) for key in own]
    yield "\n".join([*([heading, ""] if heading else []), "| setting | default | allowed | meaning |", _RULE, *rows])
    for key, info in model.model_fields.items():
        nested = nested_section(info)
        if nested is not None and "teacher" not in key and nested not in told:
            told.add(nested)
            entries = "each entry of " if "list of" in allowed(info) else ""
            yield from _tables(nested, f"Settings of {entries}`{key}`:", told=told)


_RULE: Final = "|---|---|---|---|"
NOT_HERE: Final = "not in this version."
REQUIRED: Final = "**required**"
OF_AIMS: Final = "read by FHI-aims only; accepted where a teacher stands in for it."


def _row(key: str, info: FieldInfo) -> str:
    cells = (f"`{key}`", default_words(info), allowed(info), info.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def default_words(info: FieldInfo) -> str:
    """A default as a person reads it; empty when there is none."""
    return REQUIRED if info.is_required() else _shown(info.get_default(call_default_factory=True))


def _shown(value: Any) -> str:
    match value:
        case None | {} | Section():
            return ""
        case bool():
            return str(value).lower()
        case float() if isinf(value):
            return "inf"
        case float():
            return f"{value:g}"
        case tuple():
            return str(list(value))
        case Path():
            return str(value)
        case _:
            return str(value)


def _other_keys(model: type[Section] | None, absent: Mapping[str, Absent], of_aims: Iterable[str]) -> Iterator[str]:
    """What is accepted, or recognised and refused, beside the settings."""
    lines = [f"- `{alias}`: another name of `{name}`." for alias, name in (model.ALIASES if model else {}).items()]
    for reason in dict.fromkeys(item.reason for item in absent.values()):
        keys = ", ".join(f"`{key}`" for key, item in absent.items() if item.reason == reason)
        lines.append(f"- {keys}: {NOT_HERE} {reason}")
    lines += [f"- `{key}`: {OF_AIMS}" for key in of_aims]
    if lines:
        yield "\n".join(["Also recognised:", "", *lines])


if __name__ == "__main__":
    print(reference_page(), end="")
