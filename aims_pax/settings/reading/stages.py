"""STAGES: a campaign as the list of what it goes through, read into the sections that say the same."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Final

from aims_pax.errors import Problem
from aims_pax.settings.reading.document import Document, KeyPath, dotted
from aims_pax.settings.reading.kinds import shown

SECTION: Final = "STAGES"

INITIAL_SECTION, ACTIVE_SECTION = "INITIAL_DATASET_GENERATION", "ACTIVE_LEARNING"

SECTIONS: Final[Mapping[str, str]] = {"initial": INITIAL_SECTION, "learn": ACTIVE_SECTION}
"""The stages that have settings, and the section that has the same."""

CONVERGE: Final = "converge"

CONVERGES_BY: Final[Mapping[str, str]] = {INITIAL_SECTION: "converge_initial", ACTIVE_SECTION: "converge_al"}
"""What a section says of the convergence after it."""

OF_CONVERGENCE: Final = (
    *("convergence_patience", "max_convergence_epochs", "margin"),
    *("converge_best", "converge_on_validation"),
)
"""Settings that `converge` may have: those of the stage before it."""

LATER: Final = ("collect", "validate", "relabel", "testset", "stability")
"""Stages that other versions will have."""

ALLOWED: Final = "initial: {...}, converge, learn: {...}, converge: in this order, each of them or not"


def with_sections(document: Document) -> Document:
    """The same file with its list of stages as sections; each of their keys has the line where it stands in the list.

    What is wrong with the list is among the problems of the document. A file without STAGES stays as it is.
    """
    if SECTION not in document.data:
        return document
    builder = _Builder(document)
    builder.read(document.data[SECTION])
    data: dict[str | int, Any] = {**document.data}
    data.update(builder.sections)
    return replace(
        document,
        data=data,
        lines={**document.lines, **builder.lines},
        problems=(*document.problems, *builder.problems),
    )


class _Builder:
    def __init__(self, document: Document) -> None:
        self.sections: dict[str, dict[Any, Any]] = {}
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self._document = document

    def read(self, listed: Any) -> None:
        if not isinstance(listed, list) or not listed:
            self._wrong(
                (SECTION,), f"STAGES is {shown(listed)}." if listed else "STAGES is empty.", f"a list: {ALLOWED}"
            )
            return
        for section in (INITIAL_SECTION, ACTIVE_SECTION):
            if section in self._document.data:
                advice = f"Move its settings into STAGES, as {next(k for k, v in SECTIONS.items() if v == section)}."
                self._wrong((section,), f"{section} stands beside STAGES.", advice=advice)
        before = ""
        for keys, name, settings in self._entries(listed):
            if name == CONVERGE:
                self._converge(keys, settings, before)
            elif (section := SECTIONS[name]) in self.sections or ACTIVE_SECTION in self.sections:
                self._wrong(keys, f"{dotted(keys)}: {name} comes a second time, or after learn.", ALLOWED)
            else:
                self._take(section, settings, keys)
                before = section
        for section, key in CONVERGES_BY.items():
            if section in self.sections and (section, key) not in self.lines:
                self.sections[section].setdefault(key, False)

    def _entries(self, listed: list[Any]) -> Iterator[tuple[KeyPath, str, Mapping[Any, Any]]]:
        """Place, name and settings of each entry that is one."""
        for index, entry in enumerate(listed):
            keys: KeyPath = (SECTION, index)
            written: Any = entry if isinstance(entry, str) else None
            settings: Any = {}
            if isinstance(entry, Mapping) and len(entry) == 1:
                written, settings = next(iter(entry.items()))
                settings = {} if settings is None else settings
            if not isinstance(written, str) or not isinstance(settings, Mapping):
                self._wrong(
                    keys, f"{dotted(keys)} is no stage with its settings.", "the name of a stage, or {name: {...}}"
                )
            elif written in LATER:
                self._wrong(keys, f"{dotted(keys)} is {written}, which is not in this version.", ALLOWED)
            elif written not in (*SECTIONS, CONVERGE):
                close = get_close_matches(written, (*SECTIONS, CONVERGE), n=1)
                advice = f"Did you mean {close[0]}?" if close else ""
                self._wrong(keys, f"{dotted(keys)} is {written!r}, which is no stage.", ALLOWED, advice)
            else:
                yield (keys if isinstance(entry, str) else (*keys, written)), written, settings

    def _converge(self, keys: KeyPath, settings: Mapping[Any, Any], before: str) -> None:
        """The convergence after a stage."""
        if not before:
            advice = "A dataset that is brought along is converged on before learn anyway. Remove it, or move it."
            self._wrong(keys, f"{dotted(keys)} comes before any stage.", ALLOWED, advice)
            return
        if (before, CONVERGES_BY[before]) in self.lines:
            self._wrong(keys, f"{dotted(keys)}: {CONVERGE} comes twice, or {CONVERGES_BY[before]} says it already.")
            return
        strange = [key for key in settings if key not in OF_CONVERGENCE]
        for key in strange:
            self._wrong((*keys, key), f"{dotted((*keys, key))} is not a setting.", ", ".join(OF_CONVERGENCE))
        twice = [key for key in settings if key in self.sections[before]]
        for key in twice:
            self._wrong(
                (*keys, key), f"{dotted((*keys, key))} is said by the stage before it, too.", advice="Keep one."
            )
        self._take(before, {key: one for key, one in settings.items() if key not in (*strange, *twice)}, keys)
        self.sections[before][CONVERGES_BY[before]] = True
        self.lines[(before, CONVERGES_BY[before])] = self._document.line(keys) or 1

    def _take(self, section: str, settings: Mapping[Any, Any], keys: KeyPath) -> None:
        self.sections.setdefault(section, {}).update(settings)
        self.lines.setdefault((section,), self._document.line(keys) or 1)
        for path, line in self._document.lines.items():
            if path[: len(keys)] == keys and len(path) > len(keys):
                self.lines[(section, *path[len(keys) :])] = line

    def _wrong(self, keys: KeyPath, found: str, allowed: str = "", advice: str = "") -> None:
        self.problems.append(Problem(self._document.where(keys), found, allowed, advice))
