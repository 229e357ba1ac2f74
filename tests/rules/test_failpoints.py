"""Every named place of failure is reached by the code and exercised by a test."""

import ast

import pytest

from strata.failpoint import REGISTRY
from strata.home import REPOSITORY
from tests.rules.tree import modules

TESTS = {
    path: path.read_text(encoding="utf-8")
    for path in (REPOSITORY / "tests").rglob("*.py")
    if "rules" not in path.relative_to(REPOSITORY).parts
}
CALLED = {
    ast.literal_eval(call.args[0])
    for _, module in modules("strata", "orchestration")
    for call in ast.walk(module)
    if isinstance(call, ast.Call) and ast.unparse(call.func) == "failpoint" and isinstance(call.args[0], ast.Constant)
}


def enumerated(text: str, name: str) -> bool:
    """A test may take all steps of a protocol at once: `for name in REGISTRY if name.startswith("publish.")`."""
    return f'REGISTRY if name.startswith("{name.partition(".")[0]}.")' in text


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_a_failpoint_is_in_the_code_and_in_a_test(name: str) -> None:
    assert name in CALLED, "no code stops here any more: take it out of the registry"
    assert any(name in text or enumerated(text, name) for text in TESTS.values()), "no test stops here"
