"""MISC.device of mace.yaml: one device, or several GPUs."""

from collections.abc import Callable

import pytest

from aims_pax.settings.committee.mace import MaceSettings

from .conftest import MACE, ProjectFolder

Refused = Callable[..., str]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("auto", "auto"),
        ("cuda", "cuda"),
        ("cuda:1", "cuda:1"),
        ("[cuda:0, cuda:2]", ("cuda:0", "cuda:2")),
        ('["cuda:3"]', ("cuda:3",)),
    ],
)
def test_devices_are_read_and_kept(written: str, meant: str | tuple[str, ...], folder: ProjectFolder) -> None:
    folder.write(mace=f"{MACE}MISC:\n  device: {written}\n")
    settings = folder.load().mace
    assert settings.misc.device == meant
    kept = settings.model_dump(mode="json", by_alias=False)
    assert MaceSettings.model_validate(kept) == settings


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("gpu", "is 'gpu', which is no device"),
        ("cuda:01", "is 'cuda:01', which is no device"),
        ("1", "is 1"),
        ("[]", "is empty"),
        ("[cpu, cuda:0]", "names 'cpu', which is no GPU by its number"),
        ("[cuda]", "names 'cuda', which is no GPU by its number"),
        ("[cuda:1, cuda:1]", "names a GPU twice"),
        ("[[cuda:1]]", "names a list, which is no GPU by its number"),
        ("{cuda: 1}", "is a mapping"),
    ],
)
def test_what_is_no_device_is_told_with_what_is(written: str, found: str, refused: Refused) -> None:
    message = refused(mace=f"{MACE}MISC:\n  device: {written}\n")
    assert f"mace.yaml, line 4: MISC.device {found}." in message
    assert "Allowed: auto | cpu | cuda | cuda:1 | list of GPUs such as [cuda:0, cuda:2]" in message


@pytest.mark.parametrize(
    ("mace", "words"),
    [
        ("MISC: {enable_cueq: true, compile: true}", "compile and enable_cueq are both true"),
        ("MISC: {enable_cueq_train: true, compile: true}", "compile and enable_cueq_train are both true"),
        (
            "MISC: {enable_cueq: true}\nARCHITECTURE: {correlation: 4}",
            "MISC.enable_cueq is true, and ARCHITECTURE.correlation is 4: MACE can't convert such models.\n"
            "  Allowed: correlation 2 or 3",
        ),
    ],
)
def test_what_cuequivariance_can_not_do_is_said(mace: str, words: str, refused: Refused) -> None:
    assert words in refused(mace=f"{MACE}{mace}\n")
