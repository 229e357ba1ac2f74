"""Assets stay thin: they take inputs, call one function and return its table."""

import ast

import pytest

from tests.rules.tree import Function, functions, modules

MOST_STATEMENTS = 10
MODULES = list(modules("assets"))
ASSETS = [(path, function) for path, module in MODULES for function in functions(module)]


def statements(function: Function) -> int:
    """Statements of a function without its docstring; a nested function counts as one here and by itself elsewhere."""
    count, stack = 0, list(function.body)
    while stack:
        node = stack.pop()
        count += isinstance(node, ast.stmt)
        if not isinstance(node, Function):
            stack.extend(ast.iter_child_nodes(node))
    return count - (ast.get_docstring(function) is not None)


def test_counting_counts() -> None:
    source = 'def f(x):\n    "Doc."\n    if x:\n        y = 1\n    def g():\n        return 2\n    return y\n'
    assert statements(next(functions(ast.parse(source)))) == 4


@pytest.mark.parametrize(("path", "function"), ASSETS, ids=[f"{path}:{f.name}" for path, f in ASSETS])
def test_an_asset_has_at_most_ten_statements_and_does_not_branch(path: str, function: Function) -> None:
    assert statements(function) <= MOST_STATEMENTS
    branches = [node for node in ast.walk(function) if isinstance(node, ast.If | ast.IfExp | ast.While | ast.Match)]
    assert not branches, "an asset calls one function, which decides"
    assert ast.get_docstring(function), "the docstring is what the planner reads in the UI"


@pytest.mark.parametrize(("path", "module"), MODULES, ids=[str(path) for path, _ in MODULES])
def test_an_asset_module_does_no_data_processing(path: str, module: ast.Module) -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(module)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert not imported & {"pandas", "numpy", "duckdb", "scipy", "statsmodels", "sqlalchemy"}
