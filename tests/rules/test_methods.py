"""Methods take every business number from the scheme, and nothing from the clock, the disk or global chance."""

import ast

from tests.rules.tree import PURE, check, functions, modules

METHODS = list(modules(*(f"strata/{package}" for package in PURE)))
CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns"}
# Drawing from these is drawing from a generator that the caller hands over.
GENERATORS = {"Generator", "default_rng", "SeedSequence", "PCG64"}
DISK = {"open", "print", "input"}


def is_number(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Constant) and type(part.value) in (int, float) for part in ast.walk(node))


def test_no_business_number_is_a_default_argument() -> None:
    found = set()
    for path, module in [*METHODS, *modules("strata/scheme")]:
        for function in functions(module):
            defaults = [*function.args.defaults, *(default for default in function.args.kw_defaults if default)]
            if any(is_number(default) for default in defaults):
                found.add(f"{path}:{function.name}")
    check("number as default", found)


def test_no_field_of_a_scheme_or_result_has_a_number_as_default() -> None:
    found = set()
    for path, module in [*METHODS, *modules("strata/scheme")]:
        for owner in (node for node in ast.walk(module) if isinstance(node, ast.ClassDef)):
            for field in (node for node in owner.body if isinstance(node, ast.AnnAssign) and node.value):
                value = field.value
                if isinstance(value, ast.Call):  # Field(ge=1) is a bound, Field(default=1) would be a number
                    given = [*value.args[:1], *(k.value for k in value.keywords if k.arg == "default")]
                else:
                    given = [value]
                if any(is_number(part) for part in given):
                    found.add(f"{path}:{owner.name}.{ast.unparse(field.target)}")
    check("number as default", found)


def test_methods_touch_no_clock_no_disk_and_no_log() -> None:
    for path, module in METHODS:
        for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            assert name not in CLOCKS | DISK, f"{path}:{call.lineno}: {name}"
            assert not name.startswith(("logging.", "warnings.warn", "os.")), f"{path}:{call.lineno}: {name}"
            assert call.func.__class__ is not ast.Attribute or call.func.attr not in {"read_text", "write_text"}


def test_the_cycle_is_the_clock_below_orchestration() -> None:
    read = set()
    for path, module in modules("strata", "expectations", "assets"):
        for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
            if ast.unparse(call.func) in CLOCKS:
                read.add(path)
    check("clock", read)


def test_chance_comes_from_a_generator_that_is_handed_over() -> None:
    for path, module in modules("strata", "expectations", "assets", "orchestration", "benchmarks"):
        for node in (node for node in ast.walk(module) if isinstance(node, ast.Attribute)):
            if ast.unparse(node.value) in {"np.random", "numpy.random"}:
                assert node.attr in GENERATORS, f"{path}:{node.lineno}: np.random.{node.attr} is global state"
            assert ast.unparse(node.value) != "random", f"{path}:{node.lineno}: module random is global state"


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    for path, module in modules("strata", "expectations", "assets", "orchestration"):
        for node in module.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
                heavy = {name.split(".")[0] for name in names} & {"scipy", "statsmodels", "great_expectations"}
                assert not heavy, f"{path}:{node.lineno}: import {heavy} inside the function that needs it"
