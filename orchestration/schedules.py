"""When the pipeline starts by itself: every month at the cut-off."""

from datetime import UTC

import dagster as dg

from orchestration.jobs import CONTENT_TAG, DECIDE, REGION_TAG
from orchestration.partitions import partition_key
from orchestration.resources import newest_snapshot
from orchestration.touched import newest_decided, open_cycles
from strata.home import Home
from strata.partition import Partition, shifted


def schedules(home: Home) -> list[dg.ScheduleDefinition]:
    """The monthly schedule. Time alone changes answers, so a cycle is decided in regions without news as well."""
    calendar = home.calendar()
    latest = max(calendar.regions, key=lambda region: calendar.cutoff(calendar.first_cycle, region.region))
    moment = calendar.cut_off.local_time

    @dg.schedule(
        name="monthly_cycle",
        job_name=DECIDE,
        cron_schedule=f"{moment.minute} {moment.hour} {calendar.cut_off.day} * *",
        execution_timezone=latest.time_zone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="At the last region's cut-off: decides the cycle in the regions that no news has decided yet.",
    )
    def monthly_cycle(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        if not any(home.conformed.glob("*/snapshot.json")):
            return dg.SkipReason("nothing was conformed yet")
        cycle = context.scheduled_execution_time.strftime("%Y-%m")
        cycles = [c for c in open_cycles(calendar, context.scheduled_execution_time.astimezone(UTC)) if c <= cycle]
        requests = []
        for region in calendar.region_codes:
            newest = newest_decided(home, region, cycles)
            if newest is not None and newest.cycle == shifted(cycle, -1):
                requests.append(_request(home, Partition(region, cycle)))
            elif newest is None or newest.cycle != cycle:
                before = newest.cycle if newest else "nothing"
                context.log.warning(f"{region}: decided up to {before}; run the cycles up to {cycle} by hand, in order")
        return requests or dg.SkipReason(f"no region is one cycle behind {cycle}")

    return [monthly_cycle]


def _request(home: Home, partition: Partition) -> dg.RunRequest:
    content = f"{newest_snapshot(home).snapshot_id}:{partition.key}"
    return dg.RunRequest(
        run_key=content,
        partition_key=partition_key(partition.key),
        tags={CONTENT_TAG: content, REGION_TAG: partition.region},
    )
