"""Which settings may change when a run goes on."""

from pathlib import Path

from aims_pax.campaign.fingerprint import GOALS, MAY_CHANGE, STAGES, as_markdown

PAGE = Path(__file__).parents[3] / "docs" / "durability.md"


def test_the_documented_settings_are_those_that_may_change() -> None:
    page = PAGE.read_text(encoding="utf-8")
    shown = page.partition("<!-- settings-that-may-change -->\n")[2].partition("\n<!-- end -->")[0]
    assert shown == as_markdown(), "put the text of aims_pax.campaign.fingerprint.as_markdown() there"


def test_settings_that_may_change_exist() -> None:
    known = {key for fields in STAGES.values() for key in fields.model_fields}
    assert set(GOALS) <= set(MAY_CHANGE) <= known
