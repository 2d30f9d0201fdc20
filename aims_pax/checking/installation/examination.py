"""The whole look at an installation."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from aims_pax.checking.installation import machine, packages
from aims_pax.checking.installation.finding import Finding, Standing
from aims_pax.checking.installation.trials import Seen, tried
from aims_pax.committee.hardware import runs_on_cpu
from aims_pax.reference.catalogue import Availability, catalogue

CPU_ONLY: Final = "built for CPUs"


@dataclass(frozen=True, slots=True)
class Examination:
    """All findings, in the order in which a person reads them.

    Parameters
    ----------
    findings : tuple of Finding
    references : tuple of Availability
        Each REFERENCE.type, and whether it is here.
    took_s : float, s
    """

    findings: tuple[Finding, ...]
    references: tuple[Availability, ...]
    took_s: float

    @property
    def can_run(self) -> bool:
        """Whether a campaign with tblite can run here."""
        return not any(finding.prevents for finding in self.findings)

    def record(self) -> dict[str, object]:
        """The same as JSON."""
        return {
            "can_run": self.can_run,
            "findings": [finding.record() for finding in self.findings],
            "references": [one.record() for one in self.references],
            "took_s": round(self.took_s, 2),
        }


def examine(folder: Path) -> Examination:
    """Look at everything. PyTorch, MACE, a label and a worker are tried, side by side; needs none of them itself.

    Parameters
    ----------
    folder : Path
        Where a campaign would run.
    """
    begun = time.monotonic()
    has_torch, has_tblite = find_spec("torch") is not None, find_spec("tblite") is not None
    with ThreadPoolExecutor(4) as threads:
        models, label, worker = (
            threads.submit(tried, name) if can_be_tried else None
            for name, can_be_tried in (
                ("models", has_torch),
                ("label", has_tblite),
                ("worker", has_tblite and find_spec("parsl") is not None),
            )
        )
        known = threads.submit(catalogue)
        about_models = of_models(_seen(models))
        has_gpu = any(finding.facts.get("gpus") for finding in about_models)
        references = known.result()
        findings = (
            *packages.programs(),
            packages.needed_packages(),
            *about_models,
            packages.cuequivariance(has_gpu=has_gpu),
            machine.compiler(),
            of_label(_seen(label)),
            of_worker(_seen(worker)),
            machine.launchers(),
            machine.batch_system(),
            machine.cores_and_memory(),
            machine.disk(folder),
            *of_references(references),
            *packages.extras(),
        )
    return Examination(findings, tuple(references), time.monotonic() - begun)


def _seen(trial: "Future[Seen] | None") -> Seen | None:
    return None if trial is None else trial.result()


def of_models(seen: Seen | None) -> list[Finding]:
    """PyTorch, the device and MACE; None: there is no PyTorch.

    Parameters
    ----------
    seen : Seen or None
        What came of the trial ``models``.
    """
    if seen is None:
        advice = packages.CPU_BUILD if runs_on_cpu("auto") else packages.GPU_BUILD
        return [Finding("torch", Standing.WRONG, "not installed", advice, is_needed=True)]
    told = seen.told.get("torch")
    if told is None:
        return [_broken("torch", seen, f"{packages.INSTALLED_BY} torch --index-url {packages.CPU_INDEX}")]
    found = [
        Finding("torch", Standing.READY, f"{told['version']}, {told['build']}", "", True, told),
        _device(told),
    ]
    if "mace" not in seen.told:
        return [*found, _broken("mace", seen, f"{packages.INSTALLED_BY} --no-deps mace-torch")]
    return [*found, Finding("mace", Standing.READY, _version("mace-torch"), is_needed=True)]


def _device(told: Mapping[str, Any]) -> Finding:
    if told["gpus"]:
        found = f"device: auto takes {', '.join(told['auto'])} ({', '.join(told['gpus'])})"
        return Finding("device", Standing.READY, found, facts=told)
    if told["has_driver"]:
        found = "device: auto takes the CPU, though this machine seems to have a GPU"
        if told["build"] == CPU_ONLY:
            advice = f"{packages.INSTALLED_BY} torch    # the build for CUDA, in the place of this one"
        else:
            advice = "See what nvidia-smi says: the driver must be new enough for this build."
        return Finding("device", Standing.ABSENT, found, advice, facts=told)
    return Finding("device", Standing.READY, "device: auto takes the CPU; there is no GPU", facts=told)


def of_label(seen: Seen | None) -> Finding:
    """A label by tblite; None: there is no tblite."""
    install = "python -m pip install tblite"
    if seen is None:
        return Finding("tblite", Standing.WRONG, "not installed", install, is_needed=True)
    if "label_s" not in seen.told:
        return _broken("tblite", seen, f"{packages.INSTALLED_BY} tblite")
    words = f"{_version('tblite')}, labelled water in {1000 * seen.told['label_s']:.1f} ms"
    return Finding("tblite", Standing.READY, words, is_needed=True, facts=seen.told)


def of_worker(seen: Seen | None) -> Finding:
    """A local worker of Parsl; None: what it needs is not installed."""
    if seen is None:
        return Finding(
            "Parsl", Standing.ABSENT, "not installed, or no tblite to try it with", "python -m pip install parsl"
        )
    if "worker" not in seen.told:
        advice = "Labels still run in the campaign's own process (no CLUSTER section)."
        return Finding("Parsl", Standing.WRONG, f"no worker started here: {seen.trouble}", advice)
    return Finding("Parsl", Standing.READY, f"{_version('parsl')}, a worker started here and could label")


def of_references(found: Sequence[Availability]) -> list[Finding]:
    """Which reference methods there are, in two lines."""
    here = [one for one in found if one.is_here]
    missing = [one.type for one in found if not one.is_here]
    words = ", ".join(f"{one.type} {one.version}" if one.version else one.type for one in here)
    result = [Finding("references", Standing.READY, words)]
    if missing:
        advice = "aims-pax references says how to get each."
        result.append(Finding("not found", Standing.ABSENT, ", ".join(missing), advice))
    return result


def _broken(name: str, seen: Seen, advice: str) -> Finding:
    return Finding(name, Standing.WRONG, f"does not work: {seen.trouble}", advice, is_needed=True)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not told"
