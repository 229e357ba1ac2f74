"""The document of a release's evidence: what it says first, what it shows of each row, and that it never varies."""

from typing import Any

import pytest

from strata.review.evidence import PARTS, evidence_document

MANIFEST: dict[str, Any] = {
    "release_id": "2026-06-g1", "cycle": "2026-06", "currency": "EUR",
    "tables": [{"name": table.name, "rows": 2, "content_hash": f"{at}" * 64} for at, (table, *_) in enumerate(PARTS)],
}  # fmt: skip
COMMON = {"region": "EMEA", "cycle": "2026-06", "valid_for_cycle": "2026-06"}


def criterion(name: str, rank: int, cost: float | None, **more: Any) -> dict[str, Any]:
    return COMMON | {
        "criterion": name, "rank": rank, "completeness": 0.985, "gini": 0.6, "top_items_share": 0.2, "separation": 0.7,
        "kappa": 0.8, "correlated_with": None, "correlation": None, "cost_year": cost, "regret_share": 0.05,
        "saved_share": 0.6, "is_in_use": False, "is_recommended": rank == 1, "decision_reason": f"because of {name}",
    } | more  # fmt: skip


def tables(**change: Any) -> dict[str, list[dict[str, Any]]]:
    dimension = COMMON | {
        "dimension": "product_customer", "rank": 1, "members": 7, "cells": 4, "lines": 1234, "median_lines": 300.0,
        "thin_cells_share": 0.25, "thin_lines_share": 0.01, "variance_explained": 0.13,
        "members_variance_explained": 0.7, "is_recommended": True, "decision_reason": "few cells",
    }  # fmt: skip
    method = COMMON | {
        "method": "ng", "rank": 1, "items": 600, "classes": 3, "cost_year": 90.0, "regret_share": 0.1,
        "saved_share": 0.4, "kappa": 0.9, "share_explained": 0.95, "conditions": 2, "is_in_use": False,
        "words": "A if margin >= 12.3456789; C if margin < 12.3456789", "is_recommended": True,
        "decision_reason": "cheapest",
    }  # fmt: skip
    return {
        "criteria_report": [criterion("revenue", 2, 100.0, is_in_use=True), criterion("cost_ratio", 1, 80.0, **change)],
        "dimension_comparison": [dimension],
        "method_selection": [method],
    }


@pytest.mark.capability("1.1", part="a document that begins with the recommendation in one sentence")
def test_the_document_says_the_recommendation_first_and_shows_every_row() -> None:
    text = evidence_document(MANIFEST, tables(), ["EMEA"])
    sentence = next(line for line in text.splitlines() if line.startswith("**In one sentence:**"))
    assert (
        "class items by `cost_ratio`: its classes cost 20.0% less safety stock than those by `revenue` (in use)"
        in sentence
    )
    assert "segment by product x customer (13% of the variance" in sentence and "take the method `ng`" in sentence
    assert text.index("In one sentence") < text.index("| 1 | `cost_ratio`") < text.index("| 2 | `revenue`")
    assert "| 98.5% | 0.60 | 20.0% | 0.70 | 0.80 | – | – | 80 | 5.0% | 60.0% | **recommended** |" in text
    assert "- `revenue`: because of revenue" in text and "Because of cost_ratio." in text
    assert "A if margin >= 12.35; C if margin < 12.35." in text
    assert "`" + "1" * 64 + "`" in text and "2026-06-g1" in text and "What the columns mean" in text
    assert text == evidence_document(MANIFEST, tables(), ["EMEA"])


def test_what_is_in_use_is_kept_and_nothing_is_made_up() -> None:
    kept = tables(criterion="margin", is_in_use=True)
    assert "keep classing items by `margin`" in evidence_document(MANIFEST, kept, ["EMEA"])
    nothing = {name: [row | {"is_recommended": False} for row in rows] for name, rows in tables().items()}
    assert "speak for no change; why stands below" in evidence_document(MANIFEST, nothing, ["EMEA"])
    empty = {name: [] for name in tables()}
    assert "no part `evidence`: nothing was compared" in evidence_document(MANIFEST, empty, ["EMEA"])
    late = {name: [row | {"cycle": "2026-05"} for row in rows] for name, rows in tables().items()}
    assert "rows of cycle 2026-05: the region was carried forward" in evidence_document(MANIFEST, late, ["EMEA"])
