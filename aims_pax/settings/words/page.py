"""The reference of all settings, generated from the fields: ``python -m aims_pax.settings.words.page docs``."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from math import isinf
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo

from aims_pax.settings.augmentation import AugmentSettings
from aims_pax.settings.cluster import CLUSTERS
from aims_pax.settings.committee.mace import MACE_SECTIONS
from aims_pax.settings.md import MDSettings
from aims_pax.settings.methods.dispersion import DispersionSettings
from aims_pax.settings.methods.driver import LearningDriverSettings
from aims_pax.settings.methods.reference import REFERENCE_SETTINGS
from aims_pax.settings.misc import MiscSettings
from aims_pax.settings.own import SystemSettings
from aims_pax.settings.reading.absent import FHI_AIMS, NOT_YET, NOT_YET_MACE, Absent
from aims_pax.settings.reading.kinds import allowed
from aims_pax.settings.reading.validation import nested_section
from aims_pax.settings.section import Section
from aims_pax.settings.stages.active import ActiveLearningSettings
from aims_pax.settings.stages.collect import CollectSettings
from aims_pax.settings.stages.converge import ConvergeSettings
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.settings.stages.flying import FlyStageSettings
from aims_pax.settings.stages.initial import InitialDatasetSettings
from aims_pax.settings.stages.pretrain import PretrainSettings
from aims_pax.settings.stages.relabel import RelabelSettings
from aims_pax.settings.stages.select import SelectSettings
from aims_pax.settings.stages.validate import ValidateSettings
from aims_pax.settings.words.workflow import WORKFLOW_WORDS, other_names
from aims_pax.settings.workflow.phases import PhaseSettings
from aims_pax.settings.workflow.playing import PlaySettings

_INTRODUCTION: Final = """\
# Settings

A project is a folder with `aims_PAX.yaml`, `mace.yaml` and starting structures. `aims-pax init` writes one,
`aims-pax check` says everything that is wrong with it, and `aims-pax schema` writes schemas for editors.

Paths are relative to the project's folder, wherever the two files lie (`--aimsPAX-settings`, `--model-settings`), and
those of a [workflow](settings/workflow.md) to the folder of its own file. Numbers may be written as `1e-3`; `inf` means
no limit. A key that is not listed here is an error. The older file names `aimsPAX.yaml` and `model.yaml` are accepted.
`aims-pax explain KEY` says the same of one key in the terminal.
"""

_GENERATED: Final = "<!-- Generated from the code by: python -m aims_pax.settings.words.page docs -->"

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
is there to convergence, `relabel` labels it by another reference, `collect` labels structures made from others, and
before all of it `pretrain` has the committee learn a cheap method. What is not listed is not run; only a dataset that
is brought along is converged on before the first `learn` in any case.

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

What `converge` leaves out is as the stage before it says. `initial`, `learn` and `select` say by
`max_convergence_epochs` and `convergence_patience` how long the convergence after them is, which is then said once;
`explore` says by them how each of its rounds is trained, and a `converge` after it may say otherwise.

With more to be learned after it, `converge` trains all members, each on what it has. The last one hands over: it trains
the best member or all, on everything that was paid for. With `from_scratch: true` it begins with new models, which may
be larger ones: `models: large.yaml`.

`collect` begins a campaign with [structures made from the starting structures](../augmentation.md), in the place of
`initial`. A `converge` learns them, and a `learn` or an `explore` goes on:

```yaml
STAGES:
  - collect: {augment: {distort: 50, strain: [-0.05, 0.1], isolated: true}}
  - converge
  - learn: {num_trajectories: 8, max_train_set_size: 500}
  - converge
```

`explore` goes in [rounds of MD, judgement, labels and training](../exploration.md), with models that a stage before it
has trained, or that are brought along:

```yaml
STAGES:
  - collect: {augment: {distort: 50, strain: [-0.05, 0.1]}}
  - converge
  - explore: {temperature: [300, 700, 1000], pressure: [0, 1.0e+9], thr_forces: 0.1}
```

`fly` lets models drive, [compares them with the reference](../fly.md) every so many steps, and trains them where a
tolerance is broken. The reference makes the first steps where there are no models yet:

```yaml
STAGES:
  - fly: {num_trajectories: 4, max_MD_steps: 10000, tolerances: {ediff: 0.005, frmse: 0.15}}
```

A `relabel` has a `converge` after it, which learns its labels before anything else does. Later stages learn from them
and ask its reference for more:

```yaml
STAGES:
  - initial: {n_points_per_sampling_step_idg: 8, max_initial_set_size: 7}
  - learn: {num_trajectories: 8, max_train_set_size: 500}
  - relabel: {name: pbe0, REFERENCE: {control: control_pbe0.in}}
  - converge: {models: large.yaml, from_scratch: true}
```

A `validate` comes last. It computes [properties of materials](../properties.md) by the model that is handed over and by
the reference, as `aims-pax validate` does; its settings may change as long as it has not been run:

```yaml
STAGES:
  - initial: {n_points_per_sampling_step_idg: 8, max_initial_set_size: 7}
  - learn: {num_trajectories: 8, max_train_set_size: 68}
  - converge
  - validate: {structures: [fcc.cif, bcc.cif], eos: true, elastic: true, phonons: {length_ang: 12}}
```
"""

_SYSTEMS: Final = """\
Starting structures by name, each with all that is its own: `water: {geometry: water.xyz, charge: 0, ...}`. It takes the
place of `MISC.path_to_geometry`, of `MD` by index and of `CLUSTER.systems`. What a system leaves out is as `MD` and
`REFERENCE` say; with systems of which each says all of its motion, there need be no `MD`.
"""


_AUGMENT: Final = """\
What `aims-pax collect`, and the stage `collect`, make of structures: a mapping in a YAML file, on the command line, in
Python, or in STAGES. A source that
is not named does not run; `true` takes its defaults, which are those of the TrainsPot paper where it has the source.
[Structures made from others](../augmentation.md) says what each makes.

```yaml
augment:
  supercell: {max_atoms: 200, shortest_image: 15}
  inputs: true
  distort: {n: 30, strain: [-0.1, 0.2]}
  slabs: {miller: [[1, 1, 1], [1, 0, 0]]}
  vacuum: 12
```
"""


PLAIN_SECTIONS: Final[Mapping[str, type[Section]]] = {
    "INITIAL_DATASET_GENERATION": InitialDatasetSettings,
    "ACTIVE_LEARNING": ActiveLearningSettings,
    "DATA_FILTERING": SelectSettings,
    "MD": MDSettings,
    "MISC": MiscSettings,
}
"""The sections of aims_PAX.yaml whose settings do not depend on a type."""


def section_words(model: type[Section]) -> str:
    """What a section is about."""
    return " ".join((model.__doc__ or "").split())


_CAMPAIGN: Final[Mapping[str, str]] = {
    **{name: section_words(model) for name, model in PLAIN_SECTIONS.items()},
    "DATA_FILTERING": "Selection from a pool of labelled structures, without MD.",
    "MD": "How trajectories move: ensemble, temperature, pressure, programs of several parts.",
    "STAGES": "The campaign as a list of what it goes through.",
    "SYSTEMS": "Starting structures by name, each with all that is its own.",
    "CLUSTER": "Where labels are computed: in the program itself, on this machine, on nodes of a batch system.",
    "REFERENCE": "The method that labels structures, by its type.",
}
"""The sections of aims_PAX.yaml in the order of their pages, each in a line."""


_OTHERS: Final[Mapping[str, str]] = {
    "augment": section_words(AugmentSettings).split(":")[0] + ".",
    "workflow": "Files of exploration workflows: phases, each with a structure and what is done to it.",
}


def reference_pages() -> dict[str, str]:
    """All settings of both files as Markdown: the page of contents and one for each section, by path within docs/."""
    campaign = {name: f"settings/{name.lower()}.md" for name in _CAMPAIGN}
    models = {f"{name} of mace.yaml": f"settings/mace_{name.lower()}.md" for name in MACE_SECTIONS}
    pages = {path: _page(f"# {name}", *_campaign_parts(name)) for name, path in campaign.items()}
    for (title, path), (name, model) in zip(models.items(), MACE_SECTIONS.items(), strict=True):
        parts = [section_words(model), *_tables(model), *_other_keys(model, NOT_YET_MACE.get(name, {}), {})]
        pages[path] = _page(f"# {title}", *parts)
    others = {"augment": "settings/augment.md", "workflow": "settings/workflow.md"}
    pages["settings/augment.md"] = _page("# augment", _AUGMENT, *_tables(AugmentSettings))
    names = "\n".join(f"- `{alias}`: another name of `{name}`." for alias, name in other_names())
    pages["settings/workflow.md"] = _page(
        "# workflow",
        WORKFLOW_WORDS,
        *_tables(PhaseSettings, "Settings of a phase:"),
        f"Spellings that differ in more than a capital:\n\n{names}",
    )
    words = dict(zip(models, map(section_words, MACE_SECTIONS.values()), strict=True))
    contents = _page(
        *(_INTRODUCTION, "## aims_PAX.yaml", _contents(campaign, _CAMPAIGN), "## mace.yaml", _contents(models, words)),
        *("## Of commands and stages", _contents(others, _OTHERS)),
        *("## Every key", _index(pages)),
    )
    return {"settings.md": contents, **pages}


def _campaign_parts(name: str) -> Iterator[str]:
    """What stands on the page of a section of aims_PAX.yaml."""
    match name:
        case "STAGES":
            yield _STAGES
            yield from _tables(CollectSettings, "Settings of `collect`:", told={DispersionSettings, AugmentSettings})
            yield from _tables(ConvergeSettings, "Settings of `converge`:")
            yield from _tables(ExploreSettings, "Settings of `explore`:", told={DispersionSettings})
            yield from _tables(PlaySettings, "Settings of `explore` with workflows:", told={LearningDriverSettings})
            yield from _tables(FlyStageSettings, "Settings of `fly`:")
            yield from _tables(RelabelSettings, "Settings of `relabel`:")
            yield from _tables(PretrainSettings, "Settings of `pretrain`:")
            yield from _tables(ValidateSettings, "Settings of `validate`:")
        case "SYSTEMS":
            yield _SYSTEMS
            yield from _tables(SystemSettings)
        case "CLUSTER":
            yield _CLUSTER
            yield from _choices(CLUSTERS)
            absent = {**NOT_YET["CLUSTER"], **NOT_YET["CLUSTER.parsl_options"]}
            yield from _other_keys(None, absent, FHI_AIMS["CLUSTER"])
        case "REFERENCE":
            yield _REFERENCE
            yield from _choices(REFERENCE_SETTINGS)
            yield from _tables(DispersionSettings, "Settings of `dispersion`, which every type has:")
        case _:
            model = PLAIN_SECTIONS[name]
            yield _MD if name == "MD" else section_words(model)
            yield from _tables(model)
            within = [keys for home, keys in NOT_YET.items() if home == name or home.startswith(f"{name}.")]
            absent = {key: item for keys in within for key, item in keys.items()}
            yield from _other_keys(model, absent, FHI_AIMS.get(name, {}))


def _page(*parts: str) -> str:
    return "\n\n".join(part.strip() for part in (_GENERATED, *parts)) + "\n"


def _contents(paths: Mapping[str, str], words: Mapping[str, str]) -> str:
    rows = [f"| [{name}]({path}) | {words[name]} |" for name, path in paths.items()]
    return "\n".join(["| section | |", "|---|---|", *rows])


def _index(pages: Mapping[str, str]) -> str:
    """All keys in the order of the alphabet, each with the pages that tell of it."""
    homes: dict[str, list[str]] = {}
    for path, text in pages.items():
        for key in _KEY.findall(text):
            link = f"[{_HEADING.findall(text)[0]}]({path})"
            homes.setdefault(key, []).extend(() if link in homes.get(key, ()) else (link,))
    rows = [f"| `{key}` | {', '.join(links)} |" for key, links in sorted(homes.items(), key=lambda one: one[0].lower())]
    return "\n".join(["| key | section |", "|---|---|", *rows])


_KEY: Final = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
_HEADING: Final = re.compile(r"^# (.+)$", re.MULTILINE)


def _choices(models: Mapping[str, type[Section]]) -> Iterator[str]:
    for name, model in models.items():
        yield f"## type: {name}"
        yield section_words(model)
        yield from _tables(model)


def _tables(model: type[Section], heading: str = "", *, told: set[type[Section]] | None = None) -> Iterator[str]:
    """The settings of a section, and then of the sections within it, each once."""
    told = {DispersionSettings} if told is None else told
    own = sorted(model.model_fields, key=lambda key: key not in model.__annotations__)  # what is inherited comes last
    rows = [_row(key, model.model_fields[key]) for key in own]
    yield "\n".join([*([heading, ""] if heading else []), "| setting | default | allowed | meaning |", _RULE, *rows])
    for key, info in model.model_fields.items():
        nested = nested_section(info)
        if nested is not None and nested.model_fields and "teacher" not in key and nested not in told:
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
            return str([list(one) if isinstance(one, tuple) else one for one in value])
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


def write_pages(docs: Path) -> None:
    """Write every page, and remove those of sections that there are no more."""
    pages = reference_pages()
    (docs / "settings").mkdir(exist_ok=True)
    for former in (docs / "settings").glob("*.md"):
        if f"settings/{former.name}" not in pages:
            former.unlink()
    for path, text in pages.items():
        (docs / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
