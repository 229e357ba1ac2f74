"""Both ways to write a document: nothing of the text is lost, none of it becomes markup."""

from strata.review.document import Facts, Grid, Heading, Paragraph, Picture, html, markdown

BLOCKS = [
    Heading(1, "A & B"), Paragraph("one\ntwo <b>"), Facts((("cut|a", "80 % *"),)),
    Grid("Table", ("region", "items"), (("EM|EA", "1"), ("all", "1")), labels=1, has_total=True),
    Picture("x.svg", "two [bars]", '<svg role="img" aria-label="x"></svg>\n'),
]  # fmt: skip


def test_markdown_has_a_line_for_every_fact_and_row() -> None:
    assert markdown(BLOCKS, "pictures").splitlines() == [
        "# A & B", "", "one two \\<b>", "", "- cut\\|a: 80 % \\*", "", "**Table**", "", "| region | items |",
        "| --- | ---: |", "| EM\\|EA | 1 |", "| all | 1 |", "", "![two \\[bars\\]](pictures/x.svg)",
    ]  # fmt: skip


def test_html_escapes_what_is_said() -> None:
    page = html(BLOCKS, "A & B")
    assert "<h1>A &amp; B</h1>" in page and "two &lt;b&gt;" in page and "<title>A &amp; B</title>" in page
    assert '<tr class="total"><th scope="row">all</th><td class="figure">1</td></tr>' in page
    assert "<figcaption>two [bars]</figcaption>" in page and page.startswith("<!DOCTYPE html>")
