"""Where assets' tables go and come from. Keep data-processing logic out of this module.

A table is checked against `strata.tables` before it is written, and lies under its run: nothing is overwritten.
"""

from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.resources import Workspace
from strata.durable import write_parquet
from strata.failpoint import failpoint
from strata.partition import Partition
from strata.tables import TABLES


class LakeIOManager(dg.ConfigurableIOManager):  # type: ignore[type-arg]
    """Writes a table of one partition to the lake; hands its path to the next asset."""

    workspace: dg.ResourceDependency[Workspace]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Check, write whole or not at all, and tell the UI what was written.

        A table of a row per period comes as the path of its file: it was checked and written in batches.
        """
        name = context.asset_key.path[-1]
        table = TABLES[name]
        path = self.workspace.lake_file(name, Partition.from_key(context.partition_key), context.run_id)
        failpoint("lake.write")
        if not isinstance(obj, Path):
            write_parquet(path, table.conform(obj))
        elif obj != path:
            raise dg.Failure(f"{name} was written to {obj}; write it to Workspace.lake_file, {path}")
        context.add_output_metadata(
            {
                "dagster/row_count": pq.read_metadata(path).num_rows,
                "content_hash": table.content_hash_file(path),
                "path": dg.MetadataValue.path(str(path)),
                "dagster/column_schema": dg.TableSchema(
                    [dg.TableColumn(column.name, column.kind, column.meaning) for column in table.columns]
                ),
            }
        )

    def load_input(self, context: dg.InputContext) -> Path:
        """The file of an upstream table in the same partition."""
        name = context.asset_key.path[-1]
        return self.workspace.input_file(name, Partition.from_key(context.partition_key), _run_id(context))


class PreviousClassesIOManager(dg.ConfigurableIOManager):  # type: ignore[type-arg]
    """Reads the effective classes of the cycle before; writes nothing."""

    workspace: dg.ResourceDependency[Workspace]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Refuse: effective classes come from releases and candidates only."""
        raise dg.Failure("previous classes are read, never written")

    def load_input(self, context: dg.InputContext) -> pa.Table | None:
        """Rows of `segment_assignment`, or None in a region's first cycle."""
        return self.workspace.previous_classes(Partition.from_key(context.partition_key))


def _run_id(context: dg.InputContext) -> str:
    return context.step_context.run_id
