"""Commands that make and move data: init, demo, sample, land, run, dev."""

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer

from strata.cli.output import Refused, end_progress, progress, say, show_json, show_table
from strata.home import REPOSITORY, Home
from strata.partition import cycle_range, shifted

sample = typer.Typer(no_args_is_help=True, help="Sample companies: real demand, simulated operations.")
Json = Annotated[bool, typer.Option("--json", help="Machine output.")]
DEMO_FIRST_CYCLE = "2017-10"


def init(
    context: typer.Context,
    profile: Annotated[
        str, typer.Option(help="trial or company: a company home publishes nothing unapproved.")
    ] = "trial",
    json: Json = False,
) -> None:
    """Make the home and its stores; safe to repeat."""
    from orchestration.pipeline import initialise

    home: Home = context.obj
    if profile not in ("trial", "company"):
        raise typer.BadParameter("profile is trial or company")
    own = home.root / "config"
    if not own.is_dir():
        home.root.mkdir(parents=True, exist_ok=True)
        shutil.copytree(REPOSITORY / "config", own)
    initialise(home, profile=profile)  # type: ignore[arg-type]
    show_json({"home": str(home.root), "profile": profile}) if json else say(f"{home.root}: {profile} home, ready")


@sample.command("build")
def sample_build(
    context: typer.Context,
    demand: Annotated[str, typer.Option(help="completejourney, generator, or a demand panel (CSV or Parquet).")],
    items: Annotated[str | None, typer.Option(help="Number of items, or all.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything drawn.")] = 2017,
    first_cycle: Annotated[str, typer.Option(help="Cycle of the initial load.")] = DEMO_FIRST_CYCLE,
    cycles: Annotated[int, typer.Option(min=1, help="Cycles that get extracts.")] = 4,
    json: Json = False,
) -> None:
    """Write the landing extracts of a sample company."""
    from strata.sample.build import build

    report = build(
        context.obj,
        demand=demand,
        items=_items(items),
        seed=seed,
        first_cycle=first_cycle,
        through_cycle=shifted(first_cycle, cycles - 1),
    )
    rows = [
        {"feed": f"{f.system}/{f.feed}", "origin": f.origin, "extracts": f.extracts, "rows": f.rows, "bytes": f.bytes}
        for f in report.feeds
    ]
    if json:
        show_json(
            {"items": report.items, "item_locations": report.item_locations, "feeds": rows, "seconds": report.seconds}
        )
    else:
        show_table(f"{report.name}: {report.items:,} items, {report.item_locations:,} item-locations", rows)


def land(
    context: typer.Context,
    folder: Annotated[Path | None, typer.Argument(help="Folder to land; else the home's landing/.")] = None,
    json: Json = False,
) -> None:
    """Accept or refuse the extracts below a landing folder; what was processed before changes nothing.

    Changes that follow on a missing extract are held: accepted, and conformed once it has come.
    """
    from orchestration.landing import land as land_extracts

    result = land_extracts(context.obj, folder)
    rows = [
        {
            "extract": "/".join(extract.folder.parts[-3:]),
            "outcome": extract.outcome,
            "rows": extract.rows,
            "refused_rows": extract.refused_rows,
            "other_rows": ", ".join(f"{count:,} {what}" for what, count in extract.other_rows.items()),
            "why": ", ".join(f"{reason} ({count})" for reason, count in extract.reasons.items()),
            "advice": extract.advice or "",
        }
        for extract in result.extracts
    ]
    rows += [
        {
            "extract": f"{batch.system}/{batch.feed}/{batch.manifest.extract_id}",
            "outcome": "released",
            "rows": batch.accepted_rows,
            "refused_rows": batch.refused_rows,
            "other_rows": "",
            "why": "",
            "advice": "what it waited for is there",
        }
        for batch in result.released
    ]
    show_json(rows) if json else show_table("Landed", rows)
    if result.with_outcome("refused"):
        raise SystemExit(1)


def run(
    context: typer.Context,
    cycle: Annotated[
        str | None, typer.Option(help="Cycle, or first..last; else the newest whose cut-off is known.")
    ] = None,
    region: Annotated[str, typer.Option(help="Region, or all.")] = "all",
    as_known: Annotated[str, typer.Option(help="cutoff, or now: a restatement, which ends as a candidate.")] = "cutoff",
    publish: Annotated[
        bool, typer.Option("--publish", help="Publish each cycle when its regions are decided.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Regions decided at once, each in a process; else as many as pay off.")
    ] = None,
    json: Json = False,
) -> None:
    """Conform, decide, judge and, where asked to, publish; prints the reconciliation."""
    from orchestration import pipeline

    home: Home = context.obj
    if as_known not in ("cutoff", "now"):
        raise typer.BadParameter("--as-known is cutoff or now")
    report = pipeline.run(
        home,
        _cycles(home, cycle),
        regions=_regions(home, region),
        as_known=as_known,  # type: ignore[arg-type]
        publish=publish,
        workers=workers,
        progress=progress,
    )
    end_progress()
    show_json(_report_json(report)) if json else _show_report(home, report)
    _raise_refused(report)


def demo(
    context: typer.Context,
    items: Annotated[str, typer.Option(help="Items by revenue (with a seeded tail), or all.")] = "5000",
    cycles: Annotated[int, typer.Option(min=1, max=4, help="Monthly cycles to run.")] = 4,
    seed: Annotated[int, typer.Option(help="Seed of the simulated operations.")] = 2017,
    json: Json = False,
) -> None:
    """Real retail demand through the whole chain: landing, intake, dbt, assets, gates, releases."""
    from orchestration import pipeline
    from orchestration.dbt import DBT_PROJECT
    from orchestration.landing import land as land_extracts
    from strata.conformed.dbt_pass import parse_project
    from strata.sample import assumptions
    from strata.sample.build import land_cycle, open_demand, prepare

    home: Home = context.obj
    began = time.perf_counter()
    stages = pipeline.Stages()
    home.root.mkdir(parents=True, exist_ok=True)
    if not (home.root / "config").is_dir():
        shutil.copytree(REPOSITORY / "config", home.root / "config")
    pipeline.initialise(home, profile="trial")
    wanted = cycle_range(DEMO_FIRST_CYCLE, shifted(DEMO_FIRST_CYCLE, cycles - 1))
    with ThreadPoolExecutor(1) as beside:
        # In a fresh clone dbt reads its project once, in a process of its own: ten seconds that need not be waited for.
        parsed = beside.submit(parse_project, DBT_PROJECT)
        with stages.timed("build the sample company"):
            progress("read the real demand, simulate the operations around it")
            company = prepare(
                open_demand("completejourney", items=_items(items), seed=seed), assumptions.SHIPPED, seed=seed
            )
            for cycle in wanted:
                land_cycle(home, company, cycle, first_cycle=DEMO_FIRST_CYCLE)
        with stages.timed("land and check extracts"):
            progress("land")
            landed = land_extracts(home)
        parsed.result()
    del company
    report = pipeline.run(home, wanted, publish=True, progress=progress)
    end_progress()
    for name, seconds in report.stages.seconds.items():
        stages.seconds[name] = seconds
    total = time.perf_counter() - began
    if json:
        show_json({**_report_json(report), "landed": landed.counts, "seconds": {**stages.seconds, "total": total}})
        _raise_refused(report)
        return
    say("")
    show_table("Extracts landed", [{"outcome": k, "extracts": v} for k, v in sorted(landed.counts.items())])
    _show_report(home, report)
    say("")
    show_table("Time", [{"stage": k, "seconds": round(v, 1)} for k, v in [*stages.seconds.items(), ("total", total)]])
    _raise_refused(report)


def dev(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the UI on 127.0.0.1.")] = 3000,
) -> None:
    """The Dagster UI of this home with its sensors, on loopback only; Ctrl-C ends all of it."""
    from orchestration.pipeline import initialise
    from strata.governance.lock import exclusive_lock

    home: Home = context.obj
    initialise(home, profile=_profile(home))  # type: ignore[arg-type]
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home.dagster),
        "STRATA_HOME": str(home.root),
        # It recommends another tool, which needs this one.
        "PYTHONWARNINGS": "ignore:Function `dev_command` is superseded",
    }
    command = [str(Path(sys.executable).with_name("dagster")), "dev", "-w", str(REPOSITORY / "workspace.yaml")]
    # One daemon per home: two would tick every sensor twice.
    with exclusive_lock(home.dagster / "dev.lock", "strata dev", wait_seconds=1.0):
        say(f"Home {home.root}, UI http://127.0.0.1:{port}; drop extracts into {home.landing}/<system>/<feed>/")
        raise SystemExit(_until_stopped([*command, "-h", "127.0.0.1", "-p", str(port)], environment))


def _profile(home: Home) -> str:
    from strata.governance.records import GovernanceError
    from strata.governance.store import GovernanceStore

    try:
        return GovernanceStore(home).profile()
    except GovernanceError:
        return "trial"


def _until_stopped(command: list[str], environment: dict[str, str]) -> int:
    """Run a command until it ends or this process is told to stop, however this process was started."""

    def stop(number: int, frame: object) -> None:
        process.send_signal(signal.SIGINT)

    # Set before the start: a child inherits ignored signals (those of a shell's background job) but no handlers.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    # A session of its own, so that Ctrl-C reaches it once, through `stop`.
    process = subprocess.Popen(command, env=environment, cwd=REPOSITORY, start_new_session=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return process.wait()


def _raise_refused(report: Any) -> None:
    refused = [p for p in report.releases if p.outcome in ("refused", "stale")]
    if refused:
        raise Refused("; ".join(f"{p.cycle} {p.outcome}: {', '.join(p.reasons)}" for p in refused))


def _items(text: str | None) -> int | None:
    if text is None or text == "all":
        return None
    if not text.isdigit() or not int(text):
        raise typer.BadParameter(f"--items is a number above zero or all, not {text}")
    return int(text)


def _cycles(home: Home, text: str | None) -> list[str]:
    if text is None:
        from orchestration.landing import newest_known_cycle

        return [newest_known_cycle(home)]
    first, separator, last = text.partition("..")
    try:
        cycles = cycle_range(first, last if separator else first)
    except ValueError as error:
        raise typer.BadParameter(f"--cycle {text}: {error}") from error
    if not cycles:
        raise typer.BadParameter(f"--cycle {text}: the last cycle is before the first")
    if cycles[0] < home.calendar().first_cycle:
        raise typer.BadParameter(f"--cycle {text}: the first cycle of this home is {home.calendar().first_cycle}")
    return cycles


def _regions(home: Home, text: str) -> list[str] | None:
    known = home.calendar().region_codes
    if text != "all" and text not in known:
        raise typer.BadParameter(f"--region {text}: regions.yml has {', '.join(known)}")
    return None if text == "all" else [text]


def _report_json(report: Any) -> dict[str, Any]:
    return {
        "snapshot_id": report.snapshot_id,
        "decided": [
            {"partition": d.partition.key, "run_id": d.run_id, "verdict": d.verdict, "rows": d.rows}
            for d in report.decided
        ],
        "releases": [
            {"cycle": p.cycle, "outcome": p.outcome, "release_id": p.release_id, "reasons": list(p.reasons)}
            for p in report.releases
        ],
        "reconciliation": report.reconciliation.to_pylist(),
        "seconds": report.stages.seconds,
    }


def _show_report(home: Home, report: Any) -> None:
    from strata.cli.summary import class_mix, reconciliation_rows

    say("")
    show_table(
        "Decided",
        [
            {
                "cycle": d.partition.cycle,
                "region": d.partition.region,
                "gates": d.verdict,
                "items": d.rows["segment_assignment"],
                "item-locations": d.rows["inventory_policy"],
                "forecast rows": d.rows["demand_forecast"],
            }
            for d in report.decided
        ],
    )
    say("")
    show_table(
        "Reconciliation of sales, last cycle: accepted + converted = quarantined + excluded + history + open",
        reconciliation_rows(report.reconciliation),
    )
    current = next((p.release_id for p in reversed(report.releases) if p.release_id), None)
    if report.releases:
        say("")
        show_table(
            "Releases",
            [
                {"cycle": p.cycle, "outcome": p.outcome, "release": p.release_id or "-", "why": "; ".join(p.reasons)}
                for p in report.releases
            ],
        )
    if current:
        say("")
        show_table("Segments in force (items)", class_mix(home, current))
        say("")
        say(f"Open it:  duckdb -readonly {home.release(current) / 'strata.duckdb'}")
        say(f"Parquet:  {home.release(current)}/<table>.parquet")
        say("Ask why:  strata explain SKU    Prove it:  strata replay " + current)
