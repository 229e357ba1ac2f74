"""What the tree holds: no traces of a machine, no large files, short modules with telling names, no loose ends."""

import ast
import re
from pathlib import Path

import pytest

from strata.home import REPOSITORY
from tests.rules.tree import PACKAGES, check, kept, modules

MOST_LINES = 400
MOST_BYTES = 512 * 1024
TEXT = {".py", ".sql", ".yml", ".yaml", ".toml", ".md", ".csv", ".lock", ".json", ".cfg", ".ini", ".txt", ""}
# In pieces, so that this file does not name what it looks for.
TRACES = re.compile(
    "|".join(
        [
            r"(?<![\w.*-])/(?:wo" + r"rk|ro" + r"ot|ho" + r"me|Us" + r"ers|mn" + r"t)/",
            r"[A-Z]:\\\\",
            r"\.lib" + r"rary",
            r"/tm" + r"p/w\b",
            r"py" + r"pi\.org|python" + r"hosted|npm" + r"js\.|index" + r"-url[ =]\S*//|find" + r"-links",
        ]
    )
)
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "tools", "lib"}
LOOSE_ENDS = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|HA" + r"CK|NotImplemented" + r"Error)\b")


def text_files() -> list[Path]:
    return [path for path in kept() if path.suffix in TEXT]


def test_no_file_names_a_machine_or_an_index() -> None:
    found = []
    for path in text_files():
        for number, line in enumerate((REPOSITORY / path).read_text(encoding="utf-8").splitlines(), start=1):
            if match := TRACES.search(line):
                found.append(f"{path}:{number}: {match[0]}")
    assert not found, found


def test_the_search_for_traces_finds_one() -> None:
    assert TRACES.search("see /ho" + "me/ann/x.csv") and TRACES.search("--index" + "-url https://x")
    assert not TRACES.search("strata/home.py, <home>/raw and /v1/releases")


def test_no_file_is_large() -> None:
    large = {path.as_posix() for path in kept() if (REPOSITORY / path).stat().st_size > MOST_BYTES}
    check("file size", large)


def test_nothing_generated_is_kept() -> None:
    endings = {".pyc", ".pkl", ".duckdb", ".db", ".sqlite", ".log", ".ipynb", ".parquet"}
    check("artefact", {path.as_posix() for path in kept() if path.suffix in endings or path.name == ".DS_Store"})


def test_modules_are_at_most_400_lines() -> None:
    long = set()
    for path in kept():
        lines = (REPOSITORY / path).read_text(encoding="utf-8").count("\n") if path.suffix in {".py", ".sql"} else 0
        if lines > MOST_LINES:
            long.add(path.as_posix())
    check("module length", long)


def test_modules_are_named_by_a_noun_and_packages_are_empty() -> None:
    for path, module in modules(*PACKAGES, "tests"):
        assert Path(path).stem not in VAGUE, path
        if Path(path).name == "__init__.py":
            assert not module.body, f"{path}: one import path per symbol"
        elif path.startswith(PACKAGES):
            assert ast.get_docstring(module), f"{path}: say what belongs here and what does not"


def test_no_loose_ends() -> None:
    for path in text_files():
        if path.parts[0] in {*PACKAGES, "tests", "dbt_project", "config"}:
            match = LOOSE_ENDS.search((REPOSITORY / path).read_text(encoding="utf-8"))
            assert not match, f"{path}: {match and match[0]}"


def test_no_error_is_swallowed_and_no_assertion_is_empty() -> None:
    for path, module in modules(*PACKAGES, "tests", "benchmarks", "docs"):
        for node in ast.walk(module):
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, f"{path}:{node.lineno}: name the error"
                silent = all(isinstance(part, ast.Pass) for part in node.body)
                assert not silent, f"{path}:{node.lineno}: an error is dropped in silence"
            if isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant):
                assert not node.test.value, f"{path}:{node.lineno}: asserts nothing"


def test_rows_that_do_not_read_are_never_dropped_by_an_option() -> None:
    for path in text_files():
        for line in (REPOSITORY / path).read_text(encoding="utf-8").splitlines():
            option = re.search(r"\bignore_" + r"errors\s*[=:]\s*(\w+)", line)
            if option and "rmtree" not in line:
                assert option[1].lower() == "false", f"{path}: {line.strip()}"


def test_a_partition_key_is_spelled_in_one_module_only() -> None:
    split = re.compile(r"""(?:partition|split|rsplit)\(["']\|["']""")
    found = {path.as_posix() for path in kept() if path.parts[0] in PACKAGES and path.suffix == ".py"}
    found = {path for path in found if split.search((REPOSITORY / path).read_text(encoding="utf-8"))}
    assert found == {"strata/partition.py"}


@pytest.mark.parametrize("path", [p for p in sorted((REPOSITORY / "tests/strata").iterdir()) if p.is_dir()], ids=str)
def test_tests_mirror_the_packages(path: Path) -> None:
    if path.name != "__pycache__":
        assert (REPOSITORY / "strata" / path.name).is_dir() or (REPOSITORY / "strata" / f"{path.name}.py").is_file()
