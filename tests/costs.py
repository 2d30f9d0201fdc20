"""What tests cost, by folder and file: it must be known before a file is imported, for the import is what costs.

A test is `light` unless something here, or a marker of its own, says otherwise. Nobody has to be believed:
`pytest --light` collects light tests alone, and fails those that import what is :data:`HEAVY`; an entry here that names
nothing fails every run.

When one fails: import PyTorch later, where it is needed, or give the test or its file the marker `torch`.
"""

from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

HERE: Final = Path(__file__).parent

HEAVY: Final = ("torch", "mace", "e3nn")
"""Packages that no light test may import: seconds of each process, and hundreds of MB."""

COSTLY: Final = ("torch", "process", "slow", "gpu", "licence", "slurm")
"""Markers of what a test costs; `light` is a test that has none of them."""

COSTS: Final[Mapping[str, str]] = {
    "contract/test_committee.py": "torch",
    "contract/test_driver.py": "torch",
    "contract/test_integrator.py": "torch",
    "contract/test_pool.py": "process",
    "contract/test_reference.py": "process",
    "contract/test_sampler.py": "torch",
    "contract/test_source.py": "torch",
    "contract/test_stage.py": "torch",
    "contract/test_validator.py": "torch",
    "integration": "process",
    "unit/campaign/test_diary.py": "torch",
    "unit/campaign/test_inputs.py": "torch",
    "unit/cli/commands/test_plan.py": "torch",
    "unit/committee": "torch",
    "unit/evaluation": "torch",
    "unit/forecast/test_pace.py": "torch",
    "unit/forecast/test_speed.py": "torch",
    "unit/forecast/test_timetable.py": "torch",
    "unit/labelling/test_desk.py": "torch",
    "unit/outcome": "torch",
    "unit/reference/embedded/test_asi.py": "process",
    "unit/reference/embedded/test_model_file.py": "torch",
    "unit/reference/process/test_supervised.py": "process",
    "unit/reference/test_foreign.py": "torch",
    "unit/sampling": "torch",
    "unit/settings/methods/test_engines.py": "torch",
    "unit/stages/loop/test_recording.py": "torch",
    "unit/stages/loop/test_wrecks.py": "torch",
    "unit/stages/test_convergence.py": "torch",
    "unit/stages/test_driver.py": "torch",
    "unit/stages/test_imported.py": "torch",
    "unit/stages/test_isolated.py": "torch",
    "unit/stages/test_starts.py": "torch",
    "unit/test_batch.py": "torch",
    "unit/test_trajectory.py": "torch",
}
"""Marker of all tests below a folder or in a file, relative to this one. Single tests have markers of their own."""


def cost_of(path: Path) -> str | None:
    """The marker of a folder or file; None for what is light."""
    inside = path.relative_to(HERE) if path.is_relative_to(HERE) else Path()
    for home in (inside, *inside.parents):
        if home.as_posix() in COSTS:
            return COSTS[home.as_posix()]
    return None


def astray() -> list[str]:
    """Entries that name nothing, or no cost."""
    return [name for name, cost in COSTS.items() if not (HERE / name).exists() or cost not in COSTLY]


class Refusal(MetaPathFinder):
    """Lets nothing heavy be imported: the test that does it fails, with the way by which it came there.

    Whether it is installed may be asked, and is answered.
    """

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in HEAVY else None
        if spec is not None:
            spec.loader = _Refused()
        return spec


class _Refused(Loader):
    def exec_module(self, module: ModuleType) -> None:
        # No ImportError: those are caught by code that can do without.
        pytest.fail(f"a light test imports {module.__name__}; see tests/costs.py")
