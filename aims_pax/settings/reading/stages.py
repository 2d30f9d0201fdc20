"""The stages of a campaign as they are written: the list STAGES, or the two sections of v0.2 that say the same."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Final

from aims_pax.settings.reading.document import Document, KeyPath, dotted
from aims_pax.settings.reading.kinds import shown
from aims_pax.settings.stages.kinds import CONVERGE, EXPLORE, KINDS, LATER, PLAY, PRETRAIN

SECTION: Final = "STAGES"

SECTIONS: Final[Mapping[str, str]] = {name: kind.section for name, kind in KINDS.items() if kind.section}
"""The kinds whose settings a section of v0.2 has, too."""

NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,23}"
"""What an entry may be called: it names files of a run and rows of figures."""

RESERVED: Final = ("initial", "active", "convergence", "starting", "verdict", "results", "finished")
"""Names that mean something else in every run."""

WRITTEN: Final = tuple(name for name in KINDS if name != PLAY)
"""What an entry may begin with: `explore` becomes another kind where it names workflows."""

ALLOWED: Final = ", ".join(f"{name}: {{...}}" for name in WRITTEN)


@dataclass(frozen=True, slots=True)
class WrittenStage:
    """One entry as it is written.

    Parameters
    ----------
    kind : str
        One of :data:`aims_pax.settings.stages.kinds.KINDS`.
    name : str
        Written, or given to it.
    data : object
        Its settings; a mapping, if what is written is right.
    keys : KeyPath
        Where they stand.
    """

    kind: str
    name: str
    data: Any
    keys: KeyPath

    @property
    def is_listed(self) -> bool:
        """Whether it stands in STAGES, where nothing is done that is not listed."""
        return self.keys[0] == SECTION

    def written(self, key: str) -> Any:
        """What is written of a setting; None where nothing is."""
        return self.data.get(key) if isinstance(self.data, Mapping) else None


Remark = tuple[KeyPath, str, str, str]
"""What is wrong with an entry: where, what was found, what is allowed, what to do."""


def written_stages(document: Document) -> tuple[list[WrittenStage], list[Remark]]:
    """All entries in their order, and what is wrong with the list as such."""
    if SECTION not in document.data:
        names = [(kind, section) for kind, section in SECTIONS.items() if section in document.data]
        return _named([WrittenStage(kind, "", document.data[section], (section,)) for kind, section in names]), []
    reader = _Reader(document)
    return reader.read(document.data[SECTION]), reader.problems


def convergence_after(name: str) -> str:
    """What a convergence without a name of its own is called, by the stage before it; as runs have noted it since."""
    return "convergence" if name == KINDS["learn"].first else f"{name} convergence"


def _named(entries: list[WrittenStage]) -> list[WrittenStage]:
    """The same, each with a name: its own, that of its kind, or for a convergence after the stage before it."""
    named: list[WrittenStage] = []
    for entry in entries:
        name, before = entry.name, named[-1].name if named else "initial"
        if not name and entry.kind == CONVERGE:
            name = convergence_after(before)
        elif not name:
            number = 1 + sum(one.kind == entry.kind for one in named)
            name = KINDS[entry.kind].first or entry.kind if number == 1 else f"{entry.kind}-{number}"
            taken = [one.name for one in named]
            while name in taken:  # both kinds of explore
                number += 1
                name = f"{entry.keys[-1]}-{number}"
        named.append(replace(entry, name=name))
    return named


class _Reader:
    """STAGES, and what is wrong with it."""

    def __init__(self, document: Document) -> None:
        self.problems: list[Remark] = []
        self._document = document

    def read(self, listed: Any) -> list[WrittenStage]:
        """The entries that are such."""
        if not isinstance(listed, list) or not listed:
            found = f"STAGES is {shown(listed)}." if listed else "STAGES is empty."
            self._wrong((SECTION,), found, f"a list of {ALLOWED}")
            return []
        for kind, section in SECTIONS.items():
            if section in self._document.data:
                advice = f"Move its settings into STAGES, as {kind}."
                self._wrong((section,), f"{section} stands beside STAGES.", advice=advice)
        read = list(self._entries(listed))
        entries = _named(read)
        for index, entry in enumerate(entries):
            self._judge_place(entry, entries[:index])
            self._judge_name(entry, entries[:index], is_own=bool(read[index].name))
        return entries

    def _entries(self, listed: list[Any]) -> Iterator[WrittenStage]:
        """Each entry that is one."""
        for index, entry in enumerate(listed):
            keys: KeyPath = (SECTION, index)
            kind: Any = entry if isinstance(entry, str) else None
            data: Any = {}
            if isinstance(entry, Mapping) and len(entry) == 1:
                kind, data = next(iter(entry.items()))
                data = {} if data is None else data
            if not isinstance(kind, str) or not isinstance(data, Mapping):
                found = f"{dotted(keys)} is no stage with its settings."
                self._wrong(keys, found, "the name of a stage, or {name: {...}}")
            elif kind in LATER:
                self._wrong(keys, f"{dotted(keys)} is {kind}, which is not in this version.", ALLOWED)
            elif kind not in WRITTEN:
                close = get_close_matches(kind, WRITTEN, n=1)
                advice = f"Did you mean {close[0]}?" if close else ""
                self._wrong(keys, f"{dotted(keys)} is {kind!r}, which is no stage.", ALLOWED, advice)
            else:
                keys = keys if isinstance(entry, str) else (*keys, kind)
                own = {key: value for key, value in data.items() if key != "name"}
                meant = PLAY if kind == EXPLORE and "workflow" in own else kind
                yield WrittenStage(meant, self._own_name(data, keys), own, keys)

    def _own_name(self, data: Mapping[Any, Any], keys: KeyPath) -> str:
        """The name that an entry is given; none where it is not a name."""
        if "name" not in data:
            return ""
        name, keys = data["name"], (*keys, "name")
        if isinstance(name, str) and re.fullmatch(NAME, name):
            return name
        self._wrong(keys, f"{dotted(keys)} is {shown(name)}.", "up to 24 letters, digits, _ and -")
        return ""

    def _judge_place(self, entry: WrittenStage, earlier: list[WrittenStage]) -> None:
        """What begins a campaign stands at its beginning, and nothing is trained to the end twice."""
        keys = dotted(entry.keys)
        before = [one.kind for one in earlier]
        if KINDS[entry.kind].begins and before and (before != [PRETRAIN] or entry.kind == PRETRAIN):
            found = f"{keys}: {entry.kind} comes a second time, or after another stage."
            self._wrong(entry.keys, found, "", f"Begin the list with {entry.kind}, or leave it out.")
        if entry.kind == CONVERGE and earlier and earlier[-1].kind == CONVERGE:
            self._wrong(entry.keys, f"{keys}: {CONVERGE} comes twice.", "", "Keep one of them.")

    def _judge_name(self, entry: WrittenStage, earlier: list[WrittenStage], *, is_own: bool) -> None:
        """A name is that of one entry alone; files do not tell capitals from others everywhere."""
        is_first = all(one.kind != entry.kind for one in earlier)
        usual = (entry.kind, KINDS[entry.kind].first) if is_first else ()
        if is_own and entry.name.lower() in RESERVED and entry.name not in usual:
            found = f"{dotted((*entry.keys, 'name'))} is {entry.name}, which means something else in a run."
            self._wrong((*entry.keys, "name"), found, "", "Choose another name.")
        elif any(one.name.lower() == entry.name.lower() for one in earlier):
            found = f"{dotted(entry.keys)} is called {entry.name}, as is another entry."
            self._wrong(entry.keys, found, "a name that no other entry has", "Give one of them another name.")

    def _wrong(self, keys: KeyPath, found: str, allowed: str = "", advice: str = "") -> None:
        self.problems.append((keys, found, allowed, advice))
