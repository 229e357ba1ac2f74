"""Which classes were in force before: in order, after a rollback, after a suspension, for an old cycle."""

import pytest

from strata.durable import write_parquet
from strata.governance.effective import previous_rows, previous_source
from strata.governance.publisher import rollback
from strata.governance.records import NO_PREVIOUS, GovernanceError, PreviousSource
from strata.governance.releases import current_release
from strata.partition import Partition
from strata.tables import SEGMENT_ASSIGNMENT
from tests.strata.governance import factory
from tests.strata.governance.conftest import Company


def source(company: Company, region: str, cycle: str) -> PreviousSource:
    return previous_source(company.store, company.home, Partition(region, cycle))


def rows(company: Company, region: str, cycle: str) -> list[dict]:
    partition = Partition(region, cycle)
    found = previous_rows(company.store, company.home, partition, source(company, region, cycle))
    assert found is not None
    return found.to_pylist()


def test_nothing_before_the_first_cycle(company: Company) -> None:
    assert source(company, "EAST", "2017-10") == NO_PREVIOUS
    assert previous_rows(company.store, company.home, Partition("EAST", "2017-10"), NO_PREVIOUS) is None


def test_the_release_of_the_cycle_before(running: Company) -> None:
    found = source(running, "EAST", "2017-11")
    assert (found.kind, found.id) == ("release", current_release(running.home))
    candidate = running.store.candidate(Partition("EAST", "2017-10"))
    assert candidate is not None
    assert found.content_hash == candidate.tables["segment_assignment"].content_hash
    assert {row["region"] for row in rows(running, "EAST", "2017-11")} == {"EAST"}


def test_a_cycle_never_published_gives_its_candidate_if_it_passed(running: Company) -> None:
    made = running.point("EAST", "2017-11", version=2)
    running.point("WEST", "2017-11", version=2, verdicts={"policy.bounds": "suspend"})
    found = source(running, "EAST", "2017-12")
    assert found == PreviousSource("candidate", made.run_id, made.tables["segment_assignment"].content_hash)
    assert len(rows(running, "EAST", "2017-12")) == 3
    assert source(running, "WEST", "2017-12") == NO_PREVIOUS


def test_a_suspended_region_is_remembered_as_it_was_in_force(running: Company) -> None:
    running.point("EAST", "2017-11", version=2)
    running.point("WEST", "2017-11", version=2, verdicts={"policy.bounds": "suspend"})
    running.publish("2017-11")
    found = source(running, "WEST", "2017-12")
    assert (found.kind, found.id) == ("release", current_release(running.home))
    held = rows(running, "WEST", "2017-12")
    assert {(row["cycle"], row["valid_for_cycle"], row["is_suspended"]) for row in held} == {
        ("2017-10", "2017-11", True)
    }


def test_after_a_rollback_what_is_in_force_counts_not_what_was_taken_back(running: Company) -> None:
    first = current_release(running.home) or ""
    running.everything("2017-11", version=2)
    rollback(running.store, running.home, first, reason="bad", actor="steward")
    restored = current_release(running.home)
    assert source(running, "EAST", "2017-12").id == restored
    assert source(running, "EAST", "2017-11").id == restored
    assert {row["cycle"] for row in rows(running, "EAST", "2017-12")} == {"2017-10"}
    running.everything("2017-12", version=3)
    assert source(running, "EAST", "2018-01").id == current_release(running.home)
    assert source(running, "EAST", "2017-12").id == restored, "a recomputation of December sees what December saw"


def test_an_old_cycle_recomputed_sees_only_older_releases(running: Company) -> None:
    first = current_release(running.home)
    running.everything("2017-11", version=2)
    running.everything("2017-12", version=3)
    assert source(running, "EAST", "2017-11").id == first
    assert source(running, "EAST", "2017-10") == NO_PREVIOUS


def test_of_several_releases_of_a_cycle_the_newest_counts(running: Company) -> None:
    running.point("EAST", "2017-11", version=2)
    running.publish("2017-11", ["EAST"])
    assert {row["cycle"] for row in rows(running, "WEST", "2017-12")} == {"2017-10"}
    running.point("WEST", "2017-11", version=2)
    running.publish("2017-11", ["WEST"])
    assert (
        source(running, "EAST", "2017-12").id == source(running, "WEST", "2017-12").id == current_release(running.home)
    )
    assert {row["cycle"] for row in rows(running, "WEST", "2017-12")} == {"2017-11"}


def test_a_candidate_whose_content_was_rolled_back_is_never_previous(company: Company) -> None:
    company.point("EAST", "2017-10")
    company.publish("2017-10")
    first = current_release(company.home) or ""
    company.point("EAST", "2017-11", version=2)
    company.publish("2017-11")
    rollback(company.store, company.home, first, reason="bad", actor="steward")
    company.point("EAST", "2017-11", version=2, run_id="zombie")
    assert source(company, "EAST", "2017-12").kind == "release"


def test_rows_that_are_not_those_recorded_are_refused(running: Company) -> None:
    made = running.point("EAST", "2017-11", version=2)
    partition = Partition("EAST", "2017-12")
    found = source(running, "EAST", "2017-12")
    path = running.home.root / made.tables["segment_assignment"].path
    write_parquet(path, factory.rows_of(SEGMENT_ASSIGNMENT, partition.previous(), 3, 9))
    with pytest.raises(GovernanceError, match="recorded was"):
        previous_rows(running.store, running.home, partition, found)
    path.unlink()
    with pytest.raises(GovernanceError, match="are gone"):
        previous_rows(running.store, running.home, partition, found)
