"""How the pages become a site: ``make docs``, or sphinx-build -W -c docs -b html . build/docs in the clone.

The pages are written for people who read them in a clone, where links lead to files and folders. The source of the
site is therefore the whole repository, with the same links, and what a site needs besides is added here.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import aims_pax

ROOT: Final = Path(__file__).resolve().parents[1]

project = "aims_pax"
author = "The aims_pax authors"
release = aims_pax.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**.md", "examples/*/README.md"]

html_theme = "furo"
html_title = f"aims_pax {release}"
html_extra_path = ["site/index.html"]  # leads from the top of the site to its first page
html_static_path = ["site/style.css"]
html_css_files = ["style.css"]
html_copy_source = False

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # changes of kinds come in no order of headings

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_use_rtype = False

_LINK: Final = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)")

_ROW: Final = re.compile(r"^\| \[([^\]]+)\]\(([^)#\s]+\.md)\)", re.MULTILINE)
_HEADING: Final = re.compile(r"^## (.+)\n", re.MULTILINE)

CONTENTS: Final = ("docs/index", "docs/settings", "docs/decisions/README", "README")
"""Pages whose tables, where rows begin with a link, are the contents of the site."""


def _trees(docname: str, text: str) -> Iterator[str]:
    """A toctree for each part of a page of contents; in the first of them all that stands before any heading."""
    parts = _HEADING.split(text)
    for caption, part in zip(["", *parts[1::2]], parts[::2], strict=True):
        pages = "\n".join(_pages(docname, part))
        if pages:
            shown = f":caption: {caption}\n" if docname == "docs/index" else ""
            yield f"\n\n```{{toctree}}\n:hidden:\n{shown}\n{pages}\n```\n"


def _pages(docname: str, text: str) -> Iterator[str]:
    """Pages that some rows name, as a toctree names them: by the words of the link."""
    here = (ROOT / docname).parent
    for words, target in _ROW.findall(text):
        name = (here / target).resolve().relative_to(ROOT).with_suffix("").as_posix()
        if name.startswith("examples/") or docname != "README":
            yield f"{words} </{name}>"


def _to_site(app: Any, docname: str, source: list[str]) -> None:
    """Folders become their README, or plain words; pages of contents get a toctree."""
    here = (ROOT / docname).parent

    def led(found: re.Match[str]) -> str:
        words, target, anchor = found[1], found[2], found[3] or ""
        if ":" in target or not (here / target).is_dir():
            return found[0]
        return f"[{words}]({target.rstrip('/')}/README.md{anchor})" if (here / target / "README.md").exists() else words

    text = _LINK.sub(led, source[0])
    source[0] = text + "".join(_trees(docname, text)) if docname in CONTENTS else text


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _to_site)
