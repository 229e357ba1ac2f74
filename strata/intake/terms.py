"""Terms of a contract: how much may be wrong, how personal data is, who is told when a promise is not kept.

Belongs here: parts of a contract that stand by themselves. Does not: the contract (`strata.intake.contract`), whether a
promise was kept (`strata.intake.promises`).
"""

from collections.abc import Iterable
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

Rationale = Annotated[str, Field(min_length=20)]
Text = Annotated[str, Field(min_length=3)]
PersonalData = Literal["none", "pseudonymous", "personal"]
PERSONAL_DATA: tuple[PersonalData, ...] = get_args(PersonalData)


def strictest(classes: Iterable[PersonalData]) -> PersonalData:
    """The strictest of some classes of personal data; `none` of none."""
    return max(classes, key=PERSONAL_DATA.index, default="none")


class Thresholds(BaseModel):
    """What may be wrong with a feed before a gate says so, and limits of one extract.

    A share of refused rows above `warn_refused_share` is a warning; above `quarantine_refused_share` (null: the same)
    the verdict is quarantine: the rows are set aside, the rest stands, readers are told; above
    `suspend_refused_share` whoever the feed touches is suspended. Refused rows are set aside however few they are.
    `max_volume_drop` (a share) and `max_volume_rise` (a factor) bound a state against the one before, or sales of a
    month against those of the month before; null does not judge.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    warn_refused_share: float = Field(ge=0, le=1)
    quarantine_refused_share: float | None = Field(default=None, ge=0, le=1)
    suspend_refused_share: float = Field(ge=0, le=1)
    max_volume_drop: float | None = Field(default=None, gt=0, le=1)
    max_volume_rise: float | None = Field(default=None, gt=1)
    max_rows: int = Field(ge=1)
    future_tolerance_minutes: int = Field(ge=0)
    rationale: Rationale

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        shares = (self.warn_refused_share, self.quarantine_refused_share, self.suspend_refused_share)
        given = [share for share in shares if share is not None]
        if given != sorted(given):
            raise ValueError("thresholds: warn_refused_share may not exceed quarantine, nor that suspend_refused_share")
        return self


class EscalationStep(BaseModel):
    """Who is told once a refresh has been late for so many hours."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    after_hours: int = Field(ge=1, le=24 * 366)
    tell: Text


class Escalation(BaseModel):
    """What follows when a refresh is late or the grant ends.

    Owner and steward are told of every miss at once, then each step in its turn while the refresh is still late.
    `attainment_days` is the window of rolling attainment; `expiry_notice_days` before the grant ends its grantor,
    owner and steward are told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    steps: Annotated[tuple[EscalationStep, ...], Field(min_length=1)]
    attainment_days: int = Field(ge=1, le=3 * 366)
    expiry_notice_days: int = Field(ge=1, le=3 * 366)
    rationale: Rationale

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        hours = [step.after_hours for step in self.steps]
        if hours != sorted(set(hours)):
            raise ValueError("steps: after_hours must rise from step to step")
        return self
