"""OPTIMADE's filters, as far as a client asks them: comparisons, HAS (ALL, ANY), NOT, AND, OR, parentheses."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Entry = Mapping[str, Any]
Condition = Callable[[Entry], bool]

_WORD: Final = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[<>!]?=|[<>(),]|[A-Za-z_]\w*|-?\d+(?:\.\d+)?)')
_COMPARE: Final = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Unparsed(ValueError):
    """A text that is no filter."""


def parsed(text: str) -> Condition:
    """What a filter says of an entry. Unparsed where it is none."""
    parser = _Parser(text)
    condition = parser.alternatives()
    if parser.words:
        raise Unparsed(f"{parser.words[0]} should not stand there")
    return condition


class _Parser:
    def __init__(self, text: str) -> None:
        self.words: list[str] = []
        while text.strip():
            match = _WORD.match(text)
            if match is None:
                raise Unparsed(f"{text[:20]!r} is not understood")
            self.words.append(match[1])
            text = text[match.end() :]

    def take(self, *wanted: str) -> str:
        if not self.words or (wanted and self.words[0] not in wanted):
            raise Unparsed(f"{' or '.join(wanted) or 'something'} is missing")
        return self.words.pop(0)

    def follows(self, *wanted: str) -> bool:
        if self.words and self.words[0] in wanted:
            self.words.pop(0)
            return True
        return False

    def alternatives(self) -> Condition:
        parts = [self.all_of()]
        while self.follows("OR"):
            parts.append(self.all_of())
        return lambda entry: any(part(entry) for part in parts)

    def all_of(self) -> Condition:
        parts = [self.one()]
        while self.follows("AND"):
            parts.append(self.one())
        return lambda entry: all(part(entry) for part in parts)

    def one(self) -> Condition:
        if self.follows("NOT"):
            negated = self.one()
            return lambda entry: not negated(entry)
        if self.follows("("):
            inner = self.alternatives()
            self.take(")")
            return inner
        return self.comparison()

    def comparison(self) -> Condition:
        name = self.take()
        if not re.fullmatch(r"[a-z_]\w*", name):
            raise Unparsed(f"{name} is no property")
        if self.follows("HAS"):
            every = any if self.follows("ANY") else all
            several = every is any or self.follows("ALL")
            values = [self.value()]
            while several and self.follows(","):
                values.append(self.value())
            return lambda entry: every(value in entry[name] for value in values)
        compare, wanted = _COMPARE[self.take(*_COMPARE)], self.value()
        return lambda entry: bool(compare(entry[name], wanted))

    def value(self) -> str | float:
        word = self.take()
        if word.startswith('"'):
            return re.sub(r"\\(.)", r"\1", word[1:-1])
        try:
            return float(word)
        except ValueError:
            raise Unparsed(f"{word} is no value") from None
