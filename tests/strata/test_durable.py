"""Durable writes: the order of system calls (kill -9 keeps the page cache, so only the order proves durability)."""

import os
from pathlib import Path

import pyarrow as pa
import pytest

from strata import durable

Calls = list[tuple[str, str]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What reached the system, in order: flushes and renames, by the name of the file or folder."""
    seen: Calls = []
    opened: dict[int, str] = {}
    true_open, true_fsync, true_replace, true_rename = os.open, os.fsync, os.replace, os.rename

    def spy_open(path: str | Path, *arguments: int) -> int:
        descriptor = true_open(path, *arguments)
        opened[descriptor] = Path(path).name
        return descriptor

    def spy_fsync(descriptor: int) -> None:
        true_fsync(descriptor)
        seen.append(("fsync", opened[descriptor]))

    def spy_replace(source: str | Path, target: str | Path) -> None:
        true_replace(source, target)
        seen.append(("replace", Path(target).name))

    def spy_rename(source: str | Path, target: str | Path, **more: int) -> None:
        true_rename(source, target, **more)
        seen.append(("rename", Path(target).name))

    for name, spy in (("open", spy_open), ("fsync", spy_fsync), ("replace", spy_replace), ("rename", spy_rename)):
        monkeypatch.setattr(os, name, spy)
    return seen


def test_a_file_is_flushed_before_it_has_its_name_and_the_folder_after(tmp_path: Path, calls: Calls) -> None:
    folder = tmp_path / "folder"
    durable.write_bytes(folder / "CURRENT", b"release\n")
    assert calls == [("fsync", f".CURRENT.{os.getpid()}.tmp"), ("replace", "CURRENT"), ("fsync", "folder")]
    assert (folder / "CURRENT").read_bytes() == b"release\n"
    assert [path.name for path in folder.iterdir()] == ["CURRENT"]


def test_parquet_is_written_the_same_way(tmp_path: Path, calls: Calls) -> None:
    rows = pa.table({"a": [1, 2, 3]})
    durable.write_parquet(tmp_path / "t.parquet", rows)
    assert [call for call, _ in calls] == ["fsync", "replace", "fsync"]
    assert durable.read_parquet(tmp_path / "t.parquet").equals(rows)


def test_a_folder_is_promoted_with_everything_in_it_flushed_first(tmp_path: Path, calls: Calls) -> None:
    (tmp_path / "made" / "inner").mkdir(parents=True)
    (tmp_path / "made" / "one").write_text("1")
    (tmp_path / "made" / "inner" / "two").write_text("2")
    assert durable.promote(tmp_path / "made", tmp_path / "there" / "final") is True
    rename = calls.index(("rename", "final"))
    assert sorted(name for call, name in calls[:rename]) == ["inner", "made", "one", "two"]
    assert {call for call, _ in calls[:rename]} == {"fsync"}
    assert calls[rename + 1 :] == [("fsync", "there")]
    assert (tmp_path / "there" / "final" / "inner" / "two").read_text() == "2"


def test_the_first_of_two_that_promote_wins(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "who").write_text(name)
    assert durable.promote(tmp_path / "one", tmp_path / "final") is True
    assert durable.promote(tmp_path / "two", tmp_path / "final") is False
    assert (tmp_path / "final" / "who").read_text() == "one"
    assert (tmp_path / "two" / "who").is_file()


def test_promoting_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        durable.promote(tmp_path / "absent", tmp_path / "final")


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "file"
    durable.write_bytes(file, b"before")

    def half(path: Path) -> None:
        path.write_bytes(b"hal")
        raise OSError(28, "no space left on device")

    with pytest.raises(OSError, match="no space"):
        durable.write_file(file, half)
    assert file.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_write_that_the_disk_refuses_leaves_what_was_there(
    tmp_path: Path, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    durable.write_bytes(file, b"before")

    def refuse(*arguments: object) -> None:
        raise OSError(5, "input/output error")

    monkeypatch.setattr(os, broken, refuse)
    with pytest.raises(OSError, match="input/output"):
        durable.write_bytes(file, b"after")
    assert file.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("position", [0.3, 0.5, 0.7])
def test_a_flipped_bit_in_a_page_is_an_error(tmp_path: Path, position: float) -> None:
    """B55: without page checksums a third of flipped bits are wrong numbers that nobody notices."""
    file = tmp_path / "t.parquet"
    durable.write_parquet(file, pa.table({"a": [float(n * n) / 7 for n in range(2000)]}))
    data = bytearray(file.read_bytes())
    data[int(len(data) * position)] ^= 1
    file.write_bytes(data)
    with pytest.raises((OSError, pa.ArrowInvalid)):
        durable.read_parquet(file)


def test_hive_folders_add_no_columns(tmp_path: Path) -> None:
    file = tmp_path / "cycle=2026-01" / "region=EMEA" / "t.parquet"
    durable.write_parquet(file, pa.table({"a": [1]}))
    assert durable.read_parquet(file).column_names == ["a"]
