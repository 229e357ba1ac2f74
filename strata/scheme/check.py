"""Every fault of a scheme file at once, in words that a planner can act on.

Belongs here: reading a file past its first fault, what a parameter allows, advice. Does not: the rules themselves
(`strata.scheme.model`), rules that are valid and weak (`strata.scheme.weak`).
"""

import copy
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from strata.scheme.model import Scheme
from strata.strict_yaml import load_yaml

Place = tuple[str | int, ...]
ROUNDS = 50  # each round takes at least one fault out of the file; a file with more faults is told of the first ones
SHARE = "0.975 is 97.5 %; write a share between 0 and 1"
REASON = "say why, in 20 characters or more: a number without a reason cannot be reviewed"
_NOTHING = object()
_NAMED = re.compile(r"[a-z_]+(?:\.[A-Za-z_]+)*")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong (`fault`: the file does not hold) or weak (`weak`: it holds, and does not do what it seems to).

    `path` is the parameter, `found` what stands there, `allowed` what may, `advice` what to do about it.
    """

    kind: Literal["fault", "weak"]
    path: str
    found: str
    allowed: str
    advice: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A scheme file read to its end: the scheme where it has no fault, every fault, and what had to be replaced.

    `repaired` is the scheme with every faulty parameter replaced by that of a sound one, so that what is left can be
    judged too; None where the file is no scheme at all.
    """

    scheme: Scheme | None
    repaired: Scheme | None
    faults: tuple[Finding, ...]
    replaced: tuple[str, ...]


def read(path: Path, sound: Mapping[str, Any]) -> Reading:
    """Read a scheme file and name every fault.

    Args:
        path: the file.
        sound: content of a scheme without fault; its values stand in for faulty ones while the rest is judged.
    """
    try:
        content = load_yaml(path)
    except ValueError as error:
        told = str(error).removeprefix(f"{path}: ")
        return Reading(None, None, (Finding("fault", "file", told, "strict YAML, each key once", "correct it"),), ())
    if not isinstance(content, dict):
        fault = Finding(
            "fault", "file", _shown(content), "a block of parameters", "copy a shipped scheme and change it"
        )
        return Reading(None, None, (fault,), ())
    return examine(content, sound)


def examine(content: Mapping[str, Any], sound: Mapping[str, Any]) -> Reading:
    """Every fault of a scheme's content; see `read`."""
    schema = _schema()
    worked: dict[str, Any] = copy.deepcopy(dict(content))
    faults: dict[tuple[str, str], Finding] = {}
    replaced: list[Place] = []
    for _ in range(ROUNDS):  # a round per layer of faults: rules between parts speak only once the parts are sound
        try:
            scheme = Scheme.model_validate(worked)
        except ValidationError as error:
            for one in error.errors():
                at: Place = tuple(part for part in one["loc"] if part != "[key]")
                if one["type"] == "too_short" and len(_at(worked, at)) >= one["ctx"]["min_length"]:
                    continue  # pydantic counts only the members without a fault of their own
                places = _named(one["msg"], at, worked, sound) if one["type"] == "value_error" else [at]
                if one["type"] != "value_error" or not _touched(places, replaced, at):
                    finding = _finding(one, places[0], content, schema)
                    faults.setdefault((finding.path, finding.advice), finding)
                for place in places:
                    _replace(worked, place, sound)
                    replaced.append(place)
            continue
        whole = None if faults else scheme
        return Reading(whole, scheme, tuple(faults.values()), tuple(_dotted(place) for place in replaced))
    return Reading(None, None, tuple(faults.values()), tuple(_dotted(place) for place in replaced))


@cache
def _schema() -> Mapping[str, Any]:
    return Scheme.model_json_schema()


def _finding(error: Mapping[str, Any], at: Place, content: Mapping[str, Any], schema: Mapping[str, Any]) -> Finding:
    """One fault of pydantic in words."""
    found, node = _at(content, at), _node(schema, at)
    allowed, kind = _allowed(node, schema), error["type"]
    last = str(at[-1]) if at else ""
    if kind == "extra_forbidden":
        known = sorted(_resolved(_node(schema, at[:-1]), schema).get("properties", {}))
        near = difflib.get_close_matches(last, known, n=1)
        allowed = ", ".join(known)
        advice = f"unknown here; did you mean {near[0]}?" if near else "unknown here; take it out"
    elif last == "rationale":
        advice = REASON
    elif kind == "missing":
        advice = "missing; write it, with its rationale beside it"
    elif kind == "value_error":
        advice = str(error["msg"]).removeprefix("Value error, ")
        if last == "service_target" and found is not _NOTHING:
            allowed, advice = "a share from 0.5 and below 1", _share(found)
        elif last == "cuts":
            allowed = "cuts that rise from the first class to the second"
    elif _is_share(node, schema) and _beyond_one(found):
        advice = _share(found)
    else:
        advice = str(error["msg"][:1]).lower() + str(error["msg"][1:])
    return Finding("fault", _dotted(at) or "scheme", "nothing" if found is _NOTHING else _shown(found), allowed, advice)


def _share(found: Any) -> str:
    """The sentence for a percentage where a share is asked for, with the planner's own number where it is one."""
    if isinstance(found, int | float) and 1 < found < 100:
        return f"{found / 100:.10g} is {found:g} %; write a share between 0 and 1"
    return SHARE


def _beyond_one(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and found >= 1


def _named(message: str, at: Place, content: Mapping[str, Any], sound: Mapping[str, Any]) -> list[Place]:
    """The parameters that a rule between several of them speaks of, the first one first; else where it stands."""
    found: list[Place] = []
    for word in _NAMED.findall(message.removeprefix("Value error, ")):
        parts: Place = tuple(word.split("."))
        # A single word means a neighbour; any word of a sentence may be the name of some part.
        for place in ((*at, *parts), parts) if len(parts) > 1 else ((*at, *parts),):
            if any(_at(one, place) is not _NOTHING for one in (content, sound)) and place not in found:
                found.append(place)
                break
    return found or [at]


def _touched(places: Iterable[Place], replaced: Sequence[Place], at: Place) -> bool:
    """A rule that speaks of a value which was put in for a faulty one says nothing about the file.

    A rule of one part (`at`) speaks of all that is in what it names; one between parts, of the names alone.
    """
    return any(
        place[: len(gone)] == gone or (at and gone[: len(place)] == place)
        for place in places
        for gone in replaced
        if gone
    )


def _replace(content: dict[str, Any], at: Place, sound: Mapping[str, Any]) -> None:
    """Put the sound value in, or take the parameter out where a sound scheme has none."""
    if not at:
        content.clear()
        content.update(copy.deepcopy(dict(sound)))
        return None
    value = _at(sound, at)
    parent: Any = content
    for depth, part in enumerate(at[:-1]):
        below = _at(parent, (part,))
        if not isinstance(below, dict | list):  # nothing to put it into: the part above is replaced whole
            return _replace(content, at[: depth + 1], sound)
        parent = below
    if isinstance(parent, list):
        return _replace(content, at[:-1], sound) if value is _NOTHING else parent.__setitem__(int(at[-1]), value)
    if value is _NOTHING:
        if at[-1] in parent:
            del parent[at[-1]]
        else:
            _replace(content, at[:-1], sound)
    else:
        parent[at[-1]] = copy.deepcopy(value)
    return None


def _at(content: Any, at: Place) -> Any:
    for part in at:
        in_list = isinstance(content, list) and isinstance(part, int) and part < len(content)
        if in_list or (isinstance(content, Mapping) and part in content):
            content = content[part]
        else:
            return _NOTHING
    return content


def _resolved(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The node behind a reference, and behind `or null`."""
    while True:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        elif "anyOf" in node:
            node = next(one for one in node["anyOf"] if one.get("type") != "null")
        elif "allOf" in node:
            node = node["allOf"][0]
        else:
            return node


def _node(schema: Mapping[str, Any], at: Place) -> Mapping[str, Any]:
    node: Mapping[str, Any] = schema
    for part in at:
        node = _resolved(node, schema)
        if isinstance(part, int):
            ahead = node.get("prefixItems", [])
            below = ahead[part] if part < len(ahead) else node.get("items", {})
        else:
            below = node.get("properties", {}).get(part, node.get("additionalProperties", {}))
        node = below if isinstance(below, Mapping) else {}
    return node


def _is_share(node: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    node = _resolved(node, schema)
    return node.get("type") == "number" and 0 < max(node.get("exclusiveMaximum", 0), node.get("maximum", 0)) <= 1


def _allowed(node: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """What a parameter may be, in words."""
    null = " or null" if any(one.get("type") == "null" for one in node.get("anyOf", [])) else ""
    node = _resolved(node, schema)
    if "enum" in node or "const" in node:
        return "one of " + ", ".join(map(str, node.get("enum", [node.get("const")]))) + null
    kind = node.get("type")
    if kind in ("number", "integer"):
        low = [f"above {node['exclusiveMinimum']:g}"] if "exclusiveMinimum" in node else []
        low += [f"from {node['minimum']:g}"] if "minimum" in node else []
        high = [f"below {node['exclusiveMaximum']:g}"] if "exclusiveMaximum" in node else []
        high += [f"to {node['maximum']:g}"] if "maximum" in node else []
        name = "a whole number" if kind == "integer" else "a number"
        return " ".join([name, *low, *high]).strip() + null
    if kind == "string":
        told = f" of {node['minLength']} characters or more" if "minLength" in node else ""
        return f"text{told}" + (f" like {node['pattern']}" if "pattern" in node else "") + null
    if kind == "array":
        least = node.get("minItems", 0)
        return (f"a list of {least} or more" if least else "a list") + null
    if kind == "object":
        parts = sorted(node.get("properties", {})) or sorted(node.get("propertyNames", {}).get("enum", []))
        return ("a block with " + ", ".join(parts) if parts else "a block") + null
    return "true or false" if kind == "boolean" else "see the shipped scheme"


def _dotted(at: Place) -> str:
    return ".".join(map(str, at))


def _shown(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= 80 else text[:77] + "..."
