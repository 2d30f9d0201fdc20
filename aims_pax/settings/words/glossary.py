"""Every setting with all that is known of it, and what a person may mean by a word: ``aims-pax explain``."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

from pydantic.fields import FieldInfo

from aims_pax.settings.augmentation import AugmentSettings
from aims_pax.settings.changing import GOALS, when
from aims_pax.settings.cluster import CLUSTERS, SystemResources
from aims_pax.settings.committee.mace import MACE_SECTIONS
from aims_pax.settings.methods.reference import REFERENCE_SETTINGS
from aims_pax.settings.own import SystemSettings
from aims_pax.settings.reading.absent import FHI_AIMS, NOT_YET, NOT_YET_MACE, NOT_YET_VALUES, Absent
from aims_pax.settings.reading.kinds import allowed, meaning, shown
from aims_pax.settings.reading.stages import SECTION as STAGES
from aims_pax.settings.reading.validation import nested_section
from aims_pax.settings.section import Section
from aims_pax.settings.stages.collect import CollectSettings
from aims_pax.settings.stages.converge import ConvergeSettings
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.settings.stages.flying import FlyStageSettings
from aims_pax.settings.stages.kinds import COLLECT, CONVERGE, EXPLORE, FLY, PLAY, PRETRAIN, RELABEL, VALIDATE
from aims_pax.settings.stages.pretrain import PretrainSettings
from aims_pax.settings.stages.relabel import RelabelSettings
from aims_pax.settings.stages.validate import ValidateSettings
from aims_pax.settings.words.page import NOT_HERE, OF_AIMS, PLAIN_SECTIONS, REQUIRED, default_words, section_words
from aims_pax.settings.workflow.phases import PhaseSettings
from aims_pax.settings.workflow.playing import PlaySettings

AIMS_PAX_FILE: Final = "aims_PAX.yaml"
MACE_FILE: Final = "mace.yaml"
AUGMENT: Final = "augment"
"""What `aims-pax collect` takes; it stands in a file of its own, or on the command line."""

WORKFLOW: Final = "workflow"
"""Files that stages name; each holds phases."""

CHOSEN_BY_TYPE: Final[Mapping[str, Mapping[str, type[Section]]]] = {
    "CLUSTER": CLUSTERS,
    "REFERENCE": REFERENCE_SETTINGS,
}
"""Sections whose settings depend on their own `type`."""

OF_STAGES_ALONE: Final[Mapping[str, type[Section]]] = {
    COLLECT: CollectSettings,
    CONVERGE: ConvergeSettings,
    EXPLORE: ExploreSettings,
    FLY: FlyStageSettings,
    PLAY: PlaySettings,
    RELABEL: RelabelSettings,
    PRETRAIN: PretrainSettings,
    VALIDATE: ValidateSettings,
}
"""Stages that no section of v0.2 has the settings of; what others have, too, is explained there."""

UNITS: Final = ("eV/Å³", "eV/Å", "eV", "1/Å", "Å", "K", "1/fs", "fs", "s", "MB", "Hartree", "µB", "elementary charges")
_UNIT: Final = re.compile(rf"(?:, |\()({'|'.join(map(re.escape, UNITS))})(?=[.:,)])")


@dataclass(frozen=True, slots=True)
class Entry:
    """One key that may be written, or that is known and refused.

    Parameters
    ----------
    file : str
    section : str
        With the settings that hold it: ``INITIAL_DATASET_GENERATION.foundational_model_settings``.
    key : str
    types : tuple of str
        Values of the section's `type` for which it is so; empty where the section has none.
    info : FieldInfo or None
        None for a key that is not honoured.
    aliases : tuple of str
        Other spellings.
    absent : Absent or None
        Of a key that is not honoured.
    """

    file: str
    section: str
    key: str
    types: tuple[str, ...] = ()
    info: FieldInfo | None = None
    aliases: tuple[str, ...] = ()
    absent: Absent | None = None

    @property
    def name(self) -> str:
        """``MD.timestep``."""
        return f"{self.section}.{self.key}"

    @property
    def meaning(self) -> str:
        """Its first sentence, or why it is not honoured."""
        return _refusal(self.absent) if self.info is None else f"{meaning(self.info)}."

    @property
    def of_types(self) -> str:
        """The types of its section that have it; empty where all have it."""
        choices = CHOSEN_BY_TYPE.get(self.section.partition(".")[0], {})
        return "" if len(self.types) == len(choices) else " | ".join(self.types)

    @property
    def unit(self) -> str:
        """As its description says it; empty for what has none."""
        found = _UNIT.search((self.info.description or "").split(". ")[0] + ".") if self.info else None
        return found[1] if found else ""


def sections() -> dict[str, tuple[str, str]]:
    """File and meaning of every section, by name; those of mace.yaml that share a name carry the file's."""
    found = {name: (AIMS_PAX_FILE, section_words(model)) for name, model in PLAIN_SECTIONS.items()}
    found[STAGES] = (
        AIMS_PAX_FILE,
        "The campaign as the list of what it goes through: pretrain, initial, collect, converge, learn, explore, fly, "
        "select, relabel, validate.",
    )
    found["SYSTEMS"] = (AIMS_PAX_FILE, section_words(SystemSettings))
    for name, models in CHOSEN_BY_TYPE.items():
        found[name] = (AIMS_PAX_FILE, f"By its type: {', '.join(models)}.")
    for name, model in MACE_SECTIONS.items():
        found[_mace_name(name)] = (MACE_FILE, section_words(model))
    found[AUGMENT] = (AUGMENT, section_words(AugmentSettings))
    found[WORKFLOW] = (WORKFLOW, section_words(PhaseSettings))
    return found


def entries() -> list[Entry]:
    """All keys of both files, in the order of docs/settings.md; what several types share stands there once."""
    found: list[Entry] = []
    for name, model in PLAIN_SECTIONS.items():
        found += _settings(AIMS_PAX_FILE, name, model)
        found += _refused(AIMS_PAX_FILE, name, {**NOT_YET.get(name, {}), **FHI_AIMS.get(name, {})})
    for name, models in CHOSEN_BY_TYPE.items():
        typed = [
            replace(entry, types=(kind,))
            for kind, each in models.items()
            for entry in _settings(AIMS_PAX_FILE, name, each)
        ]
        found += _merged(typed)
    found += _settings(AIMS_PAX_FILE, "CLUSTER.systems", SystemResources)
    found += _settings(AIMS_PAX_FILE, "SYSTEMS", SystemSettings)
    found += _settings(AUGMENT, AUGMENT, AugmentSettings)
    found += _settings(WORKFLOW, WORKFLOW, PhaseSettings)
    for name, stage in OF_STAGES_ALONE.items():
        told = {(entry.key, entry.meaning) for entry in found}
        said = EXPLORE if name == PLAY else name
        own = _settings(AIMS_PAX_FILE, f"{STAGES}.{said}", stage)
        found += [entry for entry in own if (entry.key, entry.meaning) not in told]
    for name in (name for name in NOT_YET if name not in PLAIN_SECTIONS):
        found += _refused(AIMS_PAX_FILE, name, NOT_YET[name])
    found += _refused(AIMS_PAX_FILE, "CLUSTER", FHI_AIMS["CLUSTER"])
    for name, model in MACE_SECTIONS.items():
        found += _settings(MACE_FILE, _mace_name(name), model)
        found += _refused(MACE_FILE, _mace_name(name), NOT_YET_MACE.get(name, {}))
    return found


def meant(word: str, known: Sequence[Entry]) -> tuple[list[Entry], bool]:
    """The keys that a person may mean, and whether the word is exactly their name or an alias.

    Parameters
    ----------
    word : str
        In any case: a key, a section and a key, a part of a key, or something misspelt.
    known : sequence of Entry
    """
    asked = _plain(word)
    exact = [one for one in known if asked in _names(one)]
    if exact:
        return exact, True
    if parts := [one for one in known if asked in _plain(one.name)]:
        return parts, False
    section, _, key = asked.rpartition(".")
    homes = [one for one in known if _plain(one.section).endswith(section)] or known
    names = {name: one for one in homes for name in _names(one) if "." not in name}
    close = get_close_matches(key, names, n=5, cutoff=0.6)
    return [one for one in homes if any(name in _names(one) for name in close)], False


def of_section(word: str, known: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Names and keys of the sections of this name, or of a section with this type; empty when there is none."""
    asked = _plain(word)
    all_names = dict.fromkeys((*sections(), *(one.section for one in known)))
    names = [name for name in all_names if asked == _plain(name)]
    if not names and asked in (AIMS_PAX_FILE.lower(), MACE_FILE):
        names = [name for name in all_names if any(one.file.lower() == asked for one in known if one.section == name)]
    found = {name: [one for one in known if one.section == name] for name in names}
    for name, models in CHOSEN_BY_TYPE.items():
        kind = next((kind for kind in models if asked in (kind, f"{name.lower()}.{kind}")), None)
        if kind is not None:
            own = [replace(one, types=(kind,)) for one in known if kind in one.types and one.section == name]
            found[f"{name}, type: {kind}"] = sorted(own, key=lambda one: one.key not in models[kind].__annotations__)
    return found


def related(entry: Entry, known: Sequence[Entry]) -> list[str]:
    """Settings that its description speaks of, and those whose descriptions speak of it."""
    names = [one.name for one in known if _belong_together(one, entry)]
    near = [name for name in names if name.rpartition(".")[0] == entry.section]
    keys_near = {name.rpartition(".")[2] for name in near}
    return list(dict.fromkeys([*near, *(name for name in names if name.rpartition(".")[2] not in keys_near)]))


def explanation(entry: Entry, known: Sequence[Entry]) -> list[tuple[str, str]]:
    """All that is known of a key, as pairs of a heading and a text; the first heading is empty."""
    if entry.info is None:
        return [("", _refusal(entry.absent)), *_accepted(entry.absent), *_related(entry, known)]
    default = default_words(entry.info)
    rows = [("", entry.info.description or ""), ("allowed", allowed(entry.info))]
    rows += [("unit", entry.unit)] if entry.unit else []
    rows += [("default", "none: it must be given" if default == REQUIRED else default or "nothing")]
    rows += [("may change", str(when(entry.name)))] if entry.file not in (AUGMENT, WORKFLOW) else []
    rows += [("also written", ", ".join(entry.aliases))] if entry.aliases else []
    unavailable = NOT_YET_VALUES.get(entry.name.removeprefix(f"{MACE_FILE}: "), {})
    for reason in dict.fromkeys(unavailable.values()):
        values = ", ".join(value for value, why in unavailable.items() if why == reason)
        rows.append(("not available", f"{values}: {reason}"))
    return rows + _related(entry, known)


def _related(entry: Entry, known: Sequence[Entry]) -> list[tuple[str, str]]:
    names = related(entry, known)
    return [("see also", ", ".join(names))] if names else []


def _belong_together(one: Entry, other: Entry) -> bool:
    if one.key == other.key or (one.absent and other.absent):
        return False
    if one.section == other.section and {one.key, other.key} <= {*GOALS}:
        return True
    return _speaks_of(one, other) or _speaks_of(other, one)


def _speaks_of(one: Entry, other: Entry) -> bool:
    """Keys that are words of everyday, such as method, are meant in their own section only."""
    is_a_name = "_" in other.key or one.section == other.section
    return is_a_name and other.key in re.findall(r"\w+", _described(one))


def _accepted(absent: Absent | None) -> list[tuple[str, str]]:
    neutral = absent.neutral if absent is not None else ()
    said = list(dict.fromkeys(_shown(value) for value in neutral if value is not None))
    return [("accepted as", f"{' or '.join(said)}, which asks for nothing")] if said else []


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else shown(value) if isinstance(value, bool) else str(value)


def _refusal(absent: Absent | None) -> str:
    said = f"{NOT_HERE} {absent.reason}" if absent is not None and absent.reason else OF_AIMS
    return f"{said[:1].upper()}{said[1:]}"


def _described(entry: Entry) -> str:
    return entry.absent.reason if entry.absent else (entry.info.description or "" if entry.info else "")


def _mace_name(section: str) -> str:
    return f"{MACE_FILE}: {section}"


def _settings(file: str, section: str, model: type[Section]) -> Iterator[Entry]:
    """The settings of a section and of the sections within it."""
    for key, info in model.model_fields.items():
        aliases = tuple(alias for alias, name in model.ALIASES.items() if name == key)
        yield Entry(file, section, key, info=info, aliases=aliases)
        nested = nested_section(info)
        if nested is not None and key != "teacher_reference_settings":  # those of REFERENCE, type: teacher
            yield from _settings(file, f"{section}.{key}", nested)


def _refused(file: str, section: str, absent: Mapping[str, Absent]) -> Iterator[Entry]:
    for key, item in absent.items():
        yield Entry(file, section, key, absent=item)


def _merged(typed: Sequence[Entry]) -> list[Entry]:
    """The same settings, those that mean the same for several types as one."""
    merged: dict[tuple[str, ...], Entry] = {}
    for entry in typed:
        assert entry.info is not None, "a section chosen by its type holds settings only"
        said = (entry.name, allowed(entry.info), default_words(entry.info), entry.info.description or "")
        earlier = merged.get(said)
        merged[said] = entry if earlier is None else replace(earlier, types=(*earlier.types, *entry.types))
    return list(merged.values())


def _names(entry: Entry) -> set[str]:
    """All names by which a key may be asked for."""
    keys = (entry.key, *entry.aliases)
    section = entry.section.removeprefix(f"{MACE_FILE}: ")
    homes = (section, section.rpartition(".")[2], *entry.types, *(f"{section}.{kind}" for kind in entry.types))
    return {_plain(name) for key in keys for name in (key, *(f"{home}.{key}" for home in homes))}


def _plain(word: str) -> str:
    """Without case, spaces, the file's name, and the colon behind it."""
    return re.sub(r"^(mace|aims_pax)\.yaml:? *(?=.)", "", word.strip().lower()).removesuffix(":")
