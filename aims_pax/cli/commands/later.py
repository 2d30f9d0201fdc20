"""Programs of aims-PAX v0.2 that this version lacks: said as such, whatever options they are given."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from aims_pax.cli.boundary import guarded
from aims_pax.errors import Problem, UserError

ANYTHING: Final[dict[str, Any]] = {"ignore_unknown_options": True, "allow_extra_args": True}


@guarded
def recalc() -> None:
    """Label a dataset anew, as aims-PAX-recalc does."""
    found = "Labelling a dataset anew (aims-PAX-recalc) is not in this version."
    advice = (
        "Labelled structures can begin active learning as they are: ACTIVE_LEARNING.initial_train_dataset and "
        "initial_valid_dataset, then aims-pax al."
    )
    raise UserError(Problem("aims-pax recalc", found, "", advice))


COMMANDS: Final[Mapping[str, Callable[[], None]]] = dict.fromkeys(("recalc", "recalculate", "relabel"), recalc)
