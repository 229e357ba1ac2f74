"""Lineage proven by change: one input column is changed, everything is computed again, and what came out differently
must be what lineage says, no less where a value is carried, and no more at all.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strata.conformed.build import SNAPSHOT_KEYS
from strata.conformed.dbt_pass import parse_project
from strata.home import REPOSITORY
from strata.intake.contract import load_contracts
from strata.lineage.flow import BEGINS, build_graph
from strata.lineage.graph import Graph, plain
from strata.lineage.origin import EVERY, Kind
from strata.tables import TABLES
from tests.strata.lineage.world import LATE, World, before, company, overrides, schemas

OUTPUTS = ("demand_history", "reconciliation", "demand_profile", "segment_assignment", "segment_migration")
# The other basis is looked at as well, so that every column that a scheme may ask for is shown to matter.
SCHEMES: tuple[dict[str, dict[str, Any]], ...] = (
    {},
    {
        "value": {"basis": "margin", "window_cycles": 36},
        "variability": {"basis": "cv_deseasonalised"},
        "forecast_error": {"alphas": [0.2], "warm_up": 3, "min_forecasts": 3, "rationale": "a small panel, for a test"},
    },
)
Edge = tuple[str, str]


@dataclass(frozen=True)
class Proof:
    """What lineage says reaches a column, and what changed when an input was changed."""

    carried: Mapping[Edge, set[Edge]]
    allowed: Mapping[Edge, set[Edge]]
    changed: Mapping[Edge, set[Edge]]
    inputs: tuple[Edge, ...]


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    manifest = json.loads(parse_project(REPOSITORY / "dbt_project").read_bytes())
    whole = build_graph(manifest, load_contracts(REPOSITORY / "config" / "feeds").values())
    # The same graph, but values begin at the snapshot: its tables are what is changed.
    begins = {**BEGINS, **{name: tuple(schema.names) for name, schema in schemas().items()}}
    graph = Graph({name: made for name, made in whole.relations.items() if name not in SNAPSHOT_KEYS}, begins)
    carried, allowed = defaultdict(set), defaultdict(set)
    for table in OUTPUTS:
        for column in TABLES[table].names:
            for ref, kind in graph.sources(table, column).items():
                if (name := plain(ref.table)) in (*SNAPSHOT_KEYS, "previous", "class_override") and ref.column != EVERY:
                    allowed[table, column].add((name, ref.column))
                    if kind is not Kind.CONDITION:
                        carried[table, column].add((name, ref.column))
    changed: dict[Edge, set[Edge]] = defaultdict(set)
    inputs: set[Edge] = set()
    for change in SCHEMES:
        world = World(tmp_path_factory.mktemp("world"), change)
        plan = _inputs(allowed) if not change else [[edge] for edge in sorted(_of_basis(carried))]
        base = world.published(company(), before(), overrides())
        for group in plan:
            found = _differing(base, _changed_world(world, group))
            inputs |= set(group)
            for edge in group:
                for output in found:
                    changed[output].add(edge)
    return Proof(carried, allowed, changed, tuple(sorted(inputs)))


def _inputs(allowed: Mapping[Edge, set[Edge]]) -> list[list[Edge]]:
    """Every column with rows: those that lineage knows one by one, the others of a table together."""
    tables = {name: rows for name, rows in company().items() if rows}
    used = set().union(*allowed.values())
    every = [(name, column) for name, rows in tables.items() for column in schemas()[name].names if column in rows[0]]
    every += [(name, column) for name, frame in _asides().items() for column in frame.columns]
    idle: dict[str, list[Edge]] = defaultdict(list)
    for edge in every:
        if edge not in used:
            idle[edge[0]].append(edge)
    return [[edge] for edge in every if edge in used] + list(idle.values())


def _of_basis(carried: Mapping[Edge, set[Edge]]) -> set[Edge]:
    return {edge for column in ("value_class", "variability_class") for edge in carried["segment_assignment", column]}


def _asides() -> dict[str, pd.DataFrame]:
    return {"previous": before(), "class_override": overrides()}


def _changed_world(world: World, group: list[Edge]) -> dict[str, pd.DataFrame]:
    tables, asides = company(), _asides()
    for name, column in group:
        rng = np.random.default_rng(len(name) * 31 + len(column))
        if name in asides:
            asides[name][column] = _other([*asides[name][column]], column, rng)
        else:
            values = _other([row[column] for row in tables[name]], column, rng)
            tables[name] = [row | {column: value} for row, value in zip(tables[name], values, strict=True)]
    return world.published(tables, asides["previous"], asides["class_override"])


def _other(values: list[Any], column: str, rng: np.random.Generator) -> list[Any]:
    """The column with other values: numbers scaled, days moved, texts dealt out anew."""
    if column in ("known_from", "known_to"):
        moved = LATE if column == "known_from" else LATE - timedelta(days=400)
        return [moved if rng.random() < 0.3 else value for value in values]
    known = [value for value in values if value is not None]
    first = known[0] if known else None
    if isinstance(first, bool | str):
        distinct = sorted(set(known))
        if len(distinct) == 1:
            swapped = {"value_class": "C", "variability_class": "Z"}.get(column, f"{first}~")
            return [swapped if rng.random() < 0.7 or len(values) == 1 else value for value in values]
        order = rng.permutation(len(values))
        return [values[at] for at in order]
    if isinstance(first, datetime | date):
        return [value and value + timedelta(days=int(rng.integers(20, 90))) for value in values]
    factors = np.exp(rng.normal(0, 1.2, len(values)))
    if isinstance(first, Decimal):
        return [
            value if value is None else (value * Decimal(str(round(f, 3))) + 1).quantize(Decimal("0.0001"))
            for value, f in zip(values, factors, strict=True)
        ]
    return [value if value is None else int(value * f) + 1 for value, f in zip(values, factors, strict=True)]


def _differing(base: Mapping[str, pd.DataFrame], now: Mapping[str, pd.DataFrame]) -> set[Edge]:
    """Columns whose values differ for rows that are in both, and every column of a table with other rows."""
    found: set[Edge] = set()
    for name in OUTPUTS:
        keys = list(TABLES[name].keys)
        old, new = base[name].set_index(keys), now[name].set_index(keys)
        both = old.index.intersection(new.index)
        if len(both) < max(len(old), len(new)):
            found |= {(name, key) for key in keys}
        for column in old.columns:
            left, right = old.loc[both, column], new.loc[both, column]
            if not ((left == right) | (left.isna() & right.isna())).all():
                found.add((name, column))
    return found


@pytest.mark.capability("2.6", part="lineage proven by changing inputs: nothing that it leaves out has an effect")
def test_nothing_changes_that_lineage_does_not_name(proof: Proof) -> None:
    assert len(proof.inputs) > 100
    unnamed = sorted(
        (output, edge)
        for output, edges in proof.changed.items()
        for edge in edges - proof.allowed[output]
        if output[1] not in TABLES[output[0]].keys  # other rows: told by the columns that stay
    )
    assert unnamed == []


# Carried as far as the SQL shows, without an effect that any company could have.
NO_EFFECT: dict[Edge, str] = {
    ("fct_promotion", "starts_on"): "a period with a promotion and no sale has no order line, so it begins no history",
    ("fct_promotion", "ends_on"): "as above",
}
AMOUNTS = (
    ("demand_history", "demand_units"), ("demand_history", "revenue"), ("demand_history", "margin"),
    ("demand_profile", "revenue"), ("demand_profile", "margin"), ("segment_assignment", "revenue"),
)  # fmt: skip


@pytest.mark.capability(
    "2.6", part="lineage proven by changing inputs: what it says an amount carries has an effect on it"
)
@pytest.mark.parametrize("output", AMOUNTS, ids=[".".join(output) for output in AMOUNTS])
def test_what_an_amount_carries_has_an_effect_on_it(proof: Proof, output: Edge) -> None:
    assert proof.carried[output]
    assert sorted(proof.carried[output] - proof.changed[output] - set(NO_EFFECT)) == []


def test_the_check_sees_a_declaration_that_is_too_short(proof: Proof) -> None:
    short = {**proof.allowed, ("segment_assignment", "value_class"): set()}
    assert proof.changed["segment_assignment", "value_class"] - short["segment_assignment", "value_class"]


def test_names_and_channels_change_nothing(proof: Proof) -> None:
    for edge in (("int_item_version", "item_name"), ("fct_sales_line", "channel")):
        assert edge in proof.inputs
        assert not [output for output, edges in proof.changed.items() if edge in edges]
