"""Generated pages are what the code says, tables are documented to the last column, and links lead somewhere."""

import re
from pathlib import Path

import pytest

from docs.generate import PAGES
from strata.home import REPOSITORY
from strata.tables import TABLES, Table
from tests.rules.tree import kept

LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


@pytest.mark.parametrize("page", sorted(PAGES))
def test_a_generated_page_is_up_to_date(page: str) -> None:
    written = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    assert written == PAGES[page](), f"docs/{page} is outdated: run `make docs`"


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_every_table_and_column_is_documented(table: Table) -> None:
    assert len(table.meaning) > 20 and table.owner and table.grain
    assert set(table.keys) <= set(table.names)
    for column in table.columns:
        assert len(column.meaning) >= 5 and column.meaning.endswith("."), column.name


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page}: {target}"
        for page in kept()
        if page.suffix == ".md"
        for target in LINK.findall((REPOSITORY / page).read_text(encoding="utf-8"))
        if not ((REPOSITORY / page).parent / target).exists()
    ]
    assert not broken


def test_every_page_is_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [Path("README.md")]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        for target in LINK.findall((REPOSITORY / page).read_text(encoding="utf-8")):
            found = ((REPOSITORY / page).parent / target).resolve().relative_to(REPOSITORY.resolve())
            waiting += [path.relative_to(REPOSITORY) for path in (REPOSITORY / found).glob("*.md")] + [found]
    lost = {page for page in kept() if page.suffix == ".md"} - seen
    assert not lost, f"no page links to {lost}"


@pytest.mark.parametrize("folder", ["decisions"])
def test_decisions_are_numbered_and_have_their_four_parts(folder: str) -> None:
    pages = sorted((REPOSITORY / "docs" / folder).glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04d}" for number in range(1, len(pages) + 1)]
    for page in pages:
        headings = re.findall(r"^## (\w+)", page.read_text(encoding="utf-8"), re.M)
        assert headings == ["Status", "Context", "Decision", "Consequences"], page
