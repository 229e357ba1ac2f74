"""Which code made something: the package's version and a digest of its source, so that a local change shows."""

import hashlib
from functools import cache
from importlib.metadata import version

from strata.home import REPOSITORY

SOURCES = ("strata", "assets", "orchestration", "expectations", "dbt_project")
SUFFIXES = {".py", ".sql", ".yml"}


@cache
def code_version() -> str:
    """Such as `0.1.0+src.1a2b3c4d5e6f`."""
    digest = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((REPOSITORY / folder).rglob("*")):
            if path.suffix in SUFFIXES and "target" not in path.parts:
                digest.update(str(path.relative_to(REPOSITORY)).encode() + b"\0" + path.read_bytes())
    return f"{version('strata')}+src.{digest.hexdigest()[:12]}"
