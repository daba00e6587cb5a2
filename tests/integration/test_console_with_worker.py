"""The console and a delivery worker on one Kafka: what a person presses is what the worker does."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec
import pytest

from schemas import topics
from tests.console_lab import KEY, Console, delivery, until
from tests.deliveries import send
from tests.receiver import Answer, receiving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.integration


@pytest.fixture
def both(start) -> Iterator[Callable[..., tuple]]:
    """both(settings…) -> (lab, console) with a worker running."""
    consoles: list[Console] = []

    def make(**settings) -> tuple:
        lab, go = start(admin_key=KEY, **settings)
        consoles.append(Console(lab))
        go()
        return lab, consoles[-1]

    yield make
    for console in consoles:
        console.close()


def states(console: Console) -> defaultdict[str, str]:
    """State of each delivery to the endpoint, by id."""
    return defaultdict(str, {d["id"]: d["state"] for d in console.get("/deliveries", endpoint="ep")["data"]})


def test_weak_spot_9_a_dead_endpoint_is_disabled_and_gets_everything_when_it_is_enabled(both):
    lab, console = both(retry_schedule=(0.2,) * 30, disable_after_s=0.3)
    well = False
    with receiving(lambda *_: Answer(status=200 if well else 500)) as receiver:
        console.post("/endpoints", {"id": "ep", "url": receiver.url + "/hook", "signature": "v1a"}, 201)
        made = [delivery(f"evt_{i}", "ep") for i in range(30)]
        send(lab, *made[:3])  # few: the breaker must not open before the time is up
        until(lambda: console.get("/endpoints/ep")["state"] == "disabled", 30)
        health = until(lambda: (h := console.get("/endpoints/ep/health"))["failures"] >= 4 and h)
        assert (health["disabled_by"], health["last_status"]) == ("hub", 500)
        assert health["failing_from_at"] is not None
        send(lab, *made[3:])  # what comes while it is disabled
        until(lambda: console.get("/totals", endpoint="ep")["dead"] == 30, 30)
        well = True
        before = len(receiver.arrivals)
        enabled = console.post("/endpoints/ep/enable")
        assert enabled["recovering"] == 30
        until(
            lambda: (
                console.get("/totals", endpoint="ep") == {"queued": 0, "retrying": 0, "delivered": 30, "dead": 0, "superseded": 0}
            ),
            60,
        )
    arrived = {a.headers["webhook-id"] for a in receiver.arrivals[before:]}
    assert arrived == {d.webhook_id for d in made}
    assert all(a.headers["webhook-signature"].startswith("v1a,") for a in receiver.arrivals)
    assert console.get(f"/redrives/{enabled['redrive_id']}")["sent"] == 30


def test_what_holds_up_its_object_is_skipped_and_the_next_arrives(both):
    lab, console = both(retry_schedule=(3600.0,))
    with receiving(judge=lambda arrival: Answer(status=500 if b"bad" in arrival.body else 200)) as receiver:
        console.post("/endpoints", {"id": "ep", "url": receiver.url + "/hook", "ordering": "key"}, 201)
        bad, *others = (
            delivery(event, "ep", object_key="order/7", payload=json.dumps({"event": event}).encode())
            for event in ("bad", "b", "c")
        )
        send(lab, bad, *others)
        until(lambda: states(console)[bad.id] == "retrying", 30)
        until(lambda: console.get("/totals", endpoint="ep")["queued"] == 2)
        assert len(receiver.arrivals) == 1
        assert console.post(f"/deliveries/{bad.id}/skip", {}, 202)["behind"] == 2
        until(lambda: console.get("/totals", endpoint="ep")["delivered"] == 2, 30)
        assert [msgspec.json.decode(a.body)["event"] for a in receiver.arrivals] == ["bad", "b", "c"]
        row = until(lambda: (d := console.get(f"/deliveries/{bad.id}"))["state"] == "dead" and d)
    assert (row["cause"], row["spent"]) == ("skipped", 1)


def test_parked_until_it_is_retried(both):
    lab, console = both(retry_schedule=(1.0,) * 5)
    well = False
    with receiving(lambda *_: Answer(status=200 if well else 500)) as receiver:
        console.post("/endpoints", {"id": "ep", "url": receiver.url + "/hook", "ordering": "key"}, 201)
        first, second = (delivery(event, "ep", object_key="order/7") for event in ("a", "b"))
        send(lab, first, second)
        until(lambda: states(console)[first.id] == "retrying", 30)
        console.post(f"/deliveries/{first.id}/park", {}, 202)
        well = True
        with pytest.raises(AssertionError):
            until(lambda: len(receiver.arrivals) > 2, 3)  # one more may have been under way
        console.post(f"/deliveries/{first.id}/retry", {}, 202)
        until(lambda: console.get("/totals", endpoint="ep")["delivered"] == 2, 30)
    assert [a.headers["webhook-id"] for a in receiver.arrivals][-2:] == [first.webhook_id, second.webhook_id]
    assert len(lab.read(topics.DEAD)) == 0
