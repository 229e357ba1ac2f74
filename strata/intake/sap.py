"""The SAP-style envelope: `recordstamp`, `operation_flag` (I, U, D; L for rows of a first load), `is_deleted`.

Belongs here: what these three columns mean. This is what SAP Landscape Transformation writes towards a warehouse:
one row per change with the whole record, ordered by the time stamp at which it was replicated.
"""

from strata.intake.envelopes import Fault, TabularEnvelope, mark, ticks_sql

_STAMP = mark("recordstamp", "timestamp", "Time of replication; orders the changes of a table.")
_FLAG = mark("operation_flag", "text", "I insert, U update, D delete, L first load.")
_DELETED = mark("is_deleted", "boolean", "Whether the record is deleted; says the same as D.")
_OPERATION = f"upper({_FLAG.name})"
_IS_DELETED = f"lower(coalesce({_DELETED.name}, ''))"
_TICKS = ticks_sql(_STAMP.name)

SAP = TabularEnvelope(
    name="sap",
    columns=(_STAMP, _FLAG, _DELETED),
    operation=f"CASE WHEN {_OPERATION} = 'D' THEN 'd' WHEN {_OPERATION} IN ('I', 'U', 'L') THEN 'u' END",
    position=_TICKS,
    is_read=f"{_OPERATION} = 'L'",
    faults=(
        Fault(f"({_TICKS}) IS NULL", "envelope_malformed", _STAMP, "no time stamp; order needs it"),
        Fault(
            f"{_FLAG.name} IS NULL OR {_OPERATION} NOT IN ('I', 'U', 'D', 'L')",
            "unknown_operation",
            _FLAG,
            "none of I, U, D, L; after any other operation send the table as a full extract with a log position",
        ),
        Fault(
            f"{_IS_DELETED} NOT IN ('', 'true', 'false', 'x', '1', '0') "
            f"OR ({_IS_DELETED} IN ('true', 'x', '1') AND {_OPERATION} <> 'D') "
            f"OR ({_IS_DELETED} IN ('false', '0') AND {_OPERATION} = 'D')",
            "envelope_malformed",
            _DELETED,
            "contradicts operation_flag, or is no boolean; one of the two is wrong",
        ),
    ),
)
