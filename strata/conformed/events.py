"""Items touched since a release, decided again under its scheme with what is known now; nobody else's class moves.

Belongs here: two states of item master and profile, the scoped decision. Does not: which changes are events
(`strata.review.events`), which release and which snapshot (`strata.cli.reclassification`).
"""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from strata.calendar import Calendar
from strata.conformed import decide, history, profile
from strata.conformed.build import Snapshot
from strata.conformed.engine import engine
from strata.conformed.history import View
from strata.conformed.preview import Published
from strata.durable import write_parquet
from strata.partition import Partition, shifted
from strata.review.events import KEY, WATCHED, events, touched_rows

_MASTER = """
select sku_id, {columns}
from int_item_version
where known_from <= getvariable('known_at') and (known_to is null or known_to > getvariable('known_at'))
"""
REGION = "*"
NO_DEMAND, LEFT = "no_class:no_demand", "no_class:left_the_plan"
_CLASS = ["segment", "decision_reason"]


def newest_known(snapshot: Snapshot) -> datetime:
    """When the youngest extract of a snapshot was taken: the time that it knows of, whatever the clock says."""
    return max(datetime.fromisoformat(str(batch["extracted_at"])) for batch in snapshot.batches)


def newest_cycle(calendar: Calendar, region: str, *, published: str, known_at: datetime) -> str:
    """The newest cycle whose cut-off has passed by then, at least the published one."""
    cycle = published
    while calendar.cutoff(shifted(cycle, 1), region) <= known_at:
        cycle = shifted(cycle, 1)
    return cycle


def reclassified(
    known: Published, snapshot: Snapshot, *, cycle: str, known_at: datetime, overrides: pd.DataFrame, scratch: Path
) -> pd.DataFrame:
    """Decide the touched items of a published partition again, with what is known now; nothing is written to a home.

    The others keep their published profile: they are ranked with it, and no class of theirs is decided. In the
    published cycle the classes before are those it had itself, in a later one the published ones.

    Args:
        known: the partition as its release holds it.
        snapshot: what is known now.
        cycle: the published cycle, or a later one.
        known_at: instant up to which the snapshot is looked at.
        overrides: of people, as a run of that cycle would get them.
        scratch: folder for the tables in between; the caller removes it.

    Returns:
        sku_id, location_id, event, detail, published_segment, segment, decision_reason, moves. Sorted by key. A segment
        is None where the item has no class: nothing was sold, or it left the plan (reasons `NO_DEMAND` and `LEFT`).

    Raises:
        ValueError: the cycle lies before the published one, or its cut-off is still to come.
    """
    was = known.view
    if cycle < was.partition.cycle:
        raise ValueError(f"{was.partition.key}: cycle {cycle} lies before the published one; replay looks back")
    now = replace(was, snapshot=snapshot, partition=Partition(was.partition.region, cycle), known_at=known_at)
    if now.cutoff > known_at:
        raise ValueError(
            f"cycle {cycle}: its cut-off {now.cutoff:%Y-%m-%d %H:%M} UTC is still to come, the youngest extract was "
            f"taken at {known_at:%Y-%m-%d %H:%M}; name an earlier cycle"
        )
    is_same = cycle == was.partition.cycle
    previous = known.previous if is_same else known.tables["segment_assignment"]
    past = scratch / "demand_history.parquet"
    history.demand_history(now, past)
    fresh = _class_level(profile.demand_profile(now, past, previous), now)
    stood = _class_level(known.tables["demand_profile"], was)
    touched = events(_master(was), _master(now), stood, fresh)
    assigned = _class_level(known.tables["segment_assignment"], was)
    again = pd.DataFrame(columns=[*KEY, *_CLASS])
    rows = touched_rows(stood, fresh, touched)
    if len(touched) and len(rows):
        shape = scratch / "demand_profile.parquet"
        schema = known.tables["demand_profile"].schema
        write_parquet(shape, pa.Table.from_pandas(rows, schema=schema, preserve_index=False))
        again = decide.segment_assignment(now, shape, previous, overrides).select([*KEY, *_CLASS]).to_pandas()
    stands = assigned[[*KEY, "segment"]].rename(columns={"segment": "published_segment"})
    found = touched.merge(stands, on=KEY, how="left").merge(again[[*KEY, *_CLASS]], on=KEY, how="left")
    found = found.astype(object).where(found.notna(), None)
    none = found["segment"].isna()
    found.loc[none, "decision_reason"] = np.where(found.loc[none, "published_segment"].isna(), NO_DEMAND, LEFT)
    pairs = zip(found["published_segment"], found["segment"], strict=True)
    return found.assign(moves=[before != after for before, after in pairs])


def _class_level(table: pa.Table, view: View) -> pd.DataFrame:
    at_region = pc.equal(table["location_id"], REGION)
    wanted = at_region if view.scheme.class_level == "region" else pc.invert(at_region)
    frame: pd.DataFrame = table.filter(wanted).to_pandas(date_as_object=True)
    return frame


def _master(view: View) -> pd.DataFrame:
    sql = _MASTER.format(columns=", ".join(WATCHED))
    with engine(view.only("int_item_version"), known_at=view.known_at) as connection:
        frame: pd.DataFrame = connection.execute(sql).to_arrow_table().to_pandas(date_as_object=True)
    return frame
