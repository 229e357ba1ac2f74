"""Drawings of a dossier as SVG: the same figures give the same bytes.

Belongs here: where a cut lies among the items, the share that the largest bring, amounts side by side. Does not: what
is drawn (`strata.review.boundary`), the frontier of churn controls (`strata.review.tuning`).
"""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 340, 64, 20, 34, 56
DARK, PALE, RED, GREY, INK = "#1f5fa8", "#a9c6e8", "#c0342b", "#6b7683", "#1c2430"
LINES = ((DARK, "none"), ("#2a8c5a", "7 3"), ("#8a5a00", "2 3"), ("#7a3fa0", "9 3 2 3"), ("#444", "4 4"))
POINTS = 160  # of a curve: more than the eye can tell on this width


def histogram(
    metric: Floats, in_band: Booleans, *, cut: float, others: Sequence[float], top: float, bins: int, ticks: int,
    title: str, axis: str, text: str,
) -> str:  # fmt: skip
    """Items by their metric, those within the dead band dark, the cut red, alternatives dashed.

    Args:
        metric: one value per item, no NaN; what exceeds `top` is counted in the last bin.
        in_band: the control would leave the item on either side.
        cut: the boundary.
        others: the alternatives.
        top: right end of the axis, in units of the metric.
        bins: bars of one width.
        ticks: parts that the axis is marked in.
        title: above the drawing.
        axis: below it.
        text: what is seen, in words.

    Examples:
        >>> svg = histogram(np.array([0.1, 0.2, 3.0]), np.array([False, True, False]), cut=0.5, others=[0.4], top=2.0,
        ...                 bins=4, ticks=4, title="CV", axis="CV", text="three items")
        >>> svg.count('class="bar"'), svg.count('class="band"'), 'aria-label="three items"' in svg
        (2, 1, True)
    """
    at = np.minimum((np.maximum(metric, 0.0) / top * bins).astype(np.int64), bins - 1)
    items, inside = np.bincount(at, minlength=bins), np.bincount(at[in_band], minlength=bins)
    most = _round_up(int(items.max(initial=0)))
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    parts = _frame(title, axis, "items", text)
    step = wide / bins
    for number in range(bins):  # a bar per bin
        for count, name, colour in ((items[number], "bar", PALE), (inside[number], "band", DARK)):
            if count:
                size = high * count / most
                parts.append(
                    f'<rect class="{name}" x="{LEFT + number * step + 0.5:.1f}" y="{HEIGHT - BOTTOM - size:.1f}" '
                    f'width="{step - 1:.1f}" height="{size:.1f}" fill="{colour}"/>'
                )
    for tick in range(ticks + 1):
        more = "+" if tick == ticks and (metric > top).any() else ""
        words = f"{top * tick / ticks:g}{more}"
        parts.append(_text(LEFT + wide * tick / ticks, HEIGHT - BOTTOM + 16, words, "middle"))
    for tick in range(5):
        parts.append(_text(LEFT - 6, HEIGHT - BOTTOM - high * tick / 4 + 4, f"{most * tick / 4:,.0f}", "end"))
    for other in others:
        x = LEFT + wide * min(other / top, 1)
        parts.append(f'<path d="M{x:.1f} {TOP} V{HEIGHT - BOTTOM}" stroke="{GREY}" stroke-dasharray="3 3"/>')
    x = LEFT + wide * min(cut / top, 1)
    parts.append(f'<path d="M{x:.1f} {TOP} V{HEIGHT - BOTTOM}" stroke="{RED}" stroke-width="2"/>')
    parts.append(_legend((("all items", PALE), ("within the dead band", DARK), ("the cut", RED), ("tried", GREY))))
    return _closed(parts)


def share_curve(curves: Mapping[str, Floats], *, cuts: Mapping[str, float], title: str, text: str) -> str:
    """Share of value that the largest items bring, a curve per region, with the cuts.

    Args:
        curves: share before each item, ascending, by region; empty ones are left out.
        cuts: share by name.
        title: above the drawing.
        text: what is seen, in words.

    Examples:
        >>> svg = share_curve({"EMEA": np.array([0.0, 0.6, 0.9])}, cuts={"A/B": 0.8}, title="Value", text="a curve")
        >>> svg.count("<polyline"), "A/B: 80 %" in svg
        (1, True)
    """
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    parts = _frame(title, "part of the items, the largest value first, %", "part of the value, %", text)
    legend = []
    for (region, before), (colour, dash) in zip(curves.items(), LINES * len(curves), strict=False):
        if not len(before):
            continue
        share = np.append(before, 1.0)
        at = np.unique(np.linspace(0, len(before), min(POINTS, len(before) + 1)).round().astype(np.int64))
        points = " ".join(
            f"{LEFT + wide * index / len(before):.1f},{HEIGHT - BOTTOM - high * share[index]:.1f}" for index in at
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
        )
        legend.append((region, colour))
    for name, cut in cuts.items():
        y = HEIGHT - BOTTOM - high * cut
        parts.append(f'<path d="M{LEFT} {y:.1f} H{WIDTH - RIGHT}" stroke="{RED}"/>')
        parts.append(_text(LEFT + 6, y - 4, f"{name}: {100 * cut:g} %", "start", RED))
    for tick in range(5):
        parts.append(_text(LEFT + wide * tick / 4, HEIGHT - BOTTOM + 16, f"{25 * tick}", "middle"))
        parts.append(_text(LEFT - 6, HEIGHT - BOTTOM - high * tick / 4 + 4, f"{25 * tick}", "end"))
    parts.append(_legend(legend))
    return _closed(parts)


def bars(rows: Sequence[tuple[str, float, str]], *, title: str, axis: str, text: str, low: float) -> str:
    """Amounts side by side: a bar per name with its figure in words.

    Args:
        rows: name, amount, the amount as text.
        title: above the drawing.
        axis: below it.
        text: what is seen, in words.
        low: where the bars begin.

    Examples:
        >>> svg = bars([("AX", 10.0, "10"), ("B<", 5.0, "5")], title="Stock", axis="USD", text="two bars",
        ...            low=0.0)
        >>> svg.count("<rect class"), "B&lt;" in svg
        (2, True)
    """
    line, begin = 22, 60
    height = TOP + line * max(len(rows), 1) + 34
    most = max((amount for _, amount, _ in rows), default=0.0)
    span = most - low if most > low else 1.0
    wide = WIDTH - begin - 190
    parts = _opened(height, text)
    parts.append(_text(10, 20, title, "start"))
    for number, (name, amount, told) in enumerate(rows):
        y, size = TOP + line * number, wide * max(amount - low, 0.0) / span
        parts.append(_text(begin - 8, y + 14, name, "end"))
        parts.append(
            f'<rect class="bar" x="{begin}" y="{y + 3}" width="{size:.1f}" height="{line - 6}" fill="{DARK}"/>'
        )
        parts.append(_text(begin + size + 6, y + 14, told, "start"))
    parts.append(_text(begin, height - 12, axis, "start", GREY))
    return _closed(parts)


def _round_up(count: int) -> int:
    """The least multiple of four with one or two leading figures that is not below a count: ticks fall on whole items.

    Examples:
        >>> [_round_up(count) for count in (0, 3, 5, 712, 2670)]
        [4, 4, 8, 720, 2800]
    """
    step = max(1, 10 ** (len(str(count)) - 2)) if count > 99 else 1
    return max(4, -(-count // (4 * step)) * 4 * step)


def _opened(height: int, text: str) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(text)}" font-family="sans-serif" font-size="12">',
        f"<title>{escape(text)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]


def _frame(title: str, across: str, up: str, text: str) -> list[str]:
    middle = (TOP + HEIGHT - BOTTOM) / 2
    return [
        *_opened(HEIGHT, text),
        _text(LEFT, 20, title, "start"),
        f'<path d="M{LEFT} {TOP} V{HEIGHT - BOTTOM} H{WIDTH - RIGHT}" fill="none" stroke="#444"/>',
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 32, across, "middle"),
        f'<text transform="translate(16 {middle:.1f}) rotate(-90)" text-anchor="middle">{escape(up)}</text>',
    ]


def _legend(entries: Sequence[tuple[str, str]]) -> str:
    """Names with their colour in one line at the foot."""
    parts, x = [], float(LEFT)
    for name, colour in entries:
        parts.append(f'<rect x="{x:.1f}" y="{HEIGHT - 14}" width="12" height="8" fill="{colour}"/>')
        parts.append(_text(x + 16, HEIGHT - 6, name, "start"))
        x += 34 + 6.6 * len(name)
    return "\n".join(parts)


def _text(x: float, y: float, words: str, anchor: str, colour: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def _closed(parts: Sequence[str]) -> str:
    return "\n".join([*parts, "</svg>"]) + "\n"
