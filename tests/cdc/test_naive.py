"""The machine can fail: every merge that lacks one thing is caught by it, in a short story that shows the fault."""

import shutil
from collections.abc import Callable

import pytest
from hypothesis import Phase

from tests.cdc.machine import ChangeMachine, Merge
from tests.cdc.naive import (
    NAIVE,
    ArrivalOrder,
    Naive,
    PlaceholderAsValue,
    SnapshotAsUpserts,
    SortedInsideTheFile,
    WithoutHold,
    WithoutSequence,
    WithoutTombstone,
)
from tests.cdc.test_machine import Debezium, live_through

FIRST, SECOND, THIRD = ("1", "EA", "open"), ("2", "EA", "open"), ("3", "CS", "closed")
CAUGHT = "the source held"
Story = Callable[[ChangeMachine], None]


def begun(machine: ChangeMachine) -> None:
    """Two rows, read as a first load."""
    machine.begin(work=[[("put", 1, 1, FIRST), ("put", 2, 2, FIRST)]], is_late=False)
    machine.arrive(dies_at=None)


def late_update(machine: ChangeMachine) -> None:
    """Two updates of a row, in two files that arrive the wrong way round."""
    begun(machine)
    machine.emit(work=[[[("put", 1, 1, SECOND)]], [[("put", 1, 1, THIRD)]]])
    for pick in (1, 0):
        machine.deliver(pick=pick)
        machine.arrive(dies_at=None)


def late_update_of_a_deleted_row(machine: ChangeMachine) -> None:
    """An update that arrives after the delete that follows it."""
    begun(machine)
    machine.emit(work=[[[("put", 1, 1, SECOND)]], [[("delete", 1, 1, FIRST)]]])
    for pick in (1, 0):
        machine.deliver(pick=pick)
        machine.arrive(dies_at=None)


def two_changes_in_a_transaction(machine: ChangeMachine) -> None:
    """Two updates of a row in one transaction."""
    begun(machine)
    machine.emit(work=[[[("put", 1, 1, SECOND), ("put", 1, 1, THIRD)]]])
    machine.deliver(pick=0)
    machine.arrive(dies_at=None)


def untouched_column(machine: ChangeMachine) -> None:
    """An update that leaves a column out."""
    begun(machine)
    machine.emit(work=[[[("touch", 1, 1, THIRD)]]])
    machine.deliver(pick=0)
    machine.arrive(dies_at=None)


def lost_delete(machine: ChangeMachine) -> None:
    """A delete that is lost, and a whole table after it."""
    begun(machine)
    machine.emit(work=[[[("delete", 1, 1, FIRST)]]])
    machine.lose(pick=0)
    machine.whole_table(back=0)
    machine.deliver(pick=0)
    machine.arrive(dies_at=None)


STORIES: dict[type[Naive], Story] = {
    ArrivalOrder: late_update,
    SortedInsideTheFile: late_update,
    WithoutTombstone: late_update_of_a_deleted_row,
    WithoutSequence: two_changes_in_a_transaction,
    PlaceholderAsValue: untouched_column,
    SnapshotAsUpserts: lost_delete,
    WithoutHold: late_update,
}
EACH = pytest.mark.parametrize("merge", NAIVE, ids=lambda merge: merge.__name__)


def merging(merge: type[Merge]) -> type[ChangeMachine]:
    """The machine of Debezium events with another merge at its end."""
    return type("Machine", (Debezium,), {"merge": merge})


def tell(story: Story, merge: type[Merge]) -> None:
    machine = merging(merge)()
    try:
        story(machine)
    finally:
        machine.merging.close()
        shutil.rmtree(machine.root)


@pytest.mark.capability(
    "2.4",
    part="lost, repeated, reordered changes and crashes give the table of the source, or hold",
)
@EACH
def test_a_naive_merge_is_caught_where_the_real_one_is_right(merge: type[Naive]) -> None:
    tell(STORIES[merge], Merge)
    with pytest.raises(AssertionError, match=CAUGHT):
        tell(STORIES[merge], merge)


@pytest.mark.soak
@EACH
def test_a_naive_merge_is_caught_by_chance_too(merge: type[Naive]) -> None:
    with pytest.raises(AssertionError, match=CAUGHT):
        live_through(merging(merge), 1000, 25, derandomize=True, phases=[Phase.generate])
