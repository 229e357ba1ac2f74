"""How to say what a table is computed from, beside the code that computes it.

SQL says it itself and is only given a name (`Query`); Python declares its columns (`Derivation`), and a test changes
each input and looks which outputs change. Column lineage (`strata.lineage`) is read from both.

A reference is `<table>.<column>`: a table of the snapshot, a published table, a frame on the way (any name another
`Query` or `Derivation` has), or where it begins: `run.<name>` (what the run is told), `rule.<path>` (the scheme),
`previous.<column>` (effective classes of the cycle before; `previous_account`: those of customers and channels),
`class_override.<column>` (of people), `calendar.<name>`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Carried = Literal["copy", "compute", "aggregate"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What one column comes from: `values` reach it as `kind` says, `conditions` only decide it."""

    kind: Carried
    values: tuple[str, ...]
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Derivation:
    """A table or frame that Python computes: inputs per column, and `rows`: what decides which rows there are."""

    name: str
    columns: Mapping[str, Inputs]
    rows: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Query:
    """A table or frame that SQL computes; `aliases` tells which table stands behind a name that the SQL uses."""

    name: str
    sql: str | Path
    aliases: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """The statement."""
        return self.sql if isinstance(self.sql, str) else self.sql.read_text(encoding="utf-8")


Step = Derivation | Query


def copied(value: str) -> Inputs:
    """The input as it is."""
    return Inputs("copy", (value,))


def computed(*values: str, when: tuple[str, ...] = ()) -> Inputs:
    """Computed row by row from `values`, as `when` decides."""
    return Inputs("compute", values, when)


def aggregated(*values: str, when: tuple[str, ...] = ()) -> Inputs:
    """Computed over several rows of `values`, as `when` decides."""
    return Inputs("aggregate", values, when)


def copies(table: str, *columns: str) -> dict[str, Inputs]:
    """Columns of a table under their own names."""
    return {column: copied(f"{table}.{column}") for column in columns}
