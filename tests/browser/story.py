"""A day of a busy hub as records: failing, paused and healthy endpoints, dead letters, long ids, hostile text.

The same story fills a real Kafka for the browser tests and a bare read model for the fast ones. It is the same in
every run but for the time it ends at.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from schemas import ids, topics
from schemas.records import (
    Attempt,
    Delivery,
    EndpointStanding,
    EventQuarantined,
    EventUnrouted,
    Record,
    WebhookReceived,
    WebhookRejected,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.topics import Topic

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
HOSTILE: Final = """<script>alert("owned")</script><img src=x onerror=alert(1)>'">${7*7}{{7*7}}"""
LONG_KEY: Final = "order/" + "gid:--shopify-Order-5987412345678901234567890-a-very-long-identifier-without-any-break" * 2
TYPES: Final = ("order.created", "order.updated", "order.released", "inventory.updated", "shipment.delivered", "payment.captured")


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint of the story and how it answers."""

    id: str
    url: str
    description: str
    event_types: list[str]
    state: str = "active"
    state_reason: str | None = None
    disabled_by: str | None = None
    ordering: str = "none"
    settings: dict[str, object] = {}  # further ones of its configuration
    share: float = 1.0  # of the events that it gets
    failing_ms: int = 0  # for how long until now it has failed
    how: str = "status"  # of the failures
    slow_ms: float = 60.0


RECEIVERS: Final = (
    Receiver(id="ep_erp", url="https://erp.northwind.example/hooks/hookstream", description="ERP, orders and payments",
             event_types=["order.*", "payment.*"], failing_ms=50 * MINUTE, how="status", slow_ms=140, ordering="key",
             settings={"rate_limit": 25.0, "batch_max": 50, "batch_wait_ms": 2000}),
    Receiver(id="ep_warehouse", url="https://wms.acme-logistics.example/v2/inbound/webhooks", description="Warehouse, fulfilment",
             event_types=["order.released", "shipment.*"], failing_ms=25 * MINUTE, how="timeout", slow_ms=320),
    Receiver(id="ep_analytics", url="https://ingest.analytics.example/collect", description="Data warehouse", event_types=["*"], slow_ms=18),
    Receiver(id="ep_mail", url="https://hooks.mailer.example/transactional", description="Order confirmations by mail",
             event_types=["order.created", "order.fulfilled", "shipment.delivered"], share=0.7, slow_ms=45),
    Receiver(id="ep_books", url="https://api.ledger.example/journal/webhooks/incoming", description="Accounting", event_types=["payment.*"],
             state="paused", state_reason="paused from the dashboard", share=0.5),
    Receiver(id="ep_old", url="https://legacy-shop.example:8443/cgi-bin/receiver.pl?tenant=eu-west&mode=async&token-name=primary",
             description="Old shop, to be shut down", event_types=["order.*"], share=0.3, failing_ms=30 * HOUR, how="dns"),
    Receiver(id="ep_hostile", url="https://hostile.example/hook", description=HOSTILE, event_types=["order.created"], share=0.1, slow_ms=900),
    Receiver(id="ep_closed", url="https://returns.partner.example/api/hookstream", description="Returns portal of a partner",
             event_types=["shipment.*"], state="disabled", state_reason="every attempt has failed for 5 days", disabled_by="hub",
             failing_ms=5 * 24 * HOUR, how="timeout", share=0.6),
    Receiver(id="ep_stock", url="https://pos.northwind.example/stock", description="Stock levels, newest only",
             event_types=["inventory.*", "endpoint.*"], ordering="latest", slow_ms=70),
    Receiver(id="ep_new", url="https://staging.northwind.example/hooks", description="Not called yet", event_types=["order.refunded"], share=0),
)  # fmt: skip


class Log(Protocol):
    """Where the records go."""

    def put(self, topic: Topic[Record], records: Sequence[tuple[str, Record]]) -> list[tuple[str, int, int]]:
        """Append; answers topic, partition and offset of each, in order."""
        ...


class Story:
    """Writes the records. `first` are some of the deliveries by name, for tests to open."""

    def __init__(self, log: Log, now: int, *, events: int = 260) -> None:
        self._log, self._now, self._events = log, now, events
        self._random = random.Random(7)
        self.first: dict[str, Delivery] = {}
        self.deliveries = self.dead = 0

    def tell(self) -> None:
        """All of it."""
        made: list[Delivery] = []
        for i in range(self._events):
            made += self._deliveries(i)
        made.sort(key=lambda d: d.received_at)
        for receiver in RECEIVERS:
            made_here = [d for d in made if d.endpoint_id == receiver.id]
            if made_here:
                self.first.setdefault(receiver.id, made_here[-1])
        places = self._log.put(topics.DELIVERIES, [(d.endpoint_id, d) for d in made])
        attempts: list[Attempt] = []
        dead: list[Delivery] = []
        for delivery, place in zip(made, places, strict=True):
            self._attempts(delivery, place, attempts, dead)
        self._log.put(topics.ATTEMPTS, [(a.delivery_id, a) for a in sorted(attempts, key=lambda a: a.started_at)])
        self._log.put(topics.DEAD, [(d.endpoint_id, d) for d in dead])
        self.deliveries, self.dead = len(made), len(dead)
        self._aside()

    def _deliveries(self, i: int) -> list[Delivery]:
        """One event for each endpoint that wants it; more of them lately."""
        age = 20_000 + int((self._random.random() ** 2.2) * 24 * HOUR)
        kind = TYPES[i % len(TYPES)]
        event = ids.event_id(f"rcv{i}", kind, str(i))
        key = LONG_KEY if i == 1 else f"order/{100_000 + i}"
        text = HOSTILE if i % 40 == 0 else "2 x Trail Shoe, blue"
        body = {"type": kind, "timestamp": self._now - age, "data": {"id": str(i), "total": {"amount": "129.90", "currency": "EUR"},
                "lines": [{"sku": "TS-42-BLU", "title": text, "quantity": 2}], "note": text}}  # fmt: skip
        found = []
        for receiver in RECEIVERS:
            wants = any(t in ("*", kind) or (t.endswith(".*") and kind.startswith(t[:-1])) for t in receiver.event_types)
            if wants and self._random.random() < receiver.share:
                found.append(
                    Delivery(
                        id=ids.delivery_id(event, receiver.id),
                        webhook_id=ids.webhook_id(event, receiver.id),
                        tenant="default",
                        endpoint_id=receiver.id,
                        event_id=event,
                        event_type=kind,
                        object_key=key,
                        sequence=i,
                        payload=json.dumps(body).encode(),
                        received_at=self._now - age,
                        queued_at=self._now - age,
                        not_before=0,
                        attempt=1,
                        step=0,
                        lane="live",
                    )
                )
        return found

    def _attempts(self, d: Delivery, place: tuple[str, int, int], attempts: list[Attempt], dead: list[Delivery]) -> None:
        receiver = next(r for r in RECEIVERS if r.id == d.endpoint_id)
        if receiver.state == "paused" and d.received_at > self._now - 3 * HOUR:
            return  # queued
        if receiver.state == "disabled" and d.received_at > self._now - 14 * HOUR:
            dead.append(msgspec.structs.replace(d, cause="endpoint_disabled"))
            return
        if receiver.ordering == "latest" and self._random.random() < 0.3:
            attempts.append(self._superseded(d, place, receiver))
            self.first["superseded"] = d
            return
        at, number = d.received_at + self._random.randint(4, 90), 0
        pauses = (5_000, 5 * MINUTE, 30 * MINUTE, 2 * HOUR)
        while True:
            number += 1
            bad = at > self._now - receiver.failing_ms or self._random.random() < 0.01
            last = number > len(pauses)
            due = None if not bad or last else at + int(pauses[number - 1] * self._random.uniform(0.8, 1.2))
            state = "delivered" if not bad else "dead" if last else "retrying"
            attempts.append(self._attempt(d, place, receiver, number, at, state, due))
            if state == "dead":
                last_error = attempts[-1].error
                dead.append(
                    msgspec.structs.replace(
                        d,
                        attempt=number + 1,
                        step=number,
                        cause="exhausted",
                        last_error=last_error,
                        last_status=attempts[-1].status,
                    )
                )
                self.first["dead"] = d
            if state == "retrying" and due is not None and due > self._now:
                self.first[f"retrying {receiver.how}"] = d
            if due is None or due > self._now:
                return
            at = due

    def _superseded(self, d: Delivery, place: tuple[str, int, int], r: Receiver) -> Attempt:
        made = self._attempt(d, place, r, 1, d.received_at + 40, "superseded", None)
        return msgspec.structs.replace(
            made, status=None, error_class=None, error=None, dns_ms=0.0, connect_ms=0.0, tls_ms=0.0, first_byte_ms=0.0, total_ms=0.0,
            response_headers={}, response_head=b"", response_cut=False,
        )  # fmt: skip

    def _attempt(
        self, d: Delivery, place: tuple[str, int, int], r: Receiver, number: int, at: int, state: str, due: int | None
    ) -> Attempt:
        took = r.slow_ms * self._random.lognormvariate(0, 0.5)
        fine = state == "delivered"
        facts = FINE if fine else FAILURES[r.how]
        total = facts.total_ms or took
        return Attempt(
            delivery_id=d.id, webhook_id=d.webhook_id, tenant=d.tenant, endpoint_id=d.endpoint_id, event_id=d.event_id,
            event_type=d.event_type, object_key=d.object_key, attempt=number, state=state, status=facts.status,
            error_class=facts.error_class, error=facts.error, url=r.url, started_at=at,
            dns_ms=0.0 if number > 1 and fine else 1.4, connect_ms=facts.connect_ms, tls_ms=facts.connect_ms * 1.8,
            first_byte_ms=(total * 0.94) if facts.status else 0.0, total_ms=total,
            response_headers=facts.headers, response_head=facts.body, response_cut=facts.cut, next_attempt_at=due, lane="live",
            received_at=d.received_at, queued_at=d.queued_at, delivery_topic=place[0], delivery_partition=place[1], delivery_offset=place[2],
        )  # fmt: skip

    def _aside(self) -> None:
        raw = self._log.put(topics.RECEIVED, [(f"default/shop-eu/{i}", self._received(i)) for i in range(40)])
        self._log.put(topics.UNROUTED, [("default", self._unrouted(i, raw[i])) for i in range(14)])
        self._log.put(topics.QUARANTINED, [("shop-eu", self._quarantined(i, raw[14 + i])) for i in range(5)])
        self._log.put(topics.REJECTED, [("shop-eu", self._rejected(i)) for i in range(9)])

    def _received(self, i: int) -> WebhookReceived:
        body = json.dumps({"id": i, "email": "jo@example.com", "note": HOSTILE if i == 14 else "", "line_items": []}).encode()
        return WebhookReceived(
            id=f"rcv_{i}", tenant="default", source="shop-eu", provider="shopify", provider_id=f"b54557e4-{i}", topic="orders/create",
            account="northwind.myshopify.com", object_id=str(i), headers={"x-shopify-topic": "orders/create", "x-evil": HOSTILE},
            body=body, content_type="application/json", received_at=self._now - i * 11 * MINUTE, verified_by="sec_1",
        )  # fmt: skip

    def _unrouted(self, i: int, place: tuple[str, int, int]) -> EventUnrouted:
        reason = ("unmapped", "no_match", "no_match")[i % 3]
        reasons = (
            {} if reason == "unmapped" else {"ep_erp": "wants order.*, payment.*", "ep_mail": "wants order.created and 2 more"}
        )
        return EventUnrouted(
            id=f"evt_unrouted_{i}", tenant="default", source="shop-eu", provider="shopify", type="themes/publish" if i % 3 == 0 else "inventory.low",
            object_id=f"sku-{i}", reason=reason, reasons=reasons, raw_topic=place[0], raw_partition=place[1], raw_offset=place[2],
            received_at=self._now - i * 17 * MINUTE,
        )  # fmt: skip

    def _quarantined(self, i: int, place: tuple[str, int, int]) -> EventQuarantined:
        return EventQuarantined(
            id=f"rcv_q{i}", tenant="default", source="shop-eu", provider="shopify", topic="orders/create",
            cause=("mapping_failed", "bad_json")[i % 2],
            detail=HOSTILE if i == 0 else "line_items[2].price: 'twelve' is no amount",
            raw_topic=place[0], raw_partition=place[1], raw_offset=place[2], received_at=self._now - i * 23 * MINUTE,
        )  # fmt: skip

    def _rejected(self, i: int) -> WebhookRejected:
        known = i % 4 != 3
        return WebhookRejected(
            id=f"rej_{i}", source="shop-eu" if known else HOSTILE[:60], tenant="default" if known else None,
            provider="shopify" if known else None, reason="bad_signature" if known else "unknown_source",
            detail="x-shopify-hmac-sha256 fits none of 2 secrets" if known else "there is no source of this id",
            remote="203.0.113.7", size=1843, headers={"user-agent": HOSTILE, "content-type": "application/json"},
            body=HOSTILE.encode(), received_at=self._now - i * 31 * MINUTE,
        )  # fmt: skip


def standings(now: int) -> list[EndpointStanding]:
    """What the workers say of the endpoints that fail."""
    erp = {"breaker": "open", "failing_from_at": now - 50 * MINUTE, "failures": 312, "probe_at": now + 4 * MINUTE, "last_status": 503,
           "last_error": "answered 503"}  # fmt: skip
    warehouse = {
        "breaker": "half_open",
        "failing_from_at": now - 25 * MINUTE,
        "failures": 41,
        "last_error": "timeout after 15.0 s",
    }
    told = {"ep_erp": erp, "ep_warehouse": warehouse}
    return [EndpointStanding(id=name, tenant="default", updated_at=now - MINUTE, **said) for name, said in told.items()]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt ends in."""

    status: int | None = None
    error_class: str | None = None
    error: str | None = None
    headers: dict[str, str] = {}
    body: bytes = b""
    cut: bool = False
    connect_ms: float = 0.0
    total_ms: float = 0.0


FINE: Final = Facts(
    status=200, headers={"content-type": "application/json", "server": "nginx"}, body=b'{"ok":true}', connect_ms=8.2
)
FAILURES: Final = {
    "status": Facts(
        status=503, error_class="status", error="answered 503", connect_ms=11.7, cut=True,
        headers={"content-type": "text/html", "retry-after": "30", "x-note": HOSTILE},
        body=b"<html><head><title>503</title></head><body onload=\"alert('owned')\"><script>alert('owned')</script>"
        + b"<h1>Service Temporarily Unavailable</h1><p>upstream connect error " * 20,
    ),
    "timeout": Facts(
        error_class="timeout", error="timeout after 15.0 s (connected after 12 ms, answer not complete)", connect_ms=12.4, total_ms=15_003.0
    ),
    "dns": Facts(error_class="dns", error="Could not resolve host: legacy-shop.example", total_ms=3.1),
}  # fmt: skip
