"""What crashed publishers and ended runs leave behind, removed.

Belongs here: scratch folders and releases that never became current. Does not: published releases, which are kept.
"""

import shutil
from collections.abc import Collection
from pathlib import Path

from strata.governance.lock import exclusive_lock
from strata.governance.protocol import recover
from strata.governance.releases import current_release
from strata.governance.staging import PUBLISH_FOLDER
from strata.governance.store import GovernanceStore
from strata.home import Home


def collect_garbage(store: GovernanceStore, home: Home, *, live_runs: Collection[str]) -> list[Path]:
    """Remove what nothing refers to, and return it.

    That is: scratch folders of runs that are not live, half-built releases of any run (no publisher works while this
    holds their lock), and folders in `releases/` whose publication the ledger says was aborted.
    """
    removed = []
    with exclusive_lock(home.root / "publisher.lock", "garbage collection"):
        if not store.verify_ledger():
            recover(store, home)
        for folder in sorted(home.staging.iterdir()) if home.staging.is_dir() else []:
            target = folder / PUBLISH_FOLDER if folder.name in live_runs else folder
            if target.exists():
                removed.append(target)
        current = current_release(home)
        for release in store.publications():
            folder = home.release(release.release_id)
            if release.status == "aborted" and release.release_id != current and folder.is_dir():
                removed.append(folder)
        for path in removed:
            _remove(path)
    return removed


def _remove(path: Path) -> None:
    if path.is_file():
        path.unlink()
        return
    path.chmod(0o755)
    shutil.rmtree(path)
