"""The site has every page, in the order of its contents; ``make docs`` builds it and fails on what links nowhere."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTENTS = tuple(ROOT / "docs" / page for page in ("index.md", "settings.md", "decisions/README.md"))


def test_every_page_is_among_the_contents() -> None:
    listed = {
        (contents.parent / target).resolve()
        for contents in CONTENTS
        for target in re.findall(r"^\| \[[^\]]+\]\(([^)#]+\.md)", contents.read_text(encoding="utf-8"), re.MULTILINE)
    }
    pages = {path.resolve() for path in (ROOT / "docs").rglob("*.md")} - {CONTENTS[0]}
    assert pages - listed == set()
    assert {path for path in listed if not path.is_file()} == set()
