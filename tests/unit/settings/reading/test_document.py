"""YAML as people write it: numbers, lines, and everything that is no YAML."""

from math import inf
from pathlib import Path

import pytest

from aims_pax.errors import SettingsError
from aims_pax.settings.reading.document import Document, read_document


def read(tmp_path: Path, text: str | bytes) -> Document:
    path = tmp_path / "aims_PAX.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_document(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("+5", 5),
        ("50_000", 50_000),
        ("010", 10),
        ("0.5", 0.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("5.0e-07", 5e-7),
        ("inf", inf),
        (".inf", inf),
        ("-.INF", -inf),
        ("yes", True),
        ("Off", False),
        ("true", True),
        ("~", None),
        ("", None),
        ("null", None),
        ("1:30", "1:30"),
        ("1e999", "1e999"),
        ("2026-01-01", "2026-01-01"),
        ("16x0e", "16x0e"),
        ("nan", "nan"),
        ("'5'", "5"),
        ("'yes'", "yes"),
        ("[1, 2.0, a]", [1, 2.0, "a"]),
        ("{1: -13.6, a: b}", {1: -13.6, "a": "b"}),
    ],
)
def test_values_mean_what_people_mean(tmp_path: Path, text: str, value: object) -> None:
    found = read(tmp_path, f"key: {text}").data["key"]
    assert found == value
    assert type(found) is type(value)


def test_every_key_and_item_knows_its_line(tmp_path: Path) -> None:
    document = read(tmp_path, "# comment\nMD:\n  seed: 1\n\n  list:\n    - 1\n    - a: 2\n")
    assert document.lines[("MD",)] == 2
    assert document.lines[("MD", "seed")] == 3
    assert document.lines[("MD", "list", 1, "a")] == 7
    assert document.where(("MD", "missing")) == "aims_PAX.yaml, line 2"
    assert document.where(()) == "aims_PAX.yaml"


def test_anchors_stand_for_what_they_name(tmp_path: Path) -> None:
    document = read(tmp_path, "MD:\n  0: &hot {temperature: 500}\n  1: *hot\n")
    assert document.data == {"MD": {0: {"temperature": 500}, 1: {"temperature": 500}}}


def test_file_with_byte_order_mark_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfMD: {}\n").data == {"MD": {}}


def test_empty_file_has_no_sections(tmp_path: Path) -> None:
    assert read(tmp_path, "# nothing\n").data == {}


def test_key_set_twice_names_both_lines_and_keeps_the_first(tmp_path: Path) -> None:
    document = read(tmp_path, "MD:\n  seed: 1\n  timestep: 2\n  seed: 3\n")
    assert document.data == {"MD": {"seed": 1, "timestep": 2}}
    assert "MD.seed is set twice: in line 2 and in line 4." in str(document.problems[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MD:\n  <<: {a: 1}\n", "line 2: YAML's merge key << in MD is not supported"),
        ("MD:\n  [1, 2]: 3\n", "line 2: A list or mapping in MD stands where the name of a setting goes"),
        ("MD: !!python/object:os.system {}\n", r"line 1: The YAML tag .*python/object.* is not supported"),
    ],
)
def test_constructs_without_meaning_here_are_problems_of_their_own(tmp_path: Path, text: str, message: str) -> None:
    import re

    (problem,) = read(tmp_path, text).problems
    assert re.search(message, str(problem))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MD:\n\tseed: 1\n", "line 2, column 1: This is not valid YAML: a tab stands where spaces are expected"),
        ("MD: [1, 2\n", r"aims_PAX.yaml, line 2.*not valid YAML"),
        ("MD: {a: b: c}\n", r"aims_PAX.yaml, line 1.*not valid YAML"),
        ("MD: 'open\n", "aims_PAX.yaml, line 2.*not valid YAML"),
        ("MD: *nowhere\n", "line 1, column 5: This is not valid YAML: found undefined alias"),
        ("MD: {}\n---\nMD: {}\n", "a second document begins here"),
        ("- a\n- b\n", "line 1: No section found"),
        ("just text\n", "line 1: No section found"),
        ("MD: &a [*a]\n", "refers to itself"),
        ("MD: " + "[" * 3000 + "]" * 3000, "nested too deeply"),
        ("MD: " + "{a: " * 50 + "1" + "}" * 50, "nested too deeply"),
        (b"MD: \xff\xfe\n", "not text in UTF-8"),
        (b"MD: \x00\x07\n", "not valid YAML"),
    ],
)
def test_what_is_no_yaml_is_said_with_its_place(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MD:\n  a: 1  # K\n    b: 2\n", "line 3: .* this line begins in column 5, and line 2 in column 3"),
        ("MD:\n  a: 1\n    b: 2\n", "line 3: .* this line begins in column 5, and line 2 in column 3"),
        ("MD:\n   a: 1\n\n  b: 2\n", "line 4: .* this line begins in column 3, and line 2 in column 4"),
        ("a:\n  - b: 1\n   c: 2\n", "line 3: .* this line begins in column 4, and line 2 in column 5"),
        ("MD:\n  b: 2\n  a 1  # K\n  c: 3\n", "line 3: .* 'a 1' has no colon"),
        ("MD:\n  a 1\n  b: 2\n", "line 2: .* 'a 1' has no colon"),
        ("MD\n  b: 2\n", "line 1: .* 'MD' has no colon"),
        ("MD:\n  b: x\n  a:1\n  c: 3\n", "line 3: .* no space stands behind the colon.\n  Write a: 1"),
        ("MD:\n  a: 1\n  b:2", "line 3: .* no space stands behind the colon"),
        ("MD: {}\na: b: c\n", "line 2: .* a second setting begins in this line"),
        ("MD:\n  a: [1, 2\n  b: 2\n", "line 3, column 4: .* a bracket opens in line 2, and before its ]"),
        ("a: 'b\nc: 3\n", "the quote that opens in line 1 is not closed"),
        ('a: "C:\\Users"\n', "a backslash in double quotes begins a special letter.\n  Write paths with /"),
        ("a: %x\n", "line 1, column 4: .* a value can't begin with '%'.\n  Put it in quotes"),
        ("- a\nb: 1\n", "line 2: .* items of a list and settings with names are mixed"),
    ],
)
def test_what_yaml_refuses_is_said_without_its_jargon(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, text)


def test_nested_anchors_that_multiply_are_refused(tmp_path: Path) -> None:
    bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))
    with pytest.raises(SettingsError, match="nested too deeply"):
        read(tmp_path, bomb)


def test_folder_in_place_of_the_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read"):
        read_document(tmp_path)
