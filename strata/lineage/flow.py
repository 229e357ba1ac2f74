"""The way of every column from the feeds to the release: dbt's compiled SQL, the queries, and declared Python steps.

Belongs here: putting the steps together in order. Does not: the steps (they stand beside the code that runs them),
who owns a column (`strata.lineage.registry`).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from strata.classify import assign
from strata.classify import customers as accounts
from strata.conformed import (
    baseline,
    build,
    crosswalk,
    customers,
    decide,
    dimensions,
    evidence,
    history,
    ladder,
    latency,
    overrides,
    profile,
    sla,
    supply,
)
from strata.conformed import stability as drawn
from strata.conformed import staleness as priced
from strata.demand import level
from strata.demand import profile as shape
from strata.derivation import Derivation, Query, Step, copied
from strata.forecast import forecast
from strata.intake.batches import CONTROL_FIELDS
from strata.intake.contract import Contract
from strata.inventory import breach, lead_time, policy, service
from strata.lineage.graph import Graph
from strata.lineage.origin import EVERY, Arm, Kind, LineageError, Ref, Relation
from strata.lineage.statement import RUN, Catalog, relation_of
from strata.review import criteria, methods, migration, stability, staleness
from strata.review import dimensions as compared
from strata.tables import SUSPENSION_COLUMNS, TABLES

Node = Mapping[str, Any]

_STAMPED = ("region", "cycle", "valid_for_cycle", "scheme_version")
_COMPUTED: tuple[Step, ...] = (
    *build.STEPS,
    *history.STEPS,
    *baseline.STEPS,
    *profile.STEPS,
    *ladder.STEPS,
    *shape.STEPS,
    *level.STEPS,
    *decide.STEPS,
    *crosswalk.STEPS,
    *overrides.STEPS,
    *assign.STEPS,
    *migration.STEPS,
    *forecast.STEPS,
    *supply.STEPS,
    *lead_time.STEPS,
    *policy.STEPS,
    *sla.STEPS,
    *service.STEPS,
    *breach.STEPS,
    *latency.STEPS,
    *priced.STEPS,
    *staleness.STEPS,
    *customers.STEPS,
    *drawn.STEPS,
    *stability.STEPS,
    *evidence.STEPS,
    *criteria.STEPS,
    *methods.STEPS,
    *dimensions.STEPS,
    *compared.STEPS,
)
# Tables that a store or the registry writes as it holds them.
_WRITTEN_BY = {
    "control_total": RUN,
    "feed_sla": RUN,
    "gate_result": "governance",
    "scheme": "rule",
    "lineage_field": "registry",
}
_WRITTEN: tuple[Step, ...] = tuple(
    Derivation(name, {column: copied(f"{begin}.{column}") for column in TABLES[name].names if column not in _STAMPED})
    for name, begin in _WRITTEN_BY.items()
)
STEPS: tuple[Step, ...] = (*_COMPUTED, *_WRITTEN)
# Where values begin that no feed brings; one that lists no columns has any.
BEGINS: Mapping[str, tuple[str, ...]] = {
    RUN: (),
    "rule": (),
    "calendar": (),
    "governance": (),
    "registry": (),
    "previous": (
        "sku_id",
        "location_id",
        "value_class",
        "variability_class",
        "segment",
        "revenue",
        "fallback_level",
        *assign.MEMORY,
    ),
    "previous_account": ("customer_id", "channel", "value_class", "cost_class", "segment", *accounts.MEMORY),
    "class_override": (
        "override_id",
        "sku_id",
        "location_id",
        "value_class",
        "variability_class",
        "start_cycle",
        "end_cycle",
        "reason",
        "owner",
        "approved_by",
    ),
}
_PATH = re.compile(r"inputs/([^/]+)/")
_KINDS = {"copy": Kind.COPY, "compute": Kind.COMPUTE, "aggregate": Kind.AGGREGATE}


def models(manifest: Mapping[str, Any]) -> dict[str, Node]:
    """Dbt's models by name."""
    return {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}


def build_graph(manifest: Mapping[str, Any], contracts: Iterable[Contract], steps: Iterable[Step] = STEPS) -> Graph:
    """The graph of every table that dbt, a query or Python computes.

    Args:
        manifest: dbt's, compiled (`strata.conformed.dbt_pass.parse_project` leaves such a one).
        contracts: of all feeds; a feed is the table `<system>.<feed>`, where values begin.
        steps: queries and declared derivations.

    Raises:
        LineageError: a column of a statement is in none of its tables, or a step reads a table that nothing makes.
    """
    return _Build(manifest, contracts, steps).graph()


class _Build:
    """Resolves tables as they are asked for, so that no order has to be kept by hand."""

    def __init__(self, manifest: Mapping[str, Any], contracts: Iterable[Contract], steps: Iterable[Step]) -> None:
        self.models = models(manifest)
        self.steps = {step.name: step for step in steps}
        added = [control.name for control in CONTROL_FIELDS]
        feeds = {f"{c.system}.{c.feed}": (*c.names, *added) for c in contracts}
        self.relations: dict[str, Relation] = {}
        self.made = Graph(self.relations, {**BEGINS, **feeds})
        self.open: list[str] = []

    def graph(self) -> Graph:
        for name in [*self.models, *self.steps]:
            self.seen(name)
        return self.made

    def seen(self, name: str) -> Relation:
        """A table as those who read it see it; made first where that was not done yet."""
        if name.startswith("'"):
            name = self._of_path(name)
        if name in self.relations or name in self.made.begins:
            return self.made.seen(name)
        if name in self.open:
            raise LineageError(f"table {name} is computed from itself: {' <- '.join([*self.open, name])}")
        self.open.append(name)
        try:
            self.relations[name] = _stamped(name, self._made(name))
        except LineageError as error:
            raise error if str(error).startswith("table ") else LineageError(f"table {name}: {error}") from error
        finally:
            self.open.pop()
        return self.made.seen(name)

    def _of_path(self, path: str) -> str:
        found = _PATH.search(path)
        if found is None:
            raise LineageError(f"{path} is no input of a dbt pass")
        return found[1].replace("__", ".", 1)

    def _made(self, name: str) -> Relation:
        step = self.steps.get(name)
        if isinstance(step, Derivation):
            return self._declared(step)
        if isinstance(step, Query):
            return relation_of(step.text(), self._catalog(step.aliases), name)
        if name not in self.models:
            raise LineageError(
                f"table {name}: nothing says what it is computed from; declare a step beside the code that makes it "
                "(strata/derivation.py) and list its module in strata/lineage/flow.py"
            )
        compiled = self.models[name].get("compiled_code")
        if not compiled:
            raise LineageError(f"table {name}: dbt's manifest holds no compiled SQL; run `make manifest`")
        return relation_of(compiled, self._catalog({}))

    def _catalog(self, aliases: Mapping[str, str]) -> Catalog:
        return lambda name: self.seen(aliases.get(name, name))

    def _declared(self, step: Derivation) -> Relation:
        columns: dict[str, dict[Ref, Kind]] = {}
        for name, inputs in step.columns.items():
            decides = {self._ref(text): Kind.CONDITION for text in inputs.conditions}
            columns[name] = decides | {self._ref(text): _KINDS[inputs.kind] for text in inputs.values}
        rows = {self._ref(text): Kind.CONDITION for text in step.rows}
        presence = {Ref(ref.table, EVERY): Kind.COPY for ref in rows}
        return Relation((Arm(columns, rows, presence),))

    def _ref(self, text: str) -> Ref:
        table, _, column = text.partition(".")
        names = self.seen(table).names
        if table in self.relations and column not in names:
            raise LineageError(f"{text} is declared as an input, but {table} has columns {names}")
        return Ref(table, column)


def _stamped(name: str, relation: Relation) -> Relation:
    """A published table with the columns that the run and the publisher fill in, where its step does not say them."""
    table = TABLES.get(name)
    if table is None:
        return relation
    filled = {column: Ref(RUN, column) for column in _STAMPED}
    if table.decided:
        filled |= {column: Ref("governance", f"suspension.{column}") for column in SUSPENSION_COLUMNS}
    more = {column: {ref: Kind.COPY} for column, ref in filled.items() if column in table.names}
    return Relation(tuple(Arm({**more, **arm.columns}, arm.rows, arm.presence, arm.constants) for arm in relation.arms))
