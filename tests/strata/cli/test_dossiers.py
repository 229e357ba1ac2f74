"""`strata dossier`: its sums are those of the tables, its bytes those of the run, every cut has a person behind it."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from strata.classify.assign import assign
from strata.cli.dossiers import TABLES, files, gathered
from strata.durable import read_parquet
from strata.governance.releases import current_manifest
from strata.inventory.policy import policies
from strata.review.boundary import BOUNDARIES, EFFECTS, Boundary, Region, alternatives, effects
from strata.review.dossier import Source
from strata.review.finance import capital, finance
from strata.review.operations import churn, operations, service
from strata.scheme.model import Scheme
from tests.orchestration.story import Story
from tests.strata.cli.conftest import Strata

VOID = {"meta", "rect", "path", "circle", "polyline"}
OUTSIDE = ("http://", "https://", "//", "url(")


@pytest.fixture(scope="module")
def source(lived: Story) -> Source:
    manifest = current_manifest(lived.end)
    assert manifest is not None
    return gathered(lived.end, manifest)


def table(lived: Story, name: str) -> pd.DataFrame:
    manifest = current_manifest(lived.end)
    assert manifest is not None
    return read_parquet(lived.end.release(manifest["release_id"]) / f"{name}.parquet").to_pandas(date_as_object=True)


class Page(HTMLParser):
    """Elements with their attributes; a tag that is not closed, or closes another one, is a fault."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.faults += self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


@pytest.mark.parametrize("audience", ["finance", "operations"])
@pytest.mark.capability("3.8", part="a dossier for finance and one for operations from a run, the same bytes each time")
def test_the_same_release_gives_the_same_bytes(lived: Story, tmp_path: Path, strata: Strata, audience: str) -> None:
    said = [strata(lived.end, "dossier", audience, "--out", str(tmp_path / name), "--json") for name in ("a", "b")]
    assert [one.code for one in said] == [0, 0]
    written = said[0].json["files"]
    assert [Path(one["file"]).name for one in written][:2] == [f"dossier-{audience}.md", f"dossier-{audience}.html"]
    for first, second in zip(written, said[1].json["files"], strict=True):
        content = Path(first["file"]).read_bytes()
        assert first["sha256"] == sha256(content).hexdigest() and first["bytes"] == len(content)
        assert content == Path(second["file"]).read_bytes()
    text = Path(written[0]["file"]).read_text(encoding="utf-8")
    pictures = {line.split("](")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")}
    assert pictures == {Path(one["file"]).relative_to(tmp_path / "a").as_posix() for one in written[2:]} and pictures
    assert "nan" not in text.lower().split() and "None" not in text.replace("None.", "").replace("None:", "")


@pytest.mark.parametrize("audience", ["finance", "operations"])
def test_the_page_stands_alone(lived: Story, audience: str) -> None:
    manifest = current_manifest(lived.end)
    assert manifest is not None
    page = Page(files(lived.end, manifest, audience)[f"dossier-{audience}.html"].decode("utf-8"))
    assert not page.faults
    for tag, attributes in page.found:
        assert tag not in {"script", "link", "iframe", "object", "img"}
        for name, value in attributes.items():
            assert name == "xmlns" or not (value or "").startswith(OUTSIDE), (tag, name, value)
        if tag == "svg":
            assert attributes["role"] == "img" and len(attributes["aria-label"] or "") > 20
    assert [tag for tag, _ in page.found].count("svg") == 6
    assert ("html", {"lang": "en"}) in page.found and "viewport" in str(page.found)


@pytest.mark.capability("3.8", part="working capital and cost are those of the published policies")
def test_money_is_that_of_the_policies(lived: Story, source: Source) -> None:
    rows, policy = capital(source), table(lived, "inventory_policy")
    cost = pd.to_numeric(policy["holding_cost_year"]).astype(float)
    assert cost.sum() > 0 and rows["holding_cost_year"].sum() == pytest.approx(cost.sum())
    by = cost.groupby([policy["region"], policy["segment"]]).sum()
    for row in rows.to_dict("records"):
        known = by[(row["region"], row["segment"])]
        assert row["holding_cost_year"] == pytest.approx(known)
        rate = source.regions[0].scheme.inventory.holding_rate_year
        assert row["stock_value"] == pytest.approx(known / rate, abs=1e-6)
    assert rows["places"].sum() == len(policy) and rows["stocked"].sum() == (policy["policy_type"] != "none").sum()
    text = "\n".join(str(block) for block in finance(source, list(TABLES)))
    assert f"{cost.sum():,.0f}" in text


@pytest.mark.capability("3.8", part="churn and service are those of the published tables")
def test_churn_and_service_are_those_of_the_tables(lived: Story, source: Source) -> None:
    paths = table(lived, "segment_migration")
    known = paths[(paths["from_segment"] != "new") & (paths["to_segment"] != "gone")]
    found = churn(source).sum()
    assert found["moved"] == known.loc[known["from_segment"] != known["to_segment"], "items"].sum() > 0
    assert found["moved"] == found["true_shift"] + found["noise"]
    assert found["known"] + found["new"] + found["gone"] == paths["items"].sum()
    policy = table(lived, "inventory_policy")
    stocked = policy[policy["policy_type"] != "none"]
    given = service(source)
    assert given["places"].sum() == len(stocked)
    expected = stocked["expected_fill_rate"].astype(float).groupby(stocked["segment"]).agg(["min", "max"])
    for row in given.to_dict("records"):
        low, high = expected.loc[row["segment"]]
        assert low - 1e-12 <= row["expected"] <= high + 1e-12 and row["metric"] == "fill_rate"
    text = "\n".join(str(block) for block in operations(source, list(TABLES)))
    override = table(lived, "override")
    in_force = override[override["is_in_effect"].eq(True)]
    assert len(in_force) and all(str(one) in text for one in in_force["override_id"])
    assert all(one["reason"] in text for one in source.manifest["suspensions"]) and source.manifest["suspensions"]


def other(scheme: Scheme, boundary: Boundary, cut: float) -> Scheme:
    part = scheme.value if boundary.axis == "value" else scheme.variability
    cuts = {**dict(part.cuts.items()), boundary.pair[0]: cut}
    return scheme.model_copy(update={boundary.axis: part.model_copy(update={"cuts": cuts})})


def proposed(region: Region, profile: pd.DataFrame, scheme: Scheme, axis: str) -> pd.Series:
    """Classes of an axis decided as in a first cycle: no class before, no override."""
    none = pd.DataFrame(columns=["override_id", "sku_id", "location_id", "value_class", "variability_class"])
    cutoff = pd.Timestamp("2026-06-03", tz="UTC").to_pydatetime()
    rows = assign(profile, None, none, scheme=scheme, partition=region.partition, cutoff=cutoff)
    return rows.set_index("sku_id")[f"{axis}_class"]


@pytest.mark.capability("1.8", part="an alternative's effect is that of deciding and stocking every item again")
def test_an_alternative_is_what_deciding_everything_again_gives(lived: Story, source: Source) -> None:
    moves = 0
    for region in source.regions:
        name = region.partition.region
        profile = table(lived, "demand_profile")
        profile = profile[(profile["region"] == name) & (profile["location_id"] == "*")].reset_index(drop=True)
        items = region.items.set_index("sku_id")
        found = alternatives(region).set_index(["boundary", "tried"])
        assert len(found)
        for boundary in BOUNDARIES:
            for cut in found.loc[boundary.name].index:
                sums = []
                classes = [
                    proposed(region, profile, scheme, boundary.axis)
                    for scheme in (region.scheme, other(region.scheme, boundary, cut))
                ]
                free = ~items[f"{boundary.axis}_fixed"].astype(bool)
                moved = (classes[0] != classes[1]) & free
                for side in classes:
                    rest = items["variability_now" if boundary.axis == "value" else "value_now"]
                    cell = side + rest if boundary.axis == "value" else rest + side
                    cell = cell.where(moved, items["segment"])  # the others stay whatever they are
                    stock = region.stock.assign(segment=region.stock["sku_id"].map(cell))
                    rows = policies(stock, scheme=region.scheme, partition=region.partition, bucket="week")
                    names = ["unit_cost", "revenue_year", "margin_year"]
                    sums.append(effects(rows.assign(**{n: stock[n] for n in names}))[list(EFFECTS)].sum())
                row = found.loc[(boundary.name, cut)]
                assert row["items"] == moved.sum() and row["revenue"] == items["revenue"][moved].sum()
                assert np.allclose(row[list(EFFECTS)].astype(float), sums[1] - sums[0], atol=1e-6)
                moves += int(moved.sum())
    assert moves


@pytest.mark.parametrize("lacking", ["rationale", "owner", "approved_by", "effective_from"])
@pytest.mark.capability("1.8", part="no boundary without rationale, owner, approval and date")
def test_a_boundary_without_a_reason_is_refused_by_name(source: Source, lacking: str) -> None:
    rows = source.tables["scheme"].copy()
    if lacking == "effective_from":
        rows = rows[rows["parameter"] != lacking]
    else:
        rows.loc[rows["parameter"] == "variability.cuts.X", lacking] = " "
    bare = replace(source, tables={**source.tables, "scheme": rows})
    for write in (finance, operations):
        with pytest.raises(
            ValueError, match=rf"boundary \w/\w \(.+\) of scheme golden\.1 has no {lacking}: give"
        ) as told:
            write(bare, list(TABLES))
        assert lacking == "effective_from" or "boundary X/Y (variability.cuts.X)" in str(told.value)


def lines(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if line.strip())


@pytest.mark.capability(
    "1.8", part="every boundary with its reason, people, alternatives, churn, and hashes of data and code"
)
def test_every_boundary_has_its_evidence(lived: Story) -> None:
    manifest = current_manifest(lived.end)
    assert manifest is not None
    text = files(lived.end, manifest, "finance")["dossier-finance.md"].decode("utf-8")
    parts = text.split("\n### ")[1:]
    assert [part.splitlines()[0] for part in parts] == [
        "Value: boundary A/B", "Value: boundary B/C", "Variability: boundary X/Y", "Variability: boundary Y/Z",
    ]  # fmt: skip
    for part in parts:
        labels = {line[2:].split(": ")[0] for line in lines(part) if line.startswith("- ")}
        assert labels >= {"Cut", "Why", "Owner", "In force from cycle", "Approved by", "Left only with"}
        for name in ("Where the items lie", "Other cuts tried", "Crossed in this cycle"):
            assert f"**{name}" in part
        assert "(in force)" in part and "![Items by" in part
    hashes = [one["content_hash"] for one in manifest["tables"] if one["name"] in TABLES]
    hashes += [part["scheme"]["sha256"] for part in manifest["partitions"].values()]
    assert all(one in text for one in [*hashes, manifest["code_version"], *manifest["snapshot_ids"].values()])


@pytest.mark.capability("3.8", part="diffable between versions")
def test_two_releases_differ_line_by_line(lived: Story, tmp_path: Path, strata: Strata) -> None:
    before = lived.release("2026-05")
    said = strata(lived.end, "dossier", "operations", "--out", str(tmp_path), "--against", before, "--json")
    changes = said.json["changes"]
    assert said.code == 0 and f"-- Release: {before}" in changes and "+- Cycle: 2026-06" in changes
    same = strata(
        lived.end, "dossier", "operations", "--out", str(tmp_path), "--against", said.json["release_id"], "--json"
    )
    assert same.json["changes"] == []
    refused = strata(lived.end, "dossier", "finance", "--out", str(tmp_path), "--release", "../2026-05")
    assert refused.code == 1 and "was never published" in refused.err
