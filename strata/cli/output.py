"""How commands speak: tables for people, JSON for machines, one line for an error."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NoReturn

from rich.console import Console
from rich.markup import escape
from rich.table import Table

WIDE = 400  # columns are as wide as their content; a narrow terminal wraps, nothing is cut off


class Refused(Exception):  # noqa: N818 - it is an outcome, not a fault
    """A gate or an approval forbids what was asked for, or rows of a file were refused (exit code 3)."""


def fail(message: str, *, code: int) -> NoReturn:
    """End with a message on stderr."""
    print(f"strata: {message}", file=sys.stderr)
    raise SystemExit(code)


def say(message: str) -> None:
    """A line for people; machine output is never mixed with it."""
    Console(soft_wrap=True, highlight=False).print(escape(message))


def progress(message: str) -> None:
    """What long work is doing, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{message} …", end="", file=sys.stderr, flush=True)


def end_progress() -> None:
    """Clear the progress line."""
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def show_table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows with equal keys as a table; numbers to the right."""
    if not rows:
        say(f"{title}: none")
        return
    table = Table(title=escape(title), title_justify="left", box=None, pad_edge=False)
    for name, value in rows[0].items():
        table.add_column(
            escape(name), justify="right" if isinstance(value, int | float | Decimal) else "left", no_wrap=True
        )
    for row in rows:
        table.add_row(*(escape(_text(value)) for value in row.values()))
    Console(width=WIDE, highlight=False, soft_wrap=True).print(table)


def show_json(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal | float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    return str(value)
