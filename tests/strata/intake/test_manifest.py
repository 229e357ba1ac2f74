"""Manifests: strict JSON, safe names, and an identity that follows content only."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strata.intake.manifest import batch_id, open_regular, parse_manifest, read_manifest_bytes
from strata.intake.reasons import RefusedExtractError

FILES = [
    {"name": "part-0.csv", "sha256": "a" * 64, "rows": 1, "bytes": 10},
    {"name": "part-1.csv", "sha256": "b" * 64, "rows": 2, "bytes": 20},
]
CONTENT: dict[str, Any] = {
    "system": "erp",
    "feed": "items",
    "extract_id": "2017-12-31T0200Z",
    "kind": "full",
    "envelope": "plain",
    "schema_version": 1,
    "initial_load": False,
    "grain": "day",
    "extracted_at": "2017-12-31T02:00:00Z",
    "position": {"from": "1", "to": "2"},
    "format": "csv",
    "encoding": "utf-8",
    "delimiter": ",",
    "business_date": "2017-12-30",
    "files": FILES,
    "control_totals": {"standard_cost": 45678.0},
}


def identity(**changes: Any) -> str:
    return batch_id(parse_manifest(json.dumps({**CONTENT, **changes}).encode()))


def test_a_manifest_as_documented_is_read() -> None:
    manifest = parse_manifest(json.dumps(CONTENT).encode())
    assert (manifest.rows, manifest.origin, manifest.extracted_micros) == (3, "real", 1_514_685_600_000_000)


@pytest.mark.parametrize(
    "changes",
    [
        {"extract_id": "again"},
        {"files": FILES[::-1]},
        {"files": [{**FILES[0], "name": "part-1.csv"}, {**FILES[1], "name": "part-0.csv"}]},
        {"extracted_at": "2017-12-31T03:00:00+01:00"},
        {"control_totals": {"standard_cost": 45678}},
        {"origin": "real"},
    ],
    ids=["extract-id", "file-order", "file-names", "same-instant", "same-total", "default-written-out"],
)
def test_the_same_content_is_the_same_batch(changes: dict[str, Any]) -> None:
    assert identity(**changes) == identity()


@pytest.mark.parametrize(
    "changes",
    [
        {"extracted_at": "2017-12-31T02:00:01Z"},
        {"initial_load": True},
        {"origin": "simulated"},
        {"delimiter": ";"},
        {"position": None},
        {"control_totals": {}},
        {"files": FILES[:1]},
        {"files": [{**FILES[0], "rows": 5}, FILES[1]]},
        {"supersedes": "2017-12-31T0200Z"},
    ],
)
def test_other_content_is_another_batch(changes: dict[str, Any]) -> None:
    assert identity(**changes) != identity()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(extra=1), "extra"),
        (lambda m: m.pop("extracted_at"), "extracted_at"),
        (lambda m: m.update(extracted_at="2017-12-31T02:00:00"), "offset"),
        (lambda m: m.update(extracted_at=1514685600), "ISO 8601"),
        (lambda m: m.update(system="../erp"), "system"),
        (lambda m: m.update(feed="items/../x"), "feed"),
        (lambda m: m.update(extract_id=".."), "extract_id"),
        (lambda m: m.update(files=[{**FILES[0], "name": "../part.csv"}]), "files.0.name"),
        (lambda m: m.update(files=[{**FILES[0], "name": "/etc/passwd.csv"}]), "files.0.name"),
        (lambda m: m.update(files=[{**FILES[0], "name": ".hidden.csv"}]), "files.0.name"),
        (lambda m: m.update(files=[{**FILES[0], "name": "part\x00.csv"}]), "files.0.name"),
        (lambda m: m.update(files=[{**FILES[0], "name": "part.csv\n"}]), "files.0.name"),
        (lambda m: m.update(files=[{**FILES[0], "name": "part.exe"}]), "does not end in"),
        (lambda m: m.update(files=[{**FILES[0], "name": "part.zip"}]), "does not end in"),
        (lambda m: m.update(files=[FILES[0], FILES[0]]), "twice"),
        (lambda m: m.update(files=[]), "files"),
        (lambda m: m.update(files=[{**FILES[0], "rows": -1}]), "rows"),
        (lambda m: m.update(files=[{**FILES[0], "rows": "1"}]), "rows"),
        (lambda m: m.update(files=[{**FILES[0], "sha256": "A" * 64}]), "sha256"),
        (lambda m: m.update(initial_load="yes"), "initial_load"),
        (lambda m: m.update(kind="cdc"), "one of the envelopes"),
        (lambda m: m.update(delimiter="ab"), "delimiter"),
        (lambda m: m.update(control_totals={"q": "Infinity"}), "finite"),
        (lambda m: m.update(control_totals={"q": 1e300}), "30 digits"),
    ],
)
def test_b43_a_manifest_that_is_not_one_is_refused(change: Callable[[dict[str, Any]], Any], words: str) -> None:
    content = json.loads(json.dumps(CONTENT))
    change(content)
    with pytest.raises(RefusedExtractError, match=words) as refused:
        parse_manifest(json.dumps(content).encode())
    assert refused.value.fault.reason == "manifest_malformed"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b'{"system": "erp", "system": "wms"}', "stands twice", id="B59-duplicate-key"),
        pytest.param(b'{"control_totals": {"q": NaN}}', "NaN", id="B59-nan"),
        pytest.param(b'{"system": "erp"', "strict JSON", id="cut"),
        pytest.param(b"[1]", "JSON object", id="list"),
        pytest.param(b"\xff\xfe{}", "strict JSON", id="utf-16"),
        pytest.param(b"[" * 100_000, "strict JSON", id="deep"),
    ],
)
def test_json_that_is_not_strict_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(RefusedExtractError, match=words):
        parse_manifest(data)


def test_links_folders_and_absent_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a")
    (tmp_path / "link.csv").symlink_to(tmp_path / "secret.csv")
    (tmp_path / "folder.csv").mkdir()
    for name, reason in (
        ("link.csv", "not_a_regular_file"),
        ("folder.csv", "not_a_regular_file"),
        ("x", "file_missing"),
    ):
        with pytest.raises(RefusedExtractError) as refused:
            open_regular(tmp_path / name)
        assert refused.value.fault.reason == reason


def test_a_manifest_of_five_megabytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b" " * (5 << 20))
    with pytest.raises(RefusedExtractError, match="split the extract"):
        read_manifest_bytes(tmp_path)
