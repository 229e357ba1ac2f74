"""From the landing folder to what a conform pass takes in.

Belongs here: putting `strata.intake` and `strata.conformed` together, and how Dagster shows what was delivered. Does
not: reading or refusing extracts, saying which partitions they touch (`orchestration.touched`).
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from orchestration.dbt import DBT_PROJECT, ConformRequest
from orchestration.notices import tell
from orchestration.resources import contracts, schemes
from strata.calendar import Bucket
from strata.conformed.build import Snapshot, build_snapshot
from strata.home import Home
from strata.identity import sha256_json
from strata.intake.batches import Batch, accepted_batches, controls, empty_rows
from strata.intake.chain import held_batches, released
from strata.intake.land import REFUSAL_NAME, LandResult
from strata.intake.land import land as land_extracts
from strata.partition import shifted

ACCEPTED_CHECK = "extracts_accepted"
FINENESS: dict[str, int] = {"event": 0, "day": 1, "week": 2, "month": 3}


def land(home: Home, folder: Path | None = None) -> LandResult:
    """Accept or refuse every extract in the landing folder (or below `folder`), and tell of what people must see to."""
    terms = contracts(home)
    result = land_extracts(home, terms, folder, now=datetime.now(UTC))
    tell(home, terms, accepted_batches(home), refusals(home))
    return result


def receive(home: Home, log: dg.DagsterLogManager) -> Iterator[dg.MaterializeResult[Any]]:
    """Land what waits in the landing folder: one result per feed, with its check."""
    result = land(home)
    log.info(f"landed: {result.counts or 'nothing was waiting'}")
    refused = refusals(home)
    batches = accepted_batches(home)
    new = Counter((extract.system, extract.feed) for extract in result.with_outcome("accepted"))
    waiting = Counter((held["system"], held["feed"]) for held in held_records(batches))
    for feed in sorted(contracts(home)):
        accepted = [batch for batch in batches if (batch.system, batch.feed) == feed]
        yield _delivered(
            feed, accepted, new[feed], waiting[feed], [refusal for refusal in refused if refusal["feed"] == feed]
        )


def _delivered(
    feed: tuple[str, str], accepted: Sequence[Batch], new: int, held: int, refused: Sequence[Mapping[str, Any]]
) -> dg.MaterializeResult[Any]:
    newest = max((batch.manifest.extracted_at for batch in accepted), default=None)
    # A refusal stands until a younger extract was accepted; without a readable manifest, until its folder is deleted.
    standing = [r for r in refused if newest is None or r["extracted_at"] is None or r["extracted_at"] > newest]
    key = dg.AssetKey(feed)
    return dg.MaterializeResult(
        asset_key=key,
        data_version=dg.DataVersion(sha256_json(sorted(batch.batch_id for batch in accepted))[:16]),
        metadata={
            "dagster/row_count": sum(batch.accepted_rows for batch in accepted),
            "extracts": len(accepted),
            "new_extracts": new,
            "held_extracts": held,
            "refused_rows": sum(batch.refused_rows for batch in accepted),
            "newest_extract": newest.isoformat() if newest else "-",
        },
        check_results=[
            dg.AssetCheckResult(
                asset_key=key,
                check_name=ACCEPTED_CHECK,
                passed=not standing,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={
                    "refused_extracts": len(standing),
                    **{r["batch_id"][:12]: f"{r['reason']}: {r['advice']} ({r['folder']})" for r in standing},
                },
            )
        ],
    )


def refusals(home: Home) -> list[dict[str, Any]]:
    """Every extract that was refused whole, as its refusal record says."""
    found = []
    for file in sorted(home.quarantine.glob(f"*/*/*/{REFUSAL_NAME}")):
        record = json.loads(file.read_bytes())
        taken = datetime.fromisoformat(record["manifest"]["extracted_at"]) if record["manifest"] else None
        where = ", ".join(
            f"{name} {record[name]}" for name in ("file", "row", "column") if record.get(name) is not None
        )
        found.append(
            {
                "feed": file.parts[-4:-2],
                "batch_id": record["batch_id"],
                "reason": record["reason"],
                "advice": f"{where}: {record['advice']}" if where else record["advice"],
                "folder": str(file.parent),
                "extracted_at": taken,
                "deliveries": len(record["deliveries"]),
                "refused_at": datetime.fromisoformat(record["refused_at"]) if record.get("refused_at") else None,
            }
        )
    return found


def held_records(batches: Sequence[Batch]) -> list[dict[str, Any]]:
    """Accepted batches that wait for others, for alerts and snapshots; those before the beginning wait for none."""
    return [
        {
            "system": one.batch.system,
            "feed": one.batch.feed,
            "batch_id": one.batch.batch_id,
            "extracted_at": one.batch.manifest.extracted_at.astimezone(UTC).isoformat(),
            "advice": one.advice,
        }
        for one in held_batches(batches)
        if not one.is_obsolete
    ]


def batch_records(batches: Sequence[Batch]) -> list[dict[str, Any]]:
    """What a snapshot remembers of its batches."""
    return [
        {
            "system": batch.system,
            "feed": batch.feed,
            "batch_id": batch.batch_id,
            "position": [batch.first_position, batch.last_position],
            "extracted_at": batch.manifest.extracted_at.astimezone(UTC).isoformat(),
            "assumed_known": list(batch.assumed_known) if batch.assumed_known else None,
            "sha256": batch.rows_sha256,
            "extract_id": batch.manifest.extract_id,
            "controls": controls(batch),
        }
        for batch in batches
    ]


def conform_request(
    home: Home, batch_ids: frozenset[str] | None = None, held: Sequence[Mapping[str, Any]] | None = None
) -> ConformRequest:
    """The input of one conform pass: all accepted batches but those held, or those of `batch_ids`.

    `held` is what to record as held; None looks at what is.

    Raises:
        dg.Failure: nothing was accepted, a batch is gone, or sales come in longer periods than the scheme's buckets.
    """
    accepted = accepted_batches(home)
    batches = released(accepted) if batch_ids is None else [b for b in accepted if b.batch_id in batch_ids]
    if batch_ids is not None and len(batches) != len(batch_ids):
        gone = sorted(batch_ids - {batch.batch_id for batch in batches})
        raise dg.Failure(f"{home.raw}: batches {gone[:3]} are gone; restore them from a copy of raw/")
    if not batches:
        waits = f"; {len(accepted)} wait for changes that are missing" if accepted else ""
        raise dg.Failure(f"{home.raw}: no accepted extract{waits}; drop extracts into {home.landing} and land them")
    _refuse_coarse(home, batches)
    empties: dict[str, pa.Table] = {
        f"{system}__{feed}": empty_rows(contract) for (system, feed), contract in contracts(home).items()
    }
    inputs: dict[str, list[Path]] = {name: [] for name in empties}
    for batch in batches:
        inputs[f"{batch.system}__{batch.feed}"].append(batch.rows_file)
    waiting = held_records(accepted) if held is None else held
    return ConformRequest(home, batch_records(batches), inputs, empties, waiting)


def conform(
    home: Home,
    run_id: str,
    batch_ids: frozenset[str] | None = None,
    held: Sequence[Mapping[str, Any]] | None = None,
) -> Snapshot:
    """The snapshot of the accepted batches, built by one dbt pass where it is not there yet."""
    request = conform_request(home, batch_ids, held)
    return build_snapshot(
        home,
        run_id=run_id,
        batches=request.batches,
        inputs=request.inputs,
        empties=request.empties,
        project=DBT_PROJECT,
        held=request.held,
    )


def _refuse_coarse(home: Home, batches: Sequence[Batch]) -> None:
    # Strata aggregates demand, it never splits it (semantics.md section 2).
    for file in schemes(home.config / "schemes").files:
        buckets = file.scheme.buckets
        finest: Bucket = min((buckets.classification, buckets.planning), key=lambda bucket: FINENESS[bucket])
        for batch in batches:
            grain = batch.manifest.grain
            if (batch.system, batch.feed) == ("erp", "sales_order_lines") and (
                FINENESS[grain] > FINENESS[finest]
                or (grain == "week" and "month" in (buckets.classification, buckets.planning))
            ):
                raise dg.Failure(
                    f"extract {batch.manifest.extract_id} of erp/sales_order_lines has grain {grain}, but scheme "
                    f"{file.scheme.version} sums demand by {buckets.classification} and {buckets.planning}, and demand "
                    f"is never split: set both buckets of the scheme to {grain}, or send finer sales"
                )


def newest_known_cycle(home: Home) -> str:
    """The newest cycle whose cut-off is not after the youngest sales extract's month: what a plain run computes.

    Raises:
        dg.Failure: no sales were accepted.
    """
    calendar = home.calendar()
    taken = [
        batch.manifest.extracted_at.astimezone(UTC)
        for batch in released(accepted_batches(home))
        if (batch.system, batch.feed) == ("erp", "sales_order_lines")
    ]
    if not taken:
        raise dg.Failure(f"{home.raw}: no sales were accepted; land extracts first")
    cycle = calendar.first_cycle
    while any(calendar.cutoff(cycle, region) < max(taken) for region in calendar.region_codes):
        cycle = shifted(cycle, 1)
    return cycle
