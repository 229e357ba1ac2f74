"""Landing: what the feeds have delivered, accepted or refused extract by extract."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import dagster as dg

from strata.intake.contract import Contract


def make(
    contracts: Iterable[Contract],
    check: str,
    receive: Callable[[dg.DagsterLogManager], Iterator[dg.MaterializeResult[Any]]],
) -> list[dg.AssetsDefinition]:
    """One asset per feed, all of one step; `receive` lands what waits and gives a result with `check` per feed."""
    feeds = [(dg.AssetKey([contract.system, contract.feed]), contract) for contract in contracts]

    @dg.multi_asset(
        name="landing",
        specs=[
            dg.AssetSpec(
                key,
                description=contract.description,
                group_name="landing",
                owners=[f"team:{contract.owner}"],
                kinds={"python", "parquet"},
            )
            for key, contract in feeds
        ],
        check_specs=[
            dg.AssetCheckSpec(
                check,
                asset=key,
                description="No extract lies refused in quarantine that is younger than the newest accepted one.",
            )
            for key, _ in feeds
        ],
    )
    def landing(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        """Accept or refuse every extract that waits in the landing folder."""
        yield from receive(context.log)

    return [landing]
