"""Keys of workflow files by their own names, whichever way they are spelled."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, get_args, get_origin

from aims_pax.settings.reading.document import KeyPath, dotted
from aims_pax.settings.reading.kinds import allowed, shown
from aims_pax.settings.reading.validation import MAX_STRANGERS, Reading, nested_section
from aims_pax.settings.section import Section


@dataclass(frozen=True, slots=True)
class Spellings:
    """What is written in a file, by the names of the fields: also in lists, and under names that the user gives.

    Parameters
    ----------
    reading : Reading
        Remembers how each key is spelled, and notes what is no setting, or is there in two spellings.
    homes : mapping of str to Section type
        Where keys may belong that stand in the wrong section.
    """

    reading: Reading
    homes: Mapping[str, type[Section]]

    def named(self, model: type[Section], data: Mapping[Any, Any], keys: KeyPath) -> dict[str, Any]:
        """The settings of one section, which the file has at these keys.

        A key that was misspelt stands for the one that was meant, which is then not missing, too.
        """
        named: dict[str, Any] = {}
        spelled = {alias.lower(): own for alias, own in model.ALIASES.items()} | {
            own: own for own in model.model_fields
        }
        known = [spelled.get(key.lower(), key) if isinstance(key, str) else key for key in data]
        written, n_strangers = self.reading.written(keys), 0
        for key, name in zip(data, known, strict=True):
            place, meant = (*written, key), name
            if name not in model.model_fields and n_strangers < MAX_STRANGERS:  # the rest is counted with its section
                n_strangers += 1
                meant = self._meant(model, place)
                if meant is None or meant in named or meant in known:
                    continue
            at = (*keys, meant)
            if meant in named:
                found = f"{dotted(place)} and {dotted(self.reading.written(at))} are the same setting."
                self.reading.add(place, found, "", "Keep one of them.")
                continue
            self.reading.rename(at, place)
            named[meant] = self._within(model, meant, data[key], at)
        for name in model.model_fields:
            if name not in named:
                self.reading.rename((*keys, name), (*written, as_in_paper(model, name)))
        return named

    def _meant(self, model: type[Section], place: KeyPath) -> str | None:
        """The setting that a misspelt key stands for, or None, after noting that it is none."""
        key, found = str(place[-1]), f"{dotted(place)} is not a setting."
        lower = {spelled.lower(): own for own in model.model_fields for spelled in (as_in_paper(model, own), own)}
        close = get_close_matches(key.lower(), lower, n=1, cutoff=0.7)
        if close:
            name = lower[close[0]]
            advice = f"Did you mean {as_in_paper(model, name)} ({allowed(model.model_fields[name])})?"
            self.reading.add(place, found, "", advice)
            return name
        elsewhere = [home for home, other in self.homes.items() if key in other.model_fields or key in other.ALIASES]
        advice = f"It belongs to {elsewhere[0]}." if elsewhere else "Remove it."
        self.reading.add(place, found, ", ".join(as_in_paper(model, own) for own in model.model_fields), advice)
        return None

    def _within(self, model: type[Section], name: str, value: Any, keys: KeyPath) -> Any:
        """The value of one setting, with the sections in it by their own names."""
        info = model.model_fields.get(name)
        inner = nested_section(info)
        if info is None or inner is None:
            return value
        shape = _shape(info.annotation)
        if shape is tuple:
            return self._listed(inner, value, keys)
        if not isinstance(value, Mapping):
            return value
        return self._called(inner, value, keys) if shape is dict else self.named(inner, value, keys)

    def _listed(self, model: type[Section], value: Any, keys: KeyPath) -> Any:
        """A list of sections, of which one may stand without its list."""
        if isinstance(value, Mapping):
            self.reading.rename((*keys, 0), self.reading.written(keys))
            return [self.named(model, value, (*keys, 0))]
        if not isinstance(value, list):
            return value
        return [
            self.named(model, one, (*keys, index)) if isinstance(one, Mapping) else one
            for index, one in enumerate(value)
        ]

    def _called(self, model: type[Section], value: Mapping[Any, Any], keys: KeyPath) -> dict[Any, Any]:
        """Sections under names that the user has given them; what lacks its name, or its key, is noted and read."""
        own = {spelled.lower() for spelled in (*model.ALIASES, *model.model_fields)}
        written = self.reading.written(keys)
        unnamed = [key for key, one in value.items() if not isinstance(one, Mapping) and str(key).lower() in own]
        if unnamed:
            found = f"{dotted((*written, unnamed[0]))} is {shown(value[unnamed[0]])}."
            advice = f"A name stands between: {written[-1]}: {{Structure_1: {{{unnamed[0]}: ...}}}}."
            self.reading.add((*written, unnamed[0]), found, "a mapping of settings below a name", advice)
            self.reading.rename((*keys, _UNNAMED), written)
            value = {_UNNAMED: {key: value[key] for key in unnamed}} | {
                key: one for key, one in value.items() if key not in unnamed
            }
        called: dict[Any, Any] = {}
        for name, one in value.items():
            at = (*keys, name)
            self.reading.rename(at, self.reading.written(at))
            if isinstance(one, Mapping):
                called[name] = self.named(model, one, at)
                continue
            place = self.reading.written(at)
            advice = f"Write {name}: {{Path: {one}}}." if isinstance(one, str) else "Write its settings below its name."
            self.reading.add(at, f"{dotted(place)} is {shown(one)}.", "a mapping of settings below a name", advice)
            if isinstance(one, str):
                self.reading.rename((*at, "path"), place)
                called[name] = {"path": one}
        return called


_UNNAMED: Final = "Structure_1"
"""What a structure is called that was written without a name."""


def as_in_paper(model: type[Section], name: str) -> str:
    """A setting as the paper spells it: ``Steps``."""
    return next((alias for alias, own in model.ALIASES.items() if own == name), name)


def _shape(annotation: Any) -> Any:
    """``dict``, ``tuple``, or anything else; also of what may be left out."""
    inner = get_args(annotation)
    return get_origin(inner[0]) if inner[1:] == (type(None),) else get_origin(annotation)
