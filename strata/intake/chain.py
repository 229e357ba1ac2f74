"""The chain of a feed of changes: which accepted extracts follow on each other, and which wait for one that is missing.

Belongs here: gaps, what is held, what came before the beginning. Does not: reading positions
(`strata.intake.positions`), accepting extracts (`strata.intake.land`).

A function of what was accepted and of nothing else, so the order of arrival has no part in it, nothing has to be
remembered, and what was released stays released. A feed begins with an extract that says `initial_load`, or with the
whole table as of a position (a snapshot); changes follow as long as each extract begins at or before the position
that has been reached. A snapshot reaches its own position whatever is missing below it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from strata.intake.batches import Batch
from strata.intake.manifest import Manifest
from strata.intake.positions import LogRange, is_log, is_snapshot, log_range, position_number, shown


@dataclass(frozen=True, slots=True)
class Held:
    """An accepted extract that is not conformed: the feed has reached `reached`, the extract begins after `until`.

    `reached` is None where the feed has no beginning. `is_obsolete` says that the extract ends before the feed
    begins: it never becomes part of it.
    """

    batch: Batch
    reached: int | None
    until: int
    is_obsolete: bool = False

    @property
    def advice(self) -> str:
        """What is missing and what to send."""
        envelope = self.batch.manifest.envelope
        until = shown(envelope, self.until)
        if self.is_obsolete:
            return f"ends at position {until}, before the feed begins; nothing changes"
        if self.reached is None:
            return (
                f"held: nothing came before position {until}; send the first load (initial_load: true), "
                "or the table as a full extract with a log position"
            )
        return (
            f"held: positions after {shown(envelope, self.reached)} up to {until} are missing; send that extract "
            "again, or the table as a full extract at or past that position"
        )


@dataclass(frozen=True, slots=True)
class Chain:
    """One feed of changes: `begins` and `reached` are None before its first load; `held` is in order of position."""

    begins: int | None
    reached: int | None
    held: tuple[Held, ...]


def chain(batches: Iterable[Batch]) -> Chain:
    """The chain of one feed's accepted batches; batches that speak of no log are never held."""
    ranges = [(log_range(batch.manifest), batch) for batch in batches if is_log(batch.manifest)]
    bases = [(reach, batch.manifest) for reach, batch in ranges if _is_base(batch.manifest)]
    changes = sorted(
        ((reach, batch) for reach, batch in ranges if not _is_base(batch.manifest)),
        key=lambda pair: (pair[0].start, pair[0].to, pair[1].batch_id),
    )
    if not bases:
        return Chain(None, None, tuple(Held(batch, None, reach.start) for reach, batch in changes))
    begins = beginning(bases)
    reached = max(reach.to for reach, _ in bases)
    held = []
    for reach, batch in changes:
        if reach.to <= begins and reach.start < begins:
            held.append(Held(batch, begins, reach.to, is_obsolete=True))
        elif reach.start > reached:
            held.append(Held(batch, reached, reach.start))
        else:
            reached = max(reached, reach.to)
    return Chain(begins, reached, tuple(held))


def beginning(bases: Sequence[tuple[LogRange, Manifest]]) -> int:
    """Position at which a feed begins: where the log of its first load begins, else its first snapshot."""
    return min(reach.start for reach, _ in bases)


def held_batches(batches: Iterable[Batch]) -> list[Held]:
    """Everything held among the accepted batches of any feeds, feed by feed."""
    by_feed = groupby(sorted(batches, key=lambda batch: batch.sort_key), key=lambda batch: (batch.system, batch.feed))
    return [one for _, group in by_feed for one in chain(group).held]


def released(batches: Sequence[Batch]) -> list[Batch]:
    """The batches that may be conformed, in their order: all but those held."""
    held = {one.batch.batch_id for one in held_batches(batches)}
    return [batch for batch in batches if batch.batch_id not in held]


def as_of(batches: Sequence[Batch], positions: Mapping[tuple[str, str], str]) -> list[Batch]:
    """The released batches of which nothing lies past the given position of their feed: a watermark to replay to.

    Whole extracts are taken or left, so a feed stands at the last extract that ends at or before its position.

    Args:
        batches: accepted batches of any feeds.
        positions: by (system, feed), as the feed's envelope writes positions; feeds not named are taken whole.

    Raises:
        ValueError: a position is none of its envelope, or a named feed is no feed of changes.
    """
    taken = []
    for batch in batches:
        wanted = positions.get((batch.system, batch.feed))
        if wanted is None:
            taken.append(batch)
        elif not is_log(batch.manifest):
            raise ValueError(f"{batch.system}/{batch.feed} has no log positions; choose its extracts by time")
        elif log_range(batch.manifest).to <= position_number(batch.manifest.envelope, wanted):
            taken.append(batch)
    return released(taken)


def _is_base(manifest: Manifest) -> bool:
    return manifest.initial_load or is_snapshot(manifest)
