"""Only what nothing refers to is removed."""

from strata.governance.garbage import collect_garbage
from strata.governance.releases import current_release
from strata.governance.verify import verify_release
from tests.strata.governance import process
from tests.strata.governance.conftest import Company


def test_scratch_of_ended_runs_and_aborted_releases_go_the_rest_stays(running: Company) -> None:
    running.point("EAST", "2017-11", version=2)
    for failpoint in ("publish.p2", "publish.p4"):
        killed = process.start(
            process.publish_cycle, running.home, "2017-11", None, "victim", False, failpoint=f"{failpoint}:kill"
        )
        assert killed.ended() == -9
    for run in ("live", "ended"):
        (running.home.scratch(run) / "publish" / "half").mkdir(parents=True)
        (running.home.scratch(run) / "dbt.duckdb").touch()
    orphans = list(running.home.releases.glob("2017-11-*"))
    assert len(orphans) == 1
    removed = collect_garbage(running.store, running.home, live_runs=["live"])
    assert set(orphans) <= set(removed)
    assert [path.name for path in running.home.staging.iterdir()] == ["live"]
    assert [path.name for path in running.home.scratch("live").iterdir()] == ["dbt.duckdb"]
    current = current_release(running.home) or ""
    assert verify_release(running.home, running.store, current) == []
    assert collect_garbage(running.store, running.home, live_runs=["live"]) == []


def test_an_empty_home_has_no_garbage(company: Company) -> None:
    assert collect_garbage(company.store, company.home, live_runs=()) == []
