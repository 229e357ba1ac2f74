"""What planning, warehouses, transport and sales send: nothing refused, and nothing that contradicts the rest."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from strata.home import REPOSITORY, Home
from strata.intake.contract import load_contracts
from strata.intake.land import land
from strata.sample import build, generated, generator
from strata.sample.departments import PLANNING, WAREHOUSE
from tests.strata.sample.small import RULES, SPEC, rows

FIRST, CYCLES = "2017-09", ["2017-09", "2017-10", "2017-11"]
OTHERS = (
    "erp/item_sites", "erp/planning_parameters", "erp/bill_of_materials", "erp/inventory_budget", "wms/stock_movements",
    "wms/pick_tasks", "wms/slots", "wms/item_handling", "tms/lanes", "tms/rates", "tms/shipments", "crm/accounts",
    "crm/contracts", "crm/sla_terms", "crm/incentives", "planning/forecast_overrides", "planning/consensus_decisions",
    "planning/resource_plan",
)  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A small generated company with three cycles, landed and accepted."""
    home = Home(tmp_path_factory.mktemp("departments"))
    truth = generator.generate(SPEC, seed=5)
    rules = replace(RULES, warehouse=replace(WAREHOUSE, short_share=0.2))
    company = build.prepare(generated.as_demand(truth), rules, seed=5)
    for cycle in CYCLES:
        build.land_cycle(home, company, cycle, first_cycle=FIRST)
    land(home, load_contracts(REPOSITORY / "config" / "feeds"), None, now=datetime.now(UTC))
    return home


@contextmanager
def feeds(home: Home, *names: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """The accepted rows of feeds as tables `<feed>`, with the extraction as `taken`."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'America/New_York'")
        for name in names:
            connection.execute(
                f"""create view {name.partition("/")[2]} as select *, make_timestamp(_position) as taken
                from read_parquet('{home.raw}/{name}/*/rows.parquet') where _refusal_reason is null"""
            )
        yield connection


def one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[object, ...]:
    found = connection.sql(query).fetchone()
    assert found is not None
    return found


def test_every_extract_is_accepted_and_no_row_but_dirty_sales_is_refused(home: Home) -> None:
    assert not list(home.quarantine.glob("*/*/*/refusal.json"))
    batches = [json.loads(file.read_text()) for file in home.raw.glob("*/*/*/batch.json")]
    refused = {
        f"{b['manifest']['system']}/{b['manifest']['feed']}": b["refusals"] for b in batches if b["refused_rows"]
    }
    assert set(refused) <= {"erp/sales_order_lines"}
    sent: Counter[str] = Counter()
    for b in batches:
        sent[f"{b['manifest']['system']}/{b['manifest']['feed']}"] += b["accepted_rows"]
    assert set(OTHERS) <= set(sent)
    # a dozen items have no family large enough for a kit
    assert {feed for feed in OTHERS if not sent[feed]} <= {"erp/bill_of_materials"}


def test_planning_views_and_parameters_are_of_the_same_items_and_cover_what_is_counted(home: Home) -> None:
    with feeds(home, "erp/item_sites", "erp/planning_parameters", "wms/stock_snapshots") as connection:
        keys = "select sku_id, location_id, taken from"
        assert one(
            connection,
            f"select count(*) from (({keys} item_sites except {keys} planning_parameters) union all "
            f"({keys} planning_parameters except {keys} item_sites))",
        ) == (0,)
        assert one(
            connection,
            """select count(*) from stock_snapshots as s anti join item_sites as i
            on i.sku_id = s.sku_id and i.location_id = s.location_id and i.taken = s.taken""",
        ) == (0,)


def test_mrp_holds_rules_of_thumb_that_are_looked_at_twice_a_year(home: Home) -> None:
    with feeds(home, "erp/planning_parameters") as connection:
        wrong, known, changes = one(
            connection,
            """with ordered as (
                select *, lag(safety_stock_units) over of_item as before, lag(changed_on) over of_item as changed_before
                from planning_parameters window of_item as (partition by sku_id, location_id order by taken)
            )
            select count(*) filter (not (safety_stock_units <= reorder_point_units
                    and reorder_point_units < max_stock_units and rounding_units > 0)),
                count(safety_stock_units), count(*) filter (changed_before is not null and before
                    is distinct from safety_stock_units and changed_on = changed_before)
            from ordered""",
        )
        assert wrong == 0 and changes == 0
        assert isinstance(known, int) and known > 30
        months = connection.sql(
            "select max(date_diff('month', changed_on, taken::date)) from planning_parameters"
        ).fetchone()
    assert months is not None and months[0] <= PLANNING.review_months


def test_stock_is_stock_before_plus_postings(home: Home) -> None:
    """From postings and counts alone, for every item-location and every week that both cover."""
    with feeds(home, "wms/stock_movements", "wms/stock_snapshots") as connection:
        wrong, weeks, found = one(
            connection,
            """with posted as (
                select sku_id, location_id, moved_at::date as day, movement_type,
                    case when movement_type in ('issue_sale', 'count_loss') then -quantity else quantity end as units
                from stock_movements
            ), week as (
                select *, lag(on_hand_units) over of_item as before, lag(snapshot_date) over of_item as since
                from stock_snapshots window of_item as (partition by sku_id, location_id order by snapshot_date)
                qualify since >= (select min(day) - 1 from posted)
            ), change as (
                select week.*, coalesce(sum(units), 0) as moved, count(*) filter (movement_type = 'count_gain') as gains
                from week left join posted on posted.sku_id = week.sku_id and posted.location_id = week.location_id
                    and posted.day > since and posted.day <= snapshot_date
                group by all
            )
            select count(*) filter (on_hand_units <> before + moved), count(*), sum(gains) from change""",
        )
    assert wrong == 0
    assert isinstance(weeks, int) and weeks > 200 and found


def test_tasks_pick_what_was_ordered_from_the_slot_where_it_stands(home: Home) -> None:
    with feeds(home, "wms/pick_tasks", "wms/slots", "erp/sales_order_lines") as connection:
        lines = """select order_id, order_line, sum(picked_quantity) as picked, min(quantity) as asked
            from pick_tasks where taken = (select min(taken) from pick_tasks) group by all"""
        # two months later every late and every wrong line of the first extract is there as it is
        assert one(
            connection,
            f"""with sale as (
                select * from sales_order_lines
                qualify row_number() over (partition by order_id, order_line order by taken desc) = 1
            )
            select count(*) from ({lines}) as t left join sale as s using (order_id, order_line)
            where s.quantity is distinct from t.picked""",
        ) == (0,)
        assert one(
            connection,
            """select count(*) from pick_tasks as t anti join slots as s on s.location_id = t.location_id
            and s.slot_id = t.slot_id and s.sku_id = t.sku_id and s.taken = t.taken""",
        ) == (0,)
        early, short = one(
            connection,
            """select count(*) filter (not (created_at <= started_at and started_at < confirmed_at)),
            count(*) filter (status = 'short') from pick_tasks""",
        )
        assert early == 0 and short
        oldest = one(
            connection,
            "select max(date_diff('day', created_at::date, (date_trunc('month', taken))::date)) from pick_tasks",
        )
    assert oldest == (WAREHOUSE.task_days,)


def test_a_slot_holds_one_item_and_an_item_has_one_slot_at_a_location(home: Home) -> None:
    with feeds(home, "wms/slots", "erp/item_sites", "wms/item_handling") as connection:
        twice = "select count(*) from (select 1 from slots where sku_id is not null group by taken, location_id, {} "
        assert one(connection, twice.format("sku_id having count(*) > 1)")) == (0,)
        assert one(connection, twice.format("slot_id having count(*) > 1)")) == (0,)
        assert one(
            connection,
            """select count(*) from item_sites as i anti join slots as s on s.sku_id = i.sku_id
            and s.location_id = i.location_id and s.taken = i.taken""",
        ) == (0,)
        assert one(
            connection,
            """select count(*) from slots as s inner join item_handling as h using (sku_id, taken)
            where s.temperature_class <> h.temperature_class""",
        ) == (0,)
        assert one(
            connection,
            "select count(*) from item_handling where units_per_pallet % units_per_layer <> 0 or weight_kg <= 0",
        ) == (0,)


def test_shipments_belong_to_receipts_and_customers_run_on_lanes_and_arrive_after_they_leave(home: Home) -> None:
    with feeds(home, "tms/shipments", "tms/lanes", "erp/goods_receipts", "crm/accounts") as connection:
        orphans = one(
            connection,
            """select count(*) filter (direction = 'inbound'
                    and reference_id not in (select receipt_id from goods_receipts)),
                count(*) filter (direction = 'outbound' and partner_id not in (select customer_id from accounts
                    where customer_id is not null)),
                count(*) filter ((lane_id, mode) not in (select (lane_id, mode) from lanes)),
                count(*) filter (actual_arrival_at <= actual_departure_at)
            from shipments""",
        )
        assert orphans == (0, 0, 0, 0)
        # every receipt was brought by one shipment
        assert one(
            connection,
            """select count(distinct receipt_id) - (select count(distinct reference_id) from shipments
                where direction = 'inbound') from goods_receipts""",
        ) == (0,)
        resent, back = one(
            connection,
            """with last as (
                select shipment_id, count(*) as times, arg_max(status, taken) as status, arg_min(status, taken) as first
                from shipments group by all
            )
            select count(*) filter (times = 2 and first = 'under_way' and status = 'delivered'),
                count(*) filter (times > 2 or (times = 2 and first <> 'under_way')) from last""",
        )
    assert resent and back == 0


def test_promises_are_made_to_accounts_in_contracts_and_follow_the_tier(home: Home) -> None:
    with feeds(home, "crm/accounts", "crm/contracts", "crm/sla_terms") as connection:
        assert one(
            connection,
            """select count(*) from sla_terms as s left join contracts as c using (contract_id, taken)
            where c.account_id is distinct from s.account_id or s.valid_from <> c.starts_on""",
        ) == (0,)
        assert one(
            connection,
            """select count(*) from accounts as child left join accounts as parent
            on child.parent_account_id = parent.account_id and child.taken = parent.taken
            where child.customer_id is not null and (parent.tier is distinct from 'strategic'
                or parent.region <> child.region)""",
        ) == (0,)
        assert one(
            connection, "select count(*) from sla_terms where (target_share is null) = (target_hours is null)"
        ) == (0,)
        fill = dict(
            connection.sql(
                """select tier, max(target_share)::double from sla_terms join accounts using (account_id, taken)
                where term_id = 'fill' group by tier"""
            ).fetchall()
        )
    assert fill["strategic"] > fill.get("key", 0)


def test_planners_lean_to_their_side_and_the_meeting_stays_between_sales_and_finance(home: Home) -> None:
    with feeds(home, "planning/forecast_overrides", "planning/consensus_decisions") as connection:
        late = one(
            connection,
            """select count(*) filter (not (entered_at::date < period_start and expires_on >= period_start)),
            count(*) filter (taken < entered_at::timestamp) from forecast_overrides""",
        )
        assert late == (0, 0)
        assert one(
            connection,
            """select count(*) from consensus_decisions where decision <> 'accept'
            and agreed_units not between least(sales_units, finance_units) and greatest(sales_units, finance_units)""",
        ) == (0,)


def test_plans_and_budgets_are_sent_before_their_period(home: Home) -> None:
    with feeds(home, "planning/resource_plan", "erp/inventory_budget") as connection:
        assert one(
            connection,
            """select count(*) from resource_plan
            where _known_basis = 'extracted' and period_start < date_trunc('month', taken)""",
        ) == (0,)
        assert one(connection, "select count(*) from resource_plan where dayofweek(period_start) <> 1") == (0,)
        twice = "select region, scope_value, period_start, count(distinct budget_version) as books"
        assert one(
            connection,
            f"select count(*) filter (books = 2) > 0, max(books) from ({twice} from inventory_budget group by all)",
        ) == (True, 2)


def test_kits_have_parts_and_an_item_that_ended_names_its_successor_only_from_then_on(tmp_path: Path) -> None:
    """Of a larger company, where a family has both."""
    truth = generator.generate(generator.resized(generator.SHIPPED, 300), seed=4)
    demand = generated.as_demand(truth)
    company = build.prepare(demand, RULES, seed=4)
    home = Home(tmp_path)
    cycle = f"{company.last_month // 12}-{company.last_month % 12 + 1:02d}"
    build.land_cycle(home, company, cycle, first_cycle=cycle)
    parts = rows(home, "erp/bill_of_materials").to_pylist()
    kits = {row["sku_id"] for row in parts}
    assert 0 < len(kits) <= PLANNING.kits and all(row["component_sku_id"] != row["sku_id"] for row in parts)
    sent = rows(home, "erp/item_sites").to_pylist()
    assert {row["sku_id"] for row in sent if row["procurement_type"] == "both"} == kits
    family = dict(zip(demand.items["sku_id"].to_pylist(), demand.items["family"].to_pylist(), strict=True))
    replaced = [row for row in sent if row["successor_sku_id"]]
    assert replaced
    for row in replaced:
        assert family[row["successor_sku_id"]] == family[row["sku_id"]]
        assert row["status"] == "phase_out" and row["discontinued_on"].isoformat() <= row["extract"][:10]
    pairs = {(row["sku_id"], row["successor_sku_id"]) for row in replaced}
    assert len({old for old, _ in pairs}) == len({new for _, new in pairs}) == len(pairs)
