"""What a page claims about this repository, and which of it is not so.

Each function takes a :class:`Page` and gives a :class:`Fault` for every claim that does not hold. What can't be told
from a claim, such as a file of the reader's own, is no fault.
"""

import ast
import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import yaml

from aims_pax.settings.reading.absent import NOT_YET_VALUES
from aims_pax.settings.reading.stages import SECTIONS as STAGES
from aims_pax.settings.words.glossary import CHOSEN_BY_TYPE, Entry, entries, meant

ROOT: Final = Path(__file__).parents[2]

SECTIONS: Final = frozenset(
    {entry.section.removeprefix("mace.yaml: ").partition(".")[0] for entry in entries()} | set(CHOSEN_BY_TYPE)
)
"""Sections of aims_PAX.yaml and mace.yaml."""

OF_OTHERS: Final = frozenset({"my_cluster.py", "client.py", "md.py", "run_lammps.py"})
"""Names that look like files of this repository, and are the reader's."""

OPTIONS_OF_OTHERS: Final = frozenset(
    {
        "--clusters",
        "--signal",
        "--array",
        "--wait",
        "--quiet",
        "--parsable",
        "--constraint",
        "--editable",
        "--index-url",
    }
)
"""Options of sbatch and pip, of which pages speak alone."""

_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_FENCE = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_SETTING = re.compile(r"(?<![\w./])([A-Z][A-Z_]+)\.((?:\d+\.)?[a-z]\w*(?:\.[a-z]\w*)?)")
_MODULE = re.compile(r"(?<![\w./-])aims_pax(?:\.[A-Za-z_]\w*)+")
_PROGRAM = re.compile(r"(?:^|[\s/;&|(])(aims-pax(?:-idg|-al)?)(?= |$)")
_OPTION = re.compile(r"--?[a-zA-Z][\w-]*")


@dataclass(frozen=True, slots=True)
class Fault:
    """A claim that does not hold.

    Parameters
    ----------
    page : str
        Where it stands, relative to the repository.
    claim : str
        What stands there.
    reason : str
        Why it is not so.
    """

    page: str
    claim: str
    reason: str

    def __str__(self) -> str:
        return f"{self.page}: `{self.claim}`: {self.reason}"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of documentation.

    Parameters
    ----------
    name : str
        Its path, relative to the repository.
    text : str
        Markdown.
    """

    name: str
    text: str
    code: tuple[str, ...] = field(init=False)
    blocks: tuple[tuple[str, str], ...] = field(init=False)

    def __post_init__(self) -> None:
        blocks = tuple((language, content) for language, content in _FENCE.findall(self.text))
        object.__setattr__(self, "blocks", blocks)
        object.__setattr__(self, "code", tuple(_CODE.findall(_FENCE.sub("", self.text))))

    @property
    def prose(self) -> str:
        """The text without its blocks of code."""
        return _FENCE.sub("", self.text)

    @property
    def command_lines(self) -> Iterator[str]:
        """Lines of shell, and code within sentences, without comments."""
        for language, content in self.blocks:
            if language in ("bash", "sh", ""):
                for line in content.replace("\\\n", " ").splitlines():
                    yield re.sub(r"(^|\s)#.*", "", line)
        yield from self.code

    def fault(self, claim: str, reason: str) -> Fault:
        return Fault(self.name, claim, reason)


def pages() -> list[Page]:
    """All pages that people read: README, CONTRIBUTING, docs/ and those of the examples."""
    files = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted(ROOT.glob("docs/**/*.md")),
        *sorted(ROOT.glob("examples/*/README.md")),
        *sorted(ROOT.glob(".github/**/*.md")),
    ]
    return [Page(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in files]


def faults(page: Page) -> list[Fault]:
    """Everything on a page that is not so."""
    return [fault for kind in KINDS for fault in kind(page)]


def broken_links(page: Page) -> Iterator[Fault]:
    """Links to files and headings of this repository that are not there."""
    for target in _LINK.findall(page.prose):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page.name).parent / name
        if not path.exists():
            yield page.fault(target, "no such file")
        elif anchor and anchor not in anchors(path.read_text(encoding="utf-8") if name else page.text):
            yield page.fault(target, "no such heading")


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    found: dict[str, int] = {}
    result = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        n_before = found.get(slug, 0)
        found[slug] = n_before + 1
        result.add(f"{slug}-{n_before}" if n_before else slug)
    return result


def missing_files(page: Page) -> Iterator[Fault]:
    """Paths that begin at a folder of this repository, and names of its kinds of files, that are not there."""
    top = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} | {".ci", ".github"}
    for word in _words(page):
        path = re.sub(r"^(\.\./)+", "", word)
        if path.partition("/")[0] in top and "/" in path and "{" not in path:
            if not any(ROOT.glob(path.rstrip("/"))):
                yield page.fault(word, "no such file or folder in this repository")
        elif re.fullmatch(r"\w+\.(py|md|toml|sbatch)", path) and path not in OF_OTHERS | _names_of_files():
            yield page.fault(word, "no file of this repository has this name")


def _words(page: Page) -> Iterator[str]:
    for line in page.command_lines:
        for word in re.split(r"[\s,;=]+", line):
            yield word.strip("'\"():").removesuffix("::").partition("::")[0]


@cache
def _names_of_files() -> frozenset[str]:
    skipped = {".venv", ".git", "__pycache__", "node_modules"}
    return frozenset(
        path.name for path in ROOT.rglob("*.*") if not skipped & set(path.relative_to(ROOT).parts) and path.is_file()
    )


def wrong_commands(page: Page) -> Iterator[Fault]:
    """Commands and options of our programs, of pytest and of scripts that they do not have."""
    for line in page.command_lines:
        if any(_PROGRAM.finditer(line)):
            yield from (page.fault(line.strip(), reason) for reason in _wrong_calls(line))
        elif found := re.search(r"python\S* ((?:examples|benchmarks)/\w+\.py)(.*)", line):
            yield from (page.fault(line.strip(), reason) for reason in _options_not_in(ROOT / found[1], found[2]))
        elif "pytest" in line:
            unknown = set(re.findall(r"-m '?(\w+)", line.partition("pytest")[2])) - marks()
            yield from (page.fault(line.strip(), f"no marker of the tests is called {mark}") for mark in unknown)
    known = {option for options in our_options().values() for option in options} | OPTIONS_OF_OTHERS | _of_scripts()
    for code in page.code:
        option = re.match(r"(--[a-z][\w-]*)(?=$|[ =])", code)
        if option and option[1] not in known:
            yield page.fault(code, "no program of this repository has this option")


def _wrong_calls(line: str) -> Iterator[str]:
    """What is wrong with the calls of our programs in a line."""
    for call in re.split(r"[;&|]+|\$\(", line):
        found = _PROGRAM.search(call)
        if found is None:
            continue
        try:
            words = shlex.split(call[found.start(1) :].rstrip(")"))
        except ValueError:
            words = call[found.start(1) :].split()
        program, *rest = [word for word in words if word not in ("...", "\\")]
        if program != "aims-pax":
            rest = [program.removeprefix("aims-pax-"), *rest]
        if not rest:
            continue
        command, arguments = rest[0], rest[1:]
        if command.startswith("-"):
            command, arguments = "", rest
        if command not in our_options():
            yield f"aims-pax has no command {command}"
            continue
        for word in arguments:
            option = word.partition("=")[0]
            if _OPTION.fullmatch(option) and option not in our_options()[command]:
                yield f"aims-pax {command} has no option {option}"


@cache
def our_options() -> Mapping[str, frozenset[str]]:
    """Options of each command of aims-pax; those of the program itself by the empty name."""
    import typer

    from aims_pax.cli.program import program

    group: Any = typer.main.get_command(program)
    help_options = {"-h", "--help"}
    return {
        name: frozenset(help_options.union(*([*option.opts, *option.secondary_opts] for option in command.params)))
        for name, command in {"": group, **group.commands}.items()
    }


def _options_not_in(script: Path, arguments: str) -> Iterator[str]:
    if not script.is_file():  # told by missing_files
        return
    text = script.read_text(encoding="utf-8")
    for option in re.findall(r"(?<!\S)--[a-z][\w-]*", arguments):
        if f'"{option}"' not in text:
            yield f"{script.name} has no option {option}"


@cache
def _of_scripts() -> frozenset[str]:
    """Options of the scripts in benchmarks/, examples/ and tests/."""
    files = [path for folder in ("benchmarks", "examples", "tests") for path in (ROOT / folder).rglob("*.py")]
    return frozenset(
        option
        for path in files
        if path.parent != Path(__file__).parent
        for option in re.findall(r'add(?:_argument|option)\(\s*"(--[a-z][\w-]*)"', path.read_text(encoding="utf-8"))
    )


@cache
def marks() -> frozenset[str]:
    """Markers of the tests."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return frozenset(line.partition(":")[0] for line in project["tool"]["pytest"]["ini_options"]["markers"])


def unknown_settings(page: Page) -> Iterator[Fault]:
    """Settings, written as SECTION.key or as YAML, that neither file has."""
    known = _glossary()
    for section, key in _SETTING.findall(_without_messages(page)):
        if section not in SECTIONS and not _is_meant_as_section(section):
            continue
        name = f"{section}.{re.sub(r'^[0-9]+[.]', '', key)}"
        if section not in SECTIONS:
            yield page.fault(f"{section}.{key}", "there is no such section")
        elif not _is_setting(name, known):
            yield page.fault(f"{section}.{key}", "there is no such setting")
    for written in [content for language, content in page.blocks if language == "yaml"] + list(page.code):
        for name in _names_in_yaml(written):
            if not _is_setting(name, known):
                yield page.fault(written.strip().partition("\n")[0], f"there is no setting {name}")


def _without_messages(page: Page) -> str:
    """The text without blocks that quote what the program prints: mistakes are quoted there on purpose."""
    return "\n".join([page.prose, *(content for language, content in page.blocks if language)])


@cache
def _glossary() -> tuple[Entry, ...]:
    return tuple(entries())


@cache
def _is_setting(name: str, known: tuple[Entry, ...]) -> bool:
    if meant(name, known)[1]:
        return True
    section, _, rest = name.partition(".")
    # Keys within a mapping of one's own (REFERENCE.parameters, CLUSTER.options): known as far as the mapping.
    outer, _, inner = rest.partition(".")
    if inner:
        return _is_setting(f"{section}.{outer}", known)
    return name in ("REFERENCE.type", "CLUSTER.type")


def _is_meant_as_section(word: str) -> bool:
    """Whether a word in capitals is a section misspelt, and not a file (README.md) or a name of another program."""
    from difflib import get_close_matches

    return bool(get_close_matches(word, SECTIONS, n=1, cutoff=0.8))


def _names_in_yaml(text: str) -> Iterator[str]:
    """Names of settings in a piece of YAML that begins with a section; nothing when it is none."""
    if not re.match(r"(#.*\n|\s)*[A-Z][A-Z_]+: *[{\n#]", text):
        return
    try:
        data = yaml.safe_load(text.replace("...", ""))
    except yaml.YAMLError:
        return
    if isinstance(data, dict):
        for section, keys in data.items():
            if section == "STAGES" and isinstance(keys, list):
                listed = [entry for entry in keys if isinstance(entry, dict)]
                for name, own in (pair for entry in listed for pair in entry.items()):
                    known = STAGES.get(name, STAGES["learn"])
                    for key in (key for key in own or {} if key != "name"):
                        of_stage = f"STAGES.{name}.{key}"
                        yield of_stage if _is_setting(of_stage, _glossary()) else f"{known}.{key}"
            if isinstance(keys, dict):
                yield from (f"{section}.{key}" for key in _flat(section, keys))


def _flat(section: str, keys: Mapping[Any, Any]) -> Iterator[str]:
    """Keys of a section; those of MD may be by the number of a trajectory, and those of SYSTEMS are by name."""
    for key, value in keys.items():
        if section == "SYSTEMS" and isinstance(value, dict):
            yield from map(str, value)
        elif section == "MD" and isinstance(key, int) and isinstance(value, dict):
            yield from _flat(section, value)
        else:
            yield str(key)


def unknown_targets(page: Page) -> Iterator[Fault]:
    """Targets and variables that the Makefile does not have."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][\w-]*)(?=[ :\w-]*:(?!=))", makefile, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z_]+) *[?:]?=", makefile, re.MULTILINE))
    for line in page.command_lines:
        found = re.match(r"\s*make((?: +[\w-]+(?:=\S*)?)+)\s*$", line)
        for word in found[1].split() if found else ():
            name, is_variable, _ = word.partition("=")
            if name not in (variables if is_variable else targets):
                yield page.fault(line.strip(), f"the Makefile has no {'variable' if is_variable else 'target'} {name}")


def unknown_modules(page: Page) -> Iterator[Fault]:
    """Modules of this package, and names in them, that are not there."""
    for name in sorted({found for line in page.command_lines for found in _MODULE.findall(line)}):
        if not _exists(name):
            yield page.fault(name, "there is no such module, nor a name in one")


def _exists(dotted: str) -> bool:
    """Whether a module, or a name at the top of one, exists; without importing it."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        module = ROOT.joinpath(*parts[:length])
        file = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
        if file.is_file():
            rest = parts[length:]
            return not rest or rest[0] in _names_at_top(file)
    return False


def _names_at_top(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return set(_bound(tree.body))


def _bound(body: Iterable[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Assign():
                yield from (target.id for target in node.targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name() as target):
                yield target.id
            case ast.Import() | ast.ImportFrom():
                yield from (alias.asname or alias.name for alias in node.names)
            case ast.If():
                yield from _bound(node.body)


def wrongly_absent(page: Page) -> Iterator[Fault]:
    """What the page's table of what this version lacks names (`key`, or `key: value`), and this version has."""
    table = page.text.partition("<!-- absent -->\n")[2].partition("\n<!-- end -->")[0]
    for row in table.splitlines()[2:]:
        for code in _CODE.findall(row.split("|")[1]):
            key, _, value = (part.strip() for part in code.partition(":"))
            found, is_known = meant(key, _glossary())
            if not is_known:
                yield page.fault(code, "no setting is called so, and none is refused by this name")
            elif not any(entry.absent is not None or value in _refused_values(entry) for entry in found):
                yield page.fault(code, "this version has it")


def _refused_values(entry: Entry) -> Iterable[str]:
    return NOT_YET_VALUES.get(entry.name.removeprefix("mace.yaml: "), {})


def wrong_layers(page: Page) -> Iterator[Fault]:
    """Layers and packages, where a page shows them, that are not those of .importlinter and of the package."""
    shown = page.text.partition("<!-- layers -->\n")[2].partition("\n<!-- end -->")[0]
    if not shown:
        return
    contract = (ROOT / ".importlinter").read_text(encoding="utf-8").partition("layers =\n")[2].partition("\n\n")[0]
    right = [set(re.findall(r"\w+", line)) for line in contract.splitlines()]
    diagram = [re.split(" {3,}", line.strip())[0] for line in shown.splitlines() if line.startswith("    ")]
    for line, names in zip_longest(diagram, (names for names in right if names != {"__main__"})):
        if set(re.findall(r"\w+", line or "")) != names:
            yield page.fault(
                line or "layers", f"the import linter has {', '.join(sorted(names or ())) or 'no such layer'}"
            )
    packages = {path.parent.name for path in (ROOT / "aims_pax").glob("*/__init__.py")}
    rows = {name for row in re.findall(r"^\| (`.*?) \|", shown, re.MULTILINE) for name in _CODE.findall(row)}
    for name in sorted(packages ^ rows):
        yield page.fault(name, "a package that the table lacks" if name in packages else "there is no such package")


KINDS: Final = (
    broken_links,
    missing_files,
    wrong_commands,
    unknown_settings,
    unknown_targets,
    unknown_modules,
    wrongly_absent,
    wrong_layers,
)
