"""The page itself: one HTML file that needs nothing else, of one run or of several side by side."""

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Final
from urllib.parse import quote

from aims_pax.page.charts import CHAPTERS, Chart
from aims_pax.page.charts.parity import NOTHING_KEPT
from aims_pax.page.facts import facts_of, texts_of
from aims_pax.page.figure import Absent, Figure
from aims_pax.page.material import Material
from aims_pax.page.opening import Opening, opening_of
from aims_pax.page.structures import MOST_ATOMS, drawn_structures, worst_of

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""The browser is told to ask nothing of anybody."""

WIDE_IN: Final = 6.0
"""Panels that are wider than this are moved sideways on a phone, and not made smaller."""

PIXELS_PER_INCH: Final = 84
"""Of a figure on the page: its text of 10 points then has 12 pixels."""

MARKS: Final = {"believe": "+", "doubt": "?", "do not use": "!"}

WORST_TITLE: Final = "The largest errors, to be turned"
WORST_GOOD = (
    "In a good run these are strained or rare geometries; an ordinary one among them, or the same atom again and \
again, is a gap in the data."
)

Address = Callable[[Material, Figure, str], str]
"""Where a file of a figure is found from the page, by its suffix."""


@dataclass(frozen=True, slots=True)
class Served:
    """That a page is served, and takes over what is new.

    Parameters
    ----------
    news : str
        Address, from the page, that tells which version is the newest.
    version : int
        Of this page.
    """

    news: str
    version: int


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """A page that was put together.

    Parameters
    ----------
    html : str
    figures : tuple of Material and Figure
        All that are on it.
    """

    html: str
    figures: tuple[tuple[Material, Figure], ...]


def page_of(materials: Sequence[Material], *, address: Address, served: Served | None = None) -> Page:
    """The page of some runs, each by itself in its own column.

    Parameters
    ----------
    materials : sequence of Material
        At least one.
    address : callable
        Links to the files of figures.
    served : Served or None
        None for a page that lies in a file.
    """
    drawn: list[tuple[Material, Figure]] = []
    chapters = []
    for number, chapter in enumerate(CHAPTERS):
        articles = [_article(chart, materials, address, drawn) for chart in chapter.charts]
        if number == 1:
            articles.append(_worst(materials))
        chapters.append(
            f'<section id="c{number}" class="chapter"><h2>{escape(chapter.title)}</h2>{"".join(articles)}</section>'
        )
    links = [f'<a href="#c{number}">{escape(chapter.title)}</a>' for number, chapter in enumerate(CHAPTERS)]
    nav = f'<nav>{"".join(links)}<a href="#facts">Settings and costs</a></nav>'
    title = ", ".join(material.name for material in materials)
    body = f"{_openings(materials)}{nav}{''.join(chapters)}{_facts(materials)}"
    kind = "several" if len(materials) > 1 else "single"
    return Page(_whole(title, body, kind, served), tuple(drawn))


def file_address(folder: str) -> Address:
    """Files in a folder beside the page, by runs: ``report_files/ethanol/parity.png``."""
    return lambda material, figure, suffix: quote(f"{folder}/{material.name}/{figure.name}{suffix}")


def served_policy() -> str:
    """What a browser may do on a page that is served: run its own script and no other, and ask where it comes from."""
    digest = b64encode(sha256(_script(is_served=True).encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'"
    )


def _script(*, is_served: bool) -> str:
    names = ("page.js", "live.js") if is_served else ("page.js",)
    return "".join((files("aims_pax.page") / "static" / name).read_text(encoding="utf-8") for name in names)


def _whole(title: str, body: str, kind: str, served: Served | None) -> str:
    style = (files("aims_pax.page") / "static" / "page.css").read_text(encoding="utf-8")
    script, policy = _script(is_served=served is not None), POLICY if served is None else served_policy()
    data = "" if served is None else f' data-news="{escape(served.news)}" data-version="{served.version}"'
    line = "" if served is None else '<p id="news" role="status"></p>'
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><link rel="icon" href="data:,">'
        f'<style>{style}</style></head>\n<body class="{kind}"{data}><header><h1>{escape(title)}</h1>'
        f'<button id="theme" type="button">light or dark</button></header>\n{line}<main>{body}</main>\n'
        f"<script>{script}</script></body></html>\n"
    )


def _openings(materials: Sequence[Material]) -> str:
    cards = [_card(material, opening_of(material), named=len(materials) > 1) for material in materials]
    return f'<section class="runs openings">{"".join(cards)}</section>'


def _card(material: Material, opening: Opening, *, named: bool) -> str:
    name = f"<h2>{escape(material.name)}</h2>" if named else ""
    reasons = [
        f'<li class="{_class(one.word)}"><b aria-label="speaks for {escape(one.word)}">'
        f"{MARKS.get(one.word, '·')}</b>{escape(one.text)}</li>"
        for one in opening.reasons
    ]
    numbers = [
        f"<div><dt>{escape(one.title)}</dt><dd><strong>{escape(one.value)}</strong><span>{escape(one.words)}</span></dd>"
        "</div>"
        for one in opening.numbers
    ]
    return (
        f'<div class="opening">{name}<p class="verdict {_class(opening.word)}">{escape(opening.word)}</p>'
        f'<dl class="numbers">{"".join(numbers)}</dl><ul class="reasons">{"".join(reasons)}</ul></div>'
    )


def _class(word: str) -> str:
    return word.replace(" ", "-") if word in MARKS else "open"


def _article(
    chart: Chart, materials: Sequence[Material], address: Address, drawn: list[tuple[Material, Figure]]
) -> str:
    """One kind of figure of all runs; nothing where it is no figure of any of them."""
    charts = [chart(material) for material in materials]
    known = next((one for one in charts if one is not None), None)
    if known is None:
        return ""
    silent = Absent(known.name, known.title, "It is no figure of such a run.")
    found = [(material, one or silent) for material, one in zip(materials, charts, strict=True)]
    columns = []
    for material, one in found:
        name = f"<h4>{escape(material.name)}</h4>" if len(found) > 1 else ""
        if isinstance(one, Absent):
            columns.append(f'<div class="column">{name}<p class="absent">{escape(one.why)}</p></div>')
            continue
        drawn.append((material, one))
        columns.append(f'<div class="column">{name}{_figure(material, one, address, n=len(drawn))}</div>')
    first = next((one for _, one in found if isinstance(one, Figure)), None)
    good = f'<p class="good">{escape(first.good)}</p>' if first else ""
    name, title = found[0][1].name, found[0][1].title
    runs = f'<div class="runs">{"".join(columns)}</div>'
    width = sum(panel.width_in for panel in first.panels) if first else 0.0
    kind = ' class="broad"' if width > WIDE_IN else ""
    return f'<article id="{name}"{kind}><h3>{escape(title)}</h3>{good}{runs}</article>'


def _figure(material: Material, figure: Figure, address: Address, *, n: int) -> str:
    svgs = [
        f'<div class="panel{" wide" if panel.width_in > WIDE_IN else ""}" '
        f'style="--natural:{PIXELS_PER_INCH * panel.width_in:.0f}px">{svg}</div>'
        for panel, svg in zip(figure.panels, figure.svg(prefix=f"f{n}-"), strict=True)
    ]
    note = f"<p>{escape(figure.note)}</p>" if figure.note else ""
    links = [
        f'<a href="{escape(address(material, figure, suffix))}">{words}</a>'
        for suffix, words in ((".csv", "data (CSV)"), (".png", "picture (PNG)"))
    ]
    return (
        f'<figure><div class="panels" role="img" aria-label="{escape(figure.title)} of {escape(material.name)}">'
        f'{"".join(svgs)}</div><figcaption>{note}<p class="files">{" ".join(links)}</p></figcaption></figure>'
    )


def _worst(materials: Sequence[Material]) -> str:
    columns = []
    for material in materials:
        name = f"<h4>{escape(material.name)}</h4>" if len(materials) > 1 else ""
        comparison = material.comparison
        rows = [] if comparison is None else worst_of(comparison)
        if comparison is None or not rows:
            why = NOTHING_KEPT if comparison is None else f"All structures have more than {MOST_ATOMS} atoms."
            columns.append(f'<div class="column">{name}<p class="absent">{escape(why)}</p></div>')
            continue
        data = json.dumps(drawn_structures(rows), separators=(",", ":")).replace("<", "\\u003c")
        columns.append(
            f'<div class="column viewer">{name}<div class="chosen"></div><canvas tabindex="0" '
            f'aria-label="a structure; drag to turn it, arrow keys turn it, too"></canvas><p class="words"></p>'
            f'<script type="application/json">{data}</script>'
            f'<p class="note">Of {escape(comparison.of)}. Drag to turn, wheel or two fingers to come nearer; the ring '
            "is about the atom with the largest error.</p></div>"
        )
    good = f'<p class="good">{escape(WORST_GOOD)}</p>' if any("<canvas" in column for column in columns) else ""
    head = f"<h3>{WORST_TITLE}</h3>{good}"
    return f'<article id="worst" class="broad">{head}<div class="runs">{"".join(columns)}</div></article>'


def _facts(materials: Sequence[Material]) -> str:
    columns = []
    for material in materials:
        name = f"<h3>{escape(material.name)}</h3>" if len(materials) > 1 else ""
        tables = [
            f"<table><caption>{escape(one.title)}</caption>"
            + "".join(f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in one.rows)
            + "</table>"
            for one in facts_of(material)
        ]
        texts = [
            f"<details><summary>{escape(one.title)}</summary><pre>{escape(one.text)}</pre></details>"
            for one in texts_of(material)
        ]
        columns.append(f'<div class="column">{name}<div class="tables">{"".join(tables)}</div>{"".join(texts)}</div>')
    return f'<section id="facts"><h2>Settings, versions, costs</h2><div class="runs">{"".join(columns)}</div></section>'
