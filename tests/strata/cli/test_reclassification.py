"""`strata reclassify` on the golden company: what new extracts touch is decided again, in shadow, and nothing else."""

from pathlib import Path

import pytest

from orchestration import landing
from strata.governance.releases import current_manifest, published_table
from strata.home import Home
from tests.golden import company
from tests.orchestration import story
from tests.orchestration.story import Story
from tests.strata.cli.conftest import Strata


def drop_items(home: Home, taken: str) -> None:
    """A new item master: I2 changes its family, I4 is blocked, I9 replaces I1."""
    header, rows = company.MASTER["erp", "items"]
    rows = [row.replace("GOODS,ALL", "GOODS,TOOLS") if row.startswith("I2,") else row for row in rows]
    rows = [row.replace(",active", ",blocked") if row.startswith("I4,") else row for row in rows]
    rows += [rows[0].replace("I1,Item I1", "I9,Item I9")]
    company._write(home.landing, "erp", "items", "changed", taken, False, "\n".join([header, *rows]) + "\n")
    landing.land(home)


def test_without_news_nothing_is_touched(home: Home, strata: Strata) -> None:
    said = strata(home, "reclassify", "--json").json
    assert (said["touched"], said["moves"], said["items"]) == (0, 0, [])
    # APAC is held at May by its bad feed, and no extract has passed its next cut-off.
    assert {code: part["cycle"] for code, part in said["regions"].items()} == {"APAC": "2026-05", "EMEA": "2026-06"}
    refused = strata(home, "reclassify", "--cycle", "2026-05")
    assert refused.code == 1 and "lies before the published one" in refused.err
    ahead = strata(home, "reclassify", "--cycle", "2026-12")
    assert ahead.code == 1 and "still to come" in ahead.err
    unknown = strata(home, "reclassify", "--region", "MARS")
    assert unknown.code == 1 and "holds no region 'MARS'" in unknown.err


@pytest.mark.capability("3.2", part="events since the release decide the touched items again, shadow first")
def test_touched_items_are_decided_again_and_nothing_is_published(lived: Story, tmp_path: Path, strata: Strata) -> None:
    home = story.copy_of(lived.end, tmp_path / "home")
    story.drop(home, "2026-05-repair", "2026-06")
    drop_items(home, "2026-07-01T03:00:00Z")
    manifest = current_manifest(home)
    assert manifest is not None
    said = strata(home, "reclassify", "--region", "EMEA", "--json")
    assert said.code == 0, said.err
    assert said.json["release_id"] == manifest["release_id"]
    rows = {row["sku_id"]: row for row in said.json["items"]}
    assert {sku: (row["event"], row["detail"]) for sku, row in rows.items()} == {
        "I2": ("hierarchy", "family: ALL -> TOOLS"),
        "I4": ("ending", "status: active -> blocked"),
        "I9": ("launch", "new in the item master"),
    }
    assert (rows["I9"]["published_segment"], rows["I9"]["segment"]) == (None, None)
    assert rows["I9"]["decision_reason"] == "no_class:no_demand"
    table = published_table(home, manifest, "segment_assignment").to_pandas()
    held = table[table["region"] == "EMEA"].set_index("sku_id")["segment"]
    assert {sku: rows[sku]["published_segment"] for sku in ("I2", "I4")} == held[["I2", "I4"]].to_dict()
    assert all(rows[sku]["decision_reason"].startswith("value:") for sku in ("I2", "I4"))
    assert current_manifest(home) == manifest
    assert not list(home.scratch("x").parent.glob("reclassify*"))
