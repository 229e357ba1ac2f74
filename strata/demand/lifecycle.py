"""Where an item stands between launch and end, from its demand and the flags of the item master.

Belongs here: states. Does not: what a state implies for stock or forecast (policies, `strata.forecast`),
ramp-up by analogy, supersession.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt

from strata.scheme.model import Lifecycle

LIFECYCLE_STATES = ("intro", "growth", "mature", "decline", "eol", "dead")
ENDING_STATUS = ("phase_out", "blocked")


def lifecycle_state(
    age: npt.NDArray[np.int64],
    idle: npt.NDArray[np.int64],
    ratio: npt.NDArray[np.float64],
    is_ended: npt.NDArray[np.bool_],
    *,
    lifecycle: Lifecycle,
) -> npt.NDArray[np.str_]:
    """Name the state of every item; the first rule that applies decides.

    dead: `idle` >= dead_periods. eol: the master says that the item ends. intro: `age` <= intro_periods. growth:
    `ratio` >= growth_ratio. decline: `ratio` <= decline_ratio. Else mature, also where `ratio` is unknown.

    Args:
        age: closed periods since launch, the launch period counted; 0 or less where launch is still ahead.
        idle: observed periods since the last demand; all observed periods where nothing was ever sold. A period out
            of stock is not observed, so an empty shelf never makes an item dead.
        ratio: mean of the recent periods / mean of those before; NaN unknown, infinity after a silent start.
        is_ended: master flag, see `ended`.
        lifecycle: bounds, in the same periods as `age` and `idle`.

    Examples:
        >>> rule = Lifecycle(intro_periods=3, dead_periods=6, recent_periods=3, growth_ratio=1.5, decline_ratio=0.5,
        ...                  rationale="a quarter is the planning rhythm")
        >>> lifecycle_state(np.array([2, 12, 12, 12, 12, 12]), np.array([0, 0, 0, 1, 0, 6]),
        ...                 np.array([np.nan, 1.5, 1.0, 0.4, 1.0, 0.0]), np.array([0, 0, 0, 0, 1, 1], dtype=bool),
        ...                 lifecycle=rule).tolist()
        ['intro', 'growth', 'mature', 'decline', 'eol', 'dead']
    """
    named = np.select(
        [
            idle >= lifecycle.dead_periods,
            is_ended,
            age <= lifecycle.intro_periods,
            ratio >= lifecycle.growth_ratio,
            ratio <= lifecycle.decline_ratio,
        ],
        ["dead", "eol", "intro", "growth", "decline"],
        default="mature",
    )
    return named.astype(np.str_)


def ended(status: Sequence[str | None], end_date: Sequence[date | None], *, on: date) -> npt.NDArray[np.bool_]:
    """Whether the item master ends an item: status `phase_out` or `blocked`, or an `end_date` on or before `on`."""
    by_status: npt.NDArray[np.bool_] = np.isin(np.asarray(status, dtype=object).astype(str), ENDING_STATUS)
    dates = np.asarray(end_date, dtype="datetime64[D]")
    by_date: npt.NDArray[np.bool_] = ~np.isnat(dates) & (dates <= np.datetime64(on))
    return by_status | by_date
