"""What every part of a scheme has in common: it is frozen, closed, and says why beside its numbers.

Belongs here: the base of the parts and the types that several of them use. Does not: the parts.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Rationale = Annotated[str, Field(min_length=20)]
Share = Annotated[float, Field(gt=0, lt=1)]


class Part(BaseModel):
    """A part of a scheme: frozen, no unknown keys, and a rationale beside its numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    rationale: Rationale
