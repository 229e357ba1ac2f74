"""The golden company lived once up to cycle 2026-06, with a copy of its home at each point that tests start from.

Runs go through Dagster as in the product; only its event log is one SQLite file instead of one per run, which costs a
third of the time.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from orchestration import landing, pipeline
from orchestration.dbt import DBT_PROJECT
from orchestration.pipeline import RunReport
from orchestration.publication import marts_request, publish_cycle
from orchestration.resources import Workspace
from strata.conformed.build import build_marts
from strata.governance.publisher import PublishResult
from strata.governance.releases import current_manifest, read_manifest
from strata.governance.store import GovernanceStore
from strata.home import Home
from strata.partition import Partition
from tests.golden import company
from tests.golden.test_golden import HERE

DAGSTER = """telemetry: {{enabled: false}}
run_storage: {{module: dagster._core.storage.runs, class: SqliteRunStorage, config: {{base_dir: {0}}}}}
event_log_storage:
  module: dagster._core.storage.event_log
  class: ConsolidatedSqliteEventLogStorage
  config: {{base_dir: {0}}}
schedule_storage:
  module: dagster._core.storage.schedules.sqlite.sqlite_schedule_storage
  class: SqliteScheduleStorage
  config: {{base_dir: {0}}}
"""
PUBLISHERS = ("undisturbed", "victim", "retry")


@dataclass(frozen=True)
class Story:
    """What happened, and where the home stood.

    Attributes:
        conformed: sales to April are conformed, nothing is decided.
        closed: 2026-05 is published; the late correction and the sales of May have come in since.
        ready: both regions of 2026-06 are decided (APAC's feed is bad) and its marts are built, once per publisher.
        end: 2026-06 is published. Look at it; copy it to change it.
        first: run of 2026-04 and 2026-05. again: 2026-05 once more, on the newer snapshot, published.
        restated: 2026-05 in EMEA as known now. decided: 2026-06. published: its publication.
    """

    conformed: Home
    closed: Home
    ready: Home
    end: Home
    first: RunReport
    again: RunReport
    restated: RunReport
    decided: RunReport
    published: PublishResult

    @property
    def store(self) -> GovernanceStore:
        return GovernanceStore(self.end)

    def release(self, cycle: str) -> str:
        """Id of the release of a cycle."""
        return next(r.release_id for r in self.store.releases() if r.cycle == cycle)


def live(root: Path) -> Story:
    """Live it; about 70 s."""
    home = make_home(root / "home")
    company.drop_master(home.landing)
    drop(home, "initial", "2026-04")
    landing.conform(home, "first-conform")
    conformed = copy_of(home, root / "conformed")
    first = pipeline.run(home, ["2026-04", "2026-05"], publish=True)
    drop(home, "late-correction", "2026-05")
    again = pipeline.run(home, ["2026-05"], publish=True)
    closed = copy_of(home, root / "closed")
    restated = pipeline.run(home, ["2026-05"], regions=["EMEA"], as_known="now")
    decided = pipeline.run(home, ["2026-06"])
    ready_marts(home, "2026-06", *PUBLISHERS)
    ready = copy_of(home, root / "ready")
    published = publish_cycle(Workspace(root=str(home.root)), "2026-06", "undisturbed")
    return Story(conformed, closed, ready, home, first, again, restated, decided, published)


def make_home(root: Path, profile: str = "trial") -> Home:
    """An initialised home of the golden company; nothing is dropped yet."""
    shutil.copytree(HERE / "config", root / "config")
    company.write_contracts(Home(root / "none").config / "feeds", root / "config" / "feeds")
    return initialise(root, profile)


def initialise(root: Path, profile: str = "trial") -> Home:
    """Make the stores of a home whose configuration is in place."""
    home = Home(root)
    _write_dagster(home)
    pipeline.initialise(home, profile=profile)  # type: ignore[arg-type]
    return home


def copy_folder(source: Path, target: Path) -> None:
    """A folder with everything in it; parents are made."""
    shutil.copytree(source, target)


def copy_of(home: Home, root: Path) -> Home:
    """A home of its own that stands where another one stood."""
    shutil.copytree(home.root, root)
    copied = Home(root)
    _write_dagster(copied)
    return copied


def _write_dagster(home: Home) -> None:
    home.dagster.mkdir(parents=True, exist_ok=True)
    (home.dagster / "dagster.yaml").write_text(DAGSTER.format(home.dagster), encoding="utf-8")


def drop(home: Home, *extract_ids: str) -> None:
    """Drop sales extracts and land them."""
    for extract_id in extract_ids:
        company.drop_sales(home.landing, extract_id)
    landing.land(home)


def ready_marts(home: Home, cycle: str, *run_ids: str) -> None:
    """Build the marts of a cycle's next release once and lay them where each of the runs expects its own."""
    request = marts_request(Workspace(root=str(home.root)), cycle, "marts")
    folder = build_marts(
        home, run_id="marts", snapshot=request.snapshot, parts=request.parts, tables=request.tables, project=DBT_PROJECT
    )
    for run_id in run_ids:
        shutil.copytree(folder, home.scratch(run_id) / "dbt-marts" / "outputs")


def published_hashes(home: Home, release_id: str | None = None) -> dict[str, str]:
    """Content hash per table of a release, else of the current one."""
    manifest = read_manifest(home, release_id) if release_id else current_manifest(home)
    assert manifest is not None
    return {table["name"]: table["content_hash"] for table in manifest["tables"]}


def candidate_hashes(home: Home, key: str) -> dict[str, str]:
    """Content hash per table of a partition's candidate."""
    candidate = GovernanceStore(home).candidate(Partition.from_key(key))
    assert candidate is not None
    return candidate.content()
