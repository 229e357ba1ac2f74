"""What Dagster shows of an asset's columns: meaning, type, how much hangs on each, and where it comes from.

Static, from the registry as definitions load: no run computes it.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from strata.lineage.registry import Registry
from strata.tables import TABLES


class AssetColumns:
    """Column metadata and tags by table; the registry was checked before."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._feeds = frozenset(field.table for field in registry.fields if field.layer == "feed")
        self._assets = self._feeds | frozenset(registry.models) | frozenset(TABLES)

    def metadata(self, table: str) -> dict[str, Any]:
        """`dagster/column_schema` and `dagster/column_lineage` of a feed or published table; empty for other names."""
        schema = self._schema(table)
        return {**({"dagster/column_schema": schema} if schema.columns else {}), **self.lineage(table)}

    def lineage(self, table: str) -> dict[str, Any]:
        """`dagster/column_lineage`: per column those of the nearest assets upstream; empty where none is known."""
        graph = self._registry.graph
        deps = {
            column: [
                dg.TableColumnDep(asset_key=self._key(ref.table), column_name=ref.column)
                for ref in graph.nearest(table, column, self._assets)
                if ref.table != table
            ]
            for column in graph.columns_or_none(table)
        }
        known = {column: found for column, found in deps.items() if found}
        return {"dagster/column_lineage": dg.TableColumnLineage(known)} if known else {}

    def tags(self, table: str) -> Mapping[str, str]:
        """The highest criticality of the table's fields."""
        found = {field.criticality for field in self._registry.of_table(table)}
        level = next((level for level in ("segmentation", "planning") if level in found), None)
        return {"strata/criticality": level} if level else {}

    def _schema(self, table: str) -> dg.TableSchema:
        return dg.TableSchema(
            [
                dg.TableColumn(
                    name=field.column,
                    type=field.kind,
                    description=field.definition,
                    constraints=dg.TableColumnConstraints(nullable=field.nullable),
                    tags={"criticality": field.criticality, "steward": field.steward},
                )
                for field in self._registry.of_table(table)
            ]
        )

    def _key(self, table: str) -> dg.AssetKey:
        return dg.AssetKey(table.split(".")) if table in self._feeds else dg.AssetKey(table)
