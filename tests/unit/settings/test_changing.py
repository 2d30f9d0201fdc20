"""Which settings may change when a run goes on."""

from pathlib import Path

from aims_pax.settings.changing import as_markdown

PAGE = Path(__file__).parents[3] / "docs" / "durability.md"


def test_the_documented_settings_are_those_that_may_change() -> None:
    page = PAGE.read_text(encoding="utf-8")
    shown = page.partition("<!-- settings-that-may-change -->\n")[2].partition("\n<!-- end -->")[0]
    assert shown == as_markdown(), "put the text of aims_pax.settings.changing.as_markdown() there"
