"""Sections of a document as validated settings, and everything wrong with them as problems."""

import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from aims_pax.errors import Problem
from aims_pax.settings.reading.absent import FHI_AIMS, NOT_YET, NOT_YET_VALUES, Absent
from aims_pax.settings.reading.document import Document, KeyPath, dotted, scalar
from aims_pax.settings.reading.kinds import MISFIT, allowed, meaning, shown
from aims_pax.settings.section import CONTRADICTION, Contradiction, Section

MAX_STRANGERS: Final = 50
"""Unknown keys of a section that are told one by one."""

_NO_SETTING: Final = frozenset({"extra_forbidden", "invalid_key"})
"""Types of pydantic's errors for keys that are not among the fields."""

_WITH_UNIT: Final = re.compile(r"\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*[A-Za-zÅ°/]+(?:\^?-?\d)?(?:[/ *][A-Za-zÅ]+)*\s*")
"""``500 K``, ``0.01/fs``, ``5 eV/Å``."""

S = TypeVar("S", bound=Section)


@dataclass(frozen=True, slots=True)
class Unsettled:
    """What is missing from a section, or a contradiction in it: another part of the same section may mend it.

    Parameters
    ----------
    what : Hashable
        Equal for the same mistake, wherever it stands.
    keys, found, allowed, advice
        As :meth:`Reading.add` takes them.
    """

    what: Hashable
    keys: KeyPath
    found: str
    allowed: str = ""
    advice: str = ""


@dataclass(slots=True)
class Reading:
    """One pass over one document, which collects problems instead of stopping at the first.

    Parameters
    ----------
    document : Document
    folder : Path
        What paths in the document are relative to.
    absent : mapping of section to key to Absent
        Keys of this document that are known and not honoured.
    reference : str
        The type of the reference, which decides whether FHI-aims' keys may stay: those of a project whose labels
        come from a teacher may, and of one for FHI-aims itself.
    homes : mapping of str to Section type
        The sections of this document, for keys that stand in the wrong one.
    kinds : mapping of str to str
        The section that has the settings of an entry of STAGES, by its kind.
    """

    document: Document
    folder: Path
    absent: Mapping[str, Mapping[str, Absent]] = field(default_factory=dict)
    reference: str = "teacher"
    homes: Mapping[str, type[Section]] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    _noted: dict[Problem, int] = field(default_factory=dict, init=False)
    _written: dict[KeyPath, KeyPath] = field(default_factory=dict, init=False)

    @property
    def problems(self) -> list[Problem]:
        """What was found so far, in the order of the file."""
        return sorted(self._noted, key=self._noted.__getitem__)

    def add(self, keys: KeyPath, found: str, allowed: str = "", advice: str = "") -> None:
        """Note a problem at a key, named as it was written; the same one at the same place is noted once."""
        written = self.written(keys)
        self._noted[Problem(self.document.where(written), found, allowed, advice)] = self.document.line(written) or 0

    def add_unsettled(self, found: Iterable[Unsettled]) -> None:
        """Note what was left for another part of its section to mend, and was not."""
        for one in found:
            self.add(one.keys, one.found, one.allowed, one.advice)

    def written(self, keys: KeyPath) -> KeyPath:
        """The spelling of a key in the file, also of one within what was renamed."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self._written:
                return (*self._written[keys[:length]], *keys[length:])
        return keys

    def rename(self, keys: KeyPath, written: KeyPath) -> None:
        """Remember how a key is spelled in the file."""
        self._written[keys] = written

    def section(
        self, model: type[S], data: Any, keys: KeyPath, *, unsettled: list[Unsettled] | None = None
    ) -> S | None:
        """Validated settings of one section; None after noting its problems.

        Parameters
        ----------
        unsettled : list of Unsettled, or None
            Gets what is missing, and contradictions. None: they are noted like all else.
        """
        later: list[Unsettled] = []
        if data is None:
            data = {}
        if not isinstance(data, Mapping):
            found = f"{dotted(keys)} is {shown(data)}."
            self.add(keys, found, "a mapping of settings", "Indent the settings of this section below its name.")
            return None
        n_before = len(self._noted)
        cleaned = self._cleaned(model, data, keys)
        try:
            section = model.model_validate(cleaned, context={"folder": self.folder})
        except ValidationError as error:
            self._translate_all(model, error, keys, later)
            if unsettled is None:
                self.add_unsettled(later)
            else:
                unsettled += later
            return None
        return section if len(self._noted) == n_before else None

    def _cleaned(self, model: type[Section], data: Mapping[Any, Any], keys: KeyPath) -> dict[Any, Any]:
        """The same settings by their own names, without those that ask for nothing or can't be had."""
        cleaned: dict[Any, Any] = {}
        for written, value in data.items():
            key = model.ALIASES.get(written, written)
            path, spelled = (*keys, key), (*keys, written)
            if self._is_absent(spelled, value):
                continue
            if key in cleaned:
                other = self.written(path)
                lines = sorted(
                    line for place in (other, spelled) if (line := self.document.lines.get(place)) is not None
                )
                places = f" (lines {lines[0]} and {lines[1]})" if len(lines) == 2 else ""
                found = f"{dotted(spelled)} and {dotted(other)} are the same setting{places}."
                self.add(spelled, found, "", "Keep one of them.")
                continue
            if key != written:
                self.rename(path, spelled)
            nested = nested_section(model.model_fields.get(key))
            if nested is not None and isinstance(value, Mapping):
                value = self._cleaned(nested, value, path)
            cleaned[key] = value
        return cleaned

    def _is_absent(self, keys: KeyPath, value: Any) -> bool:
        """Whether a key is none that this version reads; notes a problem if it asks for something."""
        section, key = self._home(keys[:-1]), str(keys[-1])
        absent = self.absent.get(section, {}).get(key)
        if absent is not None:
            if not absent.accepts(value):
                name = dotted(self.written(keys))
                self.add(keys, f"{name} is {shown(value)}, which is not in this version.", "", absent.reason)
            return True
        of_aims = FHI_AIMS.get(section, {}).get(key) if self.absent is NOT_YET else None
        if of_aims is None:
            return False
        if self.reference not in ("teacher", "fhi-aims") and not of_aims.accepts(value):
            found = f"{dotted(self.written(keys))} is read by FHI-aims only, and the reference is {self.reference}."
            self.add(keys, found, "", "Remove it.")
        return True

    def _home(self, keys: KeyPath) -> str:
        """The section, also of what a system or an entry of STAGES says of it: ``SYSTEMS.water.MD`` is MD."""
        if keys[:1] == ("SYSTEMS",) and len(keys) > 2:
            keys = keys[2:]
        elif keys[:1] == ("STAGES",) and len(keys) > 2:
            keys = (self.kinds.get(str(keys[2]), str(keys[2])), *keys[3:])
        return dotted(tuple(key for key in keys if isinstance(key, str)))

    def _translate_all(
        self, model: type[Section], error: ValidationError, keys: KeyPath, later: list[Unsettled]
    ) -> None:
        """Note a problem for each of pydantic's errors; a setting that was misspelt is not also missing."""
        meant: set[KeyPath] = set()
        details = error.errors(include_url=False)
        strangers = [item for item in details if item["type"] in _NO_SETTING]
        if len(strangers) > MAX_STRANGERS:
            found = f"{dotted(self.written(keys))} has {len(strangers) - MAX_STRANGERS} more keys that are no settings."
            self.add(keys, found, "", "Is it the right file?")
        for item in strangers[:MAX_STRANGERS]:
            location = tuple(key for key in item["loc"] if key != "[key]")
            name = self._unknown(_model_at(model, location[:-1]), (*keys, *location))
            meant.add((*location[:-1], name))
        for item in (item for item in details if item["type"] not in _NO_SETTING):
            if item["type"] != "missing" or item["loc"] not in meant:
                self._translate(model, item, keys, later)

    def _translate(self, model: type[Section], details: ErrorDetails, keys: KeyPath, later: list[Unsettled]) -> None:
        location = tuple(key for key in details["loc"] if key != "[key]")
        path = (*keys, *location)
        name = dotted(self.written(path))
        info = _field_at(model, location)
        match details["type"]:
            case str(kind) if kind == CONTRADICTION:
                contradictions: Iterable[Contradiction] = details["ctx"][CONTRADICTION]
                for item in contradictions:
                    at = (*path, *(int(key) if key.isdigit() else key for key in item.key.split(".") if key))
                    home = dotted(self.written(at[:-1])) if item.key else name
                    later.append(Unsettled((location, item), at, f"{home}: {item.found}", "", item.advice))
            case "missing" if info is not None:
                later.append(Unsettled((location, "missing"), path, f"{name} is missing.", _expected(info)))
            case kind:
                found = details["msg"] if kind == MISFIT else f"is {shown(details['input'])}"
                reason = NOT_YET_VALUES.get(self._home(path), {}).get(str(details["input"]).lower(), "")
                if kind == "string_type" and isinstance(details["input"], int | float):
                    reason = "Put it in quotes if it is meant as text."
                if not reason and info is not None and _is_number_in_quotes(details["input"], info):
                    reason = "Remove the quotes: in quotes this is text."
                if not reason and info is not None:
                    reason = _number_alone(details["input"], info)
                self.add(path, f"{name} {found}.", _expected(info) if info else "", reason)

    def _unknown(self, model: type[Section], path: KeyPath) -> str:
        """Note a key that is no setting; returns the one that was probably meant, or nothing."""
        key, found = path[-1], f"{dotted(self.written(path))} is not a setting."
        names = {name.lower(): name for name in (*model.ALIASES, *model.model_fields)}
        close = get_close_matches(str(key).lower(), names, n=1, cutoff=0.7)
        if close:
            meant = names[close[0]]
            info = model.model_fields[model.ALIASES.get(meant, meant)]
            self.add(path, found, "", f"Did you mean {meant} ({allowed(info)}; {_lower_first(meaning(info))})?")
            return model.ALIASES.get(meant, meant)
        elsewhere = [name for name, home in self.homes.items() if key in home.model_fields or key in home.ALIASES]
        if elsewhere:
            self.add(path, found, "", f"It belongs to {' or '.join(elsewhere)}.")
        elif len(model.model_fields) <= 12:
            self.add(path, found, ", ".join(model.model_fields), "")
        else:
            self.add(path, found, "", "Remove it; docs/settings.md lists the settings of this section.")
        return ""


def suggestion(word: str, choices: Iterable[str]) -> str:
    """``Did you mean MD?``, or nothing when no choice is close."""
    by_lower = {choice.lower(): choice for choice in choices}
    close = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f"Did you mean {by_lower[close[0]]}?" if close else ""


def nested_section(info: FieldInfo | None) -> type[Section] | None:
    """The section that a setting holds, or a list of which it holds, if it holds one."""
    return None if info is None else _section_in(info.annotation)


def _section_in(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((found for part in get_args(annotation) if (found := _section_in(part)) is not None), None)


def _model_at(model: type[Section], location: KeyPath) -> type[Section]:
    for key in location:
        model = nested_section(model.model_fields.get(str(key))) or model
    return model


def _field_at(model: type[Section], location: KeyPath) -> FieldInfo | None:
    """The innermost setting on the way to a value."""
    info = None
    for key in location:
        info = model.model_fields.get(str(key), info)
        model = nested_section(info) or model
    return info


def _is_number_in_quotes(value: object, info: FieldInfo) -> bool:
    """Whether a text would be the number, or true or false, that is wanted, without the quotes that make it a text."""
    is_wanted = allowed(info).startswith(("integer", "number", "true"))
    return is_wanted and isinstance(value, str) and isinstance(scalar(value.strip()), int | float)


def _number_alone(value: object, info: FieldInfo) -> str:
    """How a number is written that has a decimal comma, or its unit behind it; empty for anything else."""
    if not (isinstance(value, str) and allowed(info).startswith(("integer", "number"))):
        return ""
    if comma := re.fullmatch(r"\s*([-+]?\d+),(\d+)\s*", value):
        return f"Write {comma[1]}.{comma[2]}: decimals stand behind a point."
    if unit := _WITH_UNIT.fullmatch(value):
        return f"Write a number alone, in the unit that is expected: {unit[1]}, if that is the one that you mean."
    return ""


def _expected(info: FieldInfo) -> str:
    return f"{allowed(info)} ({_lower_first(meaning(info))})"


def _lower_first(sentence: str) -> str:
    """A sentence as part of another one; abbreviations keep their capitals."""
    return sentence if sentence[1:2].isupper() else sentence[:1].lower() + sentence[1:]
