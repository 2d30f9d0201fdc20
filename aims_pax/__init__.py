"""From a few structures and a compute allocation to a trustworthy machine-learning force field.

What a notebook needs stands here, and is imported when it is first used.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aims_pax.departure import Departed
    from aims_pax.errors import UserError
    from aims_pax.face.ahead import check, plan
    from aims_pax.face.collecting import collect
    from aims_pax.face.comparison import compare, relaxation
    from aims_pax.face.fetching import fetch
    from aims_pax.face.flying import fly
    from aims_pax.face.gathering import gather
    from aims_pax.face.labels import label
    from aims_pax.face.models import calculator, evaluate
    from aims_pax.face.properties import validate
    from aims_pax.face.run import Run, open_run
    from aims_pax.face.session import run
    from aims_pax.face.trial import verify
    from aims_pax.settings.project import Project, load_project
    from aims_pax.settings.reading.arguments import (
        converge,
        explore,
        initial,
        learn,
        pretrain,
        relabel,
        select,
    )

__version__ = "0.1.0"

_HOMES: Final = {
    "Departed": "departure",
    "Project": "settings.project",
    "Run": "face.run",
    "UserError": "errors",
    "calculator": "face.models",
    "check": "face.ahead",
    "collect": "face.collecting",
    "compare": "face.comparison",
    "converge": "settings.reading.arguments",
    "evaluate": "face.models",
    "explore": "settings.reading.arguments",
    "fetch": "face.fetching",
    "fly": "face.flying",
    "gather": "face.gathering",
    "initial": "settings.reading.arguments",
    "label": "face.labels",
    "learn": "settings.reading.arguments",
    "load_project": "settings.project",
    "open_run": "face.run",
    "plan": "face.ahead",
    "pretrain": "settings.reading.arguments",
    "relabel": "settings.reading.arguments",
    "relaxation": "face.comparison",
    "run": "face.session",
    "select": "settings.reading.arguments",
    "validate": "face.properties",
    "verify": "face.trial",
}
"""The module of each name: PyTorch and MACE take seconds to import, and a typo is told before that."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOMES})


__all__ = [
    "Departed",
    "Project",
    "Run",
    "UserError",
    "calculator",
    "check",
    "collect",
    "compare",
    "converge",
    "evaluate",
    "explore",
    "fetch",
    "fly",
    "gather",
    "initial",
    "label",
    "learn",
    "load_project",
    "open_run",
    "plan",
    "pretrain",
    "relabel",
    "relaxation",
    "run",
    "select",
    "validate",
    "verify",
]
