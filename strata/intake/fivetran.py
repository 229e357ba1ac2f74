"""The Fivetran-style envelope: `_fivetran_synced` and `_fivetran_deleted` beside the columns of the table.

Belongs here: what these two columns mean. A row is the record as it was when it was synchronised; a record that is
gone from the source stays with `_fivetran_deleted`, so a changed key is a deleted row and a new one.
"""

from strata.intake.envelopes import Fault, TabularEnvelope, mark, ticks_sql

_SYNCED = mark("_fivetran_synced", "timestamp", "Time of synchronisation, in UTC; orders the rows of a key.")
_DELETED = mark("_fivetran_deleted", "boolean", "Whether the record is gone from the source.")
_TICKS = ticks_sql(_SYNCED.name)
_FLAG = f"lower(coalesce({_DELETED.name}, ''))"

FIVETRAN = TabularEnvelope(
    name="fivetran",
    columns=(_SYNCED, _DELETED),
    operation=f"CASE {_FLAG} WHEN 'true' THEN 'd' WHEN 'false' THEN 'u' END",
    position=_TICKS,
    # A first load is the table as it was found; it is back-dated like any other.
    is_read=f"{_FLAG} = 'false'",
    faults=(
        Fault(f"({_TICKS}) IS NULL", "envelope_malformed", _SYNCED, "no time stamp; order needs it"),
        Fault(
            f"{_FLAG} NOT IN ('true', 'false')",
            "unknown_operation",
            _DELETED,
            "neither true nor false, so nothing says whether the record is there",
        ),
    ),
)
