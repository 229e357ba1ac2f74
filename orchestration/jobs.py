"""The passes of the pipeline as jobs: land and conform once, decide per partition, publish per cycle."""

from typing import Any

import dagster as dg

RECEIVE = "receive_extracts"
CONFORM = "conform_extracts"
DECIDE = "decide"
PUBLISH = "publish"
# What runs that nobody started by hand are tagged with: the work they do, by which it is known again; their region.
CONTENT_TAG = "strata/content"
REGION_TAG = "strata/region"


def jobs(
    landing: list[dg.AssetsDefinition],
    conform: dg.AssetsDefinition,
    decide: list[dg.AssetsDefinition],
    publish: list[dg.AssetsDefinition],
) -> list[Any]:
    """Jobs over the given assets; every step of a run works in one process, parallelism is across partitions."""
    return [
        dg.define_asset_job(
            RECEIVE,
            selection=dg.AssetSelection.assets(*(key for asset in [*landing, conform] for key in asset.keys)),
            executor_def=dg.in_process_executor,
            description="Land what waits in the landing folder, then conform all accepted extracts.",
        ),
        dg.define_asset_job(
            CONFORM,
            selection=dg.AssetSelection.assets(*conform.keys),
            executor_def=dg.in_process_executor,
            description="Conform the extracts accepted so far into a snapshot (dbt, first pass).",
        ),
        dg.define_asset_job(
            DECIDE,
            selection=dg.AssetSelection.assets(*(key for asset in decide for key in asset.keys)),
            executor_def=dg.in_process_executor,
            description="Compute and judge the candidate of one region and cycle.",
        ),
        dg.define_asset_job(
            PUBLISH,
            selection=dg.AssetSelection.assets(*(key for asset in publish for key in asset.keys)),
            executor_def=dg.in_process_executor,
            description="Build the marts of a cycle (dbt, second pass) and publish its release.",
        ),
    ]
