"""Configuration files: B58 of the catalogue of bad input, and what else YAML 1.1 would make of plain words."""

from pathlib import Path

import pytest

from strata.strict_yaml import MAX_BYTES, load_yaml

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


def load(tmp_path: Path, text: str) -> object:
    file = tmp_path / "file.yml"
    file.write_text(text, encoding="utf-8")
    return load_yaml(file)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("NO", "NO"), ("no", "no"), ("off", "off"), ("Yes", "Yes"), ("True", "True"), ("TRUE", "TRUE"),
        ("true", True), ("false", False), ("012", "012"), ("0x1F", "0x1F"), ("1_000", "1_000"), ("1:30", "1:30"),
        ("06:00", "06:00"), ("1e3", "1e3"), (".5", ".5"), (".inf", ".inf"), (".nan", ".nan"), ("12", 12), ("-3", -3),
        ("0", 0), ("0.80", 0.8), ("-1.5", -1.5), ("2026-07", "2026-07"), ("2026-07-01", "2026-07-01"), ("null", None),
        ("~", None), ("NULL", "NULL"), ("", None), ("+1", "+1"), ("<<", "<<"), ("=", "="),
    ],
)  # fmt: skip
def test_words_and_numbers(tmp_path: Path, word: str, value: object) -> None:
    assert load(tmp_path, f"key: {word}\n") == {"key": value}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB, "line 2: aliases"),
        ("a: &x 1\nb: *x\n", "aliases"),
        ("a: 1\nb: 2\na: 3\n", "line 3: key 'a' stands twice"),
        ("deep:\n  - {x: 1, x: 2}\n", "key 'x' stands twice"),
        ("a: !!python/object/apply:os.system [ls]\n", "could not determine a constructor"),
        ("a: [1, 2\n", "line"),
        ("a: \tb\n\tc: d\n", "tab|\\\\t"),
        ("a: 1\n---\nb: 2\n", "single document"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        load(tmp_path, text)
    assert "file.yml" in str(error.value)


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at most"):
        load(tmp_path, "a: " + "x" * MAX_BYTES)


@pytest.mark.parametrize("text", ["? [a, b]\n: 1\n", "{[a]: 1}\n", "? {a: 1}\n: 2\n"])
def test_a_key_that_cannot_be_one(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"file\.yml: line 1: a key must be a plain word"):
        load(tmp_path, text)


def test_nesting_without_end(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nested too deep"):
        load(tmp_path, "[" * 100_000)


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "file.yml").write_bytes(b"a: \xe9\n")
    with pytest.raises(ValueError, match=r"file\.yml"):
        load_yaml(tmp_path / "file.yml")


def test_anchors_alone_change_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, "a: &x 1\n") == {"a": 1}
