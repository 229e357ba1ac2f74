"""One Great Expectations context for the suites' tests, made and used without a network."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from expectations.report import batch_definition


def _refuse(*address: Any, **_: Any) -> None:
    raise AssertionError(f"the gates looked up {address}: they must not need a network")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name is looked up and no connection is opened while a gate runs."""
    monkeypatch.setattr(socket, "getaddrinfo", _refuse)
    monkeypatch.setattr(socket.socket, "connect", _refuse)


@pytest.fixture(scope="session")
def definition() -> Iterator[Any]:
    """The in-memory batch definition; importing Great Expectations takes seconds, so once per session."""
    known = socket.getaddrinfo
    socket.getaddrinfo = _refuse  # type: ignore[assignment]
    try:
        yield batch_definition()
    finally:
        socket.getaddrinfo = known
