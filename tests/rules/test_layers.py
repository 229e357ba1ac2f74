"""Who may import whom: the contracts of pyproject.toml, and that no module stays outside of them."""

import subprocess
import sys
import tomllib
from pathlib import Path

from strata.home import REPOSITORY


def test_imports_follow_the_layers(tmp_path: Path) -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint_imports, "--cache-dir", tmp_path], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_module_has_a_layer() -> None:
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = {name.strip() for layer in contracts[0]["layers"] for name in layer.split("|")}
    found = {"assets", "expectations"}
    for root in ("strata", "orchestration"):
        for path in (REPOSITORY / root).iterdir():
            if path.suffix == ".py" or (path / "__init__.py").is_file():
                found.add(f"{root}.{path.stem}")
    assert layers == found - {"strata.__init__", "orchestration.__init__"}


def test_every_pure_package_is_held_to_purity() -> None:
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (pure,) = (contract for contract in contracts if contract["name"] == "methods are pure")
    edges = {"cli", "conformed", "governance", "intake", "lineage", "panel", "sample", "scheme", "serving"}
    packages = {path.parent.name for path in (REPOSITORY / "strata").glob("*/__init__.py")}
    assert {f"strata.{name}" for name in packages - edges} == set(pure["source_modules"])
