"""One running hub for the end-to-end tests of a module, as `hub up` starts it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.bench import hub as running
from tests.kafka_fixture import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCHEDULE = "0.3s,0.3s,0.3s"


def cache() -> str:
    """The folder of Kafka's jars."""
    return os.environ.get("HUB_CACHE") or str(ROOT / ".hub" / "cache")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Hub]:
    started = running.start(tmp_path_factory.mktemp("hub"), {"HUB_CACHE": cache(), "HUB_RETRY_SCHEDULE": SCHEDULE})
    yield started
    started.stop()


def post(hub: running.Hub, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    """One request to the ingress."""
    return httpx.post(hub.ingress + path, content=body, headers=headers, timeout=20)


def until(condition: Callable[[], Any], what: str, timeout: float = 30) -> Any:
    """Wait for a truthy answer and return it."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.1)
    return found
