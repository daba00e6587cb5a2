"""Payloads recorded from real providers, where the collection is at hand: each one ends in a known state.

The collection is other people's data and no part of this project; without it the same is done with our own samples.
"""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from hub import samples, state
from ingress.providers import PROFILES
from ingress.providers.profile import Request
from runtime import process
from runtime.settings import Settings
from schemas import topics
from tests.e2e.conftest import post, until
from tests.kafka_fixture import ROOT
from tests.lab import Reader
from tests.receiver import receiving

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
COLLECTION = ROOT.parent / "shared" / "providers" / "payloads"
PROVIDERS = ("shopify", "stripe", "easypost", "woocommerce")
MUST_ARRIVE = {
    ("shopify", "orders/create"): "order.created",
    ("shopify", "inventory_levels/update"): "inventory.updated",
    ("shopify", "fulfillments/create"): "shipment.created",
    ("easypost", "tracker.updated"): "shipment.",
}


def recorded() -> list[tuple[str, str, bytes]]:
    """(provider, topic, body) of every recorded payload; samples of our own where there are none."""
    found = [
        (provider, _topic(provider, path), path.read_bytes())
        for provider in PROVIDERS
        for path in sorted((COLLECTION / provider).glob("*.json"))
        if not path.name.endswith(".headers.json")
    ]
    return found or [
        (provider, topic, samples.sample(provider, topic, secret="x", now_ms=1)[1])
        for provider in PROVIDERS
        for topic in samples.topics(provider)
    ]


def _topic(provider: str, path: Path) -> str:
    name = path.name.removesuffix(".json")
    return name.replace(".", "/", 1) if provider == "shopify" else name


def headers(provider: str, topic: str) -> dict[str, str]:
    """What the provider sends beside the signature; the delivery ids are new, as each payload is a webhook of its own."""
    return {
        "shopify": {"x-shopify-topic": topic, "x-shopify-shop-domain": "shop.example", "x-shopify-webhook-id": uuid.uuid4().hex},
        "woocommerce": {
            "x-wc-webhook-topic": topic,
            "x-wc-webhook-source": "https://woo.example/",
            "x-wc-webhook-delivery-id": uuid.uuid4().hex,
        },
    }.get(provider, {}) | {"content-type": "application/json"}


def test_every_payload_ends_in_a_known_state_and_the_main_ones_arrive_verified(hub):
    running = state.running(Path(hub.home))
    parts = process.build("test", Settings(home=Path(hub.home), bootstrap=running.bootstrap, registry_url=running.registry_url))
    reader = Reader(parts.kafka, parts.codec)
    with receiving() as receiver:
        endpoint = hub.api("POST", "/endpoints", {"url": receiver.url + "/all", "event_types": ["*"]})
        for provider in PROVIDERS:
            hub.api("POST", "/sources", {"id": provider, "provider": provider, "secrets": [f"secret-{provider}"]})
        accepted: dict[str, tuple[str, str]] = {}
        for provider, topic, body in recorded():
            plain = headers(provider, topic)
            signed = PROFILES[provider]({}).sign(Request(body, plain, "POST", None), f"secret-{provider}", _now_ms())
            answer = post(hub, f"/in/{provider}", body, plain | signed)
            assert answer.status_code == 200, (provider, topic, answer.text)
            accepted[answer.json()["id"]] = (provider, topic)
        ends = until(lambda: _ends(reader, len(accepted)), "every payload has ended somewhere", timeout=60)
        assert {r.id for r, _ in ends.values()} == set(accepted)
        wanted = {e for _, outcome in ends.values() for e in outcome["events"]}
        until(lambda: {d["event_id"] for d in _deliveries(hub, endpoint["id"])} >= wanted, "every event is delivered", timeout=60)
        arrived = [json.loads(json.dumps(Webhook(endpoint["secret"]).verify(a.body, a.headers))) for a in receiver.arrivals]
    parts.ids.close()
    _report(accepted, ends)
    arrived_types = {(e["meta"]["source"], e["type"]) for e in arrived}
    for (provider, topic), kind in MUST_ARRIVE.items():
        if (provider, topic) in accepted.values():
            assert any(p == provider and t.startswith(kind) for p, t in arrived_types), (provider, topic, arrived_types)
    assert not [r.topic for r, outcome in ends.values() if outcome["quarantined"]]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _ends(reader: Reader, count: int):
    """Per raw record (by its place) what came of it; None while something is still missing."""
    raw = {(p, o): r for p, o, r in reader.placed(topics.RECEIVED)}
    outcomes = {place: {"events": set(), "unrouted": [], "quarantined": []} for place in raw}
    for topic in topics.COMMERCE.values():
        for event in reader.read(topic):
            if event.raw_topic == topics.RECEIVED.name:
                outcomes[event.raw_partition, event.raw_offset]["events"].add(event.id)
    for record in reader.read(topics.UNROUTED):
        outcomes[record.raw_partition, record.raw_offset]["unrouted"].append(record.reason)
    for record in reader.read(topics.QUARANTINED):
        outcomes[record.raw_partition, record.raw_offset]["quarantined"].append(record.cause)
    if len(raw) < count or not all(any(outcome.values()) for outcome in outcomes.values()):
        return None
    return {place: (raw[place], outcomes[place]) for place in raw}


def _deliveries(hub, endpoint_id: str) -> list[dict]:
    found, cursor = [], ""
    while True:
        page = hub.api("GET", f"/deliveries?endpoint={endpoint_id}&state=delivered&limit=100{cursor}")
        found += page["data"]
        if not page["next_cursor"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def _report(accepted, ends) -> None:
    tally = {"delivered": 0, "unrouted": 0, "quarantined": 0}
    for _, outcome in ends.values():
        tally["delivered" if outcome["events"] else "unrouted" if outcome["unrouted"] else "quarantined"] += 1
    print(f"{len(accepted)} payloads: {tally}")  # noqa: T201 - for whoever runs it with -s
