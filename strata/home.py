"""Where everything of one company lies: the paths below STRATA_HOME, and its configuration.

The one storage layer: no other module joins these folder names.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from strata.calendar import Calendar
from strata.partition import Partition
from strata.strict_yaml import load_yaml

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Home:
    """One data root. Two Homes with equal roots are equal; making one touches nothing on disk."""

    root: Path

    @classmethod
    def from_environment(cls, home: str | Path | None = None) -> "Home":
        """The home at `home`, else at `STRATA_HOME`, else at `./data`."""
        return cls(Path(home or os.environ.get("STRATA_HOME") or "data").resolve())

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @property
    def raw(self) -> Path:
        return self.root / "raw"

    @property
    def quarantine(self) -> Path:
        return self.root / "quarantine"

    @property
    def conformed(self) -> Path:
        return self.root / "conformed"

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def staging(self) -> Path:
        return self.root / "staging"

    @property
    def dagster(self) -> Path:
        return self.root / "dagster"

    @property
    def current_file(self) -> Path:
        return self.releases / "CURRENT"

    @property
    def pseudonym_key(self) -> Path:
        """Secret that pseudonyms are made with; read by its owner only, and never part of a release or the project."""
        return self.root / "secrets" / "pseudonym.key"

    @property
    def config(self) -> Path:
        """This home's own configuration if it has one, else the repository's."""
        own = self.root / "config"
        return own if own.is_dir() else REPOSITORY / "config"

    @property
    def governance_url(self) -> str:
        """SQLAlchemy URL of the governance store."""
        return os.environ.get("STRATA_GOVERNANCE_URL") or f"sqlite:///{self.root / 'governance.db'}"

    def snapshot(self, snapshot_id: str) -> Path:
        return self.conformed / snapshot_id

    def scratch(self, run_id: str) -> Path:
        """Scratch folder of a run; may be deleted when the run has ended."""
        return self.staging / run_id

    def lake_file(self, table: str, partition: Partition, run_id: str) -> Path:
        """Where a run writes its rows of one table and partition."""
        return self.lake / table / partition.folder / f"run={run_id}" / f"{table}.parquet"

    def release(self, release_id: str) -> Path:
        return self.releases / release_id

    def calendar(self) -> Calendar:
        """Calendar and regions of this home; ValueError naming the file where they are wrong."""
        folder = self.config
        try:
            return Calendar(**load_yaml(folder / "calendar.yml"), regions=load_yaml(folder / "regions.yml")["regions"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{folder}: calendar.yml and regions.yml do not load: {error}") from error
