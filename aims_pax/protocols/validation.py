"""What finds out how good models are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from aims_pax.protocols.learning import Predictor


class Findings(Protocol):
    """What a validator has found: for a program, for a person, and as files."""

    def record(self) -> Mapping[str, Any]:
        """Plain values that JSON can hold; each number has its unit in its name."""
        ...

    def text(self) -> str:
        """A few lines or a table for a person, without a line feed at the end."""
        ...

    def write(self, folder: Path) -> list[Path]:
        """Write numbers and figures; the folder is made when missing. Returns the files.

        Raises
        ------
        OSError
            The folder can't be written to.
        """
        ...


class Validator(Protocol):
    """Tries models and says how good they are: errors, stability, properties. The models stay as they are."""

    def validate(self, models: Predictor) -> Findings:
        """Numbers and figures of these models.

        Raises
        ------
        ModelError
            The models do not know an element of what they are tried on.
        """
        ...
