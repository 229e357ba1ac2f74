"""A document of headings, facts, tables and pictures, as Markdown whose versions differ line by line and as HTML.

Belongs here: the parts of a document, both ways to write it, numbers as people read them. Does not: what is said
(`strata.review.dossier`), drawing (`strata.review.picture`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import isnan

UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 1 is the title of the document."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text of one line."""

    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Labels and values, a line each."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: the first `labels` columns name a row, the others hold figures; `has_total`: the last row sums up."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int
    has_total: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing under its file name, with what it shows in words for those who do not see it."""

    name: str
    text: str
    svg: str


Block = Heading | Paragraph | Facts | Grid | Picture


def markdown(blocks: Sequence[Block], folder: str) -> str:
    """The document as Markdown: one fact, or one row of a table, a line; pictures are files of `folder` beside it."""
    lines: list[str] = []
    for block in blocks:
        match block:
            case Heading(level, text):
                lines += [f"{'#' * level} {_plain(text)}", ""]
            case Paragraph(text):
                lines += [_plain(text), ""]
            case Facts(rows):
                lines += [f"- {_plain(label)}: {_plain(value)}" for label, value in rows] + [""]
            case Grid(title, columns, rows, labels, _):
                rule = [*["---"] * labels, *["---:"] * (len(columns) - labels)]
                lines += [f"**{_plain(title)}**", ""]
                lines += [f"| {' | '.join(map(_plain, row))} |" for row in (columns, rule, *rows)] + [""]
            case Picture(name, text, _):
                lines += [f"![{_plain(text)}]({folder}/{name})", ""]
    return "\n".join(lines)


def html(blocks: Sequence[Block], title: str) -> str:
    """The document as one HTML file: nothing is loaded from elsewhere, and it reads on a phone and on paper."""
    parts: list[str] = []
    for block in blocks:
        match block:
            case Heading(level, text):
                parts.append(f"<h{level}>{escape(text)}</h{level}>")
            case Paragraph(text):
                parts.append(f"<p>{escape(text)}</p>")
            case Facts(rows):
                inside = "".join(f"<div><dt>{escape(a)}</dt><dd>{escape(b)}</dd></div>\n" for a, b in rows)
                parts.append(f"<dl>\n{inside}</dl>")
            case Grid():
                parts.append(_table(block))
            case Picture(_, text, svg):
                parts.append(f"<figure>\n{svg}<figcaption>{escape(text)}</figcaption>\n</figure>")
    return _PAGE.format(title=escape(title), style=_STYLE, body="\n".join(parts))


def _table(grid: Grid) -> str:
    head = "".join(
        f'<th scope="col"{"" if at < grid.labels else _RIGHT}>{escape(name)}</th>'
        for at, name in enumerate(grid.columns)
    )
    body = []
    for number, row in enumerate(grid.rows):
        cells = "".join(
            f'<th scope="row">{escape(cell)}</th>' if at < grid.labels else f"<td{_RIGHT}>{escape(cell)}</td>"
            for at, cell in enumerate(row)
        )
        total = ' class="total"' if grid.has_total and number == len(grid.rows) - 1 else ""
        body.append(f"<tr{total}>{cells}</tr>\n")
    return (
        f'<div class="wide">\n<table>\n<caption>{escape(grid.title)}</caption>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{''.join(body)}</tbody>\n</table>\n</div>"
    )


def _plain(text: str) -> str:
    """Text that Markdown shows as it stands."""
    for mark in ("\\", "|", "<", "*", "[", "]"):
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.split())


def number(value: float, *, sign: bool = False) -> str:
    """A whole number with thousands apart; never "-0".

    Examples:
        >>> number(12345.678), number(-0.4), number(3.0, sign=True), number(float("nan"))
        ('12,346', '0', '+3', 'not known')
    """
    return _number(value, 0, sign=sign)


def percent(share: float, decimals: int, *, sign: bool = False) -> str:
    """A fraction as percent.

    Examples:
        >>> percent(0.1234, 1), percent(float("nan"), 1), percent(0.001, 2, sign=True)
        ('12.3 %', 'not known', '+0.10 %')
    """
    found = _number(100 * share, decimals, sign=sign)
    return found if found == UNKNOWN else f"{found} %"


def _number(value: float, decimals: int, *, sign: bool) -> str:
    if isnan(value):
        return UNKNOWN
    found = f"{value:,.{decimals}f}"
    if not any(digit in "123456789" for digit in found):
        return found.lstrip("-")
    return f"+{found}" if sign and value > 0 else found


def share(part: float, whole: float) -> str:
    """A part as percent of the whole; a dash where there is no whole.

    Examples:
        >>> share(1, 8), share(0, 0)
        ('12.5 %', '-')
    """
    return percent(part / whole, 1) if whole > 0 else "-"


_RIGHT = ' class="figure"'
_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2430; background: #fff; margin: 0 auto; max-width: 60rem;
  padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0.5rem 0 1rem; }
h2 { font-size: 1.25rem; margin: 2rem 0 0.75rem; border-bottom: 2px solid #1f5fa8; padding-bottom: 0.2rem; }
h3 { font-size: 1.05rem; margin: 1.25rem 0 0.5rem; }
dl { margin: 0 0 1rem; }
dl div { display: grid; grid-template-columns: minmax(9rem, 17rem) 1fr; gap: 0 1rem; padding: 0.15rem 0;
  border-bottom: 1px solid #e3e7ec; }
dt { color: #4a5563; }
dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: 0 0 1.25rem; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; min-width: 100%; }
caption { text-align: left; font-weight: 600; padding: 0.25rem 0; }
th, td { padding: 0.2rem 0.6rem; text-align: left; border-bottom: 1px solid #e3e7ec; vertical-align: top; }
th:first-child { padding-left: 0; }
thead th { border-bottom: 2px solid #9aa5b1; vertical-align: bottom; }
tbody th { font-weight: 400; white-space: nowrap; }
.figure { text-align: right; white-space: nowrap; }
thead .figure { white-space: normal; }
.total th, .total td { font-weight: 600; border-top: 1px solid #9aa5b1; }
figure { margin: 0 0 1.25rem; }
svg { width: 100%; height: auto; max-width: 45rem; }
figcaption { font-size: 0.85rem; color: #4a5563; }
@media (max-width: 32rem) { dl div { grid-template-columns: 1fr; } body { padding: 0.6rem; } }
@media print { body { font-size: 10pt; max-width: none; } h2, h3, caption { break-after: avoid; }
  figure, tr { break-inside: avoid; } .wide { overflow: visible; } table { font-size: 8pt; } }
"""
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
