"""The whole hub, from a signed webhook in to a signed webhook out, through its public interfaces only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import threading
import time
import uuid

import pytest
from standardwebhooks import Webhook

from schemas import ids
from tests.e2e.conftest import post, until
from tests.receiver import Answer, receiving

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
SECRET = "shopify-secret"


def order(number: int, **fields: object) -> bytes:
    """A Shopify order, as small as one can be."""
    body = {
        "id": number, "name": f"#{number}", "currency": "EUR", "total_price": "78.40", "financial_status": "pending",
        "created_at": "2026-11-20T10:00:00Z", "updated_at": "2026-11-20T10:00:00Z", "line_items": [],
    }  # fmt: skip
    return json.dumps(body | fields).encode()


def shopify(topic: str, body: bytes, secret: str = SECRET) -> dict[str, str]:
    mac = base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()
    return {
        "Content-Type": "application/json",
        "X-Shopify-Topic": topic,
        "X-Shopify-Shop-Domain": "shop.example",
        "X-Shopify-Webhook-Id": str(uuid.uuid4()),
        "X-Shopify-Hmac-Sha256": mac,
    }


@pytest.fixture(scope="module")
def source(hub):
    hub.api("POST", "/sources", {"id": "shop", "provider": "shopify", "secrets": [SECRET]})
    return "/in/shop"


@pytest.fixture
def endpoint(hub):
    """endpoint(url, types, **fields) -> the API's answer; deleted after the test."""
    made = []

    def make(url: str, *types: str, **fields: object) -> dict:
        answer = hub.api("POST", "/endpoints", {"url": url, "event_types": list(types), **fields})
        made.append(answer["id"])
        return answer

    yield make
    for endpoint_id in made:
        hub.api("DELETE", f"/endpoints/{endpoint_id}")


def test_an_order_arrives_signed_within_a_second(hub, source, endpoint):
    with receiving() as receiver:
        made = endpoint(receiver.url + "/hook", "order.created")
        body = order(1001)
        sent_at = time.monotonic()
        answer = post(hub, source, body, shopify("orders/create", body))
        assert answer.status_code == 200, answer.text
        (arrival,) = receiver.wait(1)
        assert arrival.at - sent_at < 1
        event = Webhook(made["secret"]).verify(arrival.body, arrival.headers)
    assert event["type"] == "order.created"
    assert event["data"]["id"] == "1001"
    assert event["data"]["total"] == {"amount": "78.40", "currency": "EUR"}


def test_a_forged_order_is_refused_and_kept_as_rejected(hub, source):
    body = order(666)
    answer = post(hub, source, body, shopify("orders/create", body, secret="wrong"))
    assert answer.status_code == 401
    until(
        lambda: any(r["reason"].startswith("signature") for r in hub.api("GET", "/rejected")["data"]), "the rejection is listed"
    )


def test_a_receiver_that_fails_three_times_gets_it_on_the_fourth_attempt(hub, source, endpoint):
    with receiving(lambda _path, earlier: Answer(status=500 if earlier < 3 else 200)) as receiver:
        made = endpoint(receiver.url + "/flaky", "order.created")
        body = order(1002)
        post(hub, source, body, shopify("orders/create", body))
        arrivals = receiver.wait(4)
        assert len({a.headers["webhook-id"] for a in arrivals}) == 1
        path = f"/deliveries?endpoint={made['id']}&state=delivered"
        (row,) = until(lambda: hub.api("GET", path)["data"], "the delivery is shown as delivered")
        shown = hub.api("GET", f"/deliveries/{row['id']}")
    assert [a["status"] for a in shown["attempts"]] == [500, 500, 500, 200]
    assert [a["attempt"] for a in shown["attempts"]] == [1, 2, 3, 4]


def test_one_that_always_fails_is_dead_with_its_attempts_and_can_be_retried(hub, source, endpoint):
    healthy = threading.Event()
    with receiving(lambda *_: Answer(status=200 if healthy.is_set() else 503)) as receiver:
        made = endpoint(receiver.url + "/down", "order.created")
        body = order(1003)
        post(hub, source, body, shopify("orders/create", body))
        (dead,) = until(lambda: hub.api("GET", f"/dead?endpoint={made['id']}")["data"], "the delivery is among the dead")
        shown = hub.api("GET", f"/deliveries/{dead['id']}")
        assert [a["status"] for a in shown["attempts"]] == [503] * 4
        assert json.loads(shown["payload"])["data"]["id"] == "1003"
        healthy.set()
        hub.api("POST", f"/deliveries/{dead['id']}/retry", {})
        arrivals = receiver.wait(5)
        assert len({a.headers["webhook-id"] for a in arrivals}) == 1
        until(lambda: hub.api("GET", f"/deliveries/{dead['id']}")["state"] == "delivered", "the retry is shown")


def test_a_captured_payment_releases_its_order_once(hub, source, endpoint):
    with receiving() as receiver:
        endpoint(receiver.url + "/wms", "order.released")
        hub.api("POST", "/sources", {"id": "pay", "provider": "stripe", "secrets": ["whsec_stripe"]})
        body = order(1004)
        post(hub, source, body, shopify("orders/create", body))
        event = {
            "id": "evt_stripe_1", "object": "event", "type": "payment_intent.succeeded", "created": 1_795_000_000,
            "data": {"object": {"id": "pi_1", "object": "payment_intent", "amount": 7840, "amount_received": 7840,
                                "currency": "eur", "status": "succeeded", "metadata": {"order_id": "1004"}}},
        }  # fmt: skip
        paid = json.dumps(event).encode()
        stamp = str(int(time.time()))
        mac = hmac.new(b"whsec_stripe", f"{stamp}.".encode() + paid, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "Stripe-Signature": f"t={stamp},v1={mac}"}
        assert receiver.arrivals == []
        for _ in range(2):  # Stripe sends it again
            assert post(hub, "/in/pay", paid, headers).status_code == 200
        (released, *more) = receiver.wait(1)
        assert json.loads(released.body)["data"]["id"] == "1004"
        assert {a.headers["webhook-id"] for a in more} <= {released.headers["webhook-id"]}


def test_own_events_travel_the_same_way(hub, endpoint):
    with receiving() as receiver:
        endpoint(receiver.url + "/own", "loyalty.*")
        headers = {"Authorization": f"Bearer {hub.admin_key}", "Content-Type": "application/json", "Idempotency-Key": "once"}
        event = b'{"type": "loyalty.points_earned", "key": "c-7", "data": {"points": 12}}'
        answers = [post(hub, "/v1/events", event, headers) for _ in range(2)]
        assert {a.status_code for a in answers} == {202}
        assert len({a.json()["id"] for a in answers}) == 1
        (arrival, *_) = receiver.wait(1)
        assert json.loads(arrival.body)["data"] == {"points": 12}
        until(lambda: len({a.headers["webhook-id"] for a in receiver.arrivals}) == 1, "one identity")


def test_replay_of_the_last_thousand_to_a_new_endpoint_beside_live_traffic(hub, source, endpoint):
    with receiving() as receiver:
        live = endpoint(receiver.url + "/live", "stock.*")
        headers = {"Authorization": f"Bearer {hub.admin_key}", "Content-Type": "application/json"}

        def publish(first: int, count: int) -> list[str]:
            events = [{"type": "stock.counted", "key": str(n), "data": {"n": n}} for n in range(first, first + count)]
            answer = post(hub, "/v1/events/batch", json.dumps({"events": events}).encode(), headers)
            assert answer.status_code == 202, answer.text
            return [e["id"] for e in answer.json()["events"]]

        old = [*publish(0, 500), *publish(500, 700)]
        receiver.wait(1200, "/live", timeout=60)
        new = endpoint(receiver.url + "/new", "stock.*", description="made after the fact")
        stop = threading.Event()

        def traffic() -> None:
            n = 10_000
            while not stop.wait(0.02):
                publish(n, 1)
                n += 1

        busy = threading.Thread(target=traffic)
        ended_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
        time.sleep(1.1)  # the end of the range lies before the traffic begins
        busy.start()
        try:
            env = os.environ | {"HUB_HOME": hub.home}
            command = [
                sys.executable,
                "-m",
                "hub",
                "replay",
                "--last",
                "1000",
                "--to",
                ended_at,
                "--endpoint",
                new["id"],
                "--json",
            ]
            dry = json.loads(subprocess.check_output([*command, "--dry-run"], env=env))
            assert dry["queued"] == 1000
            result = json.loads(subprocess.check_output(command, env=env))
            assert result["queued"] == 1000
            until(lambda: len(replayed(receiver)) >= 1000, "the replay arrives", timeout=60)
        finally:
            stop.set()
            busy.join()
        replays = replayed(receiver)
        wanted = {ids.webhook_id(e, new["id"]) for e in old}
        assert len({a.headers["webhook-id"] for a in replays}) == 1000
        assert {a.headers["webhook-id"] for a in replays} <= wanted
        assert {a.headers["x-hookstream-replay"] for a in replays} == {result["id"]}
        live_ids = {ids.webhook_id(e, live["id"]) for e in old}
        assert live_ids <= {a.headers["webhook-id"] for a in receiver.at("/live")}
        assert not any("x-hookstream-replay" in a.headers for a in receiver.at("/live"))


def replayed(receiver):
    return [a for a in receiver.at("/new") if "x-hookstream-replay" in a.headers]


def test_status_names_every_process(hub):
    answer = subprocess.run(
        [sys.executable, "-m", "hub", "status", "--json"],
        env=os.environ | {"HUB_HOME": hub.home},
        capture_output=True,
        check=True,
    )
    shown = json.loads(answer.stdout)
    states = {p["name"]: p["state"] for p in shown["processes"]}
    assert {states[name] for name in ("ingress", "processors", "delivery", "console")} == {"up"}
    assert shown["broker"]["reachable"] is True
    assert isinstance(shown["lag"], dict)


def test_listen_verifies_what_send_makes_the_hub_deliver(hub, source):
    env = os.environ | {"HUB_HOME": hub.home, "HUB_ADMIN_KEY": hub.admin_key, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "hub", "listen", "--event", "inventory.*", "--count", "2", "--json"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as listening:
        assert "listening" in listening.stderr.readline()
        send = ["send", "shopify", "inventory_levels/update", "--source", "shop", "--count", "2", "--set", "available=3"]
        subprocess.run([sys.executable, "-m", "hub", *send], env=env, check=True, capture_output=True)
        lines = [json.loads(line) for line in listening.communicate(timeout=30)[0].splitlines()]
    assert listening.returncode == 0
    assert [(line["event"], line["refused"]) for line in lines] == [("inventory.updated", None)] * 2
    assert not [e for e in hub.api("GET", "/endpoints")["data"] if e["description"] == "hub listen"]
