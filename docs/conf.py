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

CONTENTS: Final = ("docs/index", "docs/decisions/README", "README")
"""Pages whose links are the contents of the site."""


def _pages(docname: str, text: str) -> Iterator[str]:
    """Pages that a page of contents names, as a toctree names them."""
    here = (ROOT / docname).parent
    for _, target, _ in _LINK.findall(text):
        path = (here / target).resolve()
        name = path.relative_to(ROOT).with_suffix("").as_posix() if path.is_relative_to(ROOT) else ""
        of_contents = name.startswith("examples/") if docname == "README" else name != docname
        if path.suffix == ".md" and of_contents:
            yield f"/{name}"


def _to_site(app: Any, docname: str, source: list[str]) -> None:
    """Folders become their README, or plain words; pages of contents get a toctree."""
    here = (ROOT / docname).parent

    def led(found: re.Match[str]) -> str:
        words, target, anchor = found[1], found[2], found[3] or ""
        if ":" in target or not (here / target).is_dir():
            return found[0]
        return f"[{words}]({target.rstrip('/')}/README.md{anchor})" if (here / target / "README.md").exists() else words

    text = _LINK.sub(led, source[0])
    if docname in CONTENTS:
        pages = "\n".join(dict.fromkeys(_pages(docname, text)))
        text += f"\n\n```{{toctree}}\n:hidden:\n\n{pages}\n```\n"
    source[0] = text


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _to_site)
