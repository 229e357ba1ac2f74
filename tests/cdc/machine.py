"""A source, an unreliable way to landing, and the real landing and merge at its end, as a state machine.

Belongs here: rules, the plain model of what must come out, the invariants. Does not: the source (`tests.cdc.source`),
merges that are known to be wrong (`tests.cdc.naive`).

The model is a few lines: an extract counts where its range continues what was reached; the table must then be what the
source held at the position reached. Landing and merge know nothing of it.
"""

import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import duckdb
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from strata.failpoint import failpoint
from strata.home import Home
from strata.intake.batches import accepted_batches
from strata.intake.chain import chain, released
from strata.intake.land import land
from tests.cdc.source import STEP, Envelope, Extract, Row, Source
from tests.dbt.rendered import merged
from tests.strata.intake.drops import CONTRACTS, ORDERS, drop, tree

Table = dict[int, Row]
KEYS = st.integers(1, 3)
ROWS = st.tuples(st.sampled_from("123456789"), st.sampled_from(["EA", "CS"]), st.sampled_from(["open", "closed"]))
ACTIONS = st.tuples(st.sampled_from(["put", "put", "touch", "delete", "move"]), KEYS, KEYS, ROWS)
# Transactions of one to three changes: few keys, so that changes of one key meet each other.
WORK = st.lists(st.lists(ACTIONS, min_size=1, max_size=3), min_size=1, max_size=3)
PICK = st.integers(0, 99)


class Merge:
    """What a machine merges with: the SQL of the dbt project over the rows that landing wrote."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(config={"threads": 1})

    def table(self, home: Home, arrived: Sequence[str]) -> Table:
        """Rows that are valid now. `arrived` are batch ids in the order of their arrival."""
        ready = released(accepted_batches(home))
        files = [batch.rows_file for batch in ready]
        versions = merged(self._connection, "erp__purchase_order_lines", "fct_purchase_order_line", files)
        return {
            int(row["po_id"][1:]): (f"{row['quantity']:.0f}", row["unit"], row["status"])
            for row in versions
            if row["known_to"] is None
        }

    def close(self) -> None:
        """Let go of the engine."""
        self._connection.close()


class ChangeMachine(RuleBasedStateMachine):
    """The machine of one envelope; subclasses name the envelope and may merge otherwise."""

    envelope: ClassVar[Envelope]
    merge: ClassVar[type[Merge]] = Merge

    def __init__(self) -> None:
        super().__init__()
        self.source, self.root = Source(), Path(tempfile.mkdtemp(prefix="strata-cdc-"))
        self.home, self.merging = Home(self.root), self.merge()
        self.emitted = 0
        self.dropped = 0
        self.on_the_way: list[Extract] = []
        self.sent: list[Extract] = []
        self.accepted: list[Extract] = []
        self.arrived: list[str] = []
        self.known: set[str] = set()
        self.in_landing: dict[str, Extract] = {}

    # -- the source ---------------------------------------------------------------------------------------------------

    @initialize(work=WORK, is_late=st.booleans())
    def begin(self, work: list[Any], is_late: bool) -> None:
        self._commit(work)
        self.emitted = self.source.head
        first = self.source.first_load(self.envelope, self.source.head)
        if is_late:
            self.on_the_way.append(first)
        else:
            self._send(first)

    @rule(work=WORK)
    def transactions(self, work: list[Any]) -> None:
        self._commit(work)

    @rule()
    def add_a_column(self) -> None:
        self.source.has_new_column = True

    def _commit(self, work: list[Any]) -> None:
        for actions in work:
            self.source.commit(actions)

    # -- the way ------------------------------------------------------------------------------------------------------

    @rule(work=st.lists(WORK, min_size=1, max_size=3))
    def emit(self, work: list[Any]) -> None:
        """Files that are held: they are on their way until `deliver` picks them, in whatever order."""
        for transactions in work:
            self._commit(transactions)
            self.on_the_way.append(self.source.changes(self.envelope, self.emitted, self.source.head))
            self.emitted = self.source.head

    @rule(key=KEYS, row=ROWS)
    def overtake(self, key: int, row: Row) -> None:
        """A delete that arrives before the update it follows: rare by chance, common where files are retried."""
        files = len(self.on_the_way)
        self.emit([[[("put", key, key, row)]], [[("delete", key, key, row)]]])
        for _ in range(2):
            self._send(self.on_the_way.pop())
        assert len(self.on_the_way) == files

    @precondition(lambda self: self.on_the_way)
    @rule(pick=PICK)
    def deliver(self, pick: int) -> None:
        self._send(self.on_the_way.pop(pick % len(self.on_the_way)))

    @precondition(lambda self: self.on_the_way)
    @rule(randoms=st.randoms(use_true_random=False))
    def deliver_all(self, randoms: Any) -> None:
        randoms.shuffle(self.on_the_way)
        while self.on_the_way:
            self._send(self.on_the_way.pop())

    @precondition(lambda self: len(self.on_the_way) > 1)
    @rule(pick=PICK)
    def lose(self, pick: int) -> None:
        self.on_the_way.pop(pick % len(self.on_the_way))

    @precondition(lambda self: self.sent)
    @rule(pick=PICK)
    def deliver_again(self, pick: int) -> None:
        self._send(self.sent[pick % len(self.sent)])

    @precondition(lambda self: self.emitted)
    @rule(start=PICK, length=st.integers(1, 6))
    def replay(self, start: int, length: int) -> None:
        low = start % self.emitted
        self._send(self.source.changes(self.envelope, low, min(low + length, self.emitted)))

    @precondition(lambda self: self.source.head)
    @rule(back=st.integers(0, 2))
    def whole_table(self, back: int) -> None:
        self.on_the_way.append(self.source.table(self.envelope, max(1, self.source.head - back)))

    def _send(self, extract: Extract) -> None:
        self.dropped += 1
        name = f"x{self.dropped}"
        file = f"part.{extract.manifest['format']}"
        folder = drop(
            self.home.landing, {file: extract.data}, extract.rows, contract=ORDERS, extract_id=name, **extract.manifest
        )
        self.in_landing[folder.name] = extract
        self.sent.append(extract)

    # -- landing ------------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.in_landing) > 1)
    @rule(dies_at=st.sampled_from([None, None, "land.raw", "land.ledger", "land.quarantine", "conform.promote"]))
    def arrive(self, dies_at: str | None) -> None:
        if dies_at is not None:
            self._die(dies_at)
        self._land()
        self.check()

    def _die(self, place: str) -> None:
        """Once, at a named place: what was begun is finished by the next landing, and nothing else shows of it."""
        os.environ["STRATA_FAILPOINT"] = f"{place}:eio"
        try:
            with suppress(OSError):
                land(self.home, CONTRACTS)
                self.merging.table(self.home, self.arrived)
                failpoint("conform.promote")
        finally:
            del os.environ["STRATA_FAILPOINT"]

    def _land(self) -> None:
        """Every extract is accepted once or refused for the reason that the model foresees, in order of landing."""
        result = land(self.home, CONTRACTS)
        in_raw = {batch.batch_id for batch in accepted_batches(self.home)}
        outcomes: list[tuple[str, Extract]] = []
        for landed in result.extracts:
            extract, batch_id = self.in_landing[landed.folder.name], str(landed.batch_id)
            if batch_id in self.known:
                assert landed.outcome == "duplicate", landed
                continue
            # A landing that died may have accepted or refused it already.
            self.known.add(batch_id)
            refusal = self._refusal(extract)
            if batch_id in in_raw:
                assert refusal is None, (extract, landed)
                self.accepted.append(extract)
                self.arrived.append(batch_id)
                outcomes.append((landed.outcome, extract))
            else:
                assert refusal is not None and (landed.outcome == "duplicate" or refusal in landed.reasons), landed
        for outcome, extract in outcomes:
            assert outcome == "duplicate" or (outcome == "held") == (not self._counts(extract)), (outcome, extract)
        for name in self.in_landing:
            shutil.rmtree(self.home.landing / "erp" / "purchase_order_lines" / name)
        self.in_landing.clear()

    # -- the model ----------------------------------------------------------------------------------------------------

    def _begins(self) -> int | None:
        return min((extract.start for extract in self.accepted if extract.kind != "changes"), default=None)

    def _reached(self) -> int | None:
        bases = [extract.to for extract in self.accepted if extract.kind != "changes"]
        if not bases:
            return None
        reached = max(bases)
        for extract in sorted(self.accepted, key=lambda extract: extract.start):
            if extract.start <= reached:
                reached = max(reached, extract.to)
        return reached

    def _counts(self, extract: Extract) -> bool:
        reached = self._reached()
        return reached is not None and extract.start <= reached and not self._is_too_old(extract)

    def _is_too_old(self, extract: Extract) -> bool:
        begins = self._begins()
        return begins is not None and extract.to <= begins and extract.start < begins

    def _refusal(self, extract: Extract) -> str | None:
        """Why the extract must be refused, given what was accepted before it."""
        tables = [earlier.to for earlier in self.accepted if earlier.kind == "table"]
        if extract.kind == "first":
            return "initial_load_late" if tables else None
        if extract.kind == "table" and not extract.rows:
            return "empty_extract"
        if extract.kind == "table" and tables and extract.to <= max(tables):
            return "older_than_accepted"
        return "before_the_beginning" if self._is_too_old(extract) else None

    def check(self) -> None:
        """The table is what the source held at the position reached; the ledger has everything once."""
        reached, batches = self._reached(), accepted_batches(self.home)
        found = self.merging.table(self.home, self.arrived)
        wanted = {} if reached is None else self.source.state(reached)
        assert found == wanted, f"at position {reached} the table is {found}, the source held {wanted}"
        assert sorted(batch.batch_id for batch in batches) == sorted(self.arrived)
        standing = chain(batches)
        ends = {"debezium": reached if reached is None else reached * STEP}
        assert self.envelope not in ends or standing.reached == ends[self.envelope]
        assert len(standing.held) == sum(not self._counts(extract) for extract in self.accepted)

    def teardown(self) -> None:
        """Once more from the files alone: nothing new, nothing different."""
        try:
            if self.in_landing:
                self._land()
                self.check()
            before = tree(self.home.raw)
            for extract in self.sent[-3:]:
                self._send(extract)
            self._land()
            assert tree(self.home.raw) == before
        finally:
            self.merging.close()
            shutil.rmtree(self.root)
