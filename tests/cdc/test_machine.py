"""Feeds of changes under all that can befall them: the table is what the source held, or stands still and says so."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.cdc.machine import ChangeMachine


class Debezium(ChangeMachine):
    envelope = "debezium"


class Sap(ChangeMachine):
    envelope = "sap"


class Fivetran(ChangeMachine):
    envelope = "fivetran"


MACHINES = pytest.mark.parametrize("machine", [Debezium, Sap, Fivetran], ids=lambda machine: machine.envelope)


def live_through(machine: type[ChangeMachine], examples: int, steps: int, **options: Any) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            **options,
        ),
    )


@pytest.mark.capability(
    "2.4",
    part="lost, repeated, reordered changes and crashes give the table of the source, or hold",
)
@MACHINES
def test_the_merge_equals_the_source_or_holds(machine: type[ChangeMachine]) -> None:
    live_through(machine, 40, 12)


@pytest.mark.soak
@MACHINES
def test_the_merge_equals_the_source_or_holds_for_long(machine: type[ChangeMachine]) -> None:
    live_through(machine, 300, 25)
