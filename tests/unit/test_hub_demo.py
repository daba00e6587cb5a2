"""What the demo counts: each order once, only genuine ones, and it does not call a round complete that is not."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from hub import demo, demo_round
from hub.demo_round import Round, Tally
from hub.errors import HubError
from hub.listener import Arrival


def arrival(order: int, at_ms: int, refused: str | None = None) -> Arrival:
    body = {"type": "order.created", "data": {"id": str(order), "number": f"#{order}"}}
    return Arrival(at_ms * 1_000_000, "/orders", {"webhook-id": "msg_1"}, json.dumps(body).encode(), refused)


def sent(tally: Tally, *orders: int) -> None:
    for order in orders:
        tally.sent(str(order), 0)
        tally.accept()


def test_a_round_is_complete_when_each_order_arrived_once_and_genuine() -> None:
    tally = Tally()
    sent(tally, *range(102))
    for order in range(102):
        assert not tally.complete
        tally.take(arrival(order, order))
    assert tally.complete
    assert tally.summary() == (
        "102 of 102 orders received, 102 delivered, every signature valid\nlatency: first 0 ms, then p50 51 ms, p99 100 ms"
    )


def test_copies_and_strangers_do_not_count() -> None:
    tally = Tally()
    sent(tally, 1, 2)
    for order in (1, 1, 99):
        tally.take(arrival(order, 5))
    assert not tally.complete
    assert tally.summary().startswith("2 of 2 orders received, 1 delivered, every signature valid")


def test_a_wrong_signature_spoils_the_round() -> None:
    tally = Tally()
    sent(tally, 1)
    tally.take(arrival(1, 5, "no signature matches the secret"))
    tally.take(arrival(1, 6))
    assert not tally.complete
    assert "1 delivered, 1 with a wrong signature" in tally.summary()
    assert tally.trouble == "(a signature was refused: no signature matches the secret)"


@pytest.fixture
def ingress(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """An ingress that takes everything and passes nothing on; refuses orders without a signature of the right secret."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202 if request.url.path == "/in/demo" else 401, text="as told")

    client = httpx.AsyncClient
    monkeypatch.setattr(demo_round.httpx, "AsyncClient", lambda **_: client(transport=httpx.MockTransport(answer)))
    monkeypatch.setattr(demo_round, "PATIENCE_S", 0.05)
    return seen


async def test_orders_that_never_arrive_make_the_round_fail(ingress: list[httpx.Request]) -> None:
    tally = Tally()
    assert not await Round("http://hub/in/demo", "s3cret", tally).run(5, per_s=1000)
    assert (tally.accepted, tally.latencies_ms) == (6, [])
    assert len({json.loads(r.content)["id"] for r in ingress}) == 6
    assert {r.headers["x-shopify-topic"] for r in ingress} == {"orders/create"}


async def test_a_refusal_ends_the_round_with_its_reason(ingress: list[httpx.Request]) -> None:
    with pytest.raises(HubError, match=r"^The ingress refused a signed order: 401 as told$"):
        await Round("http://hub/in/wrong", "s3cret", Tally()).run(5, per_s=1000)


def test_its_folder_its_ports_and_its_leave_to_post_to_loopback() -> None:
    env, settings, own = demo._settings({"HUB_EGRESS_ALLOW": "10.0.0.0/8", "HUB_INGRESS_PORT": "4711"})
    assert (settings.home, own.cache) == (Path(".hub/demo"), Path(".hub/cache"))
    assert settings.ingress_port == 4711
    assert [str(network) for network in settings.egress_allow] == ["10.0.0.0/8", "127.0.0.0/8"]
    assert env["HUB_EGRESS_ALLOW"] == "10.0.0.0/8,127.0.0.0/8"
    _, settings, own = demo._settings({"HUB_HOME": "/elsewhere"})
    assert (settings.home, own.cache) == (Path("/elsewhere"), None)
