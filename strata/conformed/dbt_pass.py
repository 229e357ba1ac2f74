"""One run of dbt in a scratch folder of its own: what both passes, and Dagster's way of starting them, share.

The project is copied into the scratch folder and dbt runs there, so that `inputs/`, `outputs/` and `dbt.duckdb` are
relative paths. Measured with dbt 1.11: an absolute path in the profile, or an environment variable in a path, is a new
project to dbt and costs a full parse in every run; a copy keeps partial parsing, and pins the files that were hashed.

Belongs here: the folder, the arguments, the subprocess, its failures. Does not: what a pass reads and what becomes of
its output (`strata.conformed.build`).
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from strata.durable import write_bytes
from strata.identity import sha256_file, sha256_json

PassName = Literal["conform", "marts"]
PROJECT_PARTS = ("dbt_project.yml", "profiles.yml", "macros", "models", "tests")
MANIFEST = Path("target") / "manifest.json"
PARTIAL_PARSE = Path("target") / "partial_parse.msgpack"
PARSED_PROJECT = Path("target") / "compiled.sha256"
DBT_EXECUTABLE = Path(sys.executable).with_name("dbt")
OUTPUT_LINES_SHOWN = 20


class ConformError(RuntimeError):
    """A dbt pass failed or may not be promoted; the message names the nodes and what they said."""


def project_files(project: Path) -> list[Path]:
    """Every file that decides what dbt does, relative to the project, sorted."""
    found = []
    for part in PROJECT_PARTS:
        path = project / part
        found += [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sorted(file.relative_to(project) for file in found)


def project_sha256(project: Path) -> str:
    """SHA-256 over names and contents of the project's files; ConformError where there is no project."""
    if not (project / "dbt_project.yml").is_file():
        raise ConformError(f"{project} holds no dbt_project.yml; pass the folder of the dbt project")
    return sha256_json({file.as_posix(): sha256_file(project / file) for file in project_files(project)})


def arguments() -> list[str]:
    """Arguments of dbt in every pass, without the selection: Dagster adds its own. Unit tests belong to CI."""
    return ["build", "--profiles-dir", ".", "--exclude-resource-type", "unit_test"]


def selection(name: PassName) -> str:
    """What a pass builds, in dbt's selection syntax."""
    return f"tag:{name}"


def environment() -> dict[str, str]:
    """The caller's environment without anything that steers dbt, telemetry off."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DBT_")}
    return kept | {"DO_NOT_TRACK": "1"}


def parse_project(project: Path) -> Path:
    """Path of the project's manifest, parsed anew where it is absent or of an older project.

    Its by-product saves 2 s in every later pass. It is compiled as well (1 s more), so that the manifest holds the SQL
    that column lineage is read from. This happens in a copy, the results are written whole, so
    processes that start at once do not read half of one.

    Raises:
        ConformError: dbt cannot parse the project; the message holds its output.
    """
    wanted = project_sha256(project)
    parsed = project / PARSED_PROJECT
    if not (project / MANIFEST).is_file() or not parsed.is_file() or parsed.read_text() != wanted:
        with tempfile.TemporaryDirectory(prefix="strata-dbt-parse-") as name:
            folder = Path(name) / "project"
            prepare_folder(folder, project, ())
            done = dbt(folder, ["compile", "--profiles-dir", "."])
            if done.returncode:
                raise ConformError(f"dbt cannot parse {project}:\n{done.stdout}{done.stderr}")
            for file in (PARTIAL_PARSE, MANIFEST):
                write_bytes(project / file, (folder / file).read_bytes())
            write_bytes(parsed, wanted.encode())
    return project / MANIFEST


def prepare_folder(folder: Path, project: Path, outputs: Sequence[str]) -> None:
    """Make an empty scratch folder with a copy of the project, `inputs/`, and `outputs/` with these folders in it.

    What an earlier attempt of the same run left there is removed. A parse result of the project, if there is one,
    comes along.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in project_files(project):
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project / file, target)
    if (project / PARTIAL_PARSE).is_file():
        (folder / PARTIAL_PARSE).parent.mkdir()
        shutil.copyfile(project / PARTIAL_PARSE, folder / PARTIAL_PARSE)
    (folder / "inputs").mkdir()
    (folder / "outputs").mkdir()
    for name in outputs:
        (folder / "outputs" / name).mkdir()


def link_input(folder: Path, name: str, files: Sequence[tuple[str, Path]]) -> None:
    """Link files as `inputs/<name>/<stem>.parquet`; ConformError where one is missing or a stem stands twice."""
    target = folder / "inputs" / name
    target.mkdir(exist_ok=True)
    for stem, file in files:
        if not file.is_file():
            raise ConformError(f"input {name}: {file} is not a file; land the batch again or leave it out of the run")
        link = target / f"{stem}.parquet"
        if link.is_symlink() or link.exists():
            raise ConformError(f"input {name}: {stem} stands twice; each batch may be passed once")
        link.symlink_to(file.resolve())


def run_dbt(folder: Path, name: PassName) -> None:
    """Run a prepared pass to its end in a process of its own.

    A subprocess costs 2.5 s of imports over a warm `dbtRunner`; in exchange the working folder, dbt's global flags,
    logger, adapter and its DuckDB connection end with the pass, and so does its memory.

    Raises:
        ConformError: dbt failed; the message names the failing nodes.
    """
    done = dbt(folder, [*arguments(), "--select", selection(name)])
    if done.returncode:
        raise ConformError(failure_message(folder, name, done.stdout + done.stderr))


def dbt(folder: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run one dbt command in a folder that holds a project; the caller looks at the exit code."""
    return subprocess.run(
        [str(DBT_EXECUTABLE), "--no-use-colors", *command],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def failure_message(folder: Path, name: PassName, output: str) -> str:
    """Failing nodes with their messages; the end of the output where dbt did not get as far as nodes."""
    failed = [
        f"  {result['unique_id']}: {' '.join((result.get('message') or result['status']).split())}"
        for result in run_results(folder).get("results", [])
        if result["status"] in ("error", "fail", "runtime error")
    ]
    if not failed:
        failed = [f"  {line}" for line in output.strip().splitlines()[-OUTPUT_LINES_SHOWN:]]
    return "\n".join([f"dbt pass {name} failed; everything it did is in {folder}:", *failed])


def run_results(folder: Path) -> dict[str, Any]:
    """What dbt recorded of the pass; empty where it stopped before it ran a node."""
    file = folder / "target" / "run_results.json"
    results: dict[str, Any] = json.loads(file.read_bytes()) if file.is_file() else {}
    return results
