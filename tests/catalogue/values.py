"""Values that are not what they seem: B08, B12-B21, B23, B26, B27, B43-B45, B60."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from strata.intake.contract import Contract
from tests.catalogue.case import Case, Delivery, Place, one
from tests.catalogue.files import sales_table, written
from tests.strata.intake.drops import CONTRACTS, ITEMS, SALES, item, sale, text

SITES = CONTRACTS["wms", "sites"]
CUSTOMERS = CONTRACTS["erp", "customers"]


def refused(id: str, name: str, column: str, value: str, reason: str, contract: Contract = SALES) -> Case:
    """The second of three rows is refused alone."""
    bad = line(contract, "2", **{column: value})
    files = {"a.csv": text(",".join(contract.names), line(contract, "1"), bad, line(contract, "3"))}
    places = [Place(2, column)]
    return one(id, name, files, 3, "QROW", reason=reason, places=places, good_rows=2, contract=contract)


def kept(id: str, name: str, column: str, value: str, expected: Any, contract: Contract = SALES, **rest: Any) -> Case:
    """One row whose value is accepted as `expected`."""
    files = {"a.csv": text(",".join(contract.names), line(contract, "1", **{column: value}))}
    outcome = "NORM" if "normalised" in rest else "ACCEPT"
    return one(id, name, files, 1, outcome, kept={column: [expected]}, contract=contract, **rest)


def line(contract: Contract, number: str, **changes: str) -> str:
    """One good CSV line of a contract, its key made of `number`, but for `changes`."""
    if contract is SALES:
        return sale(**{"order_id": f"SO{number}", **changes})
    if contract is ITEMS:
        return item(**{"sku_id": f"I{number}", **changes})
    fill = {"location_id": f"L{number}", "customer_id": f"C{number}", "code": f"K{number}", "region": "EMEA",
            "location_type": "dc", "time_zone": "Europe/Berlin"}  # fmt: skip
    return ",".join(changes.get(name, fill.get(name, "")) for name in contract.names)


def rows_of(id: str, name: str, contract: Contract, lines: Sequence[str], outcome: Any, **rest: Any) -> Case:
    """Several rows of one extract."""
    files = {"a.csv": text(",".join(contract.names), *lines)}
    return one(id, name, files, len(lines), outcome, contract=contract, **rest)


def local(id: str, name: str, column: str, value: str, expected: Any) -> Case:
    """A value that only this company's contract allows: refused with a reason, or read as the contract says."""
    if isinstance(expected, str):
        return refused(id, name, column, value, expected, PROBE)
    return kept(id, name, column, value, expected, PROBE)


PROBE = Contract.model_validate(
    {
        **SALES.model_dump(exclude_unset=True),
        "key": ["code"],
        "business_time": None,
        "personal_data": "none",
        "time_zone": "Europe/Berlin",
        "columns": [
            {"name": "code", "type": "text", "meaning": "The key of the row."},
            {"name": "comma", "type": "decimal", "format": "comma", "nullable": True, "meaning": "German notation."},
            {"name": "minus", "type": "decimal", "format": "trailing_minus", "nullable": True, "meaning": "ERP style."},
            {"name": "day", "type": "date", "format": "%d.%m.%Y", "nullable": True, "meaning": "German notation."},
            {"name": "local", "type": "timestamp", "nullable": True, "meaning": "Local time of the plant."},
        ],
    }
)


def floats(_: str, values: Sequence[float]) -> Any:
    """Numbers as Parquet stores them; the ones that are no numbers are refused."""

    def make(path: Path) -> Sequence[Delivery]:
        table = sales_table(len(values), net_amount=pa.array(values))
        places = [Place(row, "net_amount") for row in range(2, len(values) + 1)]
        files = {"a.parquet": written(path, table)}
        return [Delivery(files, len(values), "QROW", "not_a_number", places, manifest={"format": "parquet"})]

    return make


CASES: list[Case] = [
    refused("B08", "nul-in-a-key", "order_id", "SO\x002", "control_character"),
    refused("B08", "bell-in-a-code", "sku_id", "I\x071", "control_character"),
    refused("B08", "line-end-in-a-code", "sku_id", '"I\n1"', "control_character"),
    refused("B08", "direction-mark-in-a-code", "sku_id", "I\u202e1", "control_character"),
    refused("B08", "nul-in-a-description", "item_name", "Bolt\x00", "control_character", ITEMS),
    kept("B12", "leading-zeros", "sku_id", "00123", "00123"),
    kept("B12", "leading-zeros-in-a-key", "order_id", "00123", "00123"),
    kept("B13", "looks-like-an-exponent", "sku_id", "1E5", "1E5"),
    kept("B13", "looks-like-an-exponent-in-a-key", "order_id", "12E3", "12E3"),
    *(kept("B14", f"text-{word}", "sku_id", word, word) for word in ("NA", "NULL", "null", "None", "nan")),
    refused("B14", "empty-key", "order_id", "", "empty_key"),
    refused("B14", "blank-key", "order_id", " \u00a0 ", "empty_key"),
    refused("B14", "empty-code", "sku_id", "", "missing_value"),
    kept("B15", "outer-blanks", "sku_id", "\u00a0 I1 \t", "I1", normalised={"sku_id": 1}),
    kept("B15", "decomposed", "sku_id", "Cafe\u0301", "Caf\u00e9", normalised={"sku_id": 1}),
    kept("B15", "zero-width", "sku_id", "\ufeffI\u200b1\u2060", "I1", normalised={"sku_id": 1}),
    kept("B15", "another-case-is-another-code", "sku_id", "i1", "i1"),
    kept("B15", "cyrillic-alone-is-kept", "sku_id", "\u0410BC", "\u0410BC"),
    rows_of("B15", "blanks-collide", ITEMS, [item(sku_id=k) for k in ("I1", "I1 ", "I2 ", "I3")], "QROW",
            reason="key_collision", places=[Place(1, "sku_id"), Place(2, "sku_id")], good_rows=2,
            normalised={"sku_id": 2}, alert="rows_refused"),
    rows_of("B15", "zero-width-collides", ITEMS, [item(sku_id=k) for k in ("I1", "I\u200b1", "I2")], "QROW",
            reason="key_collision", places=[Place(1, "sku_id"), Place(2, "sku_id")], good_rows=1,
            normalised={"sku_id": 1}, alert="rows_refused"),
    rows_of("B15", "two-ways-to-write-an-accent", ITEMS, [item(sku_id=k) for k in ("Caf\u00e9", "Cafe\u0301")],
            "QROW", reason="key_collision", places=[Place(1, "sku_id"), Place(2, "sku_id")], good_rows=0,
            normalised={"sku_id": 1}, alert="rows_refused"),
    rows_of("B15", "cyrillic-beside-latin", ITEMS, [item(sku_id=k) for k in ("ABC", "\u0410BC", "\u0410BD")], "QROW",
            reason="key_look_alike", places=[Place(1, "sku_id"), Place(2, "sku_id")], good_rows=1,
            alert="rows_refused"),
    rows_of("B15", "full-width-beside-latin", ITEMS, [item(sku_id=k) for k in ("A1", "\uff21\uff11")], "QROW",
            reason="key_look_alike", places=[Place(1, "sku_id"), Place(2, "sku_id")], good_rows=0,
            alert="rows_refused"),
    refused("B16", "slashes", "ordered_at", "01/02/2026", "not_a_timestamp"),
    refused("B16", "slashes-in-a-date", "launch_date", "01/02/2026", "not_a_date", ITEMS),
    refused("B16", "no-such-day", "launch_date", "2026-02-30", "not_a_date", ITEMS),
    refused("B16", "no-such-hour", "ordered_at", "2017-02-01T24:00:00Z", "not_a_timestamp"),
    local("B16", "day-first-by-contract", "day", "01.02.2026", date(2026, 2, 1)),
    local("B16", "misfit-to-the-contract", "day", "2026-02-01", "not_a_date"),
    refused("B17", "comma", "quantity", '"1,5"', "not_a_number"),
    refused("B17", "thousands", "quantity", '"1.234,50"', "not_a_number"),
    refused("B17", "missing-is-not-zero", "quantity", "", "missing_value"),
    local("B17", "comma-by-contract", "comma", '"1.234,50"', Decimal("1234.5")),
    local("B17", "point-against-the-contract", "comma", "1.5", "not_a_number"),
    refused("B18", "trailing-minus", "net_amount", "12-", "not_a_number"),
    refused("B18", "brackets", "net_amount", "(12)", "not_a_number"),
    local("B18", "trailing-minus-by-contract", "minus", "12.5-", Decimal("-12.5")),
    local("B18", "two-signs", "minus", "--5", "not_a_number"),
    *(refused("B19", f"integer-{word}", "order_line", word, "not_an_integer")
      for word in ("1e3", "0x1F", "1_000", "1.0", "\u0661")),
    refused("B19", "decimal-with-exponent", "quantity", "1e3", "not_a_number"),
    *(refused("B20", f"text-{word}", "quantity", word, "not_a_number") for word in ("NaN", "inf", "-Infinity")),
    Case("B20", "parquet-floats", floats("net_amount", [1.5, float("nan"), float("inf"), float("-inf")])),
    refused("B21", "negative", "quantity", "-2", "out_of_range"),
    refused("B21", "zero", "quantity", "0", "out_of_range"),
    rows_of("B21", "a-return-is-a-line-type", SALES, [sale(line_type="return", net_amount="-19.90")], "ACCEPT",
            kept={"quantity": [Decimal(2)], "line_type": ["return"], "net_amount": [Decimal("-19.90")]}),
    refused("B22", "negative-cost", "standard_cost", "-1", "out_of_range", ITEMS),
    refused("B22", "negative-price", "list_price", "-0.01", "out_of_range", ITEMS),
    rows_of("B22", "missing-is-not-zero", ITEMS, [item(standard_cost="", list_price="")], "ACCEPT",
            kept={"standard_cost": [None], "list_price": [None]}),
    refused("B23", "beyond-the-contract", "quantity", "1000000000000", "out_of_range"),
    refused("B23", "beyond-the-type", "quantity", "9" * 40, "out_of_range"),
    refused("B23", "beyond-64-bits", "order_line", "99999999999999999999", "out_of_range"),
    refused("B23", "beyond-any-amount", "net_amount", "1" + "0" * 308, "out_of_range"),
    rows_of("B26", "equal-rows", SALES, [sale(), sale(order_line="2"), sale(quantity="2.0"), sale()], "ACCEPT",
            kept={"order_line": [1, 2], "_row": [1, 2]}, duplicate_rows=2),
    rows_of("B27", "one-key-two-values", SALES, [sale(), sale(quantity="3"), sale(order_line="2")], "QROW",
            reason="duplicate_key", places=[Place(1, "order_id"), Place(2, "order_id")],
            kept={"order_line": [2]}),
    rows_of("B27", "one-item-two-states", ITEMS, [item(), item(status="blocked"), item(sku_id="I2")], "QROW",
            reason="duplicate_key", places=[Place(1, "sku_id"), Place(2, "sku_id")], kept={"sku_id": ["I2"]}),
    *(refused("B43", f"region-{name}", "region", value, "format_mismatch", contract)
      for contract in (SITES, CUSTOMERS)
      for name, value in (
          (f"{contract.feed}-path", "../../etc"), (f"{contract.feed}-separator", "EU|2026"),
          (f"{contract.feed}-lower-case", "emea"), (f"{contract.feed}-long", "A" * 17),
      )),
    refused("B43", "star-is-all", "location_id", "*", "reserved_value"),
    refused("B44", "no-offset", "ordered_at", "2017-02-01T10:00:00", "offset_missing"),
    refused("B44", "impossible-offset", "ordered_at", "2017-02-01T10:00:00+99:00", "not_a_timestamp"),
    local("B44", "hour-that-is-skipped", "local", "2017-03-26T02:30:00", "local_time_skipped"),
    local("B44", "hour-that-comes-twice", "local", "2017-10-29T02:30:00", datetime(2017, 10, 29, 1, 30, tzinfo=UTC)),
    local("B44", "offset-wins", "local", "2017-10-29T02:30:00+02:00", datetime(2017, 10, 29, 0, 30, tzinfo=UTC)),
    kept("B45", "month-end-is-kept-as-an-instant", "ordered_at", "2017-10-31T23:30:00Z",
         datetime(2017, 10, 31, 23, 30, tzinfo=UTC)),
    *(kept("B60", f"formula-{number}", "item_name", value, value, ITEMS)
      for number, value in enumerate(("=HYPERLINK(1)", "@SUM(A1)", " -2+3", "\t=1"))),
]  # fmt: skip
