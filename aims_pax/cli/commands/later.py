"""Programs of aims-PAX v0.2 that this version lacks: said as such, whatever options they are given."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from aims_pax.cli.boundary import guarded
from aims_pax.errors import Problem, UserError

ANYTHING: Final[dict[str, Any]] = {"ignore_unknown_options": True, "allow_extra_args": True}


@guarded
def recalc() -> None:
    """Label a dataset anew, as aims-PAX-recalc does."""
    raise _lacking("recalc", "Relabelling a dataset")


@guarded
def idg_v2() -> None:
    """Train the first committee on shares of a labelled dataset, as aims-PAX-idg-v2 does."""
    raise _lacking("idg-v2", "A first committee from shares of a labelled dataset")


COMMANDS: Final[Mapping[str, Callable[[], None]]] = {"recalc": recalc, "idg-v2": idg_v2}


def _lacking(command: str, what: str) -> UserError:
    advice = (
        "Labelled structures can begin active learning: ACTIVE_LEARNING.initial_train_dataset and "
        "initial_valid_dataset, then aims-pax al."
    )
    return UserError(Problem(f"aims-pax {command}", f"{what} is not in this version.", "", advice))
