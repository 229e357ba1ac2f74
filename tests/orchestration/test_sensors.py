"""Sensors evaluated by hand: they ask for work once, again after a failure, and not for ever."""

from pathlib import Path

import dagster as dg
import pytest

from orchestration import landing, pipeline
from orchestration.definitions import build_definitions
from orchestration.jobs import CONTENT_TAG, DECIDE, RECEIVE
from orchestration.sensors import ATTEMPTS
from strata.home import Home
from tests.golden import company
from tests.orchestration import story
from tests.orchestration.extracts import drop_lines, line
from tests.orchestration.story import Story


@pytest.fixture
def home(lived: Story, tmp_path: Path) -> Home:
    """Decided up to 2026-06 in both regions; nothing is new."""
    return story.copy_of(lived.end, tmp_path / "home")


def tick(home: Home, name: str, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    """What a sensor asks for."""
    definitions = build_definitions(home)
    sensor = definitions.resolve_sensor_def(name)
    repository = definitions.get_repository_def()
    with dg.build_sensor_context(instance=instance, repository_def=repository) as context:
        return list(sensor.evaluate_tick(context).run_requests or [])


def ended(instance: dg.DagsterInstance, request: dg.RunRequest, job: str, status: dg.DagsterRunStatus) -> None:
    """A run that was asked for and has come to its end."""
    instance.add_run(dg.DagsterRun(job, tags={**request.tags, "dagster/run_key": str(request.run_key)}, status=status))


@pytest.mark.capability("2.2", part="a new extract starts a run by itself, its content once")
def test_landing_asks_once_for_a_new_extract(home: Home) -> None:
    with pipeline.instance(home) as instance:
        assert tick(home, "landing", instance) == []
        company.drop_sales(home.landing, "2026-05-repair")
        (first,) = tick(home, "landing", instance)
        (again,) = tick(home, "landing", instance)
        assert first.run_key == again.run_key  # Dagster starts a run key once
        landing.land(home)
        (still,) = tick(home, "landing", instance)
        assert still.run_key == first.run_key  # accepted, not conformed: the same work


def test_a_landing_that_failed_is_asked_for_again_but_not_for_ever(home: Home) -> None:
    company.drop_sales(home.landing, "2026-05-repair")
    with pipeline.instance(home) as instance:
        keys = []
        for _ in range(ATTEMPTS):
            (request,) = tick(home, "landing", instance)
            keys.append(request.run_key)
            ended(instance, request, RECEIVE, dg.DagsterRunStatus.FAILURE)
        assert len(set(keys)) == ATTEMPTS
        assert tick(home, "landing", instance) == []
        drop_lines(home, "other", "2026-06-20T02:00:00Z", [line("EMEA-I1-03") | {"quantity": "9"}])
        assert len(tick(home, "landing", instance)) == 1  # other content is other work


def test_a_cancelled_landing_is_left_to_the_person_who_cancelled_it(home: Home) -> None:
    company.drop_sales(home.landing, "2026-05-repair")
    with pipeline.instance(home) as instance:
        (request,) = tick(home, "landing", instance)
        ended(instance, request, RECEIVE, dg.DagsterRunStatus.CANCELED)
        assert tick(home, "landing", instance) == []


@pytest.mark.filterwarnings("ignore:Non-compliant tag keys")  # Dagster's own tags of a two-dimensional partition
def test_snapshot_asks_for_the_first_cycle_of_each_region(lived: Story, tmp_path: Path) -> None:
    home = story.copy_of(lived.conformed, tmp_path / "home")
    with pipeline.instance(home) as instance:
        requests = tick(home, "snapshot", instance)
        assert sorted(str(request.partition_key) for request in requests) == ["2026-04|APAC", "2026-04|EMEA"]
        instance.add_run(dg.DagsterRun(DECIDE, tags={**requests[0].tags}, status=dg.DagsterRunStatus.STARTED))
        (left,) = tick(home, "snapshot", instance)  # a region that is being decided waits
        assert left.tags[CONTENT_TAG] == requests[1].tags[CONTENT_TAG]


def test_release_is_off_until_turned_on_and_has_nothing_to_say_of_what_is_published(home: Home) -> None:
    sensor = build_definitions(home).resolve_sensor_def("release")
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
    with pipeline.instance(home) as instance:
        assert tick(home, "release", instance) == []
