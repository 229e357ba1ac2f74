"""Every field from the feeds to the release: owner, steward, definition, freshness, criticality, lineage.

Read from the feed contracts, dbt's manifest and `strata.tables`; nothing is written down a second time. A class rests
on the fields that `CRITICAL` names and, by lineage, on everything they come from: of those each must have all its
properties, or nothing is built.

Belongs here: putting the properties together and judging them. Does not: lineage itself (`strata.lineage.graph`).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from strata.conformed.dbt_pass import parse_project
from strata.home import REPOSITORY, Home
from strata.identity import sha256_file, sha256_json
from strata.intake.batches import CONTROL_MEANINGS
from strata.intake.contract import Contract, load_contracts
from strata.intake.mapping import Mapping as Spellings
from strata.intake.mapping import load_mapping, mapped_feed
from strata.intake.terms import strictest
from strata.lineage.flow import build_graph, models
from strata.lineage.graph import Graph
from strata.lineage.origin import EVERY, LineageError, Origin, Ref
from strata.tables import LINEAGE_FIELD, TABLES

# Where criticality is declared, once: what lies upstream of these follows by lineage.
CRITICAL: Mapping[str, tuple[str, ...]] = {
    "segment_assignment": (
        "value_class", "variability_class", "demand_class", "lifecycle_state", "segment", "computed_segment",
    ),
}  # fmt: skip
PLANNED = ("demand_forecast", "inventory_policy")
_BETWEEN = "; "


@dataclass(frozen=True, slots=True)
class Field:
    """One field; the columns of `lineage_field`, lists still as lists."""

    table: str
    column: str
    layer: str
    definition: str
    unit: str | None
    owner: str
    steward: str
    criticality: str
    transformation: str
    source_columns: tuple[str, ...]
    source_fields: tuple[str, ...]
    spelled: tuple[str, ...]
    decided_by: tuple[str, ...]
    parameters: tuple[str, ...]
    personal_data: str
    freshness_sla_hours: int | None
    kind: str
    nullable: bool
    where: str
    is_label: bool = False

    def _unexplained(self) -> tuple[str, ...]:
        return ("undeclared",) if self.is_label else ("undeclared", "constant")

    def faults(self) -> list[str]:
        """What the field lacks, each with the file to say it in."""
        lacking = [
            (bool(self.owner.strip()), "an owner"),
            (bool(self.steward.strip()), "a steward"),
            (bool(self.definition.strip()), "a definition"),
            (self.freshness_sla_hours is not None, "a freshness SLA"),
            (self.transformation not in self._unexplained(), "lineage"),
        ]
        name = f"{self.table}.{self.column}"
        return [
            f"{name} decides a class and lacks {what}: say it in {self.where}" for there, what in lacking if not there
        ]


@dataclass(frozen=True)
class Registry:
    """All fields, and the graph that they were read from."""

    fields: tuple[Field, ...]
    graph: Graph
    models: tuple[str, ...]

    def of_table(self, table: str) -> list[Field]:
        """Fields of one table, in their order."""
        return [field for field in self.fields if field.table == table]

    @cached_property
    def by_name(self) -> dict[tuple[str, str], Field]:
        """Fields by table and column."""
        return {(field.table, field.column): field for field in self.fields}

    def faults(self) -> list[str]:
        """What critical fields lack; none of it may be missing when something is built."""
        return [fault for field in self.fields if field.criticality == "segmentation" for fault in field.faults()]

    def checked(self) -> "Registry":
        """Itself; LineageError listing every fault."""
        if faults := self.faults():
            raise LineageError("\n".join(faults))
        return self

    def table(self, *, valid_for_cycle: str, scheme_version: str) -> pa.Table:
        """`lineage_field` of a release."""
        rows = [
            {
                "table_name": field.table, "column_name": field.column, "region": "*", "layer": field.layer,
                "definition": field.definition, "unit": field.unit, "owner": field.owner, "steward": field.steward,
                "criticality": field.criticality, "transformation": field.transformation,
                "source_columns": _BETWEEN.join(field.source_columns),
                "source_fields": _BETWEEN.join(field.source_fields), "spelled": _BETWEEN.join(field.spelled),
                "decided_by": _BETWEEN.join(field.decided_by), "parameters": _BETWEEN.join(field.parameters),
                "personal_data": field.personal_data, "freshness_sla_hours": field.freshness_sla_hours,
                "valid_for_cycle": valid_for_cycle, "scheme_version": scheme_version,
            }
            for field in self.fields
        ]  # fmt: skip
        return LINEAGE_FIELD.conform(pa.Table.from_pylist(rows, schema=LINEAGE_FIELD.schema))


def registry_of(home: Home) -> Registry:
    """The registry of a home: its contracts, the project's dbt models and tables.

    A process builds it once for the same files: definitions and each publication ask for it.

    Raises:
        LineageError: a column cannot be traced. ValueError: a contract does not load.
    """
    manifest = parse_project(REPOSITORY / "dbt_project")
    files = (manifest, *sorted(home.config.rglob("*.yml")))
    return _registry_of(home.config, manifest, sha256_json([(str(file), sha256_file(file)) for file in files]))


@lru_cache(maxsize=4)
def _registry_of(config: Path, manifest: Path, state: str) -> Registry:
    """The registry while the files are in a state: a digest of them all."""
    mappings = map(load_mapping, sorted((config / "mappings").glob("*.yml")))
    contracts = load_contracts(config / "feeds").values()
    return build_registry(json.loads(manifest.read_bytes()), contracts, spellings(mappings))


def spellings(mappings: Iterable[Spellings]) -> dict[Ref, tuple[str, ...]]:
    """How each ready mapping spells a column of a feed: `<mapping>:<TABLE.FIELD>`."""
    found: dict[Ref, list[str]] = {}
    for mapping in mappings:
        for feed in mapping.feeds:
            part = mapped_feed(mapping, feed)
            for column in dict.fromkeys(name for branch in part.branches for name in branch.columns) if part else ():
                names = [f"{mapping.mapping}:{field}" for field in part.sources(column)] if part else []
                found.setdefault(Ref(feed.replace("/", "."), column), []).extend(names)
    return {ref: tuple(names) for ref, names in found.items()}


def build_registry(
    manifest: Mapping[str, Any], contracts: Iterable[Contract], spelled: Mapping[Ref, tuple[str, ...]] | None = None
) -> Registry:
    """The registry of contracts, dbt's compiled manifest, and the published tables; `spelled` from `spellings`."""
    feeds = {f"{contract.system}.{contract.feed}": contract for contract in contracts}
    graph = build_graph(manifest, feeds.values())
    return _Assembly(manifest, feeds, graph, spelled or {}).registry()


class _Assembly:
    """Looks up the properties of each field where they are declared."""

    def __init__(
        self,
        manifest: Mapping[str, Any],
        feeds: Mapping[str, Contract],
        graph: Graph,
        spelled: Mapping[Ref, tuple[str, ...]],
    ) -> None:
        self.feeds, self.graph, self.spelled = feeds, graph, spelled
        self.models = models(manifest)
        self.critical = self._upstream(CRITICAL)
        self.planned = self._upstream({name: tuple(TABLES[name].names) for name in PLANNED})

    def registry(self) -> Registry:
        fields = [self._of_feed(feed, column) for feed in self.feeds for column in self.graph.columns(feed)]
        for name, node in self.models.items():
            if node["fqn"][1] != "staging" and name not in TABLES:
                fields += [self._of_model(name, column) for column in self.graph.columns(name)]
        fields += [self._of_table(name, column) for name, table in TABLES.items() for column in table.names]
        fields.sort(key=lambda field: field.table)
        return Registry(tuple(fields), self.graph, tuple(self.models))

    def _upstream(self, roots: Mapping[str, Iterable[str]]) -> set[Ref]:
        made = self.graph.relations
        wanted = [(table, column) for table, columns in roots.items() if table in made for column in columns]
        return {ref for table, column in wanted for ref in self.graph.upstream(table, column)}

    def _of_feed(self, feed: str, column: str) -> Field:
        contract = self.feeds[feed]
        stated = contract.column(column) if column in contract.names else None
        ref = Ref(feed, column)
        return self._field(
            ref,
            layer="feed",
            definition=stated.meaning if stated else CONTROL_MEANINGS.get(column, ""),
            unit=stated.unit if stated else None,
            owner=contract.owner,
            steward=contract.steward,
            kind=stated.type if stated else "control",
            nullable=stated is None or stated.nullable,
            where=f"config/feeds/{contract.system}/{contract.feed}.yml" if stated else "strata/intake/batches.py",
        )

    def _of_model(self, name: str, column: str) -> Field:
        node = self.models[name]
        told = node["columns"].get(column, {})
        meta = node["config"]["meta"]
        return self._field(
            Ref(name, column),
            layer="conformed",
            definition=told.get("description", ""),
            unit=None,
            owner=str(meta.get("owner") or ""),
            steward=str(meta.get("steward") or ""),
            kind=str(told.get("data_type") or ""),
            nullable=not any(rule["type"] == "not_null" for rule in told.get("constraints", ())),
            where=f"dbt_project/{node['original_file_path'].removesuffix('.sql')}.yml",
            # A word that the SQL itself writes, such as the name of a feed, and says so.
            is_label=bool(told.get("config", {}).get("meta", {}).get("label")),
        )

    def _of_table(self, name: str, column: str) -> Field:
        table = TABLES[name]
        declared = next(c for c in table.columns if c.name == column)
        return self._field(
            Ref(name, column),
            layer="release",
            definition=declared.meaning,
            unit=None,
            owner=table.owner,
            steward=table.steward,
            kind=declared.kind,
            nullable=declared.nullable,
            where="strata/tables.py (lineage: a step beside the code that computes it)",
        )

    def _field(self, ref: Ref, *, layer: str, **stated: Any) -> Field:
        known = ref.table in self.feeds or ref.column in self.graph.columns_or_none(ref.table)
        sources = self.graph.sources(*ref) if known else {}
        carried = [source for source in _in_order(sources) if source.table in self.feeds and sources[source]]
        deciding = [source for source in _in_order(sources) if source.table in self.feeds and not sources[source]]
        outside = [source for source in _in_order(sources) if source.table not in self.feeds]
        return Field(
            table=ref.table,
            column=ref.column,
            layer=layer,
            criticality=self._criticality(ref),
            transformation=self._transformation(ref, layer, sources, carried, known),
            source_columns=tuple(map(str, carried)),
            source_fields=tuple(name for source in carried for name in self._native(source)),
            spelled=self.spelled.get(ref, ()),
            decided_by=tuple(map(str, deciding)),
            parameters=tuple(map(str, outside)),
            personal_data=self._personal(carried),
            freshness_sla_hours=self._sla(carried or deciding),
            **stated,
        )

    def _criticality(self, ref: Ref) -> str:
        if ref in self.critical:
            return "segmentation"
        return "planning" if ref in self.planned else "informative"

    def _transformation(self, ref: Ref, layer: str, sources: Origin, carried: list[Ref], known: bool) -> str:
        if layer == "feed":
            return "source"
        if not known:
            return "undeclared"
        own = self.graph.direct(*ref)
        if not own:
            return "constant"
        if carried:
            return max(sources[source] for source in carried).name.lower()
        return "run" if any(own.values()) else "condition"

    def _native(self, ref: Ref) -> tuple[str, ...]:
        """As the source system of this home spells the column: by its mapping, else as the contract says."""
        contract = self.feeds[ref.table]
        if ref.column not in contract.names:
            return (str(ref),)
        mapped = contract.source.sources(ref.column) if contract.source else ()
        return mapped or (f"{ref.table}.{contract.column(ref.column).source_name}",)

    def _personal(self, refs: Iterable[Ref]) -> str:
        columns = ((self.feeds[ref.table], ref.column) for ref in refs)
        return strictest(feed.column(name).personal_data for feed, name in columns if name in feed.names)

    def _sla(self, refs: Iterable[Ref]) -> int | None:
        return max((self.feeds[ref.table].refresh_sla_hours for ref in refs), default=None)


def _in_order(sources: Origin) -> list[Ref]:
    """References in the order in which the code names them; it is the order of a `coalesce`."""
    return [ref for ref in sources if ref.column != EVERY or sources[ref]]
