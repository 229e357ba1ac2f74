"""Extracts that come twice, late, too early or under a false name: B28-B32, B43, B57, B58."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.catalogue.case import Case, Delivery, one
from tests.catalogue.files import FILE, GOOD
from tests.strata.intake.drops import ITEM_HEADER, ITEMS, ORDERS, SALES_HEADER, item, sale, text

ONE = {"a.csv": text(SALES_HEADER, sale())}
OTHER = {"a.csv": text(SALES_HEADER, sale(quantity="7"))}
AT = "2017-04-0{}T00:00:00Z"


def items(name: str, day: int, outcome: Any, **rest: Any) -> Delivery:
    """A state of the item master as of a day of April."""
    files = {"a.csv": text(ITEM_HEADER, item(item_name=name))}
    rest["manifest"] = {"extracted_at": AT.format(day), **rest.get("manifest", {})}
    return Delivery(files, 1, outcome, contract=ITEMS, **rest)


def sequence(id: str, name: str, *deliveries: Delivery) -> Case:
    """Deliveries one after another."""

    def make(_: Path) -> Sequence[Delivery]:
        return deliveries

    return Case(id, name, make)


def malformed(id: str, name: str, words: str, **manifest: Any) -> Case:
    """A manifest that is refused before any file is looked at."""
    return one(id, name, FILE, 5, "REJECT", reason="manifest_malformed", words=words, manifest=manifest)


CASES: list[Case] = [
    sequence("B28", "same-file-twice", Delivery(FILE, 5, "ACCEPT", good_rows=5), Delivery(FILE, 5, "NOOP")),
    sequence("B28", "same-content-under-other-names", Delivery(FILE, 5, "ACCEPT"),
             Delivery({"renamed.csv": GOOD}, 5, "NOOP")),
    sequence("B28", "same-refused-file-twice",
             Delivery({"a.csv": b"junk\n"}, 1, "REJECT", "column_missing"),
             Delivery({"a.csv": b"junk\n"}, 1, "NOOP")),
    sequence("B29", "same-name-new-content", Delivery(ONE, 1, "ACCEPT", extract_id="night"),
             Delivery(OTHER, 1, "REJECT", "extract_id_reused", words="supersedes", extract_id="night")),
    sequence("B29", "the-manifest-says-it-supersedes", Delivery(ONE, 1, "ACCEPT", extract_id="night"),
             Delivery(OTHER, 1, "ACCEPT", kept={"quantity": [Decimal(7)]}, alert="late_extract",
                      extract_id="night",
                      manifest={"supersedes": "night", "extracted_at": "2026-05-20T00:00:00Z"})),
    one("B30", "known-before-a-closed-cut-off", ONE, 1, "ACCEPT", good_rows=1, alert="late_extract",
        manifest={"extracted_at": "2026-04-20T00:00:00Z"}),
    one("B31", "stamped-in-the-future", FILE, 5, "REJECT", reason="extracted_in_future", words="clock",
        manifest={"extracted_at": "2999-01-01T00:00:00Z"}),
    malformed("B31", "without-an-offset", "offset", extracted_at="2017-04-01T02:00:00"),
    sequence("B31", "order-by-the-source-not-by-arrival",
             items("new", 5, "ACCEPT", kept={"item_name": ["new"], "_position": [1_491_350_400_000_000]}),
             items("old", 4, "REJECT", reason="older_than_accepted")),
    sequence("B32", "older-state", items("new", 5, "ACCEPT"),
             items("old", 4, "REJECT", reason="older_than_accepted", words="not newer")),
    sequence("B32", "other-state-of-the-same-instant", items("new", 5, "ACCEPT"),
             items("same", 5, "REJECT", reason="older_than_accepted")),
    malformed("B43", "path-as-system", "system", system="../../etc"),
    malformed("B43", "path-as-feed", "feed", feed="sales/../../etc"),
    malformed("B43", "path-as-extract-id", "extract_id", extract_id="../../etc"),
    one("B43", "another-system-than-its-folder", FILE, 5, "REJECT", reason="wrong_folder",
        manifest={"system": "crm"}),
    malformed("B57", "path-in-a-file-name", "files", files=[
        {"name": "../a.csv", "sha256": "0" * 64, "rows": 1, "bytes": 1}]),
    malformed("B57", "archive", "does not end in", files=[
        {"name": "a.zip", "sha256": "0" * 64, "rows": 1, "bytes": 1}]),
    malformed("B59", "nan-in-the-manifest", "NaN", control_totals={"quantity": float("nan")}),
    one("B32", "newer-than-the-newest", {"a.csv": text(ITEM_HEADER, item())}, 1, "ACCEPT", contract=ITEMS,
        good_rows=1, manifest={"extracted_at": AT.format(6)}),
    one("B04", "changes-without-a-file-format", {"a.csv": b""}, 0, "REJECT", reason="envelope_unknown",
        contract=ORDERS, manifest={"kind": "cdc", "envelope": "debezium"}, places=()),
]  # fmt: skip
