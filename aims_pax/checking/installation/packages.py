"""Python, the packages that every campaign needs, and those of the extras."""

import platform
import re
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec
from typing import Final

from aims_pax import __version__
from aims_pax.checking.installation.finding import Finding, Standing

DISTRIBUTION: Final = "aims-pax"

OF_DEVELOPERS: Final = frozenset({"dev", "docs"})
"""Extras for those who change the code: no user misses them."""

CPU_INDEX: Final = "https://download.pytorch.org/whl/cpu"
"""Where PyTorch's makers keep their builds for CPUs, as pytorch.org names it."""

CPU_BUILD: Final = f"python -m pip install torch --index-url {CPU_INDEX}"
"""The command that installs a build of PyTorch for CPUs, a tenth of the size of the default one of Linux."""

GPU_BUILD: Final = "python -m pip install torch"

INSTALLED_BY: Final = "python -m pip install --force-reinstall"
"""What puts a package that does not work in its own place."""


def programs() -> list[Finding]:
    """Python and this package."""
    return [
        Finding("Python", Standing.READY, f"{platform.python_version()}, {sys.executable}", is_needed=True),
        Finding("aims-pax", Standing.READY, __version__, is_needed=True),
    ]


def needed_packages() -> Finding:
    """Whether everything that the package depends on is installed; PyTorch has a finding of its own."""
    try:
        wanted = [name for name, extra in _requirements() if extra is None and name != "torch"]
    except PackageNotFoundError:
        found = "aims-pax itself is used without having been installed"
        advice = "in a clone: python -m pip install --constraint constraints.txt --editable ."
        return Finding("packages", Standing.ABSENT, found, advice)
    missing = [name for name in wanted if _version(name) is None]
    facts = {"installed": {name: _version(name) for name in wanted}}
    if missing:
        advice = f"python -m pip install {' '.join(missing)}"
        return Finding("packages", Standing.WRONG, f"missing: {', '.join(missing)}", advice, True, facts)
    return Finding("packages", Standing.READY, f"all {len(wanted)} that every campaign needs", "", True, facts)


def extras() -> list[Finding]:
    """What can be installed besides, with the command that does."""
    try:
        needs = _requirements()
        names = metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return []
    return [_extra(name, [package for package, extra in needs if extra == name]) for name in _told(names)]


def cuequivariance(*, has_gpu: bool) -> Finding:
    """NVIDIA's kernels for MACE."""
    told, kernels = _version("cuequivariance-torch"), find_spec("cuequivariance_ops_torch") is not None
    facts = {"version": told, "kernels": kernels}
    advice = "python -m pip install 'mace-torch[cueq,cueq-cuda-12]'    # or cueq-cuda-13, by your CUDA"
    if told is None:
        found = "not installed: enable_cueq can't be used"
        return Finding("cuEquivariance", Standing.ABSENT, found, advice if has_gpu else "", facts=facts)
    if has_gpu and not kernels:
        found = f"{told}, without its kernels for GPUs"
        return Finding("cuEquivariance", Standing.ABSENT, found, advice, facts=facts)
    return Finding("cuEquivariance", Standing.READY, told, facts=facts)


def _told(names: Sequence[str]) -> list[str]:
    return [name for name in names if name not in OF_DEVELOPERS]


def _extra(name: str, packages: Sequence[str]) -> Finding:
    missing = [package for package in packages if _version(package) is None]
    facts = {"packages": {package: _version(package) for package in packages}}
    if missing:
        advice = f"python -m pip install 'aims-pax[{name}]'"
        return Finding(f"extra {name}", Standing.ABSENT, f"without {', '.join(missing)}", advice, facts=facts)
    words = ", ".join(f"{package} {_version(package)}" for package in packages)
    return Finding(f"extra {name}", Standing.READY, words, facts=facts)


def _requirements() -> list[tuple[str, str | None]]:
    """Each package that is asked for, with the extra that asks for it.

    Raises
    ------
    PackageNotFoundError
        This package is not installed.
    """
    found = []
    for line in requires(DISTRIBUTION) or []:
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", line)
        if name is not None:
            found.append((name[0], None if extra is None else extra[1]))
    return found


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
