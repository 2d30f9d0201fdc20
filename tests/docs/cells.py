"""Blocks of Python of a page, and what is left when they have run."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"


def cells(page: Path) -> Iterator[tuple[int, str]]:
    """Line and content of each block of Python."""
    text = page.read_text(encoding="utf-8")
    for block in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, block.start(1)), block[1]


def run(page: Path, **given: Any) -> dict[str, Any]:
    """The names that a page defines when its blocks run in their order, in one namespace that begins with these."""
    namespace: dict[str, Any] = {"__name__": page.stem, **given}
    for n_lines, content in cells(page):
        # a traceback then tells the line of the page
        exec(compile("\n" * n_lines + content, str(page), "exec"), namespace)
    return namespace
