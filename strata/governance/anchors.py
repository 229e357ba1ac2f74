"""Heads of the ledger written down outside it: in `ledger_anchor.jsonl` and in every release manifest.

Belongs here: writing and collecting anchors. Does not: judging the chain (`strata.governance.ledger`). Ship the file to
a place that the pipeline's account cannot write to; whoever can rewrite the store, the file and the releases together
can forge all three.
"""

import contextlib
import fcntl
import json
import os
from pathlib import Path

from strata.durable import fsync_path
from strata.governance.ledger import Anchor
from strata.governance.records import GovernanceError
from strata.home import Home
from strata.identity import canonical_json

ANCHOR_FILE = "ledger_anchor.jsonl"


def anchor_file(home: Home) -> Path:
    """The file of anchors of a home."""
    return home.root / ANCHOR_FILE


def write_anchor(home: Home, seq: int, hash: str) -> None:
    """Append one head and flush it; a torn line of an earlier crash is closed off, never edited."""
    line = canonical_json({"seq": seq, "hash": hash}) + b"\n"
    descriptor = os.open(anchor_file(home), os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        os.write(descriptor, line)
        os.fsync(descriptor)
        if not size:
            fsync_path(home.root)
    finally:
        os.close(descriptor)


def file_anchors(home: Home) -> list[Anchor]:
    """All anchors of the file, later ones last; lines torn by a crash are left out.

    Raises:
        GovernanceError: a whole line is no anchor.
    """
    path = anchor_file(home)
    if not path.is_file():
        return []
    anchors = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.endswith(b"}"):
            continue
        try:
            content = json.loads(line)
            anchors.append(Anchor(int(content["seq"]), str(content["hash"]), f"{path.name} line {number}"))
        except (ValueError, KeyError, TypeError) as error:
            raise GovernanceError(f"{path} line {number} is no anchor: {error!r}; the file was edited") from error
    return anchors


def manifest_anchors(home: Home) -> list[Anchor]:
    """The ledger heads that manifests hold; a damaged one holds none, which `strata releases verify` reports."""
    anchors = []
    for path in sorted(home.releases.glob("*/manifest.json")):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            content = json.loads(path.read_bytes())["ledger_head"]
            anchors.append(Anchor(int(content["seq"]), str(content["hash"]), f"release {path.parent.name}"))
    return anchors
