"""What every section of the settings is made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

CONTRADICTION: Final = "contradiction"
"""Type of the pydantic error that carries the contradictions of one section."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Settings that are right one by one, and can't be meant together.

    Parameters
    ----------
    key : str
        The setting to point at, as its own section names it; empty for the section as a whole.
    found : str
        A whole sentence.
    advice : str
        What to do.
    """

    key: str
    found: str
    advice: str


class Section(BaseModel):
    """A frozen group of settings.

    Types are strict: a text is not a number and a number is not a boolean. Every field has a description, whose
    first sentence is short and names the unit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())

    ALIASES: ClassVar[Mapping[str, str]] = {}
    """Other spellings that are accepted, and the names that they stand for."""

    def contradictions(self) -> Iterator[Contradiction]:
        """Settings of this section that contradict each other."""
        yield from ()

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        found = tuple(self.contradictions())
        if found:
            summary = " ".join(contradiction.found for contradiction in found)
            raise PydanticCustomError(CONTRADICTION, "{summary}", {"summary": summary, CONTRADICTION: found})
        return self

    @property
    def identity(self) -> str:
        """A text that equal settings of one kind share, and no others: hundreds of systems are compared by it."""
        return f"{type(self).__name__} {self.model_dump(warnings=False)}"

    def is_set(self, key: str) -> bool:
        """Whether a setting was written down, rather than left to its default."""
        return key in self.model_fields_set
