"""Which terms are in force at a cut-off, whom they cover, and who bought what: a snapshot written by hand."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from strata.conformed.sla import holders, promises, service_target, sla_register
from strata.durable import write_parquet
from strata.tables import TABLES
from tests.strata.conformed.place import COLUMNS, MONEY, Place
from tests.strata.conformed.test_supply import SUPPLIER_ITEMS

DAY, TEXT = pa.date32(), pa.string()
ADDED: dict[str, dict[str, pa.DataType]] = {
    "int_sla_term_version": {
        "contract_id": TEXT, "term_id": TEXT, "account_id": TEXT, "customer_id": TEXT, "scope_type": TEXT,
        "scope_value": TEXT, "metric": TEXT, "target_share": MONEY, "target_hours": MONEY, "basis": TEXT,
        "measurement_window": TEXT, "priority": pa.int64(), "penalty_type": TEXT, "penalty_share": MONEY,
        "penalty_amount": MONEY, "currency": TEXT, "valid_from": DAY, "valid_to": DAY,
    },
    "int_contract_version": {
        "contract_id": TEXT, "account_id": TEXT, "status": TEXT, "starts_on": DAY, "ends_on": DAY,
    },
    "int_account_version": {"account_id": TEXT, "parent_account_id": TEXT, "customer_id": TEXT, "region": TEXT},
}  # fmt: skip
TERM: dict[str, Any] = {
    "account_id": "P", "customer_id": None, "scope_type": "total", "scope_value": None, "metric": "fill_rate",
    "target_share": Decimal("0.99"), "target_hours": None, "basis": "line", "measurement_window": "month",
    "priority": 1, "penalty_type": "none", "penalty_share": None, "penalty_amount": None, "currency": None,
    "valid_from": date(2026, 1, 1), "valid_to": None,
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name, columns in ADDED.items():
        monkeypatch.setitem(COLUMNS, name, columns)
    monkeypatch.setitem(COLUMNS["fct_sales_line"], "customer_id", TEXT)
    place = Place(tmp_path)
    for account, parent, customer in (("P", None, None), ("A", "P", "1"), ("B", "A", "2"), ("C", None, "3")):
        place.add(
            "int_account_version", account_id=account, parent_account_id=parent, customer_id=customer, region="HERE"
        )
    for customer, count in (("1", 3), ("2", 2), ("3", 4)):
        for _ in range(count):
            place.sale("2026-06-10T00:00", customer_id=customer)
    return place


def term(here: Place, number: str, known: str = "", until: str = "", **change: Any) -> None:
    here.add("int_sla_term_version", known, until, contract_id=number, term_id="t", **(TERM | change))


def contract(here: Place, number: str, status: str = "active", ends_on: date | None = None, **change: Any) -> None:
    row = {"account_id": "P", "status": status, "starts_on": date(2026, 1, 1), "ends_on": ends_on}
    here.add("int_contract_version", contract_id=number, **(row | change))


@pytest.mark.capability("1.2", part="terms in force as known at the cut-off")
def test_terms_are_in_force_by_their_days_their_contract_and_what_was_known(here: Place) -> None:
    # The cut-off of 2026-07 is 3 July, that of 2026-08 is 3 August.
    term(here, "plain")
    term(here, "until-the-day", valid_to=date(2026, 7, 3))
    term(here, "ended", valid_to=date(2026, 7, 2))
    term(here, "not-yet", valid_from=date(2026, 7, 4))
    term(here, "told-later", known="2026-07-10")
    term(here, "taken-back", until="2026-07-02")
    for number in ("expired", "contract-ended", "contract-runs"):
        term(here, number)
    contract(here, "expired", "expired")
    contract(here, "contract-ended", ends_on=date(2026, 7, 2))
    contract(here, "contract-runs", ends_on=date(2026, 7, 31))
    found = promises(here.view("2026-07")).terms.set_index("contract_id")["valid_until"]
    assert sorted(found.index) == ["contract-runs", "plain", "until-the-day"]
    assert found["contract-runs"] == pd.Timestamp(2026, 7, 31) and pd.isna(found["plain"])
    later = promises(here.view("2026-08")).terms["contract_id"]
    assert sorted(later) == ["not-yet", "plain", "told-later"]


def test_a_promise_covers_the_accounts_below_and_counts_their_lines(here: Place) -> None:
    here.sale("2026-06-10T00:00", customer_id="1", line_type="return")
    here.sale("2026-06-10T00:00", customer_id="1", location_id="L9")  # another region's
    here.sale("2026-07-01T12:00", customer_id="1")  # its month is still open
    here.sale("2025-06-30T12:00", customer_id="1")  # before the window
    here.sale("2026-06-12T00:00", customer_id=None)
    here.sale("2026-06-12T00:00", customer_id="1", currency="USD", net_amount=Decimal(8))
    here.rate("USD/EUR", "2026-06-12", "0.5")
    term(here, "all")
    term(here, "one", customer_id="2", account_id="B")
    term(here, "elsewhere", account_id="X")
    found = promises(here.view("2026-07"))
    assert sorted(found.terms["contract_id"]) == ["all", "one"]
    rows = found.pairs.set_index("scope_id").reindex(found.terms.set_index("contract_id")["scope_id"])
    assert rows["lines"].tolist() == [6, 2] and rows["revenue"].tolist() == [54, 20]
    assert rows["line_share"].tolist() == [6 / 11, 2 / 11]
    assert found.years == pytest.approx(20.916666 / 365, rel=1e-4), "from the first line on, not the whole window"


def test_accounts_in_a_circle_are_walked_once() -> None:
    accounts = pd.DataFrame(
        [("A", "B", "1"), ("B", "A", "2"), ("C", "B", None)], columns=["account_id", "parent_account_id", "customer_id"]
    )
    terms = pd.DataFrame([("H", "A", None)], columns=["holder_id", "account_id", "customer_id"])
    assert holders(terms, accounts)["customer_id"].tolist() == ["1", "2"]


def test_a_company_without_promises_has_targets_of_segments_only(
    here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COLUMNS["int_item_version"], "supplier_id", TEXT)
    monkeypatch.setitem(COLUMNS, "int_supplier_item_version", SUPPLIER_ITEMS)
    here.rows["int_supplier_item_version"] = []
    names = ("demand_forecast", "demand_profile", "segment_assignment", "lead_time_profile", "inventory_policy")
    for name in names:
        write_parquet(tmp_path / f"{name}.parquet", TABLES[name].empty())
    forecast, profile, assignment, lead_times, policy = (tmp_path / f"{name}.parquet" for name in names)
    for has_lines in (True, False):
        here.rows["fct_sales_line"] = here.rows["fct_sales_line"] if has_lines else []
        view = here.view("2026-07")
        made = service_target(view, forecast=forecast, profile=profile, assignment=assignment, lead_times=lead_times)
        write_parquet(tmp_path / "target.parquet", made)
        assert made.num_rows == sla_register(view, targets=tmp_path / "target.parquet", policy=policy).num_rows == 0
    del here.scheme["service"]
    assert sla_register(here.view("2026-07"), targets=tmp_path / "target.parquet", policy=policy).num_rows == 0
