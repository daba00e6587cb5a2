"""Promises that other products of this kind were seen to break, each kept by the running hub."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from tests.bench import hub as running
from tests.e2e.conftest import cache, post, until
from tests.receiver import Answer, receiving
from tests.trials import rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.receiver import Receiver

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


async def test_weak_spot_3_a_rate_limit_is_applied(hub: running.Hub) -> None:
    finding = await rate.run(hub, rate.Size(n=500, limit=50), lambda _words: None)
    unmet = [check for check in finding.checks if not check.met and "neighbour" not in check.what]
    assert not unmet, unmet  # how quick the neighbour is, two floods of a second do not tell: `make trials` does
    assert finding.figures["neighbour_rate_beside"] > 100


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Hub]:
    """A hub that disables an endpoint after seconds of nothing but failures."""
    # One delivery fails often enough to end it, and not so often that the breaker opens before.
    settings = {"HUB_CACHE": cache(), "HUB_DISABLE_AFTER": "3s", "HUB_RETRY_SCHEDULE": ",".join(["0.7s"] * 9)}
    started = running.start(tmp_path_factory.mktemp("impatient"), settings)
    yield started
    started.stop()


class Shop:
    """A receiver whose path /shop fails until it is well; /watch is always well."""

    def __init__(self) -> None:
        self.well = threading.Event()

    def answer(self, path: str, _earlier: int) -> Answer:
        return Answer() if path == "/watch" or self.well.is_set() else Answer(status=500)


def publish(hub: running.Hub, number: int) -> None:
    body = json.dumps({"type": "stock.counted", "tenant": "shop", "key": f"sku-{number}", "data": {"number": number}}).encode()
    answer = post(hub, "/v1/events", body, {"authorization": f"Bearer {hub.admin_key}", "content-type": "application/json"})
    assert answer.status_code == 202, answer.text


def numbers(receiver: Receiver, after: int) -> set[int]:
    """Of the events that came to /shop, but for the first so many requests."""
    return {json.loads(a.body)["data"]["number"] for a in receiver.at("/shop")[after:]}


def disabled(hub: running.Hub, endpoint_id: str) -> bool:
    return hub.api("GET", f"/endpoints/{endpoint_id}")["state"] == "disabled"


def test_weak_spot_9_a_dead_endpoint_is_disabled_with_an_event_and_gets_what_it_missed(impatient: running.Hub) -> None:
    hub, shop = impatient, Shop()
    with receiving(shop.answer) as receiver:
        about = {"tenant": "shop", "event_types": ["stock.*"]}
        shop_id = hub.api("POST", "/endpoints", about | {"url": f"{receiver.url}/shop"})["id"]
        hub.api("POST", "/endpoints", about | {"url": f"{receiver.url}/watch", "event_types": ["endpoint.disabled"]})

        publish(hub, 0)
        until(lambda: disabled(hub, shop_id), "the endpoint is disabled", 60)
        found = hub.api("GET", f"/endpoints/{shop_id}")
        assert found["disabled_by"] == "hub"
        assert found["state_reason"]
        (told,) = receiver.wait(1, "/watch", timeout=30)
        news = json.loads(told.body)
        assert (news["type"], news["data"]["endpoint_id"]) == ("endpoint.disabled", shop_id)

        tried = len(receiver.at("/shop"))
        for number in range(1, 8):
            publish(hub, number)
        until(lambda: len(hub.api("GET", f"/dead?endpoint={shop_id}")["data"]) == 8, "all it missed is among the dead", 30)
        assert len(receiver.at("/shop")) == tried, "a disabled endpoint was called"

        shop.well.set()
        enabled = hub.api("POST", f"/endpoints/{shop_id}/enable", {"recover": True})
        assert enabled["recovering"] == 8
        until(lambda: numbers(receiver, tried) == set(range(8)), "all it missed arrives", 60)
        assert len(receiver.at("/watch")) == 1
