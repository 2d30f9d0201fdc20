"""Where a key is found, what is refused, and that it shows itself nowhere."""

from pathlib import Path

import pytest

from aims_pax.errors import UserError
from aims_pax.structures.databases.key import Key, default_file, found_key
from aims_pax.testing.databases.server import KEY

OTHER = KEY[::-1]


def found(file: Path | None = None) -> Key:
    return found_key(file, named_by="--key-file")


def written(path: Path, text: str = KEY, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_named_file_counts_before_environment_and_that_before_the_default_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(default_file(), f"{KEY}\n")
    assert found().text == KEY
    assert found().origin == str(default_file())
    monkeypatch.setenv("PMG_MAPI_KEY", OTHER)
    assert (found().text, found().origin) == (OTHER, "PMG_MAPI_KEY")
    monkeypatch.setenv("MP_API_KEY", f" {KEY} ")
    assert (found().text, found().origin) == (KEY, "MP_API_KEY")
    assert found(written(home / "mine", OTHER)).text == OTHER


def test_none_is_told_with_all_places() -> None:
    with pytest.raises(UserError, match=r"none was found\.\n  Allowed: MP_API_KEY in the environment, a file named by"):
        found()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_file_that_others_can_reach_is_refused_with_the_remedy(home: Path, mode: int) -> None:
    file = written(home / "mine", mode=mode)
    with pytest.raises(UserError, match=f"Run: chmod 600 {file}") as caught:
        found(file)
    assert KEY not in str(caught.value)
    written(default_file(), mode=mode)
    with pytest.raises(UserError, match="Others can read the key in this file"):
        found()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has 0 letters"),
        (KEY[:16], "has 16 letters"),
        (f"{KEY}\n{OTHER}", "more than letters and digits"),
        (f"MP_API_KEY={KEY}", "more than letters and digits"),
        (KEY[:-1] + "é", "more than letters and digits"),
    ],
)
def test_what_can_be_no_key_is_refused_and_not_repeated(home: Path, text: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        found(written(home / "mine", text))
    assert not text or text[:16] not in str(caught.value)


def test_key_in_the_place_of_its_file_is_refused_and_not_repeated() -> None:
    with pytest.raises(UserError, match="have a new one made") as caught:
        found(Path(KEY))
    assert KEY not in str(caught.value)


def test_files_that_are_not_there_or_no_text_are_told(home: Path) -> None:
    with pytest.raises(UserError, match=r"no_key\.txt: There is no such file\."):
        found(Path("no_key.txt"))
    with pytest.raises(UserError, match="The file can't be read"):
        found(home)
    (home / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="it is no text"):
        found(home / "binary")


def test_key_shows_itself_in_no_representation() -> None:
    key = Key(KEY, "MP_API_KEY")
    assert KEY not in f"{key} {key!r}"
    assert key.hidden(f"your key {KEY} is wrong") == "your key (the key) is wrong"
