"""When the pipeline starts by itself: every month at the cut-off."""

import dagster as dg

from orchestration.jobs import CONFORM
from strata.home import Home


def schedules(home: Home) -> list[dg.ScheduleDefinition]:
    """The monthly schedule: conform at the cut-off; the snapshot sensor then requests the partitions."""
    calendar = home.calendar()
    latest = max(calendar.regions, key=lambda region: calendar.cutoff(calendar.first_cycle, region.region))
    moment = calendar.cut_off.local_time
    return [
        dg.ScheduleDefinition(
            name="monthly_cycle",
            job_name=CONFORM,
            cron_schedule=f"{moment.minute} {moment.hour} {calendar.cut_off.day} * *",
            execution_timezone=latest.time_zone,
            default_status=dg.DefaultScheduleStatus.STOPPED,
            description="Conform what has landed when the last region's cut-off has come.",
        )
    ]
