"""Rules of an extract of changes: whether it fits what came before, and whether its changes fit what it says of them.

Belongs here: beginning of a feed, range of positions, order within a position. Does not: what waits for what
(`strata.intake.chain`), reading positions (`strata.intake.positions`).
"""

from collections.abc import Sequence

import duckdb

from strata.intake.contract import Contract
from strata.intake.manifest import Manifest
from strata.intake.positions import is_snapshot, log_range, shown
from strata.intake.readers import Part
from strata.intake.reasons import RefusedExtractError


def check_log(manifest: Manifest, accepted: Sequence[Manifest]) -> None:
    """Rules of a feed of changes; what was accepted and only waits for the feed's beginning is in nobody's way."""
    bases = [(log_range(earlier), earlier) for earlier in accepted if earlier.initial_load or is_snapshot(earlier)]
    if manifest.initial_load and any(not earlier.initial_load for _, earlier in bases):
        advice = "the feed has begun with a table as of a position; send this one without initial_load"
        raise RefusedExtractError("initial_load_late", advice)
    reach = log_range(manifest)
    newest = max((earlier.to for earlier, its in bases if is_snapshot(its)), default=None)
    if is_snapshot(manifest) and newest is not None and reach.to <= newest:
        advice = f"the table as of {shown(manifest.envelope, newest)} was accepted; this one is not newer"
        raise RefusedExtractError("older_than_accepted", advice)
    if bases and not manifest.initial_load and reach.to <= min(earlier.start for earlier, _ in bases) > reach.start:
        begins = shown(manifest.envelope, min(earlier.start for earlier, _ in bases))
        advice = f"the feed begins at position {begins}; nothing before it can be replayed"
        raise RefusedExtractError("before_the_beginning", advice)


def check_range(engine: duckdb.DuckDBPyConnection, manifest: Manifest) -> None:
    """No change may lie outside the stated range: gaps are found by it. Rows read from the table may lie before it."""
    reach = log_range(manifest)
    found = engine.execute(
        "SELECT _file, _row, _position FROM landed WHERE _position > ? "
        "OR (_position <= ? AND NOT _is_snapshot AND NOT ?) ORDER BY _file_index, _row LIMIT 1",
        [reach.to, reach.start, manifest.initial_load],
    ).fetchone()
    if found:
        low, high = (shown(manifest.envelope, position) for position in (reach.start, reach.to))
        advice = (
            f"position {shown(manifest.envelope, found[2])} is not after {low} and up to {high}, as the manifest "
            "states; state the range that the extract covers, ending where a transaction ends"
        )
        raise RefusedExtractError("position_outside", advice, file=found[0], row=found[1])


def check_positions(engine: duckdb.DuckDBPyConnection, contract: Contract, parts: Sequence[Part]) -> None:
    """Changes of one key at one position must stand in one file, or carry a sequence: nothing else orders them."""
    if len(parts) < 2:
        return
    key = ", ".join(contract.key)
    bare = " UNION ALL ".join(
        f"SELECT {key}, _position, {index} AS place FROM ({part.sql}) WHERE {part.by_file}"  # noqa: S608
        for index, part in enumerate(parts)
    )
    torn = engine.execute(
        f"SELECT _position FROM ({bare}) GROUP BY {key}, _position HAVING count(DISTINCT place) > 1 LIMIT 1"  # noqa: S608
    ).fetchone()
    if torn:
        advice = f"position {torn[0]} changes one key in several files; keep it in one, or send a sequence"
        raise RefusedExtractError("position_ambiguous", advice)
