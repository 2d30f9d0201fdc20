"""The kinds of values that settings have, and how they are said to a person."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, isinf
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import (
    AfterValidator,
    AllowInfNan,
    BaseModel,
    BeforeValidator,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError


@dataclass(frozen=True, slots=True)
class Kind:
    """What a person may write for values of this type."""

    allowed: str


MISFIT: Final = "misfit"
"""Type of the pydantic errors whose message is ours and continues the name of the setting: ``is ...``."""


def misfit(message: str) -> PydanticCustomError:
    """The error for a value that doesn't fit; the message continues the name of the setting."""
    return PydanticCustomError(MISFIT, "{message}", {"message": message})


def _whole(value: object) -> object:
    """1e5 is a whole number, although YAML reads it as a float."""
    return int(value) if isinstance(value, float) and isfinite(value) and value.is_integer() else value


def _countable(value: float) -> float:
    if isinf(value) and value > 0:
        return value
    if not (isfinite(value) and value >= 1 and value.is_integer()):
        raise misfit(f"is {value:g}")
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _as_several(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value if isinstance(value, tuple) else (value,)


def _text(value: str) -> str:
    if not value.strip():
        raise misfit("is empty")
    return value


Schema = WithJsonSchema
# Last in its type, so that the bounds before it are bounds of the integer, also in the JSON schema.
Whole = BeforeValidator(_whole)
AnyCase = BeforeValidator(_lower)
Listed = BeforeValidator(_as_tuple)
OneOrMore = BeforeValidator(_as_several)
"""A list; of one entry, the entry itself will do."""
Count = Annotated[int, Ge(1), Le(10**15), Whole]
CountOrZero = Annotated[int, Ge(0), Le(10**15), Whole]
Limit = Annotated[
    float,
    AllowInfNan(True),
    AfterValidator(_countable),
    Kind("integer >= 1, or inf for no limit"),
    Schema({"anyOf": [{"type": "number", "minimum": 1}, {"const": "inf"}]}),
]
"""An upper bound on something counted; may be infinite."""
Seed = Annotated[int, Ge(0), Le(2**32 - 1), Whole]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Fraction = Annotated[float, Gt(0), Lt(1)]
Text = Annotated[str, AfterValidator(_text), Kind("text")]


_UNITS_S: Final = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER_AND_UNIT: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(s|min|h|d)?")
_CLOCK: Final = re.compile(r"(?:(\d{1,4})-)?(\d{1,4}):([0-5]\d):([0-5]\d)")


def _duration(value: object) -> float:
    """Seconds, from a number of them, a number with its unit, or the hours, minutes and seconds of a batch script."""
    seconds = 0.0
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        seconds = float(value)
    elif isinstance(value, str) and (number := _NUMBER_AND_UNIT.fullmatch(value.strip())):
        seconds = float(number[1]) * _UNITS_S[number[2] or "s"]
    elif isinstance(value, str) and (clock := _CLOCK.fullmatch(value.strip())):
        days, hours, minutes, rest = (int(part or 0) for part in clock.groups())
        seconds = 86400.0 * days + 3600.0 * hours + 60.0 * minutes + rest
    if not 1.0 <= seconds <= MAX_DURATION_S:
        raise misfit(f"is {shown(value)}")
    return seconds


MAX_DURATION_S: Final = 1000 * 86400.0
Duration = Annotated[
    float,
    PlainValidator(_duration),
    Kind("a time from 1 s to 1000 d: 12h, 90min, 45s, 2d, HH:MM:SS, D-HH:MM:SS, or a number of seconds"),
    Schema({"anyOf": [{"type": "number", "minimum": 1}, {"type": "string"}]}),
]


def _import_path(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", value):
        raise misfit(f"is {value!r}, which is not an import path")
    return value


IMPORT_PATH: Final = "import path package.module:Callable of an ASE calculator"
ImportPath = Annotated[str, AfterValidator(_import_path), Kind(IMPORT_PATH)]
Arguments = Annotated[dict[str, Any], Kind("mapping of argument names to values")]


def resolved(value: object, info: ValidationInfo) -> Path:
    """A path as written, relative to the project's folder, which is the validation context's `folder`."""
    if isinstance(value, Path):
        value = str(value)
    if not isinstance(value, str) or not _is_path(value):
        raise misfit(f"is {shown(value)}, which is not a path")
    try:
        path = Path(value).expanduser()
    except RuntimeError:  # ~name of a user who doesn't exist
        raise misfit(f"is {value!r}, and there is no such home folder") from None
    folder = (info.context or {}).get("folder")
    return path if folder is None else Path(folder) / path


def _is_path(text: str) -> bool:
    """Whether a file system could hold this name, by its letters and lengths."""
    try:
        parts = [os.fsencode(part) for part in Path(text).parts]
    except UnicodeEncodeError:  # half a character, by an escape such as "\\ud800"
        return False
    lengths = [len(part) for part in parts]
    return bool(text.strip()) and "\0" not in text and sum(lengths) <= 2000 and max(lengths, default=0) <= 255


def existing(path: Path) -> Path:
    """The same path, if there is a file or a folder at it."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise misfit(f"names {path}, which can't be opened ({error.strerror})") from None
    if not (S_ISREG(mode) or S_ISDIR(mode)):
        raise misfit(f"names {path}, which is neither a file nor a folder")
    return path


def existing_file(path: Path) -> Path:
    """The same path, if there is a file at it."""
    if not existing(path).is_file():
        raise misfit(f"names {path}, which is not a file")
    return path


_PATH: Final = Schema({"type": "string", "minLength": 1})
ProjectPath = Annotated[Path, BeforeValidator(resolved), Kind("path, relative to the project's folder"), _PATH]
ExistingFile = Annotated[
    Path,
    BeforeValidator(resolved),
    AfterValidator(existing_file),
    Kind("path of a file that exists, relative to the project's folder"),
    _PATH,
]


class GivenAtoms(str):
    """Stands where a file would be named, for a structure that came as ASE's atoms; no YAML file can say it."""


GIVEN_ATOMS: Final = GivenAtoms("given as atoms")


def _file_unless_given(value: object, info: ValidationInfo) -> Path | None:
    return None if isinstance(value, GivenAtoms) else existing_file(resolved(value, info))


StructureFile = Annotated[
    Path | None,
    PlainValidator(_file_unless_given),
    Kind("path of a file that exists, relative to the project's folder"),
    _PATH,
]
"""None for a structure that came as atoms."""


def _files(value: object, info: ValidationInfo) -> tuple[Path, ...]:
    listed = value if isinstance(value, list | tuple) else [value]
    if not listed:
        raise misfit("is an empty list")
    paths = tuple(existing_file(existing(resolved(one, info))) for one in listed)
    if len(set(paths)) < len(paths):
        raise misfit("names a file twice")
    return paths


def _itself(value: object) -> object:
    return value


Unwarned: Final = PlainSerializer(_itself)
"""For tuples that a PlainValidator makes: pydantic writes them as lists, and then warns of its own lists."""


def text_in(value: object, info: ValidationInfo) -> str:
    """What stands in the file of a name."""
    path = existing_file(resolved(value, info))
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise misfit(f"names {path}, which can't be read ({type(error).__name__})") from None


ExistingFiles = Annotated[
    tuple[Path, ...],
    PlainValidator(_files),
    Unwarned,
    Kind("path of a file that exists, or a list of such, relative to the project's folder"),
    Schema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]

_PATH_OR_PATHS: Final = Schema(
    {"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]}
)


def _paths(value: object, info: ValidationInfo, *, keys: type) -> Path | dict[Any, Path]:
    if not isinstance(value, Mapping):
        return existing(resolved(value, info))
    wrong = [key for key in value if type(key) is not keys or (isinstance(key, int) and key < 0)]
    if wrong or not value:
        what = "trajectory index (0, 1, ...)" if keys is int else "name"
        raise misfit(f"has the key {wrong[0]!r}, which is not a {what}" if wrong else "is an empty mapping")
    return {key: existing(resolved(path, info)) for key, path in value.items()}


def _indexed(value: object, info: ValidationInfo) -> Path | dict[int, Path]:
    return _paths(value, info, keys=int)


def _named(value: object, info: ValidationInfo) -> Path | dict[str, Path]:
    return _paths(value, info, keys=str)


PathOrIndexed = Annotated[
    Path | dict[int, Path],
    PlainValidator(_indexed),
    Kind("path that exists, or {trajectory index: path}"),
    _PATH_OR_PATHS,
]
PathOrNamed = Annotated[
    Path | dict[str, Path], PlainValidator(_named), Kind("path that exists, or {model tag: path}"), _PATH_OR_PATHS
]


def shown(value: object) -> str:
    """A value as a message quotes it."""
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case str():
            return repr(value) if len(value) <= 60 else f"a text of {len(value)} characters"
        case int():
            return str(value) if abs(value) < 10**20 else "a huge number"
        case float():
            return f"{value:g}"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return str(value)


def allowed(info: FieldInfo) -> str:
    """What may be written for a setting: ``integer >= 1``."""
    return _described(info.annotation, info.metadata)


def meaning(info: FieldInfo) -> str:
    """The first sentence of a setting's description, without its full stop."""
    return (info.description or "").split(". ")[0].rstrip(".")


def _described(annotation: Any, metadata: list[Any] | tuple[Any, ...] = ()) -> str:
    for item in metadata:
        if isinstance(item, Kind):
            return item.allowed
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _described(arguments[0], arguments[1:])
    if origin in (Union, UnionType):
        parts = [_described(argument) for argument in arguments if argument is not NoneType]
        return ", ".join(parts) + (", or nothing" if NoneType in arguments else "")
    if origin is Literal:
        return " | ".join(str(argument) for argument in arguments)
    if origin in (tuple, list):
        return f"list of: {_described(arguments[0])}"
    if origin is dict:
        return f"mapping of {_described(arguments[0])} to {_described(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a mapping of settings"
    names = {bool: "true | false", int: "integer", float: "number", str: "text"}
    return " ".join([names[annotation], *_bounds(metadata)])


def _bounds(metadata: list[Any] | tuple[Any, ...]) -> list[str]:
    words = []
    for item in metadata:
        match item:
            case Ge(ge=bound):
                words.append(f">= {bound}")
            case Gt(gt=bound):
                words.append(f"> {bound}")
            case Le(le=bound) if bound != 10**15:
                words.append(f"<= {bound}")
            case Lt(lt=bound):
                words.append(f"< {bound}")
    return [" and ".join(words)] if words else []
