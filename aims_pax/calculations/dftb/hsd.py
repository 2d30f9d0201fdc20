"""Inputs in the human-friendly structured data of DFTB+ (its manual, "The HSD format")."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_TOKEN: Final = re.compile(r"\"[^\"]*\"|'[^']*'|#[^\n]*|\[[^\]\n]*\]|[{}=;\n]|[^\s{}=;#\"'\[\]]+")


@dataclass(slots=True)
class Node:
    """One property, or one block.

    Parameters
    ----------
    value : str
        What stands behind the equals sign, such as the name of a method.
    unit : str
        What stands in brackets.
    children : dict of str to Node
        By names in small letters.
    rows : list of str
        Lines of a block that are no properties: data.
    """

    value: str = ""
    unit: str = ""
    children: dict[str, "Node"] = field(default_factory=dict)
    rows: list[str] = field(default_factory=list)

    def at(self, *names: str) -> "Node":
        """A node by its path; an empty one where there is none."""
        node = self
        for name in names:
            node = node.children.get(name.lower(), Node())
        return node

    @property
    def is_yes(self) -> bool:
        """Whether a property is switched on."""
        return self.value.lower() in ("yes", "true", ".true.", "1")


def hsd_of(text: str) -> Node:
    """The tree of an input; braces that are left open are closed by its end."""
    return _block(iter(_TOKEN.findall(text)))


def _block(pieces: Iterator[str]) -> Node:
    node = Node()
    words: list[str] = []
    name, unit = "", ""
    for piece in pieces:
        if piece == "}":
            break
        if piece == "{":
            child = _block(pieces)
            key = name or (words[-1] if words else "")
            child.value, child.unit = " ".join(words) if name else "", unit
            node.children[_key(key)] = child
            words, name, unit = [], "", ""
        elif piece == "=":
            name, words = words[-1] if words else "", []
        elif piece in ("\n", ";"):
            words, name, unit = _ended(node, words, name, unit)
        elif piece.startswith("["):
            unit = piece.strip("[]").strip()
        elif not piece.startswith("#"):
            words.append(piece.strip("\"'"))
    _ended(node, words, name, unit)
    return node


def _ended(node: Node, words: list[str], name: str, unit: str) -> tuple[list[str], str, str]:
    """What is still open when a line ends: a property waits for its value on the next line."""
    if name and not words:
        return words, name, unit
    if name:
        node.children[_key(name)] = Node(" ".join(words), unit)
    elif words:
        node.rows.append(" ".join(words))
    return [], "", ""


def _key(name: str) -> str:
    return name.lower().lstrip("+*!")
