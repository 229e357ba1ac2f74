"""Scheme files to frozen schemes, and the one that a cycle resolves to.

Belongs here: reading `config/schemes/`, ranges of validity, the flat table of parameters. Does not: approvals.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from strata.identity import sha256_json
from strata.scheme.model import Scheme
from strata.strict_yaml import load_yaml


@dataclass(frozen=True, slots=True)
class SchemeFile:
    """A scheme with the hash of its content (not of its white space)."""

    scheme: Scheme
    sha256: str
    path: Path


def load_scheme(path: Path) -> SchemeFile:
    """Read one scheme file.

    Raises:
        ValueError: naming file, parameter and what to write instead.
    """
    content = load_yaml(path)
    try:
        scheme = Scheme.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'scheme'}: {e['msg']}" for e in error.errors())
        raise ValueError(f"{path}: {faults}") from error
    return SchemeFile(scheme, content_sha256(scheme), path)


def content_sha256(scheme: Scheme) -> str:
    """Hash of what a file says; a part that it leaves out is no content, so that new optional parts approve nothing."""
    return sha256_json(scheme.model_dump(mode="json", exclude_unset=True))


@dataclass(frozen=True, slots=True)
class SchemeRegister:
    """All schemes of a home, by the cycle from which they hold."""

    files: tuple[SchemeFile, ...]

    @classmethod
    def load(cls, folder: Path) -> "SchemeRegister":
        """Load `folder/*.yml`; every version once, every `supersedes` known, one version per cycle."""
        files = sorted((load_scheme(path) for path in folder.glob("*.yml")), key=lambda f: f.scheme.effective_from)
        if not files:
            raise ValueError(f"{folder}: no scheme file (*.yml)")
        versions = [file.scheme.version for file in files]
        starts = [file.scheme.effective_from for file in files]
        if len(set(versions)) != len(versions) or len(set(starts)) != len(starts):
            raise ValueError(
                f"{folder}: each version and each effective_from may stand once, found "
                f"{list(zip(versions, starts, strict=True))}"
            )
        for before, file in zip([None, *files], files, strict=False):
            expected = before.scheme.version if before else None
            if file.scheme.supersedes != expected:
                raise ValueError(
                    f"{file.path}: supersedes {file.scheme.supersedes!r}, but the version before it is {expected!r}"
                )
        return cls(tuple(files))

    def for_cycle(self, cycle: str) -> SchemeFile:
        """The version in force in `cycle`; ValueError where none is."""
        for file in reversed(self.files):
            if file.scheme.effective_from <= cycle:
                return file
        raise ValueError(f"no scheme holds in cycle {cycle}; the first starts in {self.files[0].scheme.effective_from}")

    def version(self, version: str) -> SchemeFile:
        """The scheme with this version; ValueError where there is none."""
        for file in self.files:
            if file.scheme.version == version:
                return file
        raise ValueError(f"scheme version {version!r} is not in config/schemes")


def parameters(scheme: Scheme) -> list[tuple[str, str, str]]:
    """Every number and choice of a scheme as (path, value, rationale of the nearest part), sorted by path.

    A part that the scheme leaves out chooses nothing.
    """
    rows: list[tuple[str, str, str]] = []

    def walk(path: str, node: Any, rationale: str) -> None:
        if isinstance(node, dict):
            rationale = node.get("rationale", rationale)
            for key, child in node.items():
                if key != "rationale":
                    walk(f"{path}.{key}" if path else str(key), child, rationale)
        elif isinstance(node, list) and node and isinstance(node[0], dict):
            for index, child in enumerate(node):
                walk(f"{path}.{child.get('name', child.get('id', index))}", child, rationale)
        else:
            rows.append((path, "null" if node is None else str(node), rationale.strip()))

    left_out = {name for name in type(scheme).model_fields if name not in scheme.model_fields_set}
    walk("", scheme.model_dump(mode="json", exclude=left_out), scheme.rationale)
    return sorted(rows)
