"""The methods of a scheme compared on a partition's items: what each sees, how many classes it makes, its row.

Belongs here: from criteria to the classes of each method, on the data and on other samples. Does not: the methods
(`strata.classify`), the rule that recommends one (`strata.review.selection`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from strata.classify.breaks import natural_breaks
from strata.classify.clusters import assigned, cluster, features
from strata.classify.criteria import edas_scores, hadi_vencheh_scores, ng_scores, unit_scaled
from strata.classify.envelope import best_scores, zhou_fan_scores
from strata.classify.value import first_of_equals
from strata.derivation import Step
from strata.review.criteria import LOWEST, Assortment, Candidate, judged_step, share_codes
from strata.review.selection import StockTerms, method_selection
from strata.scheme.evidence import ASKED_OF, Evidence, Method, MethodBounds

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.str_]

_LETTERS = np.array(["A", "B", "C"])
_ROUNDING = 12  # decimals of a score that is ranked
STEPS: tuple[Step, ...] = (
    judged_step(
        "method_selection", "method",
        (
            "items", "cost_year", "regret_share", "saved_share", "kappa", "share_explained", "conditions", "classes",
            "words", "rank", "is_in_use", "is_recommended", "decision_reason",
        ),
    ),
)  # fmt: skip


def method_rows(
    candidates: Sequence[Candidate],
    items: Assortment,
    *,
    rule: Evidence,
    cuts: Mapping[str, float],
    basis: str,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Every method of the scheme on the same items: cost at equal service, stability, words; and which one to take.

    Compared are items that have every criterion that a method asks for; negative ones (margin) count as 0. Methods by
    share cut at the scheme's shares. All others give as many A and B items as the share of the scheme's basis does,
    so that methods differ in who is in a class, not in how large it is; natural breaks and k-means find sizes
    themselves.

    Args:
        candidates: criteria of `rule.criteria`, as they are and on other samples.
        items: rankings and terms of stock.
        rule: bounds, with `methods`.
        cuts: cumulative shares `{"A": .., "B": ..}`.
        basis: criterion that the scheme ranks by now.
        rng: chooses the items that are compared where there are more than the sample.

    Returns:
        The columns of `tables.METHOD_SELECTION` but for the stamp, the best first; no row where nothing is comparable.

    Raises:
        ValueError: `rule` has no methods.
    """
    bounds = rule.methods
    if bounds is None:
        raise ValueError("evidence.methods is not declared: there is nothing to compare")
    asked = {basis, *bounds.criteria, *(name for method in bounds.names for name in ASKED_OF.get(method, ()))}
    used = [one for one in candidates if one.name in asked]
    names = [one.name for one in used]
    whole = np.column_stack([one.value for one in used])
    kept = np.flatnonzero(np.isfinite(whole).all(axis=1) & np.isin(np.arange(len(whole)), items.place))
    if len(kept) > bounds.sample:
        kept = np.sort(rng.choice(kept, bounds.sample, replace=False))
    if not len(kept) or basis not in names:
        return pd.DataFrame(columns=_COLUMNS)
    drawn = [
        np.maximum(np.column_stack([one.drawn[at % len(one.drawn), kept] for one in used]), 0.0)
        for at in range(bounds.draws)
    ]
    compared = _Compared(names, items.ranking[kept], bounds, cuts, basis, rule.seed)
    terms, place = _stocked(items, kept)
    found = method_selection(
        np.maximum(whole[kept], 0.0),
        terms,
        methods={name: compared.by(name) for name in bounds.names},
        names=names,
        resampled=drawn,
        fill_rate=rule.fill_rate,
        least_cycle_service=rule.least_cycle_service,
        least_kappa=rule.least_kappa,
        least_explained=bounds.least_explained,
        most_depth=bounds.most_depth,
        least_items=bounds.least_items,
        equal_cost=rule.equal_cost,
        place=place,
        in_use=f"share_{basis}",
    )
    table = found.table.assign(items=len(kept), is_recommended=found.table["method"] == found.recommended)
    if found.recommended is None:
        table["decision_reason"] = found.rule + "; " + table["decision_reason"]
    able = table["is_stable"] & table["is_explained"] & (table["classes"] > 1)
    table = table.assign(is_out=~able, is_in_use=table["method"] == f"share_{basis}")
    table = table.sort_values(
        ["is_recommended", "is_out", "cost_year", "method"], ascending=[False, True, True, True], ignore_index=True
    )
    return table.assign(rank=np.arange(1, len(table) + 1))[_COLUMNS]


_COLUMNS = [
    "method", "items", "cost_year", "regret_share", "saved_share", "kappa", "share_explained", "conditions", "classes",
    "words", "rank", "is_in_use", "is_recommended", "decision_reason",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Compared:
    """What the methods of one comparison share."""

    names: list[str]
    ranking: Ints
    bounds: MethodBounds
    cuts: Mapping[str, float]
    basis: str
    seed: int

    def by(self, method: Method) -> Callable[[Floats], Texts]:
        """The method as a function of criteria, each ranking by itself."""

        def classes(criteria: Floats) -> Texts:
            made = np.empty(len(criteria), dtype=np.int64)
            for number in range(int(self.ranking.max()) + 1):  # one step per ranking (location), not per item
                rows = np.flatnonzero(self.ranking == number)
                if len(rows):
                    made[rows] = self._codes(criteria[rows], method)
            return _LETTERS[made]

        return classes

    def _codes(self, criteria: Floats, method: Method) -> Ints:
        if method.startswith("share_"):
            return self._shares(criteria[:, self.names.index(method.removeprefix("share_"))])
        of_basis = criteria[:, self.names.index(self.basis)]
        if method == "breaks":
            return _broken(of_basis)
        seen = criteria[:, [self.names.index(name) for name in self.bounds.criteria]]
        if method == "kmeans":
            return self._clusters(seen)
        sizes = np.bincount(self._shares(of_basis), minlength=len(_LETTERS))
        return _sized(np.round(self._scores(criteria, seen, method), _ROUNDING), sizes)

    def _shares(self, value: Floats) -> Ints:
        one = np.ones((1, len(value)))
        codes = share_codes(value[None, :], one, np.zeros(len(value), dtype=np.int64), cuts=self.cuts)[0]
        return np.asarray(np.minimum(codes, LOWEST), dtype=np.int64)

    def _scores(self, criteria: Floats, seen: Floats, method: Method) -> Floats:
        if method == "cost_ratio":
            return criteria[:, self.names.index("cost_ratio")]
        gain = [True] * seen.shape[1]
        if method == "ng":
            return ng_scores(unit_scaled(seen, is_gain=gain))
        if method == "hadi_vencheh":
            return hadi_vencheh_scores(unit_scaled(seen, is_gain=gain))
        if method == "edas":
            return edas_scores(seen, weights=[1.0] * seen.shape[1], is_gain=gain)
        return best_scores(seen) if method == "ramanathan" else zhou_fan_scores(seen, balance=self.bounds.balance)

    def _clusters(self, seen: Floats) -> Ints:
        made = features(seen, is_gain=[True] * seen.shape[1], skew=self.bounds.skew)
        fit = cluster(
            made.values, method="kmeans", clusters=len(_LETTERS), restarts=self.bounds.restarts,
            rng=np.random.default_rng(self.seed),
        )  # fmt: skip
        return assigned(made.values, fit)


def _broken(value: Floats) -> Ints:
    """Natural breaks of logarithms; what is not above 0 is in the last class."""
    sold = value > 0
    if not sold.any():
        return np.full(len(value), LOWEST, dtype=np.int64)
    least = natural_breaks(value[sold], classes=len(_LETTERS), log=True).least
    below = (value[:, None] < np.array(least)[None, :]).sum(axis=1)
    return np.asarray(np.minimum(below, LOWEST), dtype=np.int64)


def _sized(score: Floats, sizes: Ints) -> Ints:
    """The first `sizes[0]` by score are A, the next `sizes[1]` B; equals share the class of the first of them."""
    order = np.argsort(-score, kind="stable")
    codes = np.empty(len(score), dtype=np.int64)
    codes[order] = np.searchsorted(np.cumsum(sizes)[:-1], first_of_equals(score[order]), side="right")
    return codes


def _stocked(items: Assortment, kept: Ints) -> tuple[StockTerms, Ints]:
    """Terms of the places of the compared items, and the place of each item among them."""
    at = np.searchsorted(kept, items.place)
    here = (at < len(kept)) & (kept[np.minimum(at, len(kept) - 1)] == items.place)
    terms = items.terms
    parts = (terms.demand_units_year, terms.order_units, terms.protection_sd_units, terms.holding_cost_per_unit_year)
    return StockTerms(*(part[here] for part in parts)), at[here].astype(np.int64)
