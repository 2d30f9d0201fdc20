"""What happens to files by accident, by a bad editor, or by malice."""

import copy
import re
from collections.abc import Callable
from typing import Any, Final

import yaml
from hypothesis import strategies as st

from aims_pax.settings import ActiveLearningSettings, InitialDatasetSettings, MDSettings, MiscSettings
from aims_pax.settings.cluster import CLUSTERS
from aims_pax.settings.committee.mace import MACE_SECTIONS
from aims_pax.settings.methods.reference import REFERENCE_SETTINGS

SECTIONS: Final = (
    "INITIAL_DATASET_GENERATION",
    "ACTIVE_LEARNING",
    "MD",
    "MISC",
    "CLUSTER",
    "REFERENCE",
    *MACE_SECTIONS,
)

NAMES: Final = sorted(
    {
        name
        for model in (
            *(InitialDatasetSettings, ActiveLearningSettings, MDSettings, MiscSettings),
            *(*CLUSTERS.values(), *REFERENCE_SETTINGS.values(), *MACE_SECTIONS.values()),
        )
        for name in (*model.model_fields, *model.ALIASES)
    }
    | {"analysis", "species_dir", "launch_str", "barostat", "path_to_control"}
)

STRANGE_NUMBERS: Final = (10**400, -(10**25), 2**63, 10**15, 1e15, 0, -1, 1e308, -1e-320, float("nan"), float("inf"))

STRANGE_TEXTS: Final = (
    *("nvt", "npt", "small", "slurm", "local", "parsl", "inline", "teacher", "pyscf", "fhi-aims", "asi", "true"),
    *(
        "..",
        ".",
        "/",
        "~",
        "~nobody",
        "/dev/zero",
        "/dev/null",
        "/proc/self/mem",
        "water.xyz",
        "geometry",
        "control.in",
    ),
    *("a:b", "a.b:c.d", "ase.calculators.emt:EMT", "-n {ranks}", "{", "$(true)", "`true`", "a; b", "'", "x" * 5000),
    *("", " ", "\0", "a\0b", "\ud800", "\x1b[2J", "\u202e", "Å", "１２", "1e999", "0x10", "1_000", "1:30", "\n", "\t"),
    *("x" * 300, "a/" * 2000, "-", "@", "a@0", "%s", "{0}", "!!python/none", "<<", "yes"),
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(STRANGE_NUMBERS),
    st.sampled_from(STRANGE_TEXTS),
    st.text(max_size=12),
)
keys = st.one_of(st.sampled_from(NAMES), st.sampled_from(SECTIONS), st.integers(-2, 4), st.text(max_size=6), scalars)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=6
)

_LINES: Final = (
    *("\t", "-", "MD:", "  seed: 1", "  a: &a [*a]", "  <<: *a", "? [1]", "{", "}", "'", '"', "!!binary x", "%", "---"),
    *("...", "&a", "*a", "!", "|", ">", "#", ": :", "key: value: value", "﻿", "\x85", "\u2028", "\x07", "🙂: 🙂"),
    *("!!python/object/apply:os.abort []", "!!set {a, b}", "!!timestamp 2001-01-01", "!!omap [a: 1]", "%YAML 9.9"),
)
_NUMBERS: Final = (
    "",
    "***",
    "NaN",
    "-inf",
    "1e400",
    "1d5",
    "--1",
    "0",
    "-1",
    "9" * 400,
    "1.2.3",
    "٣",
    "0x1F",
    "1e-400",
)
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")


def _paths(data: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all values of nested mappings and lists."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path for key, value in inner for path in [(*way, key), *_paths(value, (*way, key))]]


def _at(data: Any, way: tuple[Any, ...]) -> Any:
    for key in way:
        data = data[key]
    return data


@st.composite
def harmed_yaml(draw: st.DrawFn, text: str) -> bytes:
    """A YAML file some of whose settings were dropped, renamed, moved, nested or given other values."""
    data = copy.deepcopy(yaml.safe_load(text))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        ways = _paths(data)
        if not ways:
            break
        way = draw(st.sampled_from(ways))
        parent, key = _at(data, way[:-1]), way[-1]
        match draw(st.sampled_from(["alike", "alike", "alike", "value", "drop", "rename", "swap", "nest", "add"])):
            case "alike":
                parent[key] = draw(_alike(parent[key]))
            case "value":
                parent[key] = draw(values)
            case "drop":
                del parent[key]
            case "rename" if isinstance(parent, dict):
                new = draw(keys)
                parent[new] = parent.pop(key)
            case "swap":
                other = draw(st.sampled_from(ways))
                if way[: len(other)] != other and other[: len(way)] != way:  # neither holds the other
                    host = _at(data, other[:-1])
                    parent[key], host[other[-1]] = host[other[-1]], parent[key]
            case "nest":
                for _ in range(draw(st.sampled_from([1, 2, 30, 300]))):
                    parent[key] = [parent[key]] if draw(st.booleans()) else {key: parent[key]}
            case _ if isinstance(parent, dict):
                parent[draw(keys)] = draw(values)
            case _:
                pass
    flow = draw(st.sampled_from([None, True, False]))
    return yaml.dump(data, Dumper=_Dumper, default_flow_style=flow, allow_unicode=True).encode("utf-8", "surrogatepass")


def _alike(value: Any) -> st.SearchStrategy[Any]:
    """Another value of the same type, which has a better chance to be used."""
    match value:
        case bool():
            return st.just(not value)
        case int():
            return st.one_of(st.integers(0, 10**5), st.sampled_from([0, 1, 2, 10**9, 10**15, value + 1, 2 * value]))
        case float():
            return st.one_of(st.floats(0, 10), st.sampled_from([1e-300, 1e-8, 1e5, 1e15, 1e300, -value, 2 * value]))
        case str():
            return st.one_of(st.sampled_from(STRANGE_TEXTS), st.sampled_from([value.upper(), f" {value}", f"{value}x"]))
        case _:
            return values


class _Dumper(yaml.SafeDumper):
    """Writes also what its elder would not name twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


@st.composite
def harmed_text(draw: st.DrawFn, text: str) -> bytes:
    """A text file with letters, numbers, lines or bytes changed, lost or doubled, or cut short."""
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        text = draw(st.sampled_from(_HARMS))(draw, text)
    content = text.encode("utf-8", "surrogatepass")
    return draw(st.sampled_from(_ENCODINGS))(draw, content)


def _place(draw: st.DrawFn, text: str) -> int:
    return draw(st.integers(0, max(0, len(text) - 1)))


def _flip(draw: st.DrawFn, text: str) -> str:
    at = _place(draw, text)
    return text[:at] + draw(st.one_of(st.sampled_from("0123456789 .-eE\n:xa"), st.characters())) + text[at + 1 :]


def _insert(draw: st.DrawFn, text: str) -> str:
    at = _place(draw, text)
    return text[:at] + draw(st.one_of(st.text(max_size=8), st.sampled_from(_LINES))) + text[at:]


def _delete(draw: st.DrawFn, text: str) -> str:
    at = _place(draw, text)
    return text[:at] + text[at + draw(st.integers(1, 40)) :]


def _cut(draw: st.DrawFn, text: str) -> str:
    return text[: _place(draw, text)]


def _number(draw: st.DrawFn, text: str) -> str:
    found = list(_NUMBER.finditer(text))
    if not found:
        return text
    match = draw(st.sampled_from(found))
    return text[: match.start()] + draw(st.sampled_from(_NUMBERS)) + text[match.end() :]


def _line(draw: st.DrawFn, text: str) -> str:
    lines = text.splitlines(keepends=True)
    if not lines:
        return text
    at, to = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
    match draw(st.sampled_from(["drop", "double", "move", "strange", "indent"])):
        case "drop":
            del lines[at]
        case "double":
            lines.insert(to, lines[at])
        case "move":
            lines.insert(to, lines.pop(at))
        case "strange":
            lines.insert(at, draw(st.sampled_from(_LINES)) + "\n")
        case _:
            lines[at] = draw(st.sampled_from(["\t", "   ", "\u00a0", ""])) + lines[at].lstrip()
    return "".join(lines)


_HARMS: Final[tuple[Callable[[st.DrawFn, str], str], ...]] = (_flip, _insert, _delete, _cut, _number, _number, _line)


def _bytes_flipped(draw: st.DrawFn, content: bytes) -> bytes:
    at = draw(st.integers(0, max(0, len(content) - 1)))
    return content[:at] + draw(st.binary(min_size=1, max_size=3)) + content[at + 1 :]


_ENCODINGS: Final[tuple[Callable[[st.DrawFn, bytes], bytes], ...]] = (
    *[lambda _draw, content: content] * 8,
    lambda _draw, content: b"\xef\xbb\xbf" + content,
    lambda _draw, content: content.replace(b"\n", b"\r\n"),
    lambda _draw, content: content.replace(b"\n", b"\r"),
    lambda _draw, content: content.decode("utf-8", "replace").encode("utf-16"),
    _bytes_flipped,
)
