"""The catalogue is whole: every number of it has a case that runs, and none is excused."""

import ast
import re
from pathlib import Path

import pytest

from tests.catalogue import test_configuration, test_intake, test_merge, test_runs

HERE = Path(__file__).parent
NUMBERS = {f"B{number:02d}" for number in range(1, 62)}
ELSEWHERE = {
    "B07": "rules/test_tree.py::test_rows_that_do_not_read_are_never_dropped_by_an_option",
    "B60": "values are stored verbatim here; neutralised where they leave, in serving",
}


def labels() -> list[str]:
    """Ids of all parametrised cases."""
    found = [case.label for case in test_intake.CASES]
    for module in (test_runs, test_merge, test_configuration):
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        texts = {str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        found += sorted(text for text in texts if re.fullmatch(r"B[0-9]{2}-[a-z0-9-]+", text))
    return found


def test_every_number_has_a_case_and_every_case_a_name_of_its_own() -> None:
    found = labels()
    assert len(found) == len(set(found)), sorted(label for label in found if found.count(label) > 1)
    covered = {label.split("-")[0] for label in found}
    assert covered | set(ELSEWHERE) == NUMBERS, sorted(NUMBERS - covered - set(ELSEWHERE))


def test_what_is_checked_elsewhere_is_there() -> None:
    path, _, name = ELSEWHERE["B07"].partition("::")
    assert f"def {name}(" in (HERE.parent / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(HERE.glob("*.py")), ids=lambda path: path.name)
def test_no_case_is_excused(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("skip", "skipif", "xfail", "importorskip"), f"{path.name}:{node.lineno}"
