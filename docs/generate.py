"""The pages of docs/ that say what the code says: written by `make docs`, compared by `make lint` and the tests.

Run `python docs/generate.py [--check]` from anywhere. Belongs here: turning declarations (tables, asset graph, test
marks, commands) into Markdown. Does not: pages that somebody has to think about.
"""

import ast
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strata.lineage.registry import Registry

REPOSITORY = Path(__file__).resolve().parents[1]
NOTE = "<!-- Written by `make docs`; change the source, not this page. -->"


def tables() -> str:
    """Every published table, column by column, from `strata.tables`."""
    from strata.tables import TABLES

    lines = [
        "# Published tables",
        NOTE,
        "",
        "Every table of a release (`releases/<release_id>/<table>.parquet` and the same inside `strata.duckdb`), from "
        "`strata/tables.py`. Each also has `release_id`. Quantities are in the item's base unit, money in the group "
        "currency, service levels are fractions, durations are in days.",
        "",
    ]
    for table in TABLES.values():
        lines += [
            f"## {table.name}",
            "",
            table.meaning,
            "",
            f"Grain: {table.grain}. Key: {', '.join(f'`{key}`' for key in table.keys)}. Owner: {table.owner}. "
            + ("Computed per region and cycle." if table.scope == "partition" else "Computed once per release."),
            "",
            *_grid(
                ("column", "type", "null", "meaning"),
                ((f"`{c.name}`", c.kind, "yes" if c.nullable else "", c.meaning) for c in table.columns),
            ),
        ]
    return _page(lines)


def capabilities() -> str:
    """Which capability which test proves, from the `capability` marks, read without running a test."""
    from strata.strict_yaml import load_yaml

    names: dict[str, str] = load_yaml(REPOSITORY / "docs" / "capabilities.yml")
    proofs: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted((REPOSITORY / "tests").rglob("test_*.py")):
        for number, part, test in _marks(path):
            if number not in names or not part:
                raise ValueError(
                    f"{path}: {test} marks capability {number!r}, part {part!r}; take the number from "
                    'docs/capabilities.yml and say which part the test proves (`part="whole"` for all of it)'
                )
            proofs[number][part].append(f"{path.relative_to(REPOSITORY / 'tests')}::{test}")
    lines = [
        "# Capabilities",
        NOTE,
        "",
        f"{len(proofs)} of {len(names)} capabilities have tests that name them. A row is claimed by the tests that "
        "carry its `@pytest.mark.capability`: they prove that part and no more.",
        "",
        *_grid(
            ("id", "capability", "what is proved", "tests", "for example"),
            (
                (number, names[number], part, str(len(tests)), f"`{tests[0]}`")
                for number in names
                for part, tests in sorted(proofs[number].items())
            ),
        ),
        "Not claimed yet: " + ", ".join(f"{number} {name}" for number, name in names.items() if not proofs[number]),
    ]
    return _page(lines)


def commands() -> str:
    """Every command of `strata` with its options, as `--help` tells them."""
    import typer

    from strata.cli.main import app

    lines = ["# Commands", NOTE, "", "Every command also has `--help`. Those with `--json` print machine output.", ""]
    root: Any = typer.main.get_command(app)
    for path, command in _leaves("strata", root):
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
        usage = " ".join([path, *(_argument(p) for p in arguments), "[OPTIONS]" if options else ""])
        lines += [f"## {path}", "", f"`{usage.strip()}`", "", _one_line(command.help), ""]
        if arguments or options:
            lines += _grid(
                ("parameter", "default", "meaning"),
                (
                    (
                        f"`{', '.join(p.opts)}`" if p in options else f"`{p.name}`",
                        "required" if p.required else _default(p.default),
                        _one_line(p.help),
                    )
                    for p in [*arguments, *options]
                ),
            )
    return _page(lines)


def graph() -> str:
    """The asset graph: groups, owners, partitions, what each asset reads and how, its checks."""
    from orchestration.definitions import build_definitions

    definitions = build_definitions(_no_home())
    checks = defaultdict(list)
    for check in definitions.resolve_asset_graph().asset_check_keys:
        checks[check.asset_key].append(check.name)
    groups = defaultdict(list)
    for spec in definitions.resolve_all_asset_specs():
        groups[spec.group_name or ""].append(spec)
    lines = [
        "# Assets",
        NOTE,
        "",
        "The Dagster graph as it loads. Asset = dbt model = folder = table. After an asset that is read stands how "
        "partitions meet: `same`, `previous cycle`, `all regions` of the cycle, or `whole` (no partitions).",
        "",
    ]
    for group in sorted(groups):
        lines += [
            f"## {group}",
            "",
            *_grid(
                ("asset", "owner", "partitions", "reads", "checks"),
                (
                    (
                        f"`{spec.key.to_user_string()}`",
                        ", ".join(owner.removeprefix("team:") for owner in spec.owners),
                        _partitions(spec),
                        ", ".join(sorted(_read(dep, spec) for dep in spec.deps)),
                        ", ".join(sorted(checks[spec.key])),
                    )
                    for spec in sorted(groups[group], key=lambda spec: spec.key)
                ),
            ),
        ]
    return _page(lines)


@cache
def _registry() -> "Registry":
    """Of the shipped configuration; two pages show it."""
    from strata.lineage.registry import registry_of

    return registry_of(_no_home())


def attributes() -> str:
    """Every attribute of every feed: meaning, source field, where it is conformed to, who answers for it."""
    registry = _registry()
    conformed = defaultdict(list)
    for field in registry.fields:
        if (
            field.layer == "conformed"
            and field.transformation in ("copy", "compute")
            and len(field.source_columns) == 1
        ):
            conformed[field.source_columns[0]].append(f"`{field.table}.{field.column}`")
    lines = [
        "# Attributes",
        NOTE,
        "",
        "What the feeds bring, from their contracts (`config/feeds/`), and the conformed column that each attribute "
        "becomes, from dbt's compiled SQL. `spelled` is the field in each ready mapping (`config/mappings/`). "
        "`segmentation` marks what a class depends on, by lineage: such a field has an owner, a steward, "
        "a definition, a refresh SLA and lineage, or nothing is built.",
        "",
    ]
    for feed in sorted({field.table for field in registry.fields if field.layer == "feed"}):
        fields = [field for field in registry.of_table(feed) if field.kind != "control"]
        first = fields[0]
        personal = [f"`{field.column}` ({field.personal_data})" for field in fields if field.personal_data != "none"]
        lines += [
            f"## {feed}",
            "",
            f"Owner: {first.owner}. Steward: {first.steward}. Refreshed within {first.freshness_sla_hours} hours. "
            f"Personal data: {', '.join(personal) or 'none'}.",
            "",
            *_grid(
                ("attribute", "type", "unit", "meaning", "spelled", "conformed to", "criticality"),
                (
                    (
                        f"`{field.column}`",
                        field.kind,
                        field.unit or "",
                        field.definition,
                        ", ".join(f"`{name}`" for name in field.spelled),
                        ", ".join(conformed[f"{feed}.{field.column}"]),
                        field.criticality,
                    )
                    for field in fields
                ),
            ),
        ]
    return _page(lines)


def lineage() -> str:
    """Every published column: how it comes about, and from which feed columns."""
    from strata.tables import TABLES

    registry = _registry()
    lines = [
        "# Lineage",
        NOTE,
        "",
        "Where every published column comes from, read from the SQL itself and, for what Python computes, from "
        "declarations beside the code that a test proves by changing inputs. The same rows are published as "
        "`lineage_field`, with the columns that only decide (filters, joins, keys, cases) in `decided_by`.",
        "",
    ]
    for table in TABLES:
        fields = registry.of_table(table)
        shared = set.intersection(*(set(field.decided_by) for field in fields))
        kept = [name for name in fields[0].decided_by if name in shared and not name.rsplit(".", 1)[1].startswith("_")]
        rows = f"Which rows there are is decided by {', '.join(f'`{name}`' for name in kept)}." if kept else ""
        lines += [
            f"## {table}",
            "",
            *([rows, ""] if rows else []),
            *_grid(
                ("column", "how", "values from", "parameters", "SLA, hours", "criticality"),
                (
                    (
                        f"`{field.column}`",
                        field.transformation,
                        ", ".join(f"`{name}`" for name in field.source_columns),
                        ", ".join(f"`{name}`" for name in field.parameters if not name.startswith("run.")),
                        str(field.freshness_sla_hours or ""),
                        field.criticality,
                    )
                    for field in fields
                ),
            ),
        ]
    return _page(lines)


def _no_home() -> Any:
    from strata.home import Home

    # The repository's own configuration, whatever home the reader has.
    return Home(REPOSITORY / "docs" / "no-home")


PAGES: dict[str, Callable[[], str]] = {
    "tables.md": tables,
    "capabilities.md": capabilities,
    "cli.md": commands,
    "assets.md": graph,
    "attributes.md": attributes,
    "lineage.md": lineage,
}


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with `--check` say which differ; 1 where one does."""
    # Dagster marks the partition mappings it is pinned for as beta on every load.
    warnings.filterwarnings("ignore", message=".*is currently in (beta|preview)")
    outdated = []
    for name, page in PAGES.items():
        path, text = REPOSITORY / "docs" / name, page()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            outdated.append(f"docs/{name}")
            if "--check" not in arguments:
                path.write_text(text, encoding="utf-8")
    if "--check" not in arguments:
        sys.stdout.write(f"written: {', '.join(outdated) or 'nothing, all pages were right'}\n")
        return 0
    if outdated:
        sys.stderr.write(f"{', '.join(outdated)}: not what the code says; run `make docs` and commit\n")
    return int(bool(outdated))


def _grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    return [f"| {' | '.join(header)} |", "|" + "---|" * len(header), *(f"| {row} |" for row in cells), ""]


def _page(lines: Sequence[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"


def _marks(path: Path) -> Iterable[tuple[str, str, str]]:
    """Capability, part and test name of every marked test of a module."""
    module = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    everywhere = [mark for node in module.body if isinstance(node, ast.Assign) for mark in _capability(node)]
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for number, part in [*everywhere, *(mark for found in node.decorator_list for mark in _capability(found))]:
                yield number, part, node.name


def _capability(node: ast.AST) -> Iterable[tuple[str, str]]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.capability":
            part = next((ast.literal_eval(k.value) for k in call.keywords if k.arg == "part"), "")
            yield ast.literal_eval(call.args[0]), part


def _leaves(path: str, command: Any) -> Iterable[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name in sorted(inner):
        yield from _leaves(f"{path} {name}", inner[name])


def _argument(parameter: Any) -> str:
    name = str(parameter.name).upper()
    return name if parameter.required else f"[{name}]"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _default(value: Any) -> str:
    return "" if value is None or value is False else f"`{value}`"


def _partitions(spec: Any) -> str:
    names = {"TimeWindowPartitionsDefinition": "cycle", "MonthlyPartitionsDefinition": "cycle"}
    kind = type(spec.partitions_def).__name__
    return {"NoneType": "", "MultiPartitionsDefinition": "region x cycle"}.get(kind) or names.get(kind, "")


def _read(dep: Any, spec: Any) -> str:
    names = {
        "IdentityPartitionMapping": "same",
        "MultiPartitionMapping": "previous cycle",
        "MultiToSingleDimensionPartitionMapping": "all regions",
        "AllPartitionMapping": "whole",
        "NoneType": "" if spec.partitions_def is None else "IMPLICIT",
    }
    how = names[type(dep.partition_mapping).__name__]
    return f"`{dep.asset_key.to_user_string()}`" + (f" ({how})" if how else "")


if __name__ == "__main__":
    sys.path.insert(0, str(REPOSITORY))
    sys.exit(main(sys.argv[1:]))
