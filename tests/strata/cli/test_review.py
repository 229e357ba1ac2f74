"""`strata review criteria`: the evidence of a release as a document."""

from pathlib import Path

import pytest

from strata.governance.releases import current_manifest
from tests.orchestration.story import Story
from tests.strata.cli.conftest import Strata


@pytest.mark.capability("1.1", part="a readable document per release, the same bytes every time")
def test_a_release_is_told_as_a_document(lived: Story, strata: Strata, tmp_path: Path) -> None:
    manifest = current_manifest(lived.end)
    assert manifest is not None
    file = tmp_path / "evidence.md"
    said = strata(lived.end, "review", "criteria", "--out", str(file))
    assert said.code == 0 and "lines" in said.out
    text = file.read_text(encoding="utf-8")
    assert manifest["release_id"] in text and "## APAC" in text and "## EMEA" in text
    for table in manifest["tables"]:
        if table["name"] in ("criteria_report", "dimension_comparison", "method_selection"):
            assert table["content_hash"] in text
    assert strata(lived.end, "review", "criteria").out == text
    one = strata(lived.end, "review", "criteria", "--region", "EMEA", "--release", manifest["release_id"]).out
    assert "## EMEA" in one and "## APAC" not in one
    earlier = strata(lived.end, "review", "criteria", "--cycle", "2026-04").out
    assert lived.release("2026-04") in earlier


def test_what_cannot_be_told_is_refused(lived: Story, strata: Strata, tmp_path: Path) -> None:
    nowhere = strata(lived.end, "review", "criteria", "--region", "NOWHERE")
    assert nowhere.code == 1 and "holds no region 'NOWHERE'" in nowhere.err
    unknown = strata(lived.end, "review", "criteria", "--cycle", "1999-01")
    assert unknown.code == 1 and "no release of 1999-01" in unknown.err
    other = strata(lived.end, "review", "criteria", "--release", lived.release("2026-04"), "--cycle", "2026-05")
    assert other.code == 1 and "is of cycle 2026-04, not 2026-05" in other.err
    assert strata(lived.end, "review", "criteria", "--out", str(tmp_path / "evidence.txt")).code == 2
