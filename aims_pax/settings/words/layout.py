"""How YAML that a person reads is laid out."""

import re
from typing import Final

COMMENT_COLUMN: Final = 40


def aligned(text: str) -> str:
    """The same text with the comments behind values in one column."""
    found = (re.fullmatch(r"(\s*[\w.-]+:(?: .*?)?) +(# .*)", line) for line in text.splitlines())
    lines = [
        line if match is None else f"{match[1]:{COMMENT_COLUMN}} {match[2]}"
        for line, match in zip(text.splitlines(), found, strict=True)
    ]
    return "\n".join(lines) + "\n"
