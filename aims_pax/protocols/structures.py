"""What gives structures without moving any."""

from collections.abc import Iterator
from typing import Final, Protocol

from aims_pax.errors import Problem
from aims_pax.frame import Frame

NO_TRAJECTORY: Final = -1
"""The trajectory of a frame that no molecular dynamics has made."""


class Source(Protocol):
    """Gives structures without molecular dynamics: a file, strains, mixtures, a database."""

    @property
    def name(self) -> str:
        """What its frames are told by, in messages and in the dataset: ``water.xyz``, ``strain``."""
        ...

    def problems(self) -> list[Problem]:
        """What is wrong with what it was asked for; empty when it can give its frames. Changes nothing."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Its structures one by one, each with its origin, always the same ones in the same order.

        They belong to :data:`NO_TRAJECTORY`, `md_step` numbers them from 1, and the generation is 0. Their `system`
        names what each was made from.

        Raises
        ------
        StructureError
            For what :meth:`problems` tells.
        """
        ...
