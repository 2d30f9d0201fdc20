"""YAML files as plain data that remembers the line of every key."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aims_pax.errors import Problem, SettingsError

KeyPath = tuple[str | int, ...]
"""The way to a value: keys of mappings and places in lists, from the outside in."""

MAX_DEPTH: Final = 20
"""Levels of nesting; settings need five. Beyond, a file is broken, or made to exhaust the memory."""

MAX_VALUES: Final = 100_000
"""Values in one file, each use of a YAML anchor counted again."""

MAX_BYTES: Final = 2**20
"""Size of one file; settings need some kilobytes, and reading a megabyte takes seconds."""

_INTEGER = re.compile(r"[-+]?[0-9][0-9_]{0,300}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,4})?")
_INFINITY = re.compile(r"([-+]?)\.?inf(?:inity)?", re.IGNORECASE)
_WORDS: Final[Mapping[str, bool | None]] = {
    **dict.fromkeys(("true", "yes", "on"), True),
    **dict.fromkeys(("false", "no", "off"), False),
    **dict.fromkeys(("", "~", "null"), None),
}
_STANDARD_TAGS: Final = frozenset({"map", "seq", "str", "int", "float", "bool", "null", "timestamp", "value"})


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML file.

    Parameters
    ----------
    path : Path
    data : mapping
        Mappings have text or integers as keys; values are None, bool, int, float, str, list or mapping.
    lines : mapping of KeyPath to int
        Line of each key or list item, from 1.
    problems : tuple of Problem
        What is wrong with single keys; the data hold the rest.
    """

    path: Path
    data: Mapping[str | int, Any]
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def at(self, keys: KeyPath) -> Any:
        """What is written at a key; None where there is no such key."""
        value: Any = self.data
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def where(self, keys: KeyPath) -> str:
        """File and line of a value, or of the innermost mapping that it is missing from."""
        line = self.line(keys)
        return self.path.name if line is None else f"{self.path.name}, line {line}"

    def line(self, keys: KeyPath) -> int | None:
        """Line of a value, or of the innermost mapping that it is missing from."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self.lines:
                return self.lines[keys[:length]]
        return None


def dotted(keys: KeyPath) -> str:
    """A key as people write it: ``MD.0.timestep``."""
    return ".".join(str(key) for key in keys)


def read_document(path: Path) -> Document:
    """The content of a YAML file.

    Numbers are read as in the core schema of YAML 1.2, so that ``1e-3`` is a number and ``010`` is ten; yes, no, on
    and off are booleans as in YAML 1.1; ``inf`` needs no dot.

    Raises
    ------
    SettingsError
        The file can't be read, is no YAML, or is not a mapping.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            found = f"The file has {path.stat().st_size / 2**20:.1f} MiB, too much for settings."
            raise SettingsError(Problem(path.name, found, f"up to {MAX_BYTES // 2**20} MiB", "Is it the right file?"))
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(Problem(str(path), f"The file can't be read: {error.strerror}.")) from None
    except UnicodeDecodeError:
        raise SettingsError(Problem(path.name, "The file is not text in UTF-8.", "", "Save it as UTF-8.")) from None
    return read_text(text, path)


def read_text(text: str, path: Path) -> Document:
    """The same of a text; `path` is what messages call it by its name.

    Raises
    ------
    SettingsError
        The text is no YAML, or is not a mapping.
    """
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError:
        raise SettingsError(_too_large(path)) from None
    except yaml.MarkedYAMLError as error:
        raise SettingsError(_syntax_problem(path, error, text)) from None
    except yaml.YAMLError as error:
        found = " ".join(str(error).split())
        raise SettingsError(Problem(path.name, f"This is not valid YAML: {found}.")) from None
    if node is None:
        return Document(path, {})
    if not isinstance(node, yaml.MappingNode):
        advice = "Start with a section, such as MD:, and indent its settings below it."
        raise SettingsError(Problem(f"{path.name}, line {node.start_mark.line + 1}", "No section found.", "", advice))
    builder = _Builder(path)
    data = builder.value(node, ())
    return Document(path, data, builder.lines, tuple(builder.problems))


class _Builder:
    """Turns YAML nodes into data, collecting lines and problems."""

    def __init__(self, path: Path) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self._path = path
        self._n_values = 0

    def value(self, node: Any, keys: KeyPath) -> Any:
        import yaml

        self._n_values += 1
        if len(keys) > MAX_DEPTH or self._n_values > MAX_VALUES:
            raise SettingsError(_too_large(self._path))
        if node.tag.removeprefix("tag:yaml.org,2002:") not in _STANDARD_TAGS:
            where = f"{self._path.name}, line {node.start_mark.line + 1}"
            self.problems.append(Problem(where, f"The YAML tag {node.tag!r} is not supported.", "", "Remove it."))
        if isinstance(node, yaml.ScalarNode):
            return scalar(node.value) if node.style is None else node.value
        if isinstance(node, yaml.SequenceNode):
            return [self._placed(item, (*keys, index)) for index, item in enumerate(node.value)]
        return dict(self._pairs(node, keys))

    def _placed(self, node: Any, keys: KeyPath) -> Any:
        self.lines[keys] = node.start_mark.line + 1
        return self.value(node, keys)

    def _pairs(self, node: Any, keys: KeyPath) -> Iterator[tuple[str | int, Any]]:
        for key_node, value_node in node.value:
            key, line = self._key(key_node, keys), key_node.start_mark.line + 1
            if key is None:
                continue
            path = (*keys, key)
            if path in self.lines:
                found = f"{dotted(path)} is set twice: in line {self.lines[path]} and in line {line}."
                self.problems.append(Problem(f"{self._path.name}, line {line}", found, "", "Keep one of them."))
                continue
            self.lines[path] = line
            yield key, self.value(value_node, path)

    def _key(self, node: Any, keys: KeyPath) -> str | int | None:
        import yaml

        where = f"{self._path.name}, line {node.start_mark.line + 1}"
        inside = f" in {dotted(keys)}" if keys else ""
        if not isinstance(node, yaml.ScalarNode):
            self.problems.append(Problem(where, f"A list or mapping{inside} stands where the name of a setting goes."))
            return None
        if node.tag == "tag:yaml.org,2002:merge":
            advice = "Write the settings out, or repeat them by an anchor (&name) and its alias (*name)."
            self.problems.append(Problem(where, f"YAML's merge key <<{inside} is not supported.", "", advice))
            return None
        value = scalar(node.value) if node.style is None else node.value
        return value if type(value) is int else node.value


def scalar(text: str) -> bool | int | float | str | None:
    """What a plain YAML scalar means; text that is nothing else stays text."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text.replace("_", "").lstrip("+"))
    if _FLOAT.fullmatch(text):
        value = float(text.replace("_", ""))
        # A number beyond the range of floats stays text: nobody means infinity by 1e999.
        return text if value in (float("inf"), float("-inf")) else value
    if infinity := _INFINITY.fullmatch(text):
        return float(f"{infinity[1]}inf")
    return text


def _too_large(path: Path) -> Problem:
    return Problem(path.name, "The file is nested too deeply, or refers to itself.", "", "Write the settings out flat.")


_PLAIN_ADVICE: Final = "Each setting is a line 'name: value', indented by spaces below its section."


def _syntax_problem(path: Path, error: Any, text: str) -> Problem:
    """What YAML's parser refuses, in words of who wrote the file, at the line that is to be changed."""
    mark = error.problem_mark or error.context_mark
    number, reason, advice = None, error.problem or error.context or "unexpected content", _PLAIN_ADVICE
    opened = error.context_mark.line + 1 if error.context_mark else None
    if "\\t" in reason:
        reason, advice = "a tab stands where spaces are expected", "Indent with spaces; YAML forbids tabs."
    elif "expected a single document" in str(error):
        reason, advice = "a second document begins here", "Remove the line '---'."
    elif "escape" in reason:
        reason = "a backslash in double quotes begins a special letter"
        advice = "Write paths with / or in single quotes: 'C:\\calc'."
    elif opened and error.context == "while scanning a quoted scalar" and "end of stream" in reason:
        reason, advice = f"the quote that opens in line {opened} is not closed", "Close it in the same line."
    elif opened and (bracket := re.match(r"expected ',' or '([]}])', but got", reason)):
        reason = f"a bracket opens in line {opened}, and before its {bracket[1]} stands something that can't be there"
        advice = f"Close it by {bracket[1]}, and part what is within by commas."
    elif found := re.match(r"found character ('.') that cannot start", reason):
        reason, advice = f"a value can't begin with {found[1]}", "Put it in quotes."
    elif mark and error.problem and (told := _misplaced(text.splitlines(), error)):
        number, reason, advice = told
    if number is not None:
        return Problem(f"{path.name}, line {number}", f"This is not valid YAML: {reason}.", "", advice)
    where = f"{path.name}, line {mark.line + 1}, column {mark.column + 1}" if mark else path.name
    return Problem(where, f"This is not valid YAML: {reason}.", "", advice)


def _misplaced(lines: list[str], error: Any) -> tuple[int, str, str] | None:
    """The line of a missing colon or space, or of a wrong indentation: its number, what is wrong, what to do."""
    if "could not find expected ':'" in error.problem and error.context_mark:
        return _without_colon(lines, error.context_mark.line)
    at, has_value = error.problem_mark.line, "mapping values are not allowed" in error.problem
    if error.problem.endswith(("found '-'", "found '?'")):
        return at + 1, "items of a list and settings with names are mixed", _PLAIN_ADVICE
    if not has_value and "block" not in error.problem:
        return None
    if has_value and _content(lines[at][: error.problem_mark.column]).count(":") > 0:
        advice = "Begin a line for each setting; a text that holds a colon and a space goes into quotes."
        return at + 1, "a second setting begins in this line", advice
    before = next((number for number in range(at - 1, -1, -1) if _content(lines[number])), None)
    if before is None or at >= len(lines):
        return None
    if _NAMED.match(lines[before]) is None and not _content(lines[before]).startswith("- "):
        return _without_colon(lines, before)
    column, usual = _column(lines[at]), _column(lines[before])
    if column == usual:
        return None
    reason = f"this line begins in column {column}, and line {before + 1} in column {usual}"
    return at + 1, reason, "Settings of one section begin in the same column, behind the same number of spaces."


def _without_colon(lines: list[str], at: int) -> tuple[int, str, str]:
    name, colon, value = _content(lines[at]).partition(":")
    if colon and value:
        return at + 1, "no space stands behind the colon", f"Write {name}: {value}"
    return at + 1, f"{_content(lines[at])!r} has no colon", _PLAIN_ADVICE


_NAMED: Final = re.compile(r"\s*(?:- )?[^\s#][^:#]*:(?:\s|$)")
"""A line that begins with the name of a setting."""


def _content(line: str) -> str:
    """What a line says, without its comment; empty for comments and blank lines."""
    return re.sub(r"(?:^|\s)#.*", "", line).strip()


def _column(line: str) -> int:
    """Where the name of a setting begins, from 1; behind the dash where it is the first of an item."""
    return len(line) - len(re.sub(r"^ *(?:- +)?", "", line)) + 1
