"""What two schemes say differently, parameter by parameter.

Belongs here: changed values with both reasons, and what of a scheme decides anything. Does not: what a change does to
items (`strata.conformed.preview`, `strata.review.change`).
"""

from dataclasses import dataclass
from typing import Any

from strata.scheme.load import parameters
from strata.scheme.model import Scheme

IDENTITY = frozenset({"version", "effective_from", "supersedes", "owner"})


@dataclass(frozen=True, slots=True)
class Change:
    """One parameter that differs; None where a scheme does not have it. Reasons are those of the nearest part."""

    parameter: str
    before: str | None
    after: str | None
    rationale_before: str | None
    rationale_after: str | None

    @property
    def mirrored(self) -> "Change":
        """The same change seen from the other scheme."""
        return Change(self.parameter, self.after, self.before, self.rationale_after, self.rationale_before)


def changes(before: Scheme, after: Scheme) -> list[Change]:
    """Every parameter whose value differs, sorted by path; then reasons that differ where no value of theirs does.

    A reason has the path of its part and `.rationale`.
    """
    sides = [{path: (value, why) for path, value, why in parameters(scheme)} for scheme in (before, after)]
    found, told = [], set()
    for path in sorted({*sides[0], *sides[1]}):
        old, new = (side.get(path) for side in sides)
        if (old and old[0]) != (new and new[0]):
            found.append(Change(path, *(one[0] if one else None for one in (old, new)),
                                *(one[1] if one else None for one in (old, new))))  # fmt: skip
            told |= {one[1] for one in (old, new) if one}
    reasons = [_reasons(scheme.model_dump(mode="json"), "") for scheme in (before, after)]
    for path in sorted({*reasons[0], *reasons[1]}):
        old_reason, new_reason = (side.get(path) for side in reasons)
        if old_reason != new_reason and not {old_reason, new_reason} & told:
            found.append(Change(path, old_reason, new_reason, old_reason, new_reason))
    return found


def decisive(scheme: Scheme) -> dict[str, Any]:
    """What of a scheme decides anything: all of it but names, dates and reasons."""
    return {name: _bare(part) for name, part in scheme.model_dump(mode="json").items()
            if name not in IDENTITY and name != "rationale"}  # fmt: skip


def _bare(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _bare(part) for name, part in node.items() if name != "rationale"}
    return [_bare(part) for part in node] if isinstance(node, list) else node


def _reasons(node: Any, path: str) -> dict[str, str]:
    found: dict[str, str] = {}
    if isinstance(node, dict):
        for name, part in node.items():
            below = f"{path}.{name}" if path else name
            found |= {below: str(part).strip()} if name == "rationale" else _reasons(part, below)
    elif isinstance(node, list):
        for index, part in enumerate(node):
            if isinstance(part, dict):
                found |= _reasons(part, f"{path}.{part.get('name', index)}")
    return found
