"""How sure classes are, as published."""

import duckdb
import pytest

from strata.governance.releases import current_manifest
from tests.orchestration.story import Story


@pytest.mark.capability("3.7", part="published beside the classes, a row for each of them")
def test_every_published_class_says_how_sure_it_is(lived: Story) -> None:
    manifest = current_manifest(lived.end)
    assert manifest is not None
    path = lived.end.release(manifest["release_id"]) / "strata.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        apart = connection.execute(
            "select count(*) from segment_assignment as a "
            "full join class_stability as s using (sku_id, location_id, region, cycle) "
            "where a.computed_segment is distinct from s.segment"
        ).fetchone()
        drawn = connection.execute("select p_segment_held from class_stability where draws > 0").fetchall()
        agreed = connection.execute(
            "select region, count(*) from class_agreement group by region order by region"
        ).fetchall()
    assert apart == (0,)
    assert drawn and all(0 <= chance <= 1 for (chance,) in drawn)
    assert agreed == [("APAC", 9), ("EMEA", 9)]
