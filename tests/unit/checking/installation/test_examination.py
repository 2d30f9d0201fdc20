"""What is made of trials that went well, badly, or could not be made."""

from typing import Any

import pytest

from aims_pax.checking.installation.examination import Examination, of_label, of_models, of_references, of_worker
from aims_pax.checking.installation.finding import Finding, Standing
from aims_pax.checking.installation.packages import CPU_BUILD, GPU_BUILD, cuequivariance
from aims_pax.checking.installation.trials import Seen
from aims_pax.reference.catalogue import Availability

PYTORCH: dict[str, Any] = {
    "version": "2.13.0",
    "build": "built for CUDA 12.8",
    "gpus": [],
    "auto": ["cpu"],
    "has_driver": False,
}


def models(**told: object) -> list[Finding]:
    return of_models(Seen({"torch": PYTORCH | told, "mace": "there"}))


def test_without_pytorch_the_command_that_installs_a_build_for_cpus_is_told() -> None:
    (torch,) = of_models(None)
    assert torch.prevents
    assert torch.advice in (CPU_BUILD, GPU_BUILD)  # by the machine that runs this
    assert "--index-url https://download.pytorch.org/whl/cpu" in CPU_BUILD


def test_pytorch_that_can_not_be_imported_is_told_in_its_own_words() -> None:
    (torch,) = of_models(Seen({}, "OSError: libcudart.so.12: cannot open shared object file"))
    assert torch.prevents
    assert "libcudart.so.12" in torch.found
    assert "--force-reinstall" in torch.advice


def test_mace_that_can_not_be_imported_does_not_hide_pytorch() -> None:
    torch, device, mace = of_models(Seen({"torch": PYTORCH}, "ImportError: no e3nn"))
    assert [torch.standing, device.standing] == [Standing.READY] * 2
    assert mace.prevents
    assert "no e3nn" in mace.found


@pytest.mark.parametrize(
    ("told", "standing", "words"),
    [
        ({}, Standing.READY, "takes the CPU; there is no GPU"),
        ({"gpus": ["H200"], "auto": ["cuda:0"], "has_driver": True}, Standing.READY, "takes cuda:0 (H200)"),
        ({"has_driver": True}, Standing.ABSENT, "though this machine seems to have a GPU"),
    ],
)
def test_device_that_auto_takes_is_told(told: dict[str, object], standing: Standing, words: str) -> None:
    device = models(**told)[1]
    assert device.standing is standing
    assert words in device.found


def test_a_build_for_cpus_beside_a_gpu_is_to_be_replaced() -> None:
    device = models(build="built for CPUs", has_driver=True)[1]
    assert "the build for CUDA" in device.advice
    assert "nvidia-smi" in models(has_driver=True)[1].advice


def test_cuequivariance_is_recommended_to_those_with_a_gpu_alone() -> None:
    with_gpu, without = (cuequivariance(has_gpu=has_gpu) for has_gpu in (True, False))
    assert without.advice == ""
    assert with_gpu.advice or with_gpu.standing is Standing.READY
    assert not with_gpu.is_needed


def test_a_label_is_needed_and_a_worker_is_not() -> None:
    failed = Seen({}, "gave no answer within 180 s")
    assert of_label(None).prevents
    assert of_label(failed).prevents
    assert of_worker(failed).standing is Standing.WRONG
    assert not of_worker(failed).prevents
    assert not of_worker(None).prevents
    assert of_label(Seen({"label_s": 0.01})).standing is Standing.READY


def test_references_are_those_of_the_catalogue() -> None:
    here = Availability("tblite", "tight binding", "0.8", "/site-packages/tblite", "")
    absent = Availability("orca", "ORCA", None, None, "from its makers")
    found, missing = of_references([here, absent])
    assert found.found == "tblite 0.8"
    assert missing.found == "orca"
    assert missing.standing is Standing.ABSENT
    assert absent.record()["install"] == "from its makers"


def test_what_is_optional_prevents_nothing() -> None:
    findings = (Finding("MPI", Standing.ABSENT, "none"), Finding("Parsl", Standing.WRONG, "no worker"))
    assert Examination(findings, (), 0.0).can_run
    needed = Finding("torch", Standing.WRONG, "missing", is_needed=True)
    assert not Examination((*findings, needed), (), 0.0).can_run
