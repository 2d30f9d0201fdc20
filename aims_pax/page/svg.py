"""SVG as a page wants it: small, without what only a file needs, in colours that follow the reader's light or dark."""

import re
from typing import Final

from aims_pax.report.style import BLUE, GREEN, GREY, GRID, INK, ORANGE, PALE_BLUE, PAPER

VARIABLES: Final = {
    INK: "--ink",
    GREY: "--muted",
    GRID: "--grid",
    PAPER: "--paper",
    BLUE: "--blue",
    ORANGE: "--orange",
    GREEN: "--green",
    PALE_BLUE: "--pale-blue",
}
"""Variables of CSS by the colours that figures are drawn with; page.css gives each a value for light and for dark."""

_COLOUR = re.compile("|".join(re.escape(colour.lower()) for colour in VARIABLES))
_HEAD = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>\s*", re.DOTALL)
_SIZE = re.compile(r'<svg\b[^>]*?viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*>')
_ID = re.compile(r'\s+id="([^"]+)"')
_USE = re.compile(r'(?:url\(#|href="#)([^")]+)')
_STYLE = re.compile(r"<defs>\s*<style.*?</style>\s*</defs>\s*", re.DOTALL)
"""Would hold for every figure of the page; page.css says it instead."""
_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)


def themed(svg: str, *, prefix: str) -> str:
    """An SVG file of matplotlib as an element of a page.

    Parameters
    ----------
    svg : str
    prefix : str
        For the names of what is referred to within it, which must differ from those of other figures on the page.
    """
    text = _COMMENT.sub("", _STYLE.sub("", _METADATA.sub("", _HEAD.sub("", svg))))
    used = set(_USE.findall(text))
    text = _ID.sub(lambda found: f' id="{prefix}{found[1]}"' if found[1] in used else "", text)
    text = _USE.sub(lambda found: found[0].replace(f"#{found[1]}", f"#{prefix}{found[1]}"), text)
    size = _SIZE.search(text)
    assert size is not None, "matplotlib writes a viewBox"
    width, height = float(size[1]), float(size[2])
    opening = f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" aria-hidden="true">'
    text = text[: size.start()] + opening + text[size.end() :]
    return _COLOUR.sub(lambda found: f"var({_variable(found[0])})", text).strip()


def _variable(colour: str) -> str:
    return next(name for value, name in VARIABLES.items() if value.lower() == colour)
