"""How the feeds of a partition stand, as its gate sees it: snapshot, contracts, calendar and refusals put together.

Belongs here: choosing what a run may know of them. Does not: the figures (`strata.intake.standing`), what they mean
(`expectations.feeds`).
"""

from datetime import datetime

import pandas as pd

from orchestration.landing import refusals
from orchestration.resources import Workspace, contracts
from strata.conformed.build import load_snapshot
from strata.conformed.history import View, locations
from strata.intake.batches import accepted_batches
from strata.intake.standing import Refusal, stand
from strata.partition import shifted

SALES = ("erp", "sales_order_lines")


def feed_standings(workspace: Workspace, view: View, summary: pd.DataFrame) -> pd.DataFrame:
    """One row per feed that touches the partition's region, as known when its snapshot was made.

    Batches are those of the snapshot; refusals are those recorded before it was made, so that a replay, which builds
    the snapshot again, sees the same ones. Sales are counted by business month, as in `summary`.
    """
    home, partition = workspace.home, view.partition
    known = {str(batch["batch_id"]) for batch in view.snapshot.batches}
    region_of = locations(view)
    row = summary.iloc[0]
    return stand(
        [batch for batch in accepted_batches(home) if batch.batch_id in known],
        _refusals(workspace, view),
        contracts(home),
        region=partition.region,
        places={place for place, region in region_of.items() if region == partition.region},
        elsewhere={place for place, region in region_of.items() if region != partition.region},
        months={SALES: (int(row["last_month_rows"]), int(row["previous_month_rows"]))},
        since=view.calendar.cutoff(shifted(partition.cycle, -1), partition.region),
        known_at=view.known_at,
    )


def _refusals(workspace: Workspace, view: View) -> list[Refusal]:
    recorded = workspace.home.snapshot(view.snapshot.snapshot_id)
    made = load_snapshot(workspace.home, view.snapshot.snapshot_id) if recorded.is_dir() else view.snapshot
    created = datetime.fromisoformat(made.created_at)
    return [
        Refusal(refusal["feed"][0], refusal["feed"][1], refusal["extracted_at"], refusal["reason"])
        for refusal in refusals(workspace.home)
        if refusal["extracted_at"] and (refusal["refused_at"] is None or refusal["refused_at"] <= created)
    ]
