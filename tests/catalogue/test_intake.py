"""Bad input that intake alone must stop (reliability.md section 3): reason, place, and the release that is there."""

from pathlib import Path

import pytest

from strata.governance.releases import current_manifest
from strata.home import Home
from tests.catalogue import files, history, values
from tests.catalogue.case import Case, check
from tests.strata.intake.drops import tree

CASES = [*files.CASES, *values.CASES, *history.CASES]


@pytest.mark.capability("2.2", part="every kind of bad input has its outcome, and none touches the current release")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_bad_input(case: Case, standing: Home, tmp_path: Path) -> None:
    released = tree(standing.releases)
    manifest = current_manifest(standing)
    assert manifest is not None and len(released) > 10
    for number, delivery in enumerate(case.make(tmp_path)):
        check(standing, delivery, number)
    assert tree(standing.releases) == released, "CURRENT and every file of every release, byte for byte"
    assert current_manifest(standing) == manifest
    assert [path.name for path in standing.staging.iterdir()] == ["land.lock"], "nothing is left lying about"
