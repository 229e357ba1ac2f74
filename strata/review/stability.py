"""What the draws say, in the words and numbers that a planner reads: a row per item, and one per source and axis.

Belongs here: probabilities, reasons and summaries as frames. Does not: the draws (`strata.classify.stability`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.classify.sampling import Floats, Ints
from strata.classify.stability import (
    SEGMENTS,
    Codes,
    Stability,
    agreement_tables,
    axis_codes,
    axis_tables,
    cost_by_draw,
    kappa,
)
from strata.derivation import Derivation, Step, aggregated, copied, copies
from strata.scheme.stability import Stability as Rule

AXES = ("value", "variability", "segment")
_MONEY = ("holding_cost", "margin_served")
_NAMES = np.array(SEGMENTS, dtype=object)
_WIDTH = 4  # classes on an axis
_VALUE, _VARIABILITY = ("p_a", "p_b", "p_c", "p_value_u"), ("p_x", "p_y", "p_z", "p_variability_u")
_SEEN = ("series_value.units", "series_value.value", "series_value.is_censored", "classed_series.launch")
_DECIDED = tuple(
    f"class_tested.{name}"
    for name in (
        "revenue",
        "margin",
        "level_value",
        "level_periods",
        "cv",
        "cv_deseasonalised",
        "cv_level",
        "forecast_error",
        "periods_observed",
        "fallback_level",
        "computed_segment",
        "family",
    )
)
_PROMOTED = ("class_promotion.series", "class_promotion.period_start", "class_tested.demand_class")
_CLEANED = ("cleaned_segment", "promotion_periods", "outlier_periods", "baseline_share")
_BY = (
    "rule.stability", "rule.outliers", "rule.value", "rule.variability", "rule.level", "rule.seasonality",
    "rule.class_level", "rule.fallback",
)  # fmt: skip
_COST = (
    "inventory_policy.holding_cost_year", "inventory_policy.expected_fill_rate", "stocked_pair.mean_units",
    "demand_profile.margin", "demand_profile.demand_units",
)  # fmt: skip
_DRAWN = (
    "proposed_segment", "draws", *_VALUE, *_VARIABILITY, "p_value_held", "p_variability_held", "p_segment_held",
    "likeliest_segment", "p_likeliest", "second_segment", "p_second", "p_held_forecast_error",
    "likeliest_forecast_error", "p_held_bias", "likeliest_bias", "p_held_least", "is_at_risk",
)  # fmt: skip
STEPS: tuple[Step, ...] = (
    Derivation(
        "class_stability",
        {
            **copies("class_tested", "sku_id", "location_id", "revenue"),
            "segment": copied("class_tested.computed_segment"),
            **{name: aggregated(*_SEEN, *_DECIDED, when=_BY) for name in _DRAWN},
            **{name: aggregated(*_SEEN, *_DECIDED, *_PROMOTED, when=_BY) for name in _CLEANED},
            "decision_reason": aggregated(*_SEEN, *_DECIDED, *_PROMOTED, "class_tested.override_id", when=_BY),
        },
        rows=("class_tested.sku_id",),
    ),
    Derivation(
        "class_agreement",
        {
            **{name: copied("rule.stability") for name in ("source", "axis")},
            **{
                name: aggregated(*_SEEN, *_DECIDED, when=_BY)
                for name in (
                    "draws", "items", "kappa", "kappa_low", "kappa_high", "agreement", "at_risk_items",
                    "at_risk_revenue_share",
                )
            },
            **{
                f"{name}_{end}": aggregated(*_COST, *_SEEN, *_DECIDED, when=_BY)
                for name in _MONEY
                for end in ("year", "sd", "low", "high")
            },
            "unpriced_items": aggregated(*_COST, *_DECIDED, when=_BY),
        },
        rows=("rule.stability",),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Proposed:
    """Per item: the segment that its metrics alone say, and without promotions and outliers; negative if not drawn.

    `promotion_periods`, `outlier_periods`: periods adjusted. `baseline_share`: baseline / demand over the periods
    looked at, NaN where nothing was looked for.
    """

    segment: Codes
    cleaned: Codes
    promotion_periods: Ints
    outlier_periods: Ints
    baseline_share: Floats

    def taken(self, rows: npt.NDArray[np.intp]) -> "Proposed":
        """The same of some rows, in their order."""
        return Proposed(
            self.segment[rows], self.cleaned[rows], self.promotion_periods[rows], self.outlier_periods[rows],
            self.baseline_share[rows],
        )  # fmt: skip


def stability_rows(
    decided: pd.DataFrame, held: Codes, said: Proposed, drawn: Mapping[str, Stability], *, rule: Rule
) -> pd.DataFrame:
    """A row per item: P(class) over other samples, P(decided segment) under every source, and a reason in words.

    Args:
        decided: per item sku_id, location_id, computed_segment, fallback_level, override_id, revenue.
        held: code of the computed segment per item.
        said: what the metrics alone say.
        drawn: classes of the draws by source: `bootstrap`, `forecast_error`, `bias`.
        rule: bound below which a class is at risk.

    Returns:
        The columns of `tables.CLASS_STABILITY` but for region, cycle, stamp and suspension. `decision_reason` is
        `likely`; `at_risk:<source>:likelier_<segment>` or, where no other one is likelier, `at_risk:<source>:divided`
        (the source under which the segment is least likely); `not_drawn:<fallback level>`. `;held_against:<segment>`
        follows where churn control holds another segment than the metrics say, `;cleaned:<segment>` where they would
        say another one without promotions and outliers, `;override:<id>` where a steward's one is in force.
    """
    sample = drawn["bootstrap"]
    first, second = sample.likeliest()
    rows = np.arange(len(held))
    is_drawn = sample.draws > 0
    p_held = {name: one.probability[rows, held] for name, one in drawn.items()}
    likeliest = {name: _named(one.likeliest()[0], one.draws > 0) for name, one in drawn.items()}
    known = np.column_stack([np.nan_to_num(p_held[name], nan=np.inf) for name in drawn])
    worst = known.argmin(axis=1)
    least = np.where(is_drawn, known.min(axis=1), np.nan)
    at_risk = is_drawn & (least < rule.min_probability)
    p_second = sample.probability[rows, second]
    has_second = is_drawn & (p_second > 0)
    sources = np.array(list(drawn), dtype=object)
    likelier = np.column_stack([likeliest[name] for name in drawn])[rows, worst] if len(rows) else _NAMES[:0]
    risk = "at_risk:" + sources[worst] + np.where(
        likelier == _NAMES[held], ":divided", ":likelier_" + pd.Series(likelier, dtype=object).fillna("none").to_numpy()
    )  # fmt: skip
    level = decided["fallback_level"].to_numpy(dtype=object)
    reason = np.select([~is_drawn, at_risk], ["not_drawn:" + level, risk], default="likely").astype(object)
    is_said = is_drawn & (said.segment >= 0)
    against, usual = _named(np.maximum(said.segment, 0), is_said), _named(np.maximum(said.cleaned, 0), is_said)
    is_against, is_moved = is_said & (said.segment != held), is_said & (said.cleaned != said.segment)
    reason[is_against] += ";held_against:" + against[is_against]
    reason[is_moved] += ";cleaned:" + usual[is_moved]
    override = decided["override_id"].to_numpy(dtype=object)
    return pd.DataFrame(
        {
            **{name: decided[name].to_numpy() for name in ("sku_id", "location_id")},
            "segment": _NAMES[held],
            "proposed_segment": against,
            "cleaned_segment": pd.Series(usual, dtype=object).mask(np.isnan(said.baseline_share), None).to_numpy(),
            "promotion_periods": said.promotion_periods,
            "outlier_periods": said.outlier_periods,
            "baseline_share": said.baseline_share,
            "draws": sample.draws,
            **dict(zip(_VALUE, sample.value.T, strict=True)),
            **dict(zip(_VARIABILITY, sample.variability.T, strict=True)),
            "p_value_held": sample.value[rows, held // _WIDTH],
            "p_variability_held": sample.variability[rows, held % _WIDTH],
            "p_segment_held": p_held["bootstrap"],
            "likeliest_segment": likeliest["bootstrap"],
            "p_likeliest": sample.probability[rows, first],
            "second_segment": _named(second, has_second),
            "p_second": np.where(has_second, p_second, np.nan),
            "p_held_forecast_error": p_held["forecast_error"],
            "likeliest_forecast_error": likeliest["forecast_error"],
            "p_held_bias": p_held["bias"],
            "likeliest_bias": likeliest["bias"],
            "p_held_least": least,
            "is_at_risk": at_risk,
            "revenue": decided["revenue"].to_numpy(),
            "decision_reason": reason + np.where(pd.isna(override), "", ";override:" + override.astype(str)),
        }
    )  # fmt: skip


def agreement_rows(
    held: Codes,
    drawn: Mapping[str, Stability],
    revenue: Floats,
    costs: Mapping[str, Floats],
    *,
    rule: Rule,
) -> pd.DataFrame:
    """Per source and axis: kappa of decided and drawn classes, items at risk; on axis segment the spread of cost.

    Args:
        held: code of the computed segment per item.
        drawn: classes of the draws by source.
        revenue: per item.
        costs: `holding_cost` and `margin_served` a year, items x `SEGMENTS`; an item that lacks either for its decided
            segment is no part of the costs.
        rule: bound of risk, and the confidence that ranges hold.

    Returns:
        The columns of `tables.CLASS_AGREEMENT` but for region, cycle and stamp.
    """
    priced = np.ones(len(held), dtype=bool)
    for cost in costs.values():
        priced &= np.isfinite(cost[np.arange(len(held)), held])
    rows = []
    for source, one in drawn.items():
        is_drawn = one.draws > 0
        spread = _spread(one, held, {name: np.where(priced[:, None], cost, 0.0) for name, cost in costs.items()}, rule)
        tables = agreement_tables(held, one.codes, classes=len(SEGMENTS))
        for axis in AXES:
            decided, _ = axis_codes(held, axis)
            agreed, share = kappa(axis_tables(tables, axis))
            sure = {"value": one.value, "variability": one.variability, "segment": one.probability}[axis]
            at_risk = is_drawn & (sure[np.arange(len(held)), decided] < rule.min_probability)
            low, high = _range(agreed, rule.confidence)
            worth = np.clip(np.nan_to_num(revenue), 0.0, None)
            rows.append(
                {
                    "source": source, "axis": axis, "draws": int((one.codes >= 0).any(axis=1).sum()),
                    "items": int(is_drawn.sum()), "kappa": _mean(agreed), "kappa_low": low, "kappa_high": high,
                    "agreement": _mean(share), "at_risk_items": int(at_risk.sum()),
                    "at_risk_revenue_share": _ratio(worth[at_risk].sum(), worth[is_drawn].sum()),
                    **{name: number if axis == "segment" else np.nan for name, number in spread.items()},
                    "unpriced_items": int((is_drawn & ~priced).sum()),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


_RISKS = {
    "bootstrap": "in other samples of its periods",
    "forecast_error": "where demand misses its level as forecasts missed it",
    "bias": "where the demand of families is misjudged",
}


def stability_lines(row: Mapping[str, Any]) -> list[str]:
    """How sure the class of a row of `class_stability` is, in a sentence or two."""
    reason = dict(part.partition(":")[::2] for part in str(row["decision_reason"]).split(";"))
    if "not_drawn" in reason:
        return [f"Stability: not drawn again, because it rests on `{reason['not_drawn']}`, not on its own history."]
    held, second = row["segment"], row["second_segment"]
    then = "" if pd.isna(second) else f", then {second}, {row['p_second']:.2f}"
    others = [
        f"{row[name]:.2f} {_RISKS[source]}"
        for name, source in (("p_held_forecast_error", "forecast_error"), ("p_held_bias", "bias"))
        if not pd.isna(row[name])
    ]
    text = (
        f"Stability: by its metrics alone it is {held} with probability {row['p_segment_held']:.2f} in {row['draws']} "
        f"other samples of its periods (likeliest {row['likeliest_segment']}, {row['p_likeliest']:.2f}{then}); "
        f"{', '.join(others)}."
    )
    if row["is_at_risk"]:
        source, _, said = reason["at_risk"].partition(":")
        what = "no segment is likelier" if said == "divided" else f"{said.removeprefix('likelier_')} is likelier"
        text += f" At risk: {_RISKS[source]} {what}."
    if "cleaned" in reason:
        text += (
            f" Without {row['promotion_periods']} promoted and {row['outlier_periods']} outlying periods the metrics "
            f"would say {reason['cleaned']}."
        )
    if "held_against" in reason:
        text += f" The metrics say {reason['held_against']} now; churn control holds {held}."
    return [text]


def _named(codes: npt.NDArray[Any], known: npt.NDArray[np.bool_]) -> npt.NDArray[np.object_]:
    """Names of segments, None where unknown."""
    names: npt.NDArray[np.object_] = _NAMES[codes]
    names[~known] = None
    return names


def _spread(one: Stability, held: Codes, costs: Mapping[str, Floats], rule: Rule) -> dict[str, float]:
    """What the decided policies cost, and how that spreads over the draws; NaN where nothing was drawn."""
    found: dict[str, float] = {}
    for name, cost in costs.items():
        by_draw = cost_by_draw(one.codes, held, cost)
        low, high = _range(by_draw, rule.confidence)
        is_known = bool((one.draws > 0).any())
        decided = float(np.nan_to_num(cost[np.arange(len(held)), held]).sum())
        numbers = (decided, float(by_draw.std(ddof=1)), low, high)
        ends = zip(("year", "sd", "low", "high"), numbers, strict=True)
        found |= {f"{name}_{end}": number if is_known else np.nan for end, number in ends}
    return found


def _range(numbers: Floats, confidence: float) -> tuple[float, float]:
    """The quantiles between which `confidence` of the numbers lie; NaN where there is none."""
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.quantile(known, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)


def _mean(numbers: npt.NDArray[np.float64]) -> float:
    known = numbers[np.isfinite(numbers)]
    return float(known.mean()) if len(known) else np.nan


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else np.nan
