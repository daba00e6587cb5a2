"""The real processors process on real Kafka: what comes of each kind of webhook, and a clean stop."""

import json
import secrets
import signal

import pytest

from schemas import ids, topics
from schemas.records import WebhookReceived
from tests.processors_lab import ProcessorsLab, expected
from tests.webhooks import shopify_order, stripe_payment, webhook

pytestmark = pytest.mark.integration


@pytest.fixture
def lab(bootstrap, registry_url, tmp_path):
    lab = ProcessorsLab(bootstrap, registry_url, tmp_path)
    yield lab
    lab.stop()


def test_every_kind_of_webhook_ends_where_it_belongs_and_a_stop_commits_it_all(lab):
    endpoints = [
        lab.endpoint("orders", "http://x.example/", tenant="acme", event_types=["order.*"]),
        lab.endpoint("all", "http://y.example/", tenant="acme"),
        lab.endpoint("elsewhere", "http://z.example/", tenant="other"),
    ]
    good = [
        shopify_order(1),
        stripe_payment(1, 1),
        webhook(
            "easypost", "tracker.updated", {"result": {"id": "trk_1", "status": "delivered"}}, id="rcv_trk", object_id="trk_1"
        ),
        webhook("hookstream", "loyalty.points", b'{"points": 5}', id="rcv_own", object_id="member"),
    ]
    bad = [
        webhook("shopify", "orders/create", b"{", id="rcv_bad"),
        webhook("shopify", "products/update", {"id": 1}, id="rcv_unmapped"),
        webhook("hookstream", "a.b", b"{}", id="rcv_nobody", tenant="nobody"),
    ]
    running = lab.start()
    lab.receive([*good, *bad])
    lab.write(topics.RECEIVED, "garbage", b"\x01not a record")
    lab.write(topics.RECEIVED, "tombstone", None)
    lab.flush()
    lab.until(lab.all_done, "all webhooks")

    deliveries = lab.read(topics.DELIVERIES)
    assert {d.id for d in deliveries} == expected(good, endpoints)
    assert {(d.endpoint_id, d.event_type) for d in deliveries} == {
        ("orders", "order.created"), ("orders", "order.released"), ("all", "order.created"), ("all", "order.released"),
        ("all", "payment.captured"), ("all", "shipment.delivered"), ("all", "loyalty.points"),
    }  # fmt: skip
    assert all(json.loads(d.payload)["type"] == d.event_type for d in deliveries)
    assert sorted(e.type for e in lab.read(topics.ORDERS)) == ["order.created", "order.released"]
    assert [e.type for e in lab.read(topics.PAYMENTS)] == ["payment.captured"]
    assert [e.type for e in lab.read(topics.SHIPMENTS)] == ["shipment.delivered"]
    assert {e.data for e in lab.read(topics.CUSTOM)} == {b'{"points": 5}', b"{}"}
    quarantined = lab.read(topics.QUARANTINED)
    assert sorted(q.cause for q in quarantined) == ["bad_json", "undecodable", "undecodable"]
    assert {(u.id, u.reason) for u in lab.read(topics.UNROUTED)} == {
        ("rcv_unmapped", "unmapped"),
        (ids.event_id("rcv_nobody", "a.b", "rcv_nobody"), "no_endpoint"),
    }
    for record in quarantined:
        assert record.raw_topic == lab.kafka.name(topics.RECEIVED)
        raw = lab.at(record.raw_topic, record.raw_partition, record.raw_offset)
        if record.cause == "bad_json":
            assert lab.codec.decode(raw, WebhookReceived).id == record.id == "rcv_bad"

    assert lab.end(running, signal.SIGTERM) == 0
    assert lab.all_done()
    assert lab.end_of(topics.DELIVERIES) == len(deliveries)


def test_an_endpoint_made_while_running_gets_the_next_event(lab):
    running = lab.start()
    lab.receive([shopify_order(1)])
    lab.until(lambda: lab.end_of(topics.UNROUTED) >= 1, "the first order, to nobody")
    config = lab.endpoint("late", "http://x.example/", tenant="acme")
    lab.until(lambda: lab.receive([shopify_order(2)]) and lab.end_of(topics.DELIVERIES) > 0, "a delivery to the new endpoint")
    assert {d.id for d in lab.read(topics.DELIVERIES)} == expected([shopify_order(2)], [config])
    assert lab.end(running, signal.SIGTERM) == 0


def test_records_larger_than_a_fetch_are_read_and_the_others_with_them(lab):
    endpoint = lab.endpoint("all", "http://x.example/", tenant="acme")
    big = [shopify_order(n, note=secrets.token_hex(500_000)) for n in range(6)]  # hex: no smaller than half when compressed
    small = [shopify_order(n) for n in range(100, 130)]
    sent = [*small[:15], *big, *small[15:]]
    lab.receive(sent)
    lab.start()
    lab.until(lab.all_done, "all of them")
    assert {d.id for d in lab.read(topics.DELIVERIES)} == expected(sent, [endpoint])
